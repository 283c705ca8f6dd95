"""Where permission is asked, before anything reaches a bus."""

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.access import Access, Rule
from lumina.bus.guard import BURST, PAUSE, Guard, Refusals
from lumina.errors import Denied
from lumina.interfaces import Asker, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, WriteRegister
from lumina.testing import FakeBus, FakeWatcher

READ, WRITE = ReadHoldingRegisters(0, 1), WriteRegister(0, 1)
LAN = Terms("lan#1", asker=Asker("lan", "10.0.0.5"))


class GuardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.bus, self.watcher = Clock(), FakeBus(), FakeWatcher()
        self.logged: list[str] = []

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            if event.get("log_level") is LogLevel.warn:
                self.logged.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def guard(self, *rules: Rule, read_only: bool | None = None) -> Guard:
        access = Access("lan", rules, read_only)
        refusals = Refusals("lan", self.clock.seconds)
        return Guard(self.bus, "boiler", access.view, refusals, self.clock.seconds, [self.watcher])

    def test_writes(self) -> None:
        """
        A read-only listener refuses writes with its own name, before they reach the bus.
        """
        error = self.failureResultOf(self.guard(read_only=True).execute(1, WRITE, LAN), Denied).value
        self.assertIn("listener lan is read-only", str(error))
        self.assertEqual(self.bus.asked, [])

    def test_what_is_allowed(self) -> None:
        """
        What is allowed is carried with its terms, every time.
        """
        guard = self.guard(Rule(True))
        for _ in range(3):
            for request in (READ, WRITE):
                guard.execute(7, request, LAN)
        self.assertEqual(
            [(asked.unit, asked.request, asked.terms) for asked in self.bus.asked],
            [(7, READ, LAN), (7, WRITE, LAN)] * 3,
        )
        self.assertEqual(self.watcher.outcomes, [])

    def test_outcome(self) -> None:
        """
        A refusal has its outcome: denied, and nothing sent.
        """
        self.clock.advance(5)
        self.failureResultOf(self.guard(Rule(False)).execute(9, WRITE, LAN), Denied)
        (outcome,) = self.watcher.outcomes
        self.assertEqual((outcome.port, outcome.unit, outcome.request), ("boiler", 9, WRITE))
        self.assertEqual((outcome.word, outcome.sent, outcome.answered), ("denied", None, 5.0))
        self.assertEqual(outcome.terms, LAN)

    def test_watcher_that_fails(self) -> None:
        """
        A watcher that raises is logged, and the asker has its answer.
        """
        self.watcher.outcome = lambda outcome: 1 / 0  # type: ignore[method-assign, assignment]
        self.failureResultOf(self.guard(Rule(False)).execute(9, WRITE, LAN), Denied)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_askers_are_told_apart(self) -> None:
        """
        What one connection may do is not what another may.
        """
        guard = self.guard(Rule(True, roles=frozenset({"Operator"})))
        for number in range(10_000):
            terms = Terms(asker=Asker("lan", role="Operator" if number % 2 else ""))
            done = guard.execute(1, READ, terms)
            if number % 2 == 0:
                self.failureResultOf(done, Denied)
        self.assertEqual({asked.terms.asker.role for asked in self.bus.asked}, {"Operator"})

    def test_log(self) -> None:
        """
        The log says who was denied what by which rule.
        """
        asker = Asker("lan", "10.0.0.5", "CN=pump\n", "Operator")
        guard = self.guard(Rule(False, number=1, line=4))
        self.failureResultOf(guard.execute(3, WRITE, Terms("lan#1", asker=asker)), Denied)
        self.assertEqual(
            self.logged,
            [
                "lan: lan#1 from 10.0.0.5 as 'CN=pump\\n' in role 'Operator' is denied on boiler: "
                "writing holding 0 = 1 of unit 3 with function 06: access rule 1 (line 4) forbids it"
            ],
        )

    def test_flood(self) -> None:
        """
        A flood of refusals does not fill the log, and what was left out is counted.
        """
        guard = self.guard(Rule(False))
        for _ in range(1000):
            self.failureResultOf(guard.execute(3, WRITE, LAN), Denied)
        self.assertEqual(len(self.logged), BURST)
        self.clock.advance(PAUSE)
        self.failureResultOf(guard.execute(3, WRITE, LAN), Denied)
        self.assertEqual(len(self.logged), BURST + 1)
        self.assertIn(f"{1000 - BURST} more were denied", self.logged[-1])
