"""Requests on a serial port: sent one at a time, answered, repeated, withdrawn or refused."""

from typing import Any

from twisted.internet.defer import Deferred

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings, UnitSettings
from lumina.errors import (
    BadReply,
    BadRequest,
    Cancelled,
    Denied,
    ExceptionReply,
    Expired,
    NoReply,
    QueueFull,
    Suspended,
)
from lumina.interfaces import Exchange, Outcome, Priority, Terms
from lumina.modbus.pdu import Reply
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeWatcher
from tests.port_case import GOOD, READ, WRITE, PortCase


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

    def test_urgent_while_a_gap_passes(self) -> None:
        """
        What is of high priority does not wait for the long gap of another unit, nor for its exchange.
        """
        self.port(units={7: UnitSettings(gap=0.2)})
        slow = self.ask(unit=7)
        urgent = self.ask(priority=Priority.HIGH)
        self.assertEqual(self.line.sent(), encode(1, READ.encode()))
        self.answer()
        self.successResultOf(urgent)
        self.clock.advance(0.18)
        self.assertEqual(self.line.sent(), b"")
        self.clock.pump([0.01, 0.01])
        self.assertEqual(self.line.sent(), encode(7, READ.encode()))
        self.answer(unit=7)
        self.successResultOf(slow)

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
