"""The life of the connection to a Modbus TCP device."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.bus.changes import CHANGE_PAUSE
from lumina.bus.link import FIRST_PAUSE, GRACE, LAST_PAUSE
from lumina.bus.pipeline import SILENCES, UNDER_WAY
from lumina.bus.settings import DeviceSettings
from lumina.bus.tcp import Device
from lumina.errors import (
    BadReply,
    Expired,
    NoReply,
    PortDown,
    PortLost,
    ShuttingDown,
)
from lumina.interfaces import Terms
from lumina.modbus import mbap
from tests.device_case import GOOD, OTHER, READ, WRITE, DeviceCase

PLC = "plc: tcp:192.0.2.7:502"


class ConnectionTests(DeviceCase):
    def log(self) -> list[str]:
        """What is logged from now on."""
        said: list[str] = []

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            said.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        return said

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
        When nothing at all has come in answer to several requests, the connection is made anew, and the
        log says so, even if it had been a good one.
        """
        said = self.log()
        self.device(timeout=0.5, misses=0)
        self.ask()
        self.answer(self.one())
        for _ in range(SILENCES):
            self.assertEqual(self.line.opened, 1)
            done = self.ask()
            self.clock.pump([0.5, 0])
            self.failureResultOf(done, NoReply)
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(self.line.opened, 2)
        why = "nothing came in answer to 3 requests; connecting anew"
        self.assertEqual(said, [f"{PLC}: {each}" for each in ("connected", why, "connected")])

    def test_flapping_in_the_log(self) -> None:
        """
        A device that is lost again and again is logged a few times, then once a minute: how often, and
        how it stands. What is said last is true.
        """
        said = self.log()
        self.device(misses=0)
        for _ in range(100):
            self.ask().addErrback(lambda _: None)
            self.line.unplug()
            self.clock.advance(LAST_PAUSE)
        self.assertEqual(said[:2], [f"{PLC}: connected", f"{PLC}: the device has closed the connection"])
        sums = said[10:]
        self.assertEqual(len(said) - len(sums), 10)
        for each in sums:
            self.assertRegex(each, f"{PLC}: lost 1[123] times within 60 s; now: (connected|the device has)")
        self.assertGreater(len(sums), 5)
        self.assertLess(len(sums), 500 / CHANGE_PAUSE + 1)
        self.clock.advance(CHANGE_PAUSE)
        self.line.missing = "no route"
        self.line.unplug()
        self.clock.pump([CHANGE_PAUSE] * 2)
        self.assertTrue(said[-1].endswith(": no route"), said[-1])
        self.successResultOf(self.bus.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

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

    def test_idle_after_a_loss(self) -> None:
        """
        A connection that was lost leaves no watch behind: the next is closed by its own.
        """
        self.device(idle=10.0)
        for _ in range(5):
            self.ask()
            self.answer(self.one())
            self.clock.advance(1)
            self.line.unplug()
            self.clock.advance(FIRST_PAUSE)
        self.assertEqual(len([call for call in self.clock.getDelayedCalls() if call.getTime() > 6.5]), 1)
        self.clock.pump([5, 5, 5])
        self.assertFalse(self.line.is_open)

    def test_closed_by_the_device_while_idle(self) -> None:
        """
        A device that closes connections which nobody uses is not thought to be away: what is
        asked then waits for the next connection.
        """
        self.device()
        for _ in range(8):
            self.clock.advance(LAST_PAUSE)
            self.line.unplug()
            done = self.ask(patience=0.01)
            self.clock.advance(0.01)
            self.failureResultOf(done, Expired)
            self.clock.advance(FIRST_PAUSE)


@implementer(IStreamClientEndpoint)
class Slow:
    """An endpoint that takes its time; `attempts` are those that nobody has decided."""

    def __init__(self) -> None:
        self.attempts: list[Deferred[Any]] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        attempt: Deferred[Any] = Deferred()
        self.attempts.append(attempt)
        return attempt


class ConnectingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.endpoint = Clock(), Slow()
        chosen = DeviceSettings("plc", "tcp:192.0.2.7:502", connect_timeout=2.0)
        self.bus = Device(chosen, self.endpoint, self.clock)
        self.bus.startService()

    def test_too_late(self) -> None:
        """
        What waits for a connection that is not made in time is refused with the reason, and so
        is what is asked from then on; the next attempt follows.
        """
        waiting = self.bus.execute(1, READ)
        self.assertEqual(self.bus.status().state, "connecting")
        self.clock.advance(2.0)
        self.assertIn("no connection within 2 s", str(self.failureResultOf(waiting, PortDown).value))
        self.failureResultOf(self.bus.execute(1, READ), PortDown)
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_impatient(self) -> None:
        """
        A request waits for the connection no longer than it waits for its turn.
        """
        waiting = self.bus.execute(1, READ, Terms(patience=0.5))
        self.clock.advance(0.5)
        self.failureResultOf(waiting, Expired)

    def test_stopped(self) -> None:
        """
        A connection that is being made does not hold the stop up.
        """
        waiting = self.bus.execute(1, READ)
        self.successResultOf(self.bus.stopService())
        self.failureResultOf(waiting, ShuttingDown)
        self.assertEqual(self.clock.getDelayedCalls(), [])


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
