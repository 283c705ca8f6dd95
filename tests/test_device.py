"""The life of a Modbus TCP device, and of the requests to it."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.pipeline import SILENCES, UNDER_WAY
from lumina.bus.settings import DeviceSettings, UnitSettings
from lumina.bus.tcp import FIRST_PAUSE, GRACE, LAST_PAUSE, Device
from lumina.errors import (
    BadReply,
    BadRequest,
    Cancelled,
    Denied,
    ExceptionReply,
    Expired,
    NoReply,
    PortDown,
    PortLost,
    QueueFull,
    ShuttingDown,
    Suspended,
)
from lumina.interfaces import Priority, Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.testing import FakeLine, FakeWatcher

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
OTHER = bytes.fromhex("030400630064")
WRITE = WriteRegister(10, 1234)


class DeviceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()

    def device(self, **changed: Any) -> Device:
        """A device that has started; it is connected, unless it is missing."""
        settings = DeviceSettings("plc", "tcp:192.0.2.7:502", **changed)
        self.bus = Device(settings, self.line, self.clock, [self.seen])
        self.bus.startService()
        return self.bus

    def ask(self, request: Request = READ, unit: int = 1, **terms: Any) -> "Deferred[Reply]":
        return self.bus.execute(unit, request, Terms(**terms))

    def sent(self) -> list[mbap.ADU]:
        """The messages that were sent since the last call."""
        return mbap.Frames().received(self.line.sent())

    def ids(self) -> list[int]:
        return [adu.transaction for adu in self.sent()]

    def one(self) -> int:
        """The transaction id of the one message that was sent since."""
        (transaction,) = self.ids()
        return transaction

    def answer(self, transaction: int, pdu: bytes = GOOD, unit: int = 1) -> None:
        self.line.receive(mbap.encode(transaction, unit, pdu))

    def words(self) -> list[str]:
        return [outcome.word for outcome in self.seen.outcomes]


class RequestTests(DeviceCase):
    def test_reply(self) -> None:
        """
        A request goes out at once, and its reply comes back decoded; both are published.
        """
        self.device()
        done = self.ask()
        (adu,) = self.sent()
        self.assertEqual((adu.unit, adu.pdu), (1, READ.encode()))
        self.clock.advance(0.25)
        self.answer(adu.transaction)
        reply = self.successResultOf(done)
        self.assertEqual((reply.registers, reply.began, reply.ended), ((42, 43), 0.0, 0.25))
        self.assertEqual(self.words(), ["ok"])
        (exchange,) = self.seen.exchanges
        self.assertEqual((exchange.verdict, exchange.last, exchange.baudrate), ("ok", 0.25, 0))
        self.assertEqual(exchange.outgoing, mbap.encode(adu.transaction, 1, READ.encode()))
        self.assertEqual(exchange.incoming, mbap.encode(adu.transaction, 1, GOOD))

    def test_exception(self) -> None:
        """
        A refusal is an error with the unit's own code.
        """
        self.device()
        done = self.ask()
        self.answer(self.one(), b"\x83\x02")
        self.assertEqual(self.failureResultOf(done, ExceptionReply).value.code, 2)
        self.assertEqual(self.words(), ["exception_02"])

    def test_any_pieces(self) -> None:
        """
        A reply is understood wherever the network happens to cut it.
        """
        self.device()
        for cut in range(1, mbap.HEADER + len(GOOD)):
            done = self.ask()
            reply = mbap.encode(self.one(), 1, GOOD)
            self.line.receive(reply[:cut])
            self.assertNoResult(done)
            self.line.receive(reply[cut:])
            self.successResultOf(done)

    def test_one_at_a_time(self) -> None:
        """
        Without pipelining the second request waits for the end of the first.
        """
        self.device()
        first, second = self.ask(client="a"), self.ask(unit=2, client="b")
        (one,) = self.ids()
        self.answer(one)
        (two,) = self.ids()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.answer(two, unit=2)
        self.successResultOf(second)

    def test_silent_device(self) -> None:
        """
        A request that is not answered says how long was waited; the connection serves the next.
        """
        self.device(timeout=0.5)
        done = self.ask()
        self.clock.pump([0.5, 0])
        self.assertIn("unit 1 did not reply within 0.5 s", str(self.failureResultOf(done, NoReply).value))
        done = self.ask()
        self.answer(self.ids()[-1])
        self.successResultOf(done)
        self.assertEqual(self.line.opened, 1)

    def test_timeouts(self) -> None:
        """
        The request's own timeout wins over the unit's, and that over the device's.
        """
        self.device(timeout=0.5, misses=0, units={7: UnitSettings(timeout=1.5)})
        for unit, stated, patience in ((1, None, 0.5), (7, None, 1.5), (8, 2.5, 2.5)):
            done = self.ask(unit=unit, timeout=stated)
            self.clock.pump([patience - 0.01, 0])
            self.assertNoResult(done)
            self.clock.pump([0.02, 0])
            self.failureResultOf(done, NoReply)

    def test_refused_at_once(self) -> None:
        """
        What cannot be carried is refused before anything is sent.
        """
        self.device()
        for error, request, unit, terms in (
            (BadRequest, READ, 256, {}),
            (BadRequest, READ, 0, {}),
            (BadRequest, READ, 1, {"baudrate": 100}),
            (Denied, WRITE, 0, {}),
        ):
            self.failureResultOf(self.ask(request, unit, **terms), error)
        self.assertEqual(self.sent(), [])

    def test_broadcast(self) -> None:
        """
        A broadcast is sent, answered at once, and a reply to it is dropped.
        """
        self.device(broadcast=True)
        done = self.ask(WRITE, 0)
        (adu,) = self.sent()
        self.assertEqual(self.successResultOf(done).pdu, b"")
        self.answer(adu.transaction, WRITE.encode(), unit=0)
        after = self.ask()
        self.answer(self.one())
        self.successResultOf(after)
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["sent", "ok"])

    def test_queue_full(self) -> None:
        """
        What waits is bounded, for the device and for each client.
        """
        self.device(queue=2, queue_per_client=1)
        for client in "abc":
            self.ask(client=client)
        self.failureResultOf(self.ask(client="b", unit=2), QueueFull)
        self.failureResultOf(self.ask(client="d", unit=2), QueueFull)

    def test_expired(self) -> None:
        """
        A request whose patience ends while it waits is not sent; one that is under way does not expire.
        """
        self.device()
        first = self.ask(patience=0.1)
        second = self.ask(unit=2, patience=0.1)
        self.clock.pump([0.2])
        self.failureResultOf(second, Expired)
        self.answer(self.one())
        self.successResultOf(first)
        self.assertEqual(self.sent(), [])

    def test_withdrawn(self) -> None:
        """
        A request whose asker leaves is not sent; under way, it is finished for nobody.
        """
        self.device()
        under_way, waiting = self.ask(), self.ask(unit=2)
        for done in (waiting, under_way):
            done.addErrback(lambda failure: None)
            done.cancel()
        self.answer(self.one())
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.words(), [Cancelled.word, "ok"])

    def test_priority(self) -> None:
        """
        Of those that wait the more urgent goes first.
        """
        self.device()
        self.ask()
        self.ask(unit=2, client="a", priority=Priority.LOW)
        self.ask(unit=3, client="b", priority=Priority.HIGH)
        self.answer(self.one())
        self.assertEqual([adu.unit for adu in self.sent()], [3])

    def test_shared(self) -> None:
        """
        Identical reads of several clients that wait together are one exchange; each is
        answered within its own time.
        """
        self.device()
        self.ask(unit=2)
        hasty = self.ask(client="a", timeout=0.2)
        patient = self.ask(client="b", timeout=0.6)
        apart = self.ask(ReadHoldingRegisters(5, 2), client="c")
        self.answer(self.one(), unit=2)
        (one,) = self.ids()
        self.clock.pump([0.2, 0])
        self.failureResultOf(hasty, NoReply)
        self.clock.advance(0.3)
        self.answer(one)
        self.successResultOf(patient)
        self.assertNoResult(apart)
        self.assertEqual(self.seen.exchanges[-1].served, 2)

    def test_max_age(self) -> None:
        """
        A young reply answers the same question again, until something is written.
        """
        self.device(max_age=1.0)
        for again in (False, True):
            done = self.ask()
            if not again:
                self.answer(self.one())
            self.successResultOf(done)
        self.assertEqual(self.sent(), [])
        self.ask(WRITE)
        self.answer(self.one(), WRITE.encode())
        self.ask()
        self.assertEqual(len(self.sent()), 1)


class TransactionTests(DeviceCase):
    """L19 and L20 of what peers fail: whose reply is it?"""

    def test_duplicate_shifts_nothing(self) -> None:
        """
        A reply that comes twice answers one request; the next gets its own, and nothing is closed.
        """
        self.device()
        first = self.ask()
        (one,) = self.ids()
        self.answer(one)
        self.answer(one)
        self.assertEqual(self.successResultOf(first).registers, (42, 43))
        second = self.ask()
        (two,) = self.ids()
        self.answer(one)
        self.assertNoResult(second)
        self.answer(two, OTHER)
        self.assertEqual(self.successResultOf(second).registers, (99, 100))
        self.assertEqual(self.line.opened, 1)
        self.assertEqual(self.seen.exchanges[-1].foreign, (b"\x01" + GOOD,))
        self.assertEqual(self.seen.exchanges[-1].stale, mbap.HEADER + len(GOOD))

    def test_missing_reply_shifts_nothing(self) -> None:
        """
        A reply that is missing fails its own request alone, and when it comes late it is
        counted, and answers nobody.
        """
        self.device(timeout=0.5)
        first = self.ask()
        (one,) = self.ids()
        self.clock.pump([0.5, 0])
        self.failureResultOf(first, NoReply)
        second = self.ask()
        (two,) = self.ids()
        self.answer(one)
        self.assertNoResult(second)
        self.answer(two, OTHER)
        self.assertEqual(self.successResultOf(second).registers, (99, 100))
        self.assertEqual(self.seen.exchanges[-1].late, (b"\x01" + GOOD,))
        self.assertEqual(self.line.opened, 1)

    def test_write_is_sent_once(self) -> None:
        """
        A write without an answer is sent once, and its outcome is said to be unknown.
        """
        self.device(timeout=0.5, retries=3)
        done = self.ask(WRITE)
        self.clock.pump([0.5, 0] * 4)
        self.assertIn("outcome unknown", str(self.failureResultOf(done, NoReply).value))
        self.assertEqual(len(self.sent()), 1)

    def test_other_transaction(self) -> None:
        """
        A device that gives back the wrong transaction id, always the same for instance, is
        never believed, and that is said.
        """
        self.device(timeout=0.5)
        done = self.ask()
        self.answer(0)
        self.clock.pump([0.5, 0])
        sentence = str(self.failureResultOf(done, BadReply).value)
        self.assertEqual(sentence, "a reply to transaction 0 came, 1 fits")

    def test_misfits(self) -> None:
        """
        Unit, function and count of a reply must fit as on a serial line; the right reply may follow.
        """
        self.device(timeout=0.5)
        for unit, pdu, said in (
            (2, GOOD, "unit 2 replied instead of unit 1"),
            (1, bytes.fromhex("0404002A002B"), "function: 04 came, 03 fits"),
            (1, bytes.fromhex("0302002A"), "PDU length: 4 came, 6 fits"),
            (1, bytes.fromhex("0302002A002B"), "byte count: 2 came, 4 fits"),
            (1, bytes.fromhex("830201"), "function: 83 came, 03 fits"),
        ):
            done = self.ask()
            (one,) = self.ids()
            self.answer(one, pdu, unit)
            self.assertNoResult(done)
            self.clock.pump([0.5, 0])
            self.assertEqual(str(self.failureResultOf(done, BadReply).value), said)
            done = self.ask()
            (one,) = self.ids()
            self.answer(one, pdu, unit)
            self.answer(one)
            self.successResultOf(done)

    def test_write_confirmed_with_other_value(self) -> None:
        """
        A write is confirmed only by its own address and value.
        """
        self.device(timeout=0.5)
        done = self.ask(WRITE)
        self.answer(self.one(), WriteRegister(10, 1235).encode())
        self.clock.pump([0.5, 0])
        sentence = str(self.failureResultOf(done, BadReply).value)
        self.assertIn("value: 04 D3 came, 04 D2 fits", sentence)
        self.assertIn("outcome unknown", sentence)


class PipeliningTests(DeviceCase):
    def test_out_of_order(self) -> None:
        """
        Eight requests under way are answered in any order, each with its own.
        """
        self.device(pipelining=8)
        asked = [self.ask(ReadHoldingRegisters(0, 1), client=f"c{unit}", unit=unit) for unit in range(1, 10)]
        sent = self.sent()
        self.assertEqual([adu.unit for adu in sent], list(range(1, 9)))
        for adu in reversed(sent):
            self.answer(adu.transaction, bytes((3, 2, 0, adu.unit)), adu.unit)
        (last,) = self.sent()
        self.answer(last.transaction, b"\x03\x02\x00\x09", 9)
        self.assertEqual(
            [self.successResultOf(done).registers for done in asked], [(n,) for n in range(1, 10)]
        )

    def test_writes_travel_alone(self) -> None:
        """
        What is asked of a unit after a write is sent when the write is over; other units go on.
        """
        self.device(pipelining=8)
        self.ask()
        write, after, other = self.ask(WRITE), self.ask(), self.ask(unit=2, client="b")
        first, second = self.sent()
        self.assertEqual((first.unit, second.unit), (1, 2))
        self.answer(first.transaction)
        (third,) = self.sent()
        self.assertEqual(third.pdu, WRITE.encode())
        self.answer(third.transaction, WRITE.encode())
        self.successResultOf(write)
        (fourth,) = self.ids()
        self.answer(fourth)
        self.successResultOf(after)
        self.assertNoResult(other)

    def test_missed_together(self) -> None:
        """
        Requests that were under way together and are not answered are one miss of their unit.
        """
        self.device(pipelining=8, timeout=0.5, misses=2)
        asked = [self.ask(ReadHoldingRegisters(n, 2), client=str(n)) for n in range(8)]
        self.clock.pump([0.5, 0])
        for done in asked:
            self.failureResultOf(done, NoReply)
        self.assertEqual(self.bus.unit_states(), {1: "missing"})


class BreakerTests(DeviceCase):
    def test_dead_unit(self) -> None:
        """
        A unit that keeps silent is refused at once until it answers a try; other units are served.
        """
        self.device(timeout=0.5, misses=2)
        for _ in range(2):
            self.failureResultOf(self.late(self.ask()), NoReply)
        self.failureResultOf(self.ask(), Suspended)
        other = self.ask(unit=2)
        self.answer(self.ids()[-1], unit=2)
        self.successResultOf(other)
        self.clock.advance(30)
        again = self.ask()
        self.answer(self.one())
        self.successResultOf(again)
        self.assertEqual(self.bus.unit_states()[1], "ok")

    def test_tried_when_reconnected(self) -> None:
        """
        A suspended unit may be tried as soon as the device is connected anew.
        """
        self.device(timeout=0.5, misses=2)
        for _ in range(2):
            self.failureResultOf(self.late(self.ask()), NoReply)
        self.failureResultOf(self.ask(), Suspended)
        self.line.unplug()
        self.clock.advance(FIRST_PAUSE)
        again = self.ask()
        self.answer(self.one())
        self.successResultOf(again)

    def late(self, done: "Deferred[Reply]") -> "Deferred[Reply]":
        self.clock.pump([0.5, 0])
        return done


class RetryTests(DeviceCase):
    def test_reads(self) -> None:
        """
        A read that failed is sent again where configured; the reply to either trial counts once.
        """
        self.device(retries=1, timeout=0.5)
        done = self.ask()
        self.clock.pump([0.5, 0])
        one, two = self.ids()
        self.answer(one)
        self.assertNoResult(done)
        self.answer(two)
        self.successResultOf(done)
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["timeout", "ok"])
        self.assertEqual(self.words(), ["ok"])


class ConnectionTests(DeviceCase):
    def test_waits_for_the_first(self) -> None:
        """
        What is asked before the first connection is made waits for it; if none can be made
        it is refused at once from then on.
        """
        self.line.missing = "no route"
        self.device()
        self.failureResultOf(self.ask(), PortDown)
        status = self.bus.status()
        self.assertEqual((status.state, status.reason), ("closed", "no route"))

    def test_backoff(self) -> None:
        """
        A device that cannot be reached is tried after 0.1 s, then twice as long each time, up to 5 s.
        """
        self.line.missing = "no route"
        self.device()
        pauses = []
        for _ in range(8):
            (attempt,) = self.clock.getDelayedCalls()
            pauses.append(round(attempt.getTime() - self.clock.seconds(), 6))
            self.clock.advance(pauses[-1])
        self.assertEqual(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
        self.line.missing = ""
        self.clock.advance(LAST_PAUSE)
        done = self.ask()
        self.answer(self.one())
        self.successResultOf(done)

    def test_lost_under_way(self) -> None:
        """
        What is under way when the connection is lost fails at once, a write as unknown; what
        waits is sent on the next connection.
        """
        self.device()
        write, waiting = self.ask(WRITE), self.ask()
        self.answer(99)
        self.sent()
        self.line.unplug()
        self.assertIn("outcome unknown", str(self.failureResultOf(write, PortLost).value))
        self.assertNoResult(waiting)
        self.clock.advance(FIRST_PAUSE)
        self.answer(self.one())
        self.successResultOf(waiting)

    def test_nothing_ever_came(self) -> None:
        """
        A device that takes the connection and closes it is like one that does not take it.
        """
        self.device()
        under_way, waiting = self.ask(), self.ask(unit=2)
        self.line.unplug()
        self.failureResultOf(under_way, PortLost)
        self.failureResultOf(waiting, PortDown)
        self.failureResultOf(self.ask(), PortDown)

    def test_silence_reconnects(self) -> None:
        """
        When nothing at all has come in answer to several requests, the connection is made anew.
        """
        self.device(timeout=0.5, misses=0)
        for _ in range(SILENCES):
            self.assertEqual(self.line.opened, 1)
            done = self.ask()
            self.clock.pump([0.5, 0])
            self.failureResultOf(done, NoReply)
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(self.line.opened, 2)

    def test_lying_length(self) -> None:
        """
        After a header with an impossible length nothing can be understood: the connection is made anew.
        """
        self.device()
        done = self.ask()
        (one,) = self.ids()
        self.line.receive(bytes((0, one, 0, 0, 1, 44, 1)))
        self.assertIn("length: 300", str(self.failureResultOf(done, BadReply).value))
        self.clock.advance(FIRST_PAUSE)
        done = self.ask()
        self.answer(self.one())
        self.successResultOf(done)

    def test_other_protocol(self) -> None:
        """
        Messages of another protocol are dropped, and the reply behind one counts.
        """
        self.device(timeout=0.5)
        alien = bytes.fromhex("0001 0005 0007 01 0304002A002B")
        for reply, error in ((True, None), (False, BadReply)):
            done = self.ask()
            (one,) = self.ids()
            self.line.receive(alien + (mbap.encode(one, 1, GOOD) if reply else b""))
            self.clock.pump([0.5, 0])
            if error is None:
                self.successResultOf(done)
            else:
                self.failureResultOf(done, error)

    def test_half_a_message(self) -> None:
        """
        A reply that has begun in time may come to its end a little later; if it does not,
        that is said, and its rest answers nobody.
        """
        self.device(timeout=0.5)
        for finished in (True, False):
            done = self.ask()
            reply = mbap.encode(self.one(), 1, GOOD)
            self.line.receive(reply[:8])
            self.clock.pump([0.5, 0, UNDER_WAY / 2, 0])
            self.assertNoResult(done)
            if finished:
                self.line.receive(reply[8:])
                self.successResultOf(done)
        self.clock.pump([UNDER_WAY / 2, 0])
        self.failureResultOf(done, BadReply)
        self.assertTrue(self.seen.exchanges[-1].short)
        self.line.receive(reply[8:])
        done = self.ask()
        self.answer(self.one(), OTHER)
        self.assertEqual(self.successResultOf(done).registers, (99, 100))

    def test_flood(self) -> None:
        """
        Any number of messages that nobody asked for costs no memory, and the reply is found among them.
        """
        self.device()
        done = self.ask()
        (one,) = self.ids()
        for _ in range(100):
            self.line.receive(100 * mbap.encode(7777, 1, GOOD))
        self.answer(one)
        self.successResultOf(done)
        (exchange,) = self.seen.exchanges
        self.assertLess(len(exchange.foreign), 100)
        self.assertEqual(exchange.noise, (10_000 - len(exchange.foreign)) * (mbap.HEADER + len(GOOD)))

    def test_idle(self) -> None:
        """
        Where it is configured, a connection that nobody uses is closed until the next request.
        """
        self.device(idle=10.0)
        for _ in range(3):
            self.clock.advance(8)
            self.ask()
            self.answer(self.one())
        self.assertTrue(self.line.is_open)
        self.clock.pump([5, 5, 5, 5])
        self.assertFalse(self.line.is_open)
        self.assertEqual(self.bus.status().state, "closed")
        done = self.ask()
        self.answer(self.one())
        self.successResultOf(done)
        self.assertEqual(self.line.opened, 2)


class StopTests(DeviceCase):
    def test_under_way_ends(self) -> None:
        """
        When lumina stops, what is under way may end; what waits and what comes is refused.
        """
        self.device()
        under_way, waiting = self.ask(), self.ask(unit=2)
        stopped = self.bus.stopService()
        self.failureResultOf(waiting, ShuttingDown)
        self.failureResultOf(self.ask(), ShuttingDown)
        self.assertNoResult(stopped)
        self.answer(self.one())
        self.successResultOf(under_way)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_grace(self) -> None:
        """
        A device that does not answer holds the stop up for 3 s at the most.
        """
        self.device(timeout=60)
        under_way = self.ask()
        stopped = self.bus.stopService()
        self.clock.advance(GRACE)
        self.failureResultOf(under_way, PortLost)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unreachable(self) -> None:
        """
        A device that is not there does not hold the stop up at all.
        """
        self.line.missing = "no route"
        self.device()
        self.successResultOf(self.bus.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
