"""What the log says of certificates at their end, and how often."""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.validity import Doubt
from lumina.watch import reminders

SOON = Doubt(("listen.a", "soon"), False, "listen.a: it expires")
OVER = Doubt(("listen.a", "over"), True, "listen.a: it has expired")


def at_once(work: Callable[[], Sequence[Doubt]]) -> Deferred[Sequence[Doubt]]:
    return execute(work)


class RemindersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.doubts, self.said = Clock(), list[Doubt](), list[tuple[LogLevel, str]]()

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            self.said.append((event["log_level"], formatEvent(event)))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def start(self) -> reminders.Reminders:
        service = reminders.Reminders(lambda: list(self.doubts), self.clock, at_once)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def wait(self, seconds: float) -> list[tuple[LogLevel, str]]:
        """What is said meanwhile."""
        self.said.clear()
        self.clock.pump([reminders.LOOK] * round(seconds / reminders.LOOK))
        return self.said

    def test_at_the_start_and_daily(self) -> None:
        """
        What is at its end is told at the start, as a warning, and every day.
        """
        self.doubts.append(SOON)
        self.start()
        self.assertEqual(self.said, [(LogLevel.warn, SOON.sentence)])
        self.assertEqual(self.wait(reminders.AGAIN - reminders.LOOK), [])
        self.assertEqual(self.wait(reminders.LOOK), [(LogLevel.warn, SOON.sentence)])

    def test_change(self) -> None:
        """
        That it has expired is told at once, as an error; and so it is after it was well again.
        """
        self.doubts.append(SOON)
        self.start()
        for doubts, said in (
            ([OVER], [(LogLevel.error, OVER.sentence)]),
            ([], []),
            ([OVER], [(LogLevel.error, OVER.sentence)]),
        ):
            self.doubts[:] = doubts
            self.assertEqual(self.wait(reminders.LOOK), said)

    def test_failure(self) -> None:
        """
        A look that fails is logged, and the next one tells.
        """

        def look() -> Sequence[Doubt]:
            if not self.doubts:
                raise RuntimeError("no such thing")
            return self.doubts

        service = reminders.Reminders(look, self.clock, at_once)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.doubts.append(OVER)
        self.assertIn((LogLevel.error, OVER.sentence), self.wait(reminders.LOOK))

    def test_stop(self) -> None:
        """
        No timer is left when it has stopped.
        """
        self.doubts.append(OVER)
        service = reminders.Reminders(lambda: list(self.doubts), self.clock, at_once)
        service.startService()
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
