"""Units that need more silence before a request than others, and how that is found out."""

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.haste import ANSWERED, BREATH, FIRST_INTERVAL, SHORT, SUSPICIOUS, Haste
from lumina.bus.port import Port
from lumina.bus.settings import PortSettings, UnitSettings
from lumina.interfaces import Terms
from lumina.modbus.pdu import ReadHoldingRegisters
from lumina.modbus.rtu import Line
from lumina.testing import pass_time
from tests.oracle import Units

SOON = 0.004


class HasteTests(SynchronousTestCase):
    """One unit."""

    def setUp(self) -> None:
        self.haste = Haste()

    def read(self, soon: bool, later: bool = True) -> float:
        """
        A read, with the silence that it is to have.

        @param soon: whether it is answered if that is short; `later`: if it is long.
        @return: that silence.
        """
        silence = self.haste.silence(may_try=True)
        self.haste.told(silence or SOON, later if silence else soon)
        return silence

    def find(self) -> None:
        """It fails every other time that it is asked soon."""
        number = 0
        while not self.haste.needed:
            self.read(soon=bool((number := number + 1) % 2))
        self.assertLess(number, 60)

    def test_found(self) -> None:
        """
        A unit that often fails when it is asked soon, and never after a longer
        silence, has that before all that is asked of it.
        """
        self.find()
        self.assertTrue(self.haste.needed)
        self.assertEqual((self.haste.silence(True), self.haste.silence(False)), (BREATH, BREATH))

    def test_a_failure_now_and_then(self) -> None:
        """
        One that seldom fails is asked as soon as ever, also right after it has failed.
        """
        for number in range(1000):
            self.assertEqual(self.read(soon=bool(number % (SHORT // (SUSPICIOUS - 1) + 1))), 0)

    def test_failures_of_another_cause(self) -> None:
        """
        One that fails as often after a longer silence does not get it for good.
        """
        for number in range(1000):
            self.read(soon=bool(number % 3), later=bool(number % 5))
        self.assertFalse(self.haste.needed)

    def test_what_is_tried(self) -> None:
        """
        It is found out with reads that are not urgent. Every other try of a suspended unit is one of them.
        """
        for _ in range(SHORT):
            self.haste.told(SOON, sound=False)
        self.assertEqual((self.haste.silence(True), self.haste.silence(False)), (BREATH, 0))
        tries = [(Haste().silence(True, tried), Haste().silence(False, tried)) for tried in range(3)]
        self.assertEqual(tries, [(0, 0), (BREATH, 0), (0, 0)])

    def test_needed_no_more(self) -> None:
        """
        One read in so many goes without; when several were answered, all do.
        """
        self.find()
        silences = [self.read(soon=True) for _ in range((FIRST_INTERVAL + 1) * (ANSWERED + 2))]
        self.assertFalse(self.haste.needed)
        self.assertEqual(silences[: FIRST_INTERVAL * ANSWERED].count(0.0), ANSWERED - 1)
        self.assertEqual(silences[-FIRST_INTERVAL:], FIRST_INTERVAL * [0.0])

    def test_needed_still(self) -> None:
        """
        The longer it stays needed, the seldomer that is tried.
        """
        self.find()
        silences = [self.read(soon=False) for _ in range(6000)]
        self.assertTrue(self.haste.needed)
        self.assertLess(silences.count(0.0), 11)


class Tardy(Units):
    """Unit 2 does not hear what comes within 60 ms of anything else."""

    def _answer(self, number: int, end: float) -> None:
        heard = self.heard[number]
        if heard.unit != 2 or heard.quiet >= 0.06:
            super()._answer(number, end)


class PortTests(SynchronousTestCase):
    def poll(self, seconds: float, **changed: object) -> None:
        """Two clients, each asking its own unit again and again."""
        self.clock = Clock()
        self.line = Tardy(self.clock, Line(19200), echo=False)
        settings = PortSettings("bus", "/dev/ttyS0", line=Line(19200), timeout=0.3, **changed)  # type: ignore[arg-type]
        self.port = Port(settings, self.line, self.clock)
        self.port.startService()
        self.words: list[tuple[int, str]] = []
        self.stopped = False
        for unit in (1, 2):
            self.ask(unit)
        pass_time(self.clock, seconds)
        self.stopped = True
        self.addCleanup(pass_time, self.clock, 4)
        self.addCleanup(self.port.stopService)

    def ask(self, unit: int) -> None:
        def ended(result: object) -> None:
            self.words.append((unit, getattr(getattr(result, "value", None), "word", "ok")))
            if not self.stopped:
                self.clock.callLater(0.01, self.ask, unit)

        done = self.port.execute(unit, ReadHoldingRegisters(0, 2), Terms(client=str(unit)))
        done.addBoth(ended)

    def test_a_unit_that_hears_late(self) -> None:
        """
        On a busy line it is found to be there, and what it needs; then it
        answers everything. The log says what to configure.
        """
        with capturedLogs() as events:
            self.poll(90)
        last = [word for unit, word in self.words[-100:] if unit == 2]
        self.assertEqual((set(last), len(last) > 30), ({"ok"}, True))
        said = [formatEvent(event) for event in events]
        self.assertEqual(sum("unit 2 often fails when it is asked soon" in each for each in said), 1)

    def test_a_gap_of_its_own(self) -> None:
        """
        A unit whose gap is configured gets just that.
        """
        self.poll(90, units={2: UnitSettings(gap=0.07)})
        self.assertEqual({word for unit, word in self.words if unit == 2}, {"ok"})
        self.poll(30, units={2: UnitSettings(gap=0.02)})
        self.assertLess(max(heard.quiet for heard in self.line.heard[2:] if heard.unit == 2), 0.06)
