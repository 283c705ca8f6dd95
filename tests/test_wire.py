"""Bytes and timers on one line."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.alarm import ExactAlarm
from lumina.bus.attempt import Attempt
from lumina.bus.wire import PATIENCE, Wire
from lumina.errors import BadReply, NoReply, PortDown, PortLost
from lumina.modbus.pdu import Opaque, ReadHoldingRegisters, WriteRegister
from lumina.modbus.rtu import Line, encode
from lumina.modbus.transaction import Transaction
from lumina.testing import pass_time

LINE = Line(9600)
READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
REPLY = encode(1, GOOD)
REQUEST_TIME = LINE.duration(8)
SLACK = 0.02


class WireCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line = Clock(), StringTransport()
        self.wire = Wire(self.clock, "bus", LINE, SLACK)
        self.wire.makeConnection(self.line)

    def send(self, timeout: float = 0.5, broadcast: bool = False, echo: bool = False) -> "Deferred[Attempt]":
        request = WriteRegister(1, 3) if broadcast else READ
        return self.wire.exchange(Transaction(0 if broadcast else 1, request, echo), timeout, broadcast)

    def end(self, done: "Deferred[Attempt]") -> Attempt:
        """The attempt, after which no timer is left."""
        attempt = self.successResultOf(done)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return attempt


class ExchangeTests(WireCase):
    def test_reply(self) -> None:
        """
        The reply is given out the moment its last byte comes, and every stamp is kept.
        """
        done = self.send()
        self.assertEqual(self.line.value(), encode(1, READ.encode()))
        self.clock.advance(REQUEST_TIME)
        self.clock.advance(0.1)
        self.wire.dataReceived(REPLY[:4])
        self.clock.advance(0.003)
        self.assertNoResult(done)
        self.wire.dataReceived(REPLY[4:])
        attempt = self.end(done)
        self.assertEqual((attempt.pdu, attempt.error), (GOOD, None))
        exchange = attempt.exchange
        self.assertEqual((exchange.verdict, exchange.incoming, exchange.sent), ("ok", REPLY, 0.0))
        self.assertAlmostEqual(exchange.ended, REQUEST_TIME)
        self.assertAlmostEqual(exchange.first or 0, REQUEST_TIME + 0.1)
        self.assertAlmostEqual(exchange.last or 0, REQUEST_TIME + 0.103)

    def test_exception(self) -> None:
        """
        An exception is given out as early, and named in the exchange.
        """
        done = self.send()
        self.clock.advance(REQUEST_TIME)
        self.wire.dataReceived(encode(1, b"\x83\x02"))
        self.assertEqual(self.end(done).exchange.verdict, "exception_02")

    def test_silent_unit(self) -> None:
        """
        A unit that never answers costs the request's time on the wire and the timeout.
        """
        done = self.send(timeout=0.5)
        self.clock.advance(REQUEST_TIME + 0.499)
        self.assertNoResult(done)
        self.clock.advance(0.001)
        self.assertIsInstance(self.end(done).error, NoReply)

    def test_reply_under_way(self) -> None:
        """
        A reply that began in time may end after the deadline; one that stops may not.
        """
        for rest in (REPLY[4:], b""):
            self.setUp()
            done = self.send(timeout=0.5)
            self.clock.advance(REQUEST_TIME + 0.499)
            self.wire.dataReceived(REPLY[:4])
            self.clock.advance(0.004)
            self.assertNoResult(done)
            self.wire.dataReceived(rest)
            if not rest:
                self.clock.advance(0.1)
            self.assertEqual(self.end(done).pdu, GOOD if rest else b"")

    def test_pauses_in_a_reply(self) -> None:
        """
        A reply that comes in pieces, with pauses longer than the silence
        between frames, is a reply all the same.
        """
        for cut in range(1, len(REPLY)):
            self.setUp()
            done = self.send()
            self.clock.advance(REQUEST_TIME)
            self.wire.dataReceived(REPLY[:cut])
            self.clock.advance(SLACK)
            self.assertNoResult(done)
            self.wire.dataReceived(REPLY[cut:])
            self.assertEqual(self.end(done).pdu, GOOD)

    def test_broken_off(self) -> None:
        """
        A reply that stops is reported when its time is over, not at the
        deadline; one or two bytes may be noise, and the wait goes on.
        """
        for cut in range(1, len(REPLY)):
            self.setUp()
            done = self.send(timeout=5)
            self.clock.advance(REQUEST_TIME)
            self.wire.dataReceived(REPLY[:cut])
            for _ in range(20):
                self.clock.advance(0.005)
            if cut > 2:
                self.assertIn(f"short, {cut} of 9 bytes", str(self.end(done).error))
                continue
            self.assertNoResult(done)
            self.wire.dataReceived(REPLY)
            self.assertEqual(self.end(done).pdu, GOOD)

    def test_trickle(self) -> None:
        """
        Bytes that never make a reply cannot extend the wait without end.
        """
        done = self.send(timeout=0.5)
        self.clock.advance(REQUEST_TIME + 0.499)
        for step in range(1000):
            self.wire.dataReceived(b"\x01\x03\xff"[step % 3 : step % 3 + 1])
            self.clock.advance(0.01)
            if done.called:
                break
        self.assertLess(self.clock.seconds(), REQUEST_TIME + 0.5 + 2 * LINE.duration(256))
        self.assertIsInstance(self.end(done).error, BadReply)

    def test_damaged_reply(self) -> None:
        """
        A reply with a wrong CRC is reported once the line is quiet, not at the deadline.
        """
        done = self.send(timeout=5)
        self.clock.advance(REQUEST_TIME)
        self.wire.dataReceived(REPLY[:-1] + b"\x00")
        self.clock.advance(SLACK - 0.001)
        self.assertNoResult(done)
        self.clock.advance(0.001)
        attempt = self.end(done)
        self.assertIn("CRC", str(attempt.error))
        self.assertTrue(attempt.exchange.damaged)

    def test_foreign_reply(self) -> None:
        """
        Another unit's frame is dropped, and the wait goes on to the same deadline.
        """
        foreign = encode(2, GOOD)
        done = self.send(timeout=0.5)
        self.clock.advance(REQUEST_TIME + 0.4)
        self.wire.dataReceived(foreign)
        self.clock.advance(0.05)
        self.assertNoResult(done)
        self.wire.dataReceived(REPLY)
        attempt = self.end(done)
        self.assertEqual((attempt.pdu, attempt.exchange.foreign), (GOOD, (foreign,)))

    def test_unknown_function(self) -> None:
        """
        A reply of an unknown function is complete when the line is quiet.
        """
        done = self.wire.exchange(Transaction(1, Opaque(b"\x41")), 0.5)
        self.clock.advance(REQUEST_TIME)
        self.wire.dataReceived(encode(1, b"\x41\x01\x02"))
        self.assertNoResult(done)
        self.clock.advance(SLACK)
        self.assertEqual(self.end(done).pdu, b"\x41\x01\x02")

    def test_broadcast(self) -> None:
        """
        A broadcast holds the line for its turnaround, whatever comes, and is sent.
        """
        done = self.send(timeout=0.1, broadcast=True)
        self.clock.advance(REQUEST_TIME)
        self.wire.dataReceived(encode(0, WriteRegister(1, 3).encode()))
        self.clock.advance(0.099)
        self.assertNoResult(done)
        self.clock.advance(0.001)
        attempt = self.end(done)
        self.assertEqual((attempt.pdu, attempt.error, attempt.exchange.verdict), (b"", None, "sent"))

    def test_line_lost(self) -> None:
        """
        Unplugged in mid-exchange, the exchange ends at once; what comes after is refused.
        """
        done = self.send()
        self.wire.connectionLost()
        self.assertIsInstance(self.end(done).error, PortLost)
        self.assertEqual(self.successResultOf(self.wire.lost), "")
        self.failureResultOf(self.wire.silence(0), PortDown)

    def test_stale_bytes(self) -> None:
        """
        What came before the request is counted once, and is no part of the reply.
        """
        self.wire.dataReceived(REPLY)
        self.clock.advance(1)
        done = self.send()
        self.clock.advance(0.6)
        attempt = self.end(done)
        self.assertEqual((attempt.exchange.stale, attempt.exchange.incoming), (len(REPLY), b""))
        self.assertIsInstance(attempt.error, NoReply)


class SilenceTests(WireCase):
    def test_gap_after_a_reply(self) -> None:
        """
        The next request waits for three and a half characters after the last byte.
        """
        done = self.send()
        self.clock.advance(REQUEST_TIME)
        self.wire.dataReceived(REPLY)
        self.end(done)
        silent = self.wire.silence(0)
        self.clock.advance(LINE.gap - 0.0001)
        self.assertNoResult(silent)
        self.clock.advance(0.0002)
        self.successResultOf(silent)

    def test_gap_begins_with_the_last_byte(self) -> None:
        """
        A byte that comes late begins the gap anew.
        """
        self.wire.dataReceived(b"\x00")
        silent = self.wire.silence(0)
        self.clock.advance(LINE.gap - 0.001)
        self.wire.dataReceived(b"\x00")
        self.clock.advance(LINE.gap - 0.001)
        self.assertNoResult(silent)
        self.clock.advance(0.001)
        self.successResultOf(silent)

    def test_frame_that_has_begun(self) -> None:
        """
        Somebody who speaks without being asked may come to his end: what begins
        as a frame is given the time that an adapter may hold its rest up.
        """
        self.wire.dataReceived(b"\x07\x03\x02")
        silent = self.wire.silence(0)
        self.clock.advance(SLACK - 0.001)
        self.assertNoResult(silent)
        self.wire.dataReceived(b"\x00\x2a")
        pass_time(self.clock, SLACK - 0.001)
        self.assertNoResult(silent)
        self.clock.advance(0.001)
        self.successResultOf(silent)

    def test_frame_that_has_begun_beside_a_broadcast(self) -> None:
        """
        The same where a late reply begins while a broadcast holds the line.
        """
        done = self.send(timeout=0.1, broadcast=True)
        pass_time(self.clock, REQUEST_TIME + 0.095)
        self.wire.dataReceived(b"\x07\x03\x02")
        pass_time(self.clock, 0.005)
        self.end(done)
        silent = self.wire.silence(0)
        pass_time(self.clock, SLACK - 0.006)
        self.assertNoResult(silent)
        pass_time(self.clock, 0.001)
        self.successResultOf(silent)

    def test_longer_gap(self) -> None:
        """
        A longer gap that a port or unit needs is kept.
        """
        self.wire.dataReceived(b"\x00")
        silent = self.wire.silence(0.2)
        self.clock.advance(0.199)
        self.assertNoResult(silent)
        self.clock.advance(0.001)
        self.successResultOf(silent)

    def test_draining(self) -> None:
        """
        After bad bytes the line must be quiet for longer: they may have been held up.
        """
        done = self.send(timeout=0.1)
        self.clock.advance(REQUEST_TIME + 0.1)
        self.end(done)
        self.wire.dataReceived(REPLY)
        self.assertEqual(self.wire.state, "draining")
        silent = self.wire.silence(0)
        self.clock.advance(SLACK - 0.001)
        self.assertNoResult(silent)
        self.clock.advance(0.001)
        self.successResultOf(silent)
        self.assertEqual(self.wire.state, "idle")

    def test_never_quiet(self) -> None:
        """
        Endless bytes are an error within bounds, not a wait without end.
        """
        self.wire.dataReceived(b"\x00")
        silent = self.wire.silence(0)
        for _ in range(int(PATIENCE / 0.001) + 10):
            self.clock.advance(0.001)
            self.wire.dataReceived(b"\x00")
        self.assertIn("never quiet", str(self.failureResultOf(silent, PortDown).value))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_early_reply(self) -> None:
        """
        A reply that comes while the request should still be on the wire does
        not make the line seem busy.
        """
        self.wire.switch(Line(300))
        done = self.send()
        self.wire.dataReceived(REPLY)
        self.successResultOf(done)
        silent = self.wire.silence(0)
        self.clock.pump([0.01] * 60)
        self.successResultOf(silent)

    def test_lost_while_waiting(self) -> None:
        """
        Unplugged while the gap is waited for, the wait ends.
        """
        self.wire.dataReceived(b"\x00")
        silent = self.wire.silence(1)
        self.wire.connectionLost()
        self.failureResultOf(silent, PortDown)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ExactAlarmTests(SynchronousTestCase):
    @given(st.floats(0, 0.05), st.lists(st.floats(0.00001, 0.004), min_size=1, max_size=40))
    def test_never_early(self, due: float, turns: list[float]) -> None:
        """
        However the reactor's turns fall, the alarm rings at the first one that is not before its time.
        """
        clock, rang = Clock(), list[float]()
        ExactAlarm(clock).set(due, lambda: rang.append(clock.seconds()))
        clock.advance(0)
        for turn in [*turns, 0.1]:
            before = clock.seconds()
            clock.advance(turn)
            if rang:
                self.assertGreaterEqual(rang[0], due - 1e-9)
                self.assertTrue(before <= due or rang[0] == before)
                return
        self.fail("it never rang")

    def test_replaced(self) -> None:
        """
        What is set replaces what was set; cancelled, it never rings.
        """
        clock, rang = Clock(), list[str]()
        alarm = ExactAlarm(clock)
        alarm.set(1, lambda: rang.append("first"))
        alarm.set(2, lambda: rang.append("second"))
        clock.advance(3)
        self.assertEqual(rang, ["second"])
        alarm.set(4, lambda: rang.append("third"))
        alarm.cancel()
        clock.advance(3)
        self.assertEqual((rang, clock.getDelayedCalls()), (["second"], []))
