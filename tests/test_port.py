"""The life of a port, and of the requests on it."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import GRACE, JAM_REOPEN, JAM_TRIAL, LAST_PAUSE, SETTLING, Port
from lumina.bus.settings import PortSettings, UnitSettings
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
from lumina.interfaces import Exchange, Outcome, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeLine, FakeWatcher

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
WRITE = WriteRegister(10, 1234)


class PortCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()

    def port(self, **changed: Any) -> Port:
        """A port in use; it has settled."""
        settings = PortSettings("bus", "/dev/ttyS0", line=Line(9600), **changed)
        self.bus = Port(settings, self.line, self.clock, [self.seen])
        self.bus.startService()
        self.clock.advance(SETTLING)
        return self.bus

    def ask(self, request: Request = READ, unit: int = 1, **terms: Any) -> "Deferred[Reply]":
        done = self.bus.execute(unit, request, Terms(**terms))
        self.clock.advance(0.01)
        return done

    def answer(self, pdu: bytes = GOOD, unit: int = 1) -> None:
        """The request is over, and this comes."""
        self.clock.advance(0.01)
        self.line.receive(encode(unit, pdu))
        self.clock.advance(0.01)

    def words(self) -> list[str]:
        return [outcome.word for outcome in self.seen.outcomes]


class RequestTests(PortCase):
    def test_reply(self) -> None:
        """
        A request goes out with its CRC, and its reply comes back decoded.
        """
        self.port()
        done = self.ask()
        self.assertEqual(self.line.sent(), bytes.fromhex("010300000002C40B"))
        self.answer()
        self.assertEqual(self.successResultOf(done).registers, (42, 43))
        self.assertEqual(self.words(), ["ok"])
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["ok"])

    def test_exception(self) -> None:
        """
        A refusal is an error with the unit's own code.
        """
        self.port()
        done = self.ask()
        self.answer(b"\x83\x02")
        self.assertEqual(self.failureResultOf(done, ExceptionReply).value.code, 2)
        self.assertEqual(self.words(), ["exception_02"])

    def test_one_at_a_time(self) -> None:
        """
        The second request is not sent before the first has its reply and the gap is over.
        """
        self.port()
        first, second = self.ask(), self.bus.execute(2, READ, Terms())
        self.line.sent()
        self.clock.advance(0.5)
        self.assertEqual(self.line.sent(), b"")
        self.line.receive(encode(1, GOOD))
        self.successResultOf(first)
        self.clock.advance(Line(9600).gap - 0.0001)
        self.assertEqual(self.line.sent(), b"")
        self.clock.advance(0.0002)
        self.assertEqual(self.line.sent(), encode(2, READ.encode()))
        self.answer(unit=2)
        self.successResultOf(second)

    def test_silent_unit(self) -> None:
        """
        A read that nobody answers says how long was waited; the next request is served.
        """
        self.port(timeout=0.5)
        done = self.ask()
        self.clock.advance(0.6)
        self.assertIn("unit 1 did not reply within 0.5 s", str(self.failureResultOf(done, NoReply).value))
        for unit in (2, 1):
            again = self.ask(unit=unit)
            self.clock.advance(1 if unit == 1 else 0)
            self.answer(unit=unit)
            self.successResultOf(again)

    def test_timeouts(self) -> None:
        """
        The request's own timeout wins over the unit's, and that over the port's.
        """
        self.port(timeout=0.5, units={7: UnitSettings(timeout=1.5)})
        for unit, stated, patience in ((1, None, 0.5), (7, None, 1.5), (8, 2.5, 2.5)):
            done = self.ask(unit=unit, timeout=stated)
            self.clock.advance(patience - 0.02)
            self.assertNoResult(done)
            self.clock.advance(0.1)
            self.assertIn(f"within {patience:g} s", str(self.failureResultOf(done, NoReply).value))
            self.clock.advance(3)

    def test_write_unconfirmed(self) -> None:
        """
        A write without a confirmation may have happened, and that is said.
        """
        self.port()
        for come, error in ((b"", NoReply), (b"\x00\xff", BadReply)):
            done = self.ask(WRITE)
            self.line.receive(come)
            self.clock.advance(1.1)
            self.assertIn("outcome unknown", str(self.failureResultOf(done, error).value))

    def test_write_is_never_repeated(self) -> None:
        """
        A read is sent again where configured, once the line is quiet; a write is sent once.
        """
        self.port(retries=2, timeout=0.1, misses=0)
        read = self.ask()
        self.clock.pump([0.11, 0.03] * 3)
        self.failureResultOf(read, NoReply)
        self.assertEqual(self.line.sent(), 3 * encode(1, READ.encode()))
        write = self.ask(WRITE)
        self.clock.pump([0.11, 0.03] * 3)
        self.failureResultOf(write, NoReply)
        self.assertEqual(self.line.sent(), encode(1, WRITE.encode()))

    def test_repeated_read_answers(self) -> None:
        """
        A read that is answered the second time is answered.
        """
        self.port(retries=1, timeout=0.1)
        done = self.ask()
        self.clock.pump([0.11, 0.03])
        self.answer()
        self.successResultOf(done)
        self.assertEqual(
            ([exchange.verdict for exchange in self.seen.exchanges], self.words()),
            (["timeout", "ok"], ["ok"]),
        )

    def test_own_speed(self) -> None:
        """
        Each request goes out at the speed that it states, and the others at the port's own.
        """
        self.port()
        for baudrate in (9600, 19200, None):
            done = self.ask(baudrate=baudrate)
            self.answer()
            self.successResultOf(done)
        self.assertEqual([line.baudrate for line in self.line.formats], [19200, 9600])
        self.assertEqual([exchange.baudrate for exchange in self.seen.exchanges], [9600, 19200, 9600])

    def test_gap_and_turnaround_of_a_unit(self) -> None:
        """
        A unit that needs silence before, or after, gets it.
        """
        self.port(units={7: UnitSettings(gap=0.2), 8: UnitSettings(turnaround=0.3)})
        self.ask(unit=8)
        self.line.sent()
        self.answer(unit=8)
        self.ask(unit=1)
        self.clock.advance(0.26)
        self.assertEqual(self.line.sent(), b"")
        self.clock.advance(0.04)
        self.assertNotEqual(self.line.sent(), b"")
        self.answer()
        self.ask(unit=7)
        self.clock.advance(0.16)
        self.assertEqual(self.line.sent(), b"")
        self.clock.advance(0.04)
        self.assertNotEqual(self.line.sent(), b"")

    def test_echo(self) -> None:
        """
        On a port with echo, a write is confirmed by two copies only.
        """
        self.port(echo=True)
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        self.assertNoResult(done)
        self.answer(WRITE.encode())
        self.successResultOf(done)

    def test_watchers(self) -> None:
        """
        The outcome tells when it was asked, sent and answered; a watcher that
        fails is logged, and harms nobody.
        """

        class Broken(FakeWatcher):
            def outcome(self, outcome: Outcome) -> None:
                raise RuntimeError("broken")

            def exchange(self, exchange: Exchange) -> None:
                raise RuntimeError("broken")

        self.bus = Port(PortSettings("bus"), self.line, self.clock, [Broken(), self.seen])
        self.bus.startService()
        self.clock.advance(1)
        done = self.ask()
        self.answer()
        self.successResultOf(done)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        outcome = self.seen.outcomes[0]
        self.assertTrue(1 <= outcome.asked <= (outcome.sent or 0) < outcome.answered)


class RefusedTests(PortCase):
    def refused(self, error: type[Exception], *words: str, **asked: Any) -> None:
        failure = self.failureResultOf(self.ask(**asked), error)
        for word in words:
            self.assertIn(word, str(failure.value))
        self.assertEqual(self.line.sent(), b"")

    def test_baudrate(self) -> None:
        """
        A speed outside of what is configured is refused with the range.
        """
        self.port(baudrates=(1200, 38400))
        self.refused(BadRequest, "115200", "1200 to 38400", baudrate=115200)

    def test_unit(self) -> None:
        """
        A unit that cannot be is refused.
        """
        self.port()
        self.refused(BadRequest, "unit 256", unit=256)

    def test_broadcast(self) -> None:
        """
        A read cannot be broadcast, a write only where that is enabled.
        """
        self.port()
        self.refused(BadRequest, "only writes", unit=0)
        self.refused(Denied, "not enabled on bus", unit=0, request=WRITE)

    def test_broadcast_enabled(self) -> None:
        """
        Enabled, it is sent, holds the line for the turnaround, and has an empty reply.
        """
        self.port(broadcast=True, turnaround=0.1)
        done = self.ask(WRITE, unit=0)
        self.assertEqual(self.line.sent(), encode(0, WRITE.encode()))
        self.clock.advance(0.09)
        self.assertNoResult(done)
        self.clock.advance(0.02)
        self.assertEqual(self.successResultOf(done).pdu, b"")

    def test_queue_full(self) -> None:
        """
        One too many is refused; the others are served.
        """
        self.port(queue=1)
        first, second = self.ask(), self.ask()
        self.failureResultOf(self.ask(client="other"), QueueFull)
        self.answer()
        self.answer()
        self.successResultOf(first)
        self.successResultOf(second)

    def test_expired(self) -> None:
        """
        One that waited too long is told so when its time is up, and never sent.
        """
        self.port()
        first = self.ask()
        second = self.ask(WRITE, patience=0.2)
        self.line.sent()
        self.clock.advance(0.19)
        self.failureResultOf(second, Expired)
        self.answer()
        self.successResultOf(first)
        self.clock.advance(0.1)
        self.assertEqual(self.line.sent(), b"")

    def test_suspended(self) -> None:
        """
        A unit that keeps silent is refused at once; one real request at a time
        tries it, and the others are refused while that is under way.
        """
        self.port(timeout=0.1, misses=2)
        for seconds in (1.2, 0.2):
            self.failureResultOf(self.after(seconds, self.ask()), NoReply)
        self.refused(Suspended, "unit 1")
        self.clock.advance(1.1)
        self.line.sent()
        probe = self.ask()
        self.assertEqual(self.line.sent(), encode(1, READ.encode()))
        self.refused(Suspended, "a try is under way")
        self.refused(Suspended, "a try is under way")
        self.answer()
        self.successResultOf(probe)
        again = self.ask()
        self.answer()
        self.successResultOf(again)

    def after(self, seconds: float, done: "Deferred[Reply]") -> "Deferred[Reply]":
        """So much later, and nobody has answered."""
        self.clock.pump([0.1] * round(seconds / 0.1))
        self.line.sent()
        return done

    def test_withdrawn(self) -> None:
        """
        What was withdrawn before its turn is never sent; what is on the wire is finished.
        """
        self.port()
        first, second, third = self.ask(), self.ask(WRITE), self.ask(unit=3)
        for done in (first, second):
            done.addErrback(lambda _: None)
            done.cancel()
        self.line.sent()
        self.answer()
        self.assertEqual(self.line.sent(), encode(3, READ.encode()))
        self.answer(unit=3)
        self.successResultOf(third)
        self.assertEqual(self.words(), [Cancelled.word, "ok", "ok"])


class LifeTests(PortCase):
    def test_not_there(self) -> None:
        """
        A device that is absent is said to be so, at once; it is tried again with
        growing pauses, and used when it is there.
        """
        self.line.missing = "there is no such device"
        self.port()
        self.assertIn("no such device", str(self.failureResultOf(self.ask(), PortDown).value))
        self.clock.pump([0.1] * 300)
        self.line.missing = ""
        self.clock.advance(LAST_PAUSE)
        self.clock.advance(SETTLING)
        done = self.ask()
        self.answer()
        self.successResultOf(done)

    def test_dies_at_once(self) -> None:
        """
        A device that can be opened and then dies at once is not tried without pause.
        """
        self.port()
        for _ in range(100):
            if self.line.is_open:
                self.line.unplug()
            self.clock.advance(0.1)
        self.assertLess(self.line.opened, 12)

    def test_unplugged(self) -> None:
        """
        What is on the wire fails as lost, what waits as down, each once; the
        device is opened again, and then served as before.
        """
        self.port()
        read, write, waiting = self.ask(), self.ask(), self.ask(WRITE, client="other")
        self.line.unplug()
        self.failureResultOf(read, PortLost)
        self.failureResultOf(write, PortDown)
        self.failureResultOf(waiting, PortDown)
        self.failureResultOf(self.ask(), PortDown)
        self.clock.pump([0.1, SETTLING])
        self.assertEqual(self.line.opened, 2)
        self.line.sent()
        done = self.ask()
        self.answer()
        self.successResultOf(done)

    def test_unplugged_write(self) -> None:
        """
        A write on the wire of a port that vanished may have happened.
        """
        self.port()
        done = self.ask(WRITE)
        self.line.unplug()
        self.assertIn("outcome unknown", str(self.failureResultOf(done, PortLost).value))

    def test_settling(self) -> None:
        """
        A line that has just been opened is listened to before anything is sent.
        """
        settings = PortSettings("bus", "/dev/ttyS0")
        self.bus = Port(settings, self.line, self.clock)
        self.bus.startService()
        self.bus.execute(1, READ)
        self.clock.advance(SETTLING - 0.001)
        self.line.receive(b"\x00")
        self.clock.advance(SETTLING - 0.001)
        self.assertEqual(self.line.sent(), b"")
        self.clock.advance(0.002)
        self.assertNotEqual(self.line.sent(), b"")

    def test_jammed(self) -> None:
        """
        On a line that is never quiet requests fail in bounded time, then at
        once, with one trial a second; when it is quiet again all is well.
        """
        self.port()
        self.line.receive(b"\x00")
        first = self.bus.execute(1, READ)
        self.babble(0.6)
        self.assertIn("never quiet", str(self.failureResultOf(first, PortDown).value))
        self.assertEqual(self.bus.status().state, "jammed")
        self.failureResultOf(self.bus.execute(1, READ), PortDown)
        self.babble(JAM_TRIAL)
        trial = self.bus.execute(1, READ)
        self.assertNoResult(trial)
        self.failureResultOf(self.bus.execute(1, READ), PortDown)
        self.clock.advance(0.02)
        self.answer()
        self.successResultOf(trial)
        self.assertEqual(self.bus.status().state, "idle")

    def test_jammed_for_long(self) -> None:
        """
        A jam that lasts has the device opened anew.
        """
        self.port()
        self.line.receive(b"\x00")
        self.failureResultOf(self.after_babble(self.bus.execute(1, READ)), PortDown)
        self.clock.pump([1.0] * int(JAM_REOPEN + 1))
        self.assertEqual(self.line.opened, 2)

    def babble(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.001)):
            self.clock.advance(0.001)
            self.line.receive(b"\x00")

    def after_babble(self, done: "Deferred[Reply]") -> "Deferred[Reply]":
        self.babble(0.6)
        return done

    def test_stopping(self) -> None:
        """
        The exchange in flight finishes, what waits is told, nothing new is
        taken, and the device is free afterwards.
        """
        self.port()
        flying, waiting = self.ask(), self.ask()
        stopped = self.bus.stopService()
        self.failureResultOf(waiting, ShuttingDown)
        self.failureResultOf(self.ask(), ShuttingDown)
        self.assertNoResult(stopped)
        self.answer()
        self.successResultOf(flying)
        self.successResultOf(stopped)
        self.assertFalse(self.line.is_open)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_is_bounded(self) -> None:
        """
        An exchange with a long timeout does not hold up the end.
        """
        self.port()
        flying = self.ask(timeout=300)
        stopped = self.bus.stopService()
        self.clock.advance(GRACE)
        self.failureResultOf(flying, PortLost)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_while_idle_or_closed(self) -> None:
        """
        A port with nothing to do, or without a device, stops at once, and can start again.
        """
        for missing in ("", "there is no such device"):
            self.line.missing = missing
            bus = self.port()
            self.successResultOf(bus.stopService())
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_status(self) -> None:
        """
        The state can be seen: why it is closed, what waits, which speed.
        """
        self.line.missing = "there is no such device"
        self.assertEqual(
            (self.port().status().state, self.bus.status().reason), ("closed", self.line.missing)
        )
        self.line.missing = ""
        self.port()
        self.assertEqual((self.bus.status().state, self.bus.status().reason), ("idle", ""))
        self.ask(baudrate=19200)
        self.ask()
        status = self.bus.status()
        self.assertEqual((status.state, status.waiting, status.line), ("waiting", 1, "19200 8N1"))
