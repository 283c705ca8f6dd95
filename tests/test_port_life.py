"""A port that is missing, unplugged, jammed or stopped, and what becomes of the requests on it."""

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, capturedLogs, formatEvent, globalLogPublisher
from zope.interface import provider

from lumina.bus.changes import CHANGE_PAUSE, CHANGES
from lumina.bus.link import GRACE, LAST_PAUSE
from lumina.bus.port import JAM_REOPEN, JAM_TRIAL, SETTLING, Port
from lumina.bus.settings import PortSettings
from lumina.bus.units import SHORTEST_LINGER
from lumina.errors import NoReply, PortDown, PortLost, ShuttingDown, Suspended
from lumina.modbus.pdu import ReadInputRegisters, Reply
from lumina.modbus.rtu import encode
from lumina.testing import pass_time
from tests.port_case import READ, WRITE, PortCase


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

    def test_flapping_in_the_log(self) -> None:
        """
        A port that is lost again and again is logged a few times, then once a minute.
        """
        said: list[str] = []

        @provider(ILogObserver)
        def hear(event: LogEvent) -> None:
            said.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        self.port()
        for _ in range(300):
            self.line.unplug()
            self.clock.pump([LAST_PAUSE, SETTLING])
        self.assertLess(len(said), CHANGES + 300 * LAST_PAUSE / CHANGE_PAUSE + 2)
        self.assertRegex(said[-1], "bus: /dev/ttyS0: lost 1[12] times within 60 s; now: ")

    def test_lost_before_it_sends(self) -> None:
        """
        A port that is lost while it waits for silence, or before it would, is
        just lost, and was not jammed: one line of the log.
        """
        self.port()
        with capturedLogs() as events:
            flying, waiting = self.ask(), self.ask()
            self.line.unplug()
        self.failureResultOf(flying, PortLost)
        self.failureResultOf(waiting, PortDown)
        self.assertEqual(len(events), 1)
        self.clock.pump([0.1, SETTLING])
        for until_it_settles in (0.0, 0.1):
            self.clock.advance(until_it_settles)
            with capturedLogs() as events:
                waiting = self.bus.execute(1, READ)
                self.line.unplug()
                self.failureResultOf(waiting, PortDown)
            self.assertEqual(
                [formatEvent(event) for event in events], ["bus: /dev/ttyS0: the device is gone"]
            )

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
        done = self.ask(ReadInputRegisters(0, 2))
        self.answer(bytes.fromhex("0404002A002B"))
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


class ReplugTests(PortCase):
    """The units know nothing of what becomes of the port."""

    def test_reply_to_another_opening(self) -> None:
        """
        A unit does not notice that the port was pulled out. The reply that it
        still owes when the port is back is no answer to what is asked then:
        that waits until it has come, or can come no more.
        """
        self.port()
        self.failureResultOf(self.replugged(self.ask()), PortLost)
        done = self.ask()
        self.assertEqual(self.line.sent(), b"")
        self.line.receive(encode(1, bytes.fromhex("030400010002")))
        self.clock.advance(0.01)
        self.answer()
        self.assertEqual(self.successResultOf(done).registers, (42, 43))
        self.assertEqual(len(self.seen.exchanges[-1].late), 1)
        self.failureResultOf(self.replugged(self.ask()), PortLost)
        done = self.ask()
        self.assertEqual(self.line.sent(), b"")
        pass_time(self.clock, SHORTEST_LINGER)
        self.answer()
        self.successResultOf(done)

    def test_suspended_units_when_found_again(self) -> None:
        """
        Units are suspended because an adapter hangs. Once it is plugged in
        again each of them may be tried at once, although the first is really dead.
        """
        self.port(timeout=0.5, misses=1)
        for unit in (1, 2, 3):
            self.failureResultOf(self.lasting(self.ask(unit=unit)), NoReply)
            self.failureResultOf(self.ask(unit=unit), Suspended)
        pass_time(self.clock, 5)
        self.failureResultOf(self.replugged(self.ask(unit=4)), PortLost)
        self.failureResultOf(self.lasting(self.ask(unit=1)), NoReply)
        for unit in (2, 3):
            done = self.ask(unit=unit)
            self.answer(unit=unit)
            self.successResultOf(done)
        self.assertEqual(self.bus.unit_states(), {1: "suspended", 2: "ok", 3: "ok", 4: "ok"})

    def test_flapping_and_the_dead(self) -> None:
        """
        A port that flaps makes hardly more tries of dead units than one that lasts.
        """
        self.port(timeout=0.5, misses=1)
        dead = range(1, 11)
        for unit in dead:
            self.failureResultOf(self.lasting(self.ask(unit=unit)), NoReply)
        tries = 0
        for number in range(60):
            self.line.unplug()
            self.clock.pump([0.1, SETTLING])
            self.line.sent()
            for unit in dead:
                self.ask(unit=unit).addErrback(lambda _: None)
            pass_time(self.clock, 6.0 if not number else 0.7)
            tries += len(self.line.sent()) // 8
        self.assertLess(tries, 25)

    def replugged(self, done: "Deferred[Reply]") -> "Deferred[Reply]":
        """Meanwhile the port was pulled out, and found again."""
        self.line.unplug()
        self.clock.pump([0.1, SETTLING])
        self.line.sent()
        return done

    def lasting(self, done: "Deferred[Reply]") -> "Deferred[Reply]":
        """The unit's time passes."""
        pass_time(self.clock, 0.6)
        return done
