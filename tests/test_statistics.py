"""What is counted of ports and units, and what the times amount to."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lumina.interfaces import Exchange, Outcome, Terms
from lumina.modbus import rtu
from lumina.modbus.pdu import Opaque, ReadHoldingRegisters, WriteRegister
from lumina.status import PortStatistics, PortStatus, Times, UnitStatistics
from lumina.watch.statistics import PortTally

STATUS = PortStatus("bus", "/dev/ttyS0", (), "9600 8N1", "idle")
READ, WRITE = ReadHoldingRegisters(0, 1), WriteRegister(0, 1)
OUTCOME = Outcome("bus", 1, READ, Terms(), "ok", 0.0, 0.1, 0.2)
REPLY = rtu.encode(1, bytes.fromhex("03020001"))
CHARACTER = 0.001

#: 8 bytes from 1.0 on, a reply of 7 bytes that begins 20 ms after their end.
EXCHANGE = Exchange(
    port="bus",
    unit=1,
    request=READ,
    baudrate=10000,
    outgoing=rtu.encode(1, READ.encode()),
    incoming=REPLY,
    verdict="ok",
    sent=1.0,
    ended=1.008,
    first=1.028,
    last=1.035,
)
SILENT = EXCHANGE._replace(incoming=b"", verdict="timeout", first=None, last=None)


def bad(incoming: bytes, **what: Any) -> Exchange:
    """An exchange that brought no sound reply, but these bytes."""
    return EXCHANGE._replace(incoming=incoming, verdict="bad_reply", **what)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.tally = PortTally("bus", 0.0)

    def ended(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.tally.unit(outcome.unit).outcome(outcome)

    def carried(self, *exchanges: Exchange) -> None:
        for exchange in exchanges:
            self.tally.exchange(exchange)

    def port(self, now: float = 2.0) -> PortStatistics:
        return self.tally.statistics(now, STATUS)

    def unit(self, unit: int = 1, now: float = 2.0) -> UnitStatistics:
        return {each.unit: each for each in self.tally.units(now, {})}[unit]


class RequestTests(Case):
    def test_nothing(self) -> None:
        """
        Where nothing was asked all counts are 0, and no share is made up.
        """
        self.assertEqual(self.port(0.0), PortStatistics("bus"))
        self.assertEqual(self.tally.units(0.0, {}), [])

    def test_words(self) -> None:
        """
        Requests are counted by how they ended; one that its asker withdrew is no failure.
        """
        self.ended(*[OUTCOME._replace(word=word) for word in ("ok", "timeout", "ok", "cancelled", "expired")])
        traffic = self.unit().traffic
        self.assertEqual(traffic.requests, 5)
        self.assertEqual(traffic.words, {"ok": 2, "timeout": 1, "cancelled": 1, "expired": 1})
        self.assertEqual(traffic.failure_rate, 0.5)
        self.assertEqual(self.unit().error, "expired")

    def test_sum(self) -> None:
        """
        A port's counts and times are those of its units together.
        """
        self.ended(OUTCOME, OUTCOME._replace(unit=2, word="timeout", sent=0.3), OUTCOME._replace(unit=2))
        self.carried(EXCHANGE, SILENT._replace(unit=2), EXCHANGE._replace(unit=2, first=1.048, last=1.055))
        traffic = self.port().traffic
        self.assertEqual((traffic.requests, traffic.words), (3, {"ok": 2, "timeout": 1}))
        self.assertEqual(self.tally.words(), {"ok": 2, "timeout": 1})
        self.assertEqual((traffic.exchanges, traffic.replies, traffic.timeouts), (3, 2, 1))
        self.assertEqual((traffic.wait.count, traffic.wait.most), (3, 0.3))
        self.assertAlmostEqual(traffic.wait.mean, 0.5 / 3)
        self.assertAlmostEqual(traffic.reply_time.least, 0.02)
        self.assertAlmostEqual(traffic.reply_time.most, 0.04)
        self.assertEqual(self.unit(1).traffic.requests, 1)
        self.assertEqual(self.unit(2).traffic.requests, 2)

    def test_unknown_writes(self) -> None:
        """
        A write that was sent and not confirmed has an unknown outcome; one that was
        refused, confirmed or never sent has not, and no read has.
        """
        write = OUTCOME._replace(request=WRITE)
        self.ended(*[write._replace(word=word) for word in ("timeout", "bad_reply", "serial_error")])
        self.ended(write, write._replace(word="exception_02"), write._replace(word="expired", sent=None))
        self.ended(OUTCOME._replace(word="timeout"))
        self.assertEqual(self.port().traffic.unknown, 3)

    def test_wait(self) -> None:
        """
        Only requests that were sent tell how long one waits.
        """
        self.ended(OUTCOME, OUTCOME._replace(word="queue_full", sent=None), OUTCOME._replace(sent=0.5))
        self.assertEqual(self.unit().traffic.wait.count, 2)
        self.assertAlmostEqual(self.unit().traffic.wait.mean, 0.3)
        self.assertEqual(self.unit().traffic.wait.least, 0.1)

    def test_impossible_units(self) -> None:
        """
        Requests to numbers that no unit can have are counted, and cost no memory.
        """
        self.ended(*[OUTCOME._replace(unit=unit, word="bad_request", sent=None) for unit in range(256, 900)])
        self.assertEqual(self.port().traffic.requests, 644)
        self.assertEqual(self.tally.units(2.0, {}), [])
        self.assertEqual(len(self.tally._units), 1)


class ExchangeTests(Case):
    def test_exceptions(self) -> None:
        """
        Exceptions are replies, counted by code.
        """
        refused = EXCHANGE._replace(verdict="exception_02")
        self.carried(EXCHANGE, refused, refused, EXCHANGE._replace(verdict="exception_0B"), SILENT)
        traffic = self.unit().traffic
        self.assertEqual(traffic.exceptions, {0x02: 2, 0x0B: 1})
        self.assertEqual((traffic.exchanges, traffic.replies, traffic.timeouts), (5, 4, 1))

    def test_broadcast(self) -> None:
        """
        A broadcast is an exchange that nobody replies to, and no failure.
        """
        self.carried(SILENT._replace(unit=0, verdict="sent"))
        traffic = self.unit(0).traffic
        self.assertEqual((traffic.exchanges, traffic.replies, traffic.timeouts), (1, 0, 0))

    def test_remembered(self) -> None:
        """
        Replies given from memory are counted, with the age of the oldest.
        """
        for age in (0.2, 0.7, 0.1):
            self.ended(OUTCOME._replace(sent=None, age=age))
        self.ended(OUTCOME)
        traffic = self.unit().traffic
        self.assertEqual((traffic.remembered, traffic.oldest), (3, 0.7))

    def test_shared(self) -> None:
        """
        Requests that the exchange of another one answered are counted as shared.
        """
        self.carried(EXCHANGE._replace(served=50), EXCHANGE, EXCHANGE._replace(served=0))
        self.assertEqual(self.unit().traffic.shared, 49)

    def test_late(self) -> None:
        """
        A late reply is the trouble of the unit that sent it, and shows that it lives; a
        foreign frame is the trouble of the exchange that it came into.
        """
        late, stranger = rtu.encode(7, bytes.fromhex("03020001")), rtu.encode(9, bytes.fromhex("03020001"))
        self.carried(SILENT._replace(unit=7))
        self.assertEqual(self.unit(7).seen, None)
        self.carried(EXCHANGE._replace(late=(late,), foreign=(stranger,)))
        self.assertEqual([self.unit(unit).traffic.late for unit in (1, 7)], [0, 1])
        self.assertEqual([self.unit(unit).traffic.foreign for unit in (1, 7)], [1, 0])
        self.assertEqual(self.unit(7, 3.0).seen, 2.0)
        self.assertEqual((self.port().traffic.late, self.port().traffic.foreign), (1, 1))

    def test_bytes_of_trouble(self) -> None:
        """
        Noise and stale bytes are counted in bytes.
        """
        self.carried(EXCHANGE._replace(noise=3, stale=5), EXCHANGE._replace(noise=4))
        self.assertEqual((self.unit().traffic.noise, self.unit().traffic.stale), (7, 5))

    def test_damaged_and_short(self) -> None:
        """
        A wrong CRC, a reply that broke off, noise and a frame of another are told apart.
        """
        self.carried(bad(REPLY[:-1] + b"x", damaged=True, noise=7))
        self.carried(bad(REPLY[:4], noise=4, short=True), bad(b"\x01\x83\x02", noise=3, short=True))
        self.carried(bad(b"\xff\x00", noise=2))
        traffic = self.unit().traffic
        self.assertEqual((traffic.damaged, traffic.short), (1, 2))

    def test_seen(self) -> None:
        """
        A unit was seen when its last sound reply came, an exception too; silence changes nothing.
        """
        self.carried(EXCHANGE, EXCHANGE._replace(verdict="exception_02", last=5.0), SILENT._replace(sent=9.0))
        self.assertEqual(self.unit(now=12.0).seen, 7.0)

    def test_state(self) -> None:
        """
        A unit is shown with what the port makes of it.
        """
        self.ended(OUTCOME, OUTCOME._replace(unit=2))
        units = self.tally.units(2.0, {2: "suspended"})
        self.assertEqual([(each.unit, each.state) for each in units], [(1, ""), (2, "suspended")])


class ReplyTimeTests(Case):
    def reply_time(self, **what: Any) -> float:
        self.setUp()
        self.carried(EXCHANGE._replace(**what))
        return self.unit().traffic.reply_time.mean

    def test_clean(self) -> None:
        """
        A reply time lasts from the end of the request to the first byte of the reply.
        """
        self.assertAlmostEqual(self.reply_time(), 0.02)

    def test_echo(self) -> None:
        """
        An echo is not taken for a reply of no time.
        """
        echoed = EXCHANGE.outgoing + REPLY
        self.assertAlmostEqual(self.reply_time(incoming=echoed, first=1.001), 0.02)

    def test_noise_before(self) -> None:
        """
        Neither is noise, nor a foreign frame.
        """
        self.assertAlmostEqual(self.reply_time(incoming=b"\xff" + REPLY, first=1.009, noise=1), 0.02)
        frames = rtu.encode(9, b"\x03\x02\x00\x01") + REPLY
        self.assertAlmostEqual(self.reply_time(incoming=frames, first=1.009, foreign=(frames[:7],)), 0.02)

    def test_exception(self) -> None:
        """
        An exception is shorter than the reply that was asked for.
        """
        echoed = EXCHANGE.outgoing + rtu.encode(1, b"\x83\x02")
        self.assertAlmostEqual(
            self.reply_time(incoming=echoed, first=1.001, last=1.033, verdict="exception_02"), 0.02
        )

    def test_unknown_function(self) -> None:
        """
        Where no length is known, what came and is no noise was the reply.
        """
        self.assertAlmostEqual(
            self.reply_time(request=Opaque(b"\x42"), incoming=b"\xff" + REPLY, first=1.009, noise=1), 0.02
        )

    def test_only_sound_replies(self) -> None:
        """
        Silence and bad replies have no reply time.
        """
        self.carried(SILENT, bad(REPLY[:3]))
        self.assertEqual(self.unit().traffic.reply_time, Times())


class UseTests(Case):
    def test_both_directions(self) -> None:
        """
        The line is in use while a request or a reply is on the wire, not while it is waited for.
        """
        self.carried(EXCHANGE)
        self.assertAlmostEqual(self.port(3.0).busy, 15 * CHARACTER / 3)
        self.carried(SILENT)
        self.assertAlmostEqual(self.port(3.0).busy, 23 * CHARACTER / 3)

    def test_echo(self) -> None:
        """
        What comes back while it is sent takes no time of its own.
        """
        echoed = EXCHANGE.outgoing + REPLY
        self.carried(EXCHANGE._replace(incoming=echoed, first=1.0))
        self.assertAlmostEqual(self.port(3.0).busy, 15 * CHARACTER / 3)

    def test_stale_and_endless(self) -> None:
        """
        Bytes that nobody asked for use the line as well, also those that were not kept.
        """
        self.carried(EXCHANGE._replace(stale=5))
        self.assertAlmostEqual(self.port(3.0).busy, 20 * CHARACTER / 3)
        self.setUp()
        self.carried(bad(b"\xff", noise=1000, first=1.01))
        self.assertAlmostEqual(self.port(3.0).busy, 1008 * CHARACTER / 3)

    def test_lately(self) -> None:
        """
        The last minute is told apart from all the time.
        """
        for second in range(100):
            self.carried(
                EXCHANGE._replace(
                    sent=second, ended=second + 0.008, first=second + 0.028, last=second + 0.035
                )
            )
        self.assertAlmostEqual(self.port(100.0).busy, 0.015)
        self.assertAlmostEqual(self.port(100.0).busy_lately, 0.015, 3)
        self.assertAlmostEqual(self.port(200.0).busy, 0.0075)
        self.assertEqual(self.port(200.0).busy_lately, 0.0)

    def test_young(self) -> None:
        """
        In its first minute a port is not thought idle for the time before.
        """
        self.carried(EXCHANGE)
        self.assertAlmostEqual(self.port(3.0).busy_lately, 15 * CHARACTER / 3)

    def test_never_more_than_all(self) -> None:
        """
        No share is more than all of the time.
        """
        self.carried(EXCHANGE._replace(stale=10**6))
        self.assertEqual((self.port().busy, self.port().busy_lately), (1.0, 1.0))
