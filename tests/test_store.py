"""A spool on disk: what is taken is there, and the ledger balances, whatever happens."""

import math
import os
import sqlite3
from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import StartRefused
from lumina.modbus.values import Value
from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.file import lock
from lumina.sinks.mishaps import has_no_room, is_damaged
from lumina.sinks.records import Ledger, Limits
from lumina.sinks.store import Store
from tests.examples import tries
from tests.spools import START, directory, point, reading


def refuse_all(store: Store, seqs: list[int]) -> None:
    """Every one of them becomes a dead letter."""
    for seq in seqs:
        store.refused(seq, 422, "no", 1)


class StoreCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = START
        self.path = directory(self) / "api.spool"
        self.store = self.opened()

    def opened(self, limits: Limits = Limits()) -> Store:  # noqa: B008
        """A store on the file of this test."""
        store = Store(self.path, limits, lambda: self.now, Uptime("", lambda: self.now))
        store.open()
        self.addCleanup(store.abandon)
        return store

    def take(self, *readings: Reading) -> None:
        self.store.turn([lambda store: store.take(readings)])

    def waiting(self) -> list[object]:
        """The values that wait."""
        return [each.reading.value for each in self.store.waiting(0, 10_000)]

    def assertBalanced(self, **counts: int) -> None:
        """The ledger has these counts, and the file bears it out."""
        self.assertEqual(self.store.ledger(), Ledger(**counts))
        self.assertEqual(self.store.verify(), [])


class KeptTests(StoreCase):
    def test_earlier_version(self) -> None:
        """
        The file of an earlier lumina is brought up to date when its service starts, with all that is in it.
        """
        self.take(reading(1), reading(2))
        self.store._db.executescript(
            "DROP TABLE retried; DROP TABLE mark; DROP TABLE stuck; ALTER TABLE dead DROP COLUMN lived;"
            "ALTER TABLE spool DROP COLUMN lived; ALTER TABLE spool DROP COLUMN boot;"
            "ALTER TABLE spool DROP COLUMN ran;"
        )
        self.store._db.execute("PRAGMA user_version = 1")
        self.store.close()
        self.store = self.opened()
        self.store.turn([lambda store: store.refused(1, 422, "no", 1)])
        self.store.turn([lambda store: store.retry()])
        self.assertEqual([each.retried for each in self.store.waiting(0, 10)], [True, False])
        self.assertBalanced(taken=2, queued=2)

    def test_readings(self) -> None:
        """
        Readings come back as they were taken, with their numbers, in their order.
        """
        good, bad = reading(), reading(None, "pump 1", START + 1)
        self.take(good, bad)
        found = self.store.waiting(0, 10)
        self.assertEqual([each.seq for each in found], [1, 2])
        self.assertEqual([each.reading for each in found], [good, bad])
        self.assertBalanced(taken=2, queued=2)

    def test_values(self) -> None:
        """
        Every value comes back as what it was, the extremes of 64 bits and truth included.
        """
        values: tuple[Value, ...] = (
            True,
            False,
            0,
            1,
            -(2**63),
            2**64 - 1,
            0.1,
            -0.0,
            math.inf,
            "open",
            "",
            "12",
            "nan",
        )
        self.take(*(reading(value) for value in values))
        found = [each.reading.value for each in self.store.waiting(0, 99)]
        self.assertEqual(
            [(type(each), str(each)) for each in found], [(type(each), str(each)) for each in values]
        )
        self.take(reading(math.nan))
        (last,) = self.store.waiting(len(values), 1)
        self.assertTrue(isinstance(last.reading.value, float) and math.isnan(last.reading.value))

    def test_devices(self) -> None:
        """
        The number 1 and the name "1" are two devices.
        """
        self.take(reading(1, 1), reading(2, "1"))
        self.assertEqual([each.reading.point.device for each in self.store.waiting(0, 9)], [1, "1"])

    def test_opened_again(self) -> None:
        """
        All of it is there after a crash, and the spool has the same name; numbers are never used twice.
        """
        name = self.store.name
        self.take(reading(1), reading(2))
        self.store.turn([lambda store: store.delivered([1, 2])])
        self.store.abandon()
        self.store = self.opened()
        self.take(reading(3))
        self.assertEqual([each.seq for each in self.store.waiting(0, 9)], [3])
        self.assertEqual(self.store.name, name)
        self.assertBalanced(taken=3, delivered=2, queued=1)

    def test_a_turn_is_whole(self) -> None:
        """
        Of a transaction that fails nothing is done, and nothing is remembered.
        """

        def fail(store: Store) -> None:
            raise KeyError("no")

        batch = point("new")
        act = lambda store: store.take([Reading(batch, 1, START)])  # noqa: E731
        self.assertRaises(KeyError, self.store.turn, [act, fail])
        self.assertBalanced()
        self.take(reading(5, "other"))
        self.store.turn([act])
        self.assertEqual([each.reading.point.device for each in self.store.waiting(0, 9)], ["other", "new"])

    @tries(50)
    @given(st.lists(st.tuples(st.sampled_from("pdrxymgb"), st.integers(1, 12)), max_size=30))
    def test_balance(self, steps: list[tuple[str, int]]) -> None:
        """
        Whatever is done in whatever order, taken = delivered + dead + gap + queued.
        """
        self.store.abandon()
        self.path.unlink()
        store = self.opened(Limits(age=1000.0))
        taken = delivered = 0
        for what, number in steps:
            self.now += 40.0
            if what == "p":
                many = [reading(n, n % 3, self.now) for n in range(number)]
                store.turn([partial(Store.take, readings=many)])
                taken += number
            seqs = [each.seq for each in store.waiting(0, number)]
            acts: dict[str, Callable[[Store], object]] = {
                "d": partial(Store.delivered, seqs=seqs),
                "r": partial(refuse_all, seqs=seqs),
                "x": lambda s: s.retry(),
                "y": lambda s: s.purge("dead"),
                "m": partial(Store.record, seqs=[number]),
                "g": lambda s: s.purge("reading"),
                "b": lambda s: s.bound(),
            }
            if what in acts:
                store.turn([acts[what]])
                delivered += len(seqs) if what == "d" else 0
            self.assertEqual(store.verify(), [])
        ledger = store.ledger()
        self.assertEqual((ledger.taken, ledger.delivered), (taken, delivered))


class SettledTests(StoreCase):
    def test_delivered_twice(self) -> None:
        """
        What is reported twice is counted once.
        """
        self.take(reading(1), reading(2))
        for _ in range(2):
            self.store.turn([lambda store: store.delivered([1])])
        self.assertBalanced(taken=2, delivered=1, queued=1)

    def test_dead(self) -> None:
        """
        A dead letter keeps what was said, and waits under its old number when it is to be tried again.
        """
        self.take(reading(1), reading(2))
        self.store.turn([lambda store: store.refused(1, 422, "422: unknown register", 3)])
        (dead,) = self.store.dead()
        self.assertEqual((dead.seq, dead.reading.value, dead.status), (1, 1, 422))
        self.assertEqual((dead.sentence, dead.attempts), ("422: unknown register", 3))
        self.assertBalanced(taken=2, dead=1, queued=1)
        self.assertEqual(self.store.turn([lambda store: store.retry([1])]), [1])
        self.assertEqual(self.waiting(), [1, 2])
        self.assertBalanced(taken=2, queued=2)

    def test_purged(self) -> None:
        """
        What an operator removes becomes a gap, all or some; a batch that loses a reading is none any more.
        """
        self.take(*(reading(n) for n in range(6)))
        self.store.turn([lambda store: store.refused(1, 404, "404", 1)])
        self.store.turn([lambda store: store.record([2, 3]), lambda store: store.record([4, 5])])
        self.assertEqual(
            self.store.turn([lambda s: s.purge("dead"), lambda s: s.purge("reading", [3, 9])]), [1, 1]
        )
        self.assertEqual([[each.seq for each in members] for _, members in self.store.batches()], [[4, 5]])
        self.assertEqual(self.waiting(), [1, 5])
        self.assertEqual(
            [(each.lost, each.cause) for each in self.store.gaps()], [(2, "removed by an operator")]
        )
        self.assertBalanced(taken=6, gap=2, queued=4)
        self.assertEqual(self.store.turn([lambda store: store.purge("reading")]), [4])
        self.assertBalanced(taken=6, gap=6)

    def test_set_aside(self) -> None:
        """
        What an operator sets aside is a dead letter, that can be retried.
        """
        self.take(*(reading(n) for n in range(3)))
        self.store.turn([lambda store: store.record([1, 2])])
        self.assertEqual(self.store.turn([lambda store: store.set_aside([1, 7])]), [1])
        self.assertEqual([each.sentence for each in self.store.dead()], ["set aside by an operator"])
        self.assertEqual(self.waiting(), [1, 2])
        self.assertBalanced(taken=3, dead=1, queued=2)

    def test_batches(self) -> None:
        """
        A recorded batch keeps its number, its members and their order through a crash, and is read as
        nothing else.
        """
        self.take(*(reading(n) for n in range(5)))
        self.assertEqual(self.store.turn([lambda store: store.record([3, 1])]), [1])
        self.store.abandon()
        self.store = self.opened()
        ((number, members),) = self.store.batches()
        self.assertEqual((number, [each.reading.value for each in members]), (1, [2, 0]))
        self.assertEqual(self.waiting(), [1, 3, 4])
        self.store.turn([lambda store: store.delivered([3, 1], 1)])
        self.assertEqual((self.store.batches(), self.store.turn([lambda s: s.record([2])])), ([], [2]))

    def test_beside_another_process(self) -> None:
        """
        Dead letters are sent to wait by another process, which the owner notices.
        """
        self.take(reading(1))
        self.store.turn([lambda store: store.refused(1, 422, "422", 1)])
        self.store.changed()
        self.assertFalse(self.store.changed())
        other = Store(self.path, Limits(), lambda: self.now)
        other.open(own=False)
        self.addCleanup(other.abandon)
        other.turn([lambda store: store.retry()])
        self.assertTrue(self.store.changed())
        self.assertEqual(self.waiting(), [1])
        self.assertBalanced(taken=1, queued=1)


class BoundTests(StoreCase):
    def test_age(self) -> None:
        """
        What is too old becomes a gap of its device: from when, to when, how many, and why.
        """
        self.store = self.opened(Limits(age=100.0))
        for first, now in ((0, START), (5, START + 50.0)):
            self.now = now
            self.take(*(reading(n, n % 2, START + n) for n in range(first, first + 5)))
            self.assertEqual(self.store.turn([lambda store: store.bound()]), [0])
        self.now = START + 104.5
        self.assertEqual(self.store.turn([lambda store: store.bound()]), [5])
        self.assertEqual(self.waiting(), [5, 6, 7, 8, 9])
        cause = "older than the spool keeps readings"
        self.assertEqual(
            [each[1:] for each in self.store.gaps()],
            [(0, START, START + 4, 3, cause), (1, START + 1, START + 3, 2, cause)],
        )
        self.assertBalanced(taken=10, gap=5, queued=5)

    def test_gaps_grow(self) -> None:
        """
        A long outage is one gap for each device, that grows, until it is delivered.
        """
        self.store = self.opened(Limits(age=10.0))
        for cycle in range(5):
            self.take(reading(cycle, at=self.now))
            self.store.turn([lambda store: store.bound()])
            self.now += 100.0
            self.store.turn([lambda store: store.bound()])
        (gap,) = self.store.gaps(undelivered=True)
        self.assertEqual((gap.first, gap.last, gap.lost), (START, START + 400.0, 5))
        self.store.turn([lambda store: store.gap_delivered(gap)])
        self.assertEqual(self.store.gaps(undelivered=True), [])
        self.take(reading(at=self.now))
        self.store.turn([lambda store: store.bound()])
        self.now += 100.0
        self.store.turn([lambda store: store.bound()])
        self.assertEqual([each.lost for each in self.store.gaps(undelivered=True)], [1])

    def test_grown_meanwhile(self) -> None:
        """
        A gap that has grown since it was sent is delivered once more, with what it is now.
        """
        self.store.turn([lambda store: store.miss([(1, START, START, 1)], "no room")])
        (sent,) = self.store.gaps()
        self.store.turn([lambda store: store.miss([(1, START + 9, START + 9, 1)], "no room")])
        self.store.turn([lambda store: store.gap_delivered(sent)])
        self.assertEqual([each.lost for each in self.store.gaps(undelivered=True)], [2])

    def test_size(self) -> None:
        """
        A spool that is full drops its oldest, but nothing that is under way or in a recorded batch.
        """
        self.store = self.opened(Limits(size=300_000))
        text = "x" * 100
        self.take(*(reading(text, n % 7) for n in range(500)))
        self.store.turn([lambda store: store.record([2])])
        for _ in range(10):
            self.take(*(reading(text, n % 7) for n in range(500)))
            self.store.turn([lambda store: store.bound(held={1})])
        self.assertLessEqual(self.store.used(), 300_000)
        ledger = self.store.ledger()
        self.assertEqual((ledger.taken, ledger.gap + ledger.queued), (5500, 5500))
        self.assertGreater(ledger.queued, 500)
        self.assertEqual(self.store.waiting(0, 1)[0].seq, 1)
        self.assertEqual([len(members) for _, members in self.store.batches()], [1])
        self.assertEqual(sum(each.lost for each in self.store.gaps()), ledger.gap)
        self.assertEqual(self.store.verify(), [])

    def test_newest(self) -> None:
        """
        Told so, it drops what comes instead; that is taken and a gap in one.
        """
        self.store = self.opened(Limits(size=100_000, newest=True))
        for n in range(20):
            self.take(*(reading("x" * 100, n) for _ in range(100)))
            self.store.turn([lambda store: store.bound()])
        ledger = self.store.ledger()
        self.assertEqual((ledger.taken, ledger.gap + ledger.queued), (2000, 2000))
        self.assertGreater(ledger.gap, 500)
        self.assertEqual(self.store.waiting(0, 1)[0].seq, 1)
        self.assertEqual(self.store.verify(), [])


class FileTests(StoreCase):
    def test_damaged(self) -> None:
        """
        A file that is not a spool, or one with a page overwritten, is known to be damaged.
        """
        self.take(*(reading(n) for n in range(3000)))
        self.store.close()
        data = self.path.read_bytes()
        self.path.write_bytes(b"no database" * 1000)
        error = self.assertRaises(sqlite3.DatabaseError, self.opened)
        self.assertTrue(is_damaged(error))
        self.path.write_bytes(data)
        self.store = self.opened()
        self.store.abandon()  # as a crash does
        self.path.write_bytes(data[:12288] + b"\xff" * 8192 + data[20480:])
        error = self.assertRaises(sqlite3.DatabaseError, self.opened)
        self.assertTrue(is_damaged(error))

    def test_full(self) -> None:
        """
        A file that cannot grow refuses what comes, keeps what it has, and delivers it.
        """
        self.take(*(reading(n) for n in range(1000)))
        self.store._db.execute("PRAGMA max_page_count=20")
        error = self.assertRaises(sqlite3.Error, self.take, *(reading("y" * 200) for _ in range(5000)))
        self.assertTrue(has_no_room(error))
        self.store.turn([lambda store: store.delivered(range(1, 1001))])
        self.assertBalanced(taken=1000, delivered=1000)
        self.take(reading(1))

    def test_lock(self) -> None:
        """
        Two services never deliver from one spool; it is free again when the first is gone.
        """
        path = directory(self) / "api.spool"
        descriptor = lock(path)
        error = self.assertRaises(StartRefused, lock, path)
        self.assertIn("belongs to another lumina", str(error))
        os.close(descriptor)
        os.close(lock(path))

    def test_verify(self) -> None:
        """
        A ledger that does not fit is found, and the sentence has the numbers.
        """
        self.take(reading(1))
        self.store._db.execute("UPDATE ledger SET taken = 3, queued = 2")
        self.assertEqual(
            self.store.verify(),
            [
                "the ledger says queued=2, and there are 1",
                "taken=3 is not delivered=0 + dead=0 + gap=0 + queued=2; the difference is 1",
            ],
        )
