"""The spool of a service: together on the disk, and usable whatever happens to its file."""

import sqlite3
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import NotTaken
from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.keeper import Replaced
from lumina.sinks.records import Limits
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store
from tests.spools import START, Thread, directory, reading


class SpoolCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = START
        self.seconds = 0.0
        self.path = directory(self) / "api.spool"
        self.thread = Thread()
        self.spool = self.begin()

    def begin(self, limits: Limits = Limits()) -> Spool:  # noqa: B008
        return Spool(
            "api", self.path, limits, lambda: self.now, self.thread, Uptime("", lambda: self.seconds)
        )

    def put(self, *readings: Reading) -> None:
        self.successResultOf(self.spool.put(readings))

    def store(self) -> Store:
        """The file that is open."""
        store = self.spool._keeper._store
        assert store is not None
        return store

    def waiting(self) -> list[object]:
        """The values that wait."""
        found = self.successResultOf(self.spool.do(lambda store: store.waiting(0, 1000)))
        return [each.reading.value for each in found]

    def end(self) -> None:
        self.successResultOf(self.spool.close())


class TogetherTests(SpoolCase):
    def test_group_commit(self) -> None:
        """
        All that is put while the disk is busy shares one transaction, and is answered after it.
        """
        self.thread.waits = True
        done = [self.spool.put([reading(n)]) for n in range(10)]
        self.assertEqual(self.thread.work(), 1)
        self.successResultOf(done[0])
        self.assertEqual([each.called for each in done[1:]], [False] * 9)
        self.assertEqual(self.thread.work(), 1)
        for each in done[1:]:
            self.successResultOf(each)
        self.assertEqual(self.spool.ledger.taken, 10)

    def test_bounded(self) -> None:
        """
        When the disk stands still puts fail, as soon as very much waits; it is recorded as a gap later.
        """
        self.thread.waits = True
        many = [reading(1)] * 150_000
        first, second, third = (self.spool.put(many) for _ in range(3))
        error = self.failureResultOf(third, NotTaken)
        self.assertIn("150000 readings wait for the disk already, the limit is 200000", str(error.value))
        while self.thread.work():
            pass
        for each in (first, second):
            self.successResultOf(each)
        self.thread.waits = False
        self.put(reading(2))
        self.assertEqual((self.spool.ledger.taken, self.spool.ledger.missed), (300_001, 150_000))
        self.flushLoggedErrors()

    def test_own_fault(self) -> None:
        """
        A job that fails costs nobody else in its transaction.
        """
        self.thread.waits = True
        self.spool.put([reading(0)])
        bad = self.spool.do(lambda store: store.purge("reading", 5))  # type: ignore[arg-type]
        good = self.spool.put([reading(1)])
        self.thread.work()
        self.thread.work()
        self.failureResultOf(bad, TypeError)
        self.successResultOf(good)
        self.assertEqual(self.spool.ledger.taken, 2)

    def test_close(self) -> None:
        """
        What was asked is finished before the file is closed; nothing is taken afterwards.
        """
        self.thread.waits = True
        done = self.spool.put([reading(1)])
        closed = self.spool.close()
        self.failureResultOf(self.spool.put([reading(2)]), NotTaken)
        while self.thread.work():
            pass
        self.successResultOf(done)
        self.successResultOf(closed)
        self.assertTrue(self.thread.stopped)


class DamageTests(SpoolCase):
    def aside(self) -> list[str]:
        """The files that were set aside."""
        return sorted(each.name for each in self.path.parent.glob("*.damaged-*"))

    def test_at_the_start(self) -> None:
        """
        A file that is none is set aside under a name with the time, and a fresh one begun.
        """
        self.path.write_bytes(b"not a database, not at all" * 100)
        self.put(reading(1))
        self.assertEqual(self.aside(), ["api.spool.damaged-20250708T160000Z"])
        self.assertEqual(self.waiting(), [1])
        (gap,) = self.store().gaps()
        self.assertEqual((gap.device, gap.lost), ("*", 0))
        self.assertIn("set aside as api.spool.damaged-20250708T160000Z", gap.cause)

    def test_at_one_time(self) -> None:
        """
        Where the clock was set back, or stands, no file is put in the place of one that was set aside before.
        """
        for number in range(3):
            self.path.write_bytes(b"not a database, not at all" * (100 + number))
            self.put(reading(number))
            self.end()
            self.spool = self.begin()
        name = "api.spool.damaged-20250708T160000Z"
        self.assertEqual(self.aside(), [name, f"{name}-2", f"{name}-3"])

    def test_while_running(self) -> None:
        """
        A file that is damaged under a running service is replaced within one turn; what it held is missed,
        and what was asked of it fails.
        """
        replaced: list[str] = []
        self.put(*(reading(n) for n in range(2000)))
        name, self.spool.replaced = self.spool.name, lambda: replaced.append("!")
        self.ruin()
        self.thread.waits = True
        first = self.spool.do(lambda store: store.waiting(0, 10_000))
        self.thread.work()
        self.failureResultOf(first, Replaced)
        self.thread.waits = False
        self.put(reading(7))
        self.assertEqual((self.waiting(), replaced), ([7], ["!"]))
        self.assertNotEqual(self.spool.name, name)
        self.assertEqual((self.spool.ledger.taken, self.spool.ledger.missed), (1, 2000))
        self.assertEqual(self.store().verify(), [])

    def ruin(self) -> None:
        """Overwrite all pages but the first."""
        store = self.store()
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._db.execute("PRAGMA cache_size=0")
        size = self.path.stat().st_size
        with self.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        store._db.execute("PRAGMA shrink_memory")

    def test_other_version(self) -> None:
        """
        A file of another version of lumina is set aside as well, and not written to.
        """
        self.put(reading(1))
        self.store()._db.execute("PRAGMA user_version = 99")
        self.end()
        self.spool = self.begin()
        self.put(reading(2))
        self.assertEqual((self.waiting(), len(self.aside())), ([2], 1))


class RoomTests(SpoolCase):
    def limit(self, pages: int) -> None:
        """The file may have no more pages, as on a disk that is full."""
        self.store()._db.execute(f"PRAGMA max_page_count={pages}")

    def test_full(self) -> None:
        """
        While there is no room puts fail with a reason, what is there can be delivered and removed, and
        when there is room again all goes on; what was missed is in a gap.
        """
        self.put(*(reading("x" * 400, at=START + n) for n in range(200)))
        self.limit(1)
        error = self.failureResultOf(self.spool.put([reading("y" * 4000, 2)] * 100), NotTaken)
        self.assertIn("the disk is full", str(error.value))
        self.assertIn("disk is full", self.spool.trouble)
        self.successResultOf(self.spool.do(lambda store: store.delivered(range(1, 101))))
        self.assertEqual(self.spool.ledger.delivered, 100)
        self.limit(100_000)
        self.put(reading(1))
        self.assertEqual(self.spool.trouble, "")
        ledger = self.spool.ledger
        self.assertEqual((ledger.taken, ledger.missed, ledger.queued), (201, 100, 101))
        (gap,) = self.store().gaps()
        self.assertEqual((gap.device, gap.lost), (2, 100))
        self.assertEqual(self.store().verify(), [])

    def test_good_puts_beside_bad_ones(self) -> None:
        """
        Of what came together, that for which there is room is taken.
        """
        self.put(*(reading("x" * 400) for _ in range(20)))
        self.limit(1)
        self.thread.waits = True
        self.spool.do(lambda store: None)
        settled = self.spool.do(lambda store: store.delivered(range(1, 21)))
        great = self.spool.put([reading("y" * 4000)] * 100)
        small = self.spool.put([reading(1)])
        while self.thread.work():
            pass
        self.successResultOf(settled)
        self.failureResultOf(great, NotTaken)
        self.successResultOf(small)
        self.assertEqual(self.spool.ledger.queued, 1)

    def test_locked(self) -> None:
        """
        While another program holds the file for too long, nothing is taken; it is recorded as a gap.
        """
        self.put(reading(1))
        self.store()._db.execute("PRAGMA busy_timeout=0")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.thread.waits = True
        done = [self.spool.put([reading(n)]) for n in range(2, 5)]
        self.thread.work()
        self.thread.work()
        for each in done:
            failure = self.failureResultOf(each, NotTaken)
            self.assertIn("another program holds it locked", failure.getErrorMessage())
        self.thread.waits = False
        other.execute("ROLLBACK")
        self.put(reading(5))
        self.assertEqual((self.waiting(), self.spool.ledger.missed), ([1, 5], 3))
        self.assertIn("locked", self.store().gaps()[0].cause)

    def test_no_directory(self) -> None:
        """
        Where no file can be made puts fail, and are tried anew each time.
        """
        self.path = Path("/proc/nowhere/api.spool")
        self.spool = self.begin()
        self.failureResultOf(self.spool.put([reading(1)]), NotTaken)
        self.failureResultOf(self.spool.put([reading(1)]), NotTaken)
        self.assertTrue(self.spool.trouble)
