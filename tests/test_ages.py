"""How old the readings of a spool are: clocks are set, machines start anew, and nothing is lost by that."""

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.ages import Uptime, uptime
from lumina.sinks.records import Limits
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store
from tests.spools import START, Thread, directory, reading

HOUR, DAY = 3600.0, 86400.0


class AgeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = directory(self) / "api.spool"
        self.wall = START
        self.seconds = 0.0
        self.boot = "first"
        self.begin()
        self.addCleanup(lambda: self.end())

    def begin(self) -> None:
        """A spool that keeps readings for a day."""
        age = Uptime(self.boot, lambda: self.seconds)
        self.spool = Spool("api", self.path, Limits(age=DAY), lambda: self.wall, Thread(), age)

    def end(self) -> None:
        self.successResultOf(self.spool.close())

    def put(self, *values: int) -> None:
        self.successResultOf(self.spool.put([reading(each, at=self.wall) for each in values]))

    def passes(self, seconds: float) -> None:
        """Time, while the sender looks at the spool each hour."""
        for _ in range(int(seconds // HOUR)):
            self.seconds += HOUR
            self.wall += HOUR
            self.waiting()

    def waiting(self) -> list[object]:
        """The values that wait."""
        found = self.successResultOf(self.spool.do(lambda store: store.waiting(0, 100)))
        return [each.reading.value for each in found]

    def test_wait(self) -> None:
        """
        What has waited for so long is dropped, and a gap says so; what has waited less is not.
        """
        self.put(1)
        self.passes(12 * HOUR)
        self.put(2)
        self.passes(11 * HOUR)
        self.assertEqual(self.waiting(), [1, 2])
        self.passes(3 * HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([2], 1))
        self.passes(12 * HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([], 2))

    def test_the_clock_is_set(self) -> None:
        """
        A machine that starts in 1970 and hears of the time then, or is set to whatever time, loses nothing.
        """
        self.wall = 12.0
        self.put(1)
        for moment in (START, START + 3650 * DAY, 946684800.0, START):
            self.wall = moment
            self.passes(HOUR)
            self.put(2)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([1, 2, 2, 2, 2], 0))

    def test_set_back(self) -> None:
        """
        Nor does a clock that is set back keep anything for ever.
        """
        self.put(1)
        self.wall -= 365 * DAY
        self.passes(26 * HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([], 1))

    def test_lumina_starts_anew(self) -> None:
        """
        While lumina is stopped and the machine runs, what waits grows older.
        """
        self.put(1)
        self.passes(HOUR)
        self.end()
        self.seconds += 25 * HOUR
        self.begin()
        self.passes(HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([], 1))

    def test_the_machine_starts_anew(self) -> None:
        """
        How long a machine was off is not known: that is not counted, and what was before is.
        """
        self.put(1)
        self.passes(20 * HOUR)
        self.end()
        self.boot, self.seconds, self.wall = "second", 5.0, START + 400 * DAY
        self.begin()
        self.assertEqual(self.waiting(), [1])
        self.passes(2 * HOUR)
        self.assertEqual(self.waiting(), [1])
        self.passes(4 * HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.gap), ([], 1))

    def test_dead_letters(self) -> None:
        """
        Dead letters are kept as long since they were refused; one that is retried is not too old at once.
        """
        self.put(1, 2)
        self.passes(20 * HOUR)
        for seq in (1, 2):
            refused = partial(Store.refused, seq=seq, status=422, sentence="no", attempts=3)
            self.successResultOf(self.spool.do(refused))
        self.wall += 400 * DAY
        self.passes(20 * HOUR)
        self.assertEqual(self.spool.ledger.dead, 2)
        self.successResultOf(self.spool.do(lambda store: store.retry({1})))
        self.passes(6 * HOUR)
        self.assertEqual((self.waiting(), self.spool.ledger.dead, self.spool.ledger.gap), ([1], 0, 1))

    def test_this_machine(self) -> None:
        """
        Of this machine it is known for how long it runs, if it is a Linux.
        """
        first, second = uptime(), uptime()
        self.assertEqual(first.boot, second.boot)
        self.assertLessEqual(first.seconds(), second.seconds())
