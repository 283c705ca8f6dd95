"""
What the thread of a spool does: keep the store usable, whatever happens to its file.

A damaged file is set aside and a fresh one begun. On a full disk nothing is
taken, while what was delivered can still be removed, for some room is kept for
that. What could not be taken is tallied here, and recorded as gaps as soon as
anything can be written.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lumina.errors import LuminaError, NotTaken
from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.file import set_aside
from lumina.sinks.mishaps import has_no_room, is_damaged, is_full, is_locked
from lumina.sinks.records import Ledger, Limits
from lumina.sinks.store import Store

#: Seconds between two looks for readings that are too old, and at the room on the disk.
_BETWEEN_BOUNDS = 30.0

#: Stands for the device where it is not known which devices lost readings.
EVERY = "*"


class Replaced(LuminaError):
    """The file was damaged and is replaced: what was asked of its readings has no meaning any more."""


class Job(NamedTuple):
    """
    Something to do with the store.

    @ivar readings: those that it takes; empty if it takes none.
    """

    act: Callable[[Store], Any]
    readings: Sequence[Reading] = ()


class Tally(dict[int | str, tuple[float, float, int]]):
    """Readings that were not taken: of each device from when to when, and how many."""

    def add(self, device: int | str, first: float, last: float, count: int) -> None:
        """Some more."""
        old_first, old_last, old_count = self.get(device, (first, last, 0))
        self[device] = min(first, old_first), max(last, old_last), count + old_count

    def add_all(self, readings: Sequence[Reading]) -> None:
        """Some more, one by one."""
        for reading in readings:
            self.add(reading.point.device, reading.at, reading.at, 1)


class Done(NamedTuple):
    """
    What has come of some jobs.

    @ivar results: for each its result, or an exception.
    @ivar dropped: how many readings the bounds have cost.
    @ivar notes: sentences for the log, about what went wrong.
    @ivar replaced: whether this is another file now.
    @ivar trouble: why readings were not taken; empty: they were; `None`: there were none.
    """

    results: list[Any]
    name: str
    ledger: Ledger
    oldest: float | None
    dropped: int = 0
    notes: tuple[str, ...] = ()
    replaced: bool = False
    trouble: str | None = None


class Keeper:
    """All of this blocks, and is called from one thread at a time."""

    def __init__(self, path: Path, limits: Limits, wall: Callable[[], float], uptime: Uptime) -> None:
        self._path = path
        self._limits = limits
        self._wall = wall
        self._uptime = uptime
        self._store: Store | None = None
        self._ledger = Ledger()
        self._known = False
        self._oldest: float | None = None
        self._missed = Tally()
        self._cause = ""
        self._bounded = float("-inf")
        self._dropped = 0
        self._notes: list[str] = []
        self._replaced = False

    def carry(self, jobs: Sequence[Job], held: Collection[int] = (), missed: Tally | None = None) -> Done:
        """
        Do some jobs, in one transaction if that goes well.

        @param held: readings that no bound may drop.
        @param missed: what was not even brought here.
        """
        self._notes, self._replaced, self._dropped = [], False, 0
        for device, span in (missed or {}).items():
            self._missed.add(device, *span)
        results = self._results(jobs, held)
        puts = [result for job, result in zip(jobs, results, strict=True) if job.readings]
        for job, result in zip(jobs, results, strict=True):
            if job.readings and isinstance(result, Exception):
                self._missed.add_all(job.readings)
        failed = [str(each) for each in puts if isinstance(each, Exception)]
        trouble = failed[0] if failed else "" if puts else None
        if trouble:
            self._cause = trouble
        self._look()
        name = self._store.name if self._store else ""
        return Done(
            results,
            name,
            self._ledger,
            self._oldest,
            self._dropped,
            tuple(self._notes),
            self._replaced,
            trouble,
        )

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            if self._missed:
                with suppress(sqlite3.Error):
                    self._store.turn([self._record_missed])
            self._store.close()
            self._store = None

    def _results(self, jobs: Sequence[Job], held: Collection[int]) -> list[Any]:
        try:
            store = self._opened()
            if not store.has_room():
                return self._without_puts(jobs)
            results = store.turn([job.act for job in jobs] + self._housekeeping(jobs, held))
            self._missed.clear()
            return results[: len(jobs)]
        except Exception as error:
            if is_damaged(error):
                self._replace(error)
            elif is_locked(error):  # and it was waited for long enough
                return [NotTaken(f"{self._path}: another program holds it locked")] * len(jobs)
            elif self._store is not None and has_no_room(error):
                self._store.make_room()
        return self._one_by_one(jobs)

    def _without_puts(self, jobs: Sequence[Job]) -> list[Any]:
        """What is kept aside is for what makes room."""
        full = NotTaken(f"{self._path}: the disk is full")
        return [full if job.readings else self._alone(job) for job in jobs]

    def _opened(self) -> Store:
        if self._store is None:
            store = Store(self._path, self._limits, self._wall, self._uptime)
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                store.open()
            except OSError as error:
                raise NotTaken(f"{self._path}: {error.strerror}") from error
            self._store = store
        return self._store

    def _housekeeping(self, jobs: Sequence[Job], held: Collection[int]) -> list[Callable[[Store], Any]]:
        """What goes with the jobs: the record of what was missed, the bounds."""
        acts: list[Callable[[Store], Any]] = []
        if self._missed:
            acts.append(self._record_missed)
        now = self._uptime.seconds()
        due = now - self._bounded >= _BETWEEN_BOUNDS
        if due or any(job.readings for job in jobs):
            self._bounded = now if due else self._bounded
            acts.append(lambda store: self._bound(store, held, due))
        return acts

    def _record_missed(self, store: Store) -> None:
        store.miss(((device, *span) for device, span in self._missed.items()), self._cause)

    def _bound(self, store: Store, held: Collection[int], due: bool) -> None:
        if due:
            store.keep_ballast()
        self._dropped = store.bound(held, by_age=due)

    def _one_by_one(self, jobs: Sequence[Job]) -> list[Any]:
        """Each by itself: first what makes room, then what needs it."""
        results: dict[int, Any] = {}
        for number, job in sorted(enumerate(jobs), key=lambda each: bool(each[1].readings)):
            if self._replaced and not job.readings:
                results[number] = Replaced("the file was damaged")
            else:
                results[number] = self._alone(job)
        return [results[number] for number in range(len(jobs))]

    def _alone(self, job: Job) -> Any:
        try:
            return self._opened().turn([job.act])[0]
        except LuminaError as error:
            return error
        except sqlite3.Error as error:
            why = "the disk is full" if is_full(error) else str(error)
            return NotTaken(f"{self._path}: {why}")
        except Exception as error:  # a fault of the job's own; the others go on
            return error

    def _replace(self, error: Exception) -> None:
        """Set the file aside; what waited in it is missed, as far as is known."""
        if self._store is not None:
            self._store.abandon()
            self._store = None
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))
        try:
            aside = set_aside(self._path, stamp)
        except OSError as why:
            self._notes.append(f"{self._path} is damaged ({error}), and cannot be set aside: {why.strerror}")
            return
        lost = self._ledger.queued + self._ledger.dead
        self._cause = f"the spool was damaged, and set aside as {aside.name}"
        if not self._known:
            self._cause += "; how many readings waited in it is not known"
        self._missed.add(EVERY, self._oldest or self._wall(), self._wall(), lost)
        self._replaced = True
        self._notes.append(
            f"{self._path} is damaged ({error}); it is set aside as {aside}, and a fresh one begun"
        )

    def _look(self) -> None:
        """Read what is to be said of the spool; what cannot be read stays as it was."""
        if self._store is not None:
            with suppress(sqlite3.Error):
                self._ledger = self._store.ledger()
                self._known = True
                self._oldest = self._store.oldest()
