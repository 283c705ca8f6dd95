"""
The spool of a running service: its own thread, and one transaction for all that came meanwhile.

Readings are taken when the transaction that holds them has ended, so a `put`
costs one wait for the disk, however many puts there are at once.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from lumina.errors import NotTaken
from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.keeper import Done, Job, Keeper, Tally
from lumina.sinks.records import Ledger, Limits
from lumina.sinks.store import Store

T = TypeVar("T")

#: Readings in one transaction at most, and readings that may wait for one.
_TOGETHER = 20_000
_WAITING = 200_000


class Runner(Protocol):
    """Calls functions where they may block, one after the other."""

    def __call__(self, function: Callable[[], T], /) -> Deferred[T]:
        """@return: fires with the result, in the reactor's thread."""

    def stop(self) -> None:
        """Nothing more is to be called."""


class Thread:
    """A thread of its own; it is there while something was called and `stop` was not."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, name)
        self._stopped = False

    def __call__(self, function: Callable[[], T], /) -> Deferred[T]:
        if self._stopped:
            return fail(NotTaken("lumina is stopping"))
        if not self._pool.started:
            self._pool.start()
        return deferToThreadPool(self._reactor, self._pool, function)

    def stop(self) -> None:
        self._stopped = True
        if self._pool.started:
            self._pool.stop()


class _Asked(NamedTuple):
    job: Job
    done: Deferred[Any]


class Spool:
    """
    Takes readings, and keeps them until they are accepted.

    @ivar name: of the present file, the first part of each idempotency key;
        empty until something was done.
    @ivar ledger: as of the last transaction.
    @ivar oldest: when the first reading that waits was read, in seconds since 1970.
    @ivar trouble: why nothing can be taken; empty: as far as is known it can.
    @ivar replaced: is called when a fresh file was begun for a damaged one.
    @ivar dropped: is called when readings were dropped by a bound.
    @ivar held: tells the readings that must not be dropped, for they may be under way.
    """

    _log = Logger()

    def __init__(
        self,
        title: str,
        path: Path,
        limits: Limits,
        wall: Callable[[], float],
        run: Runner,
        uptime: Uptime = Uptime(),  # noqa: B008
    ) -> None:
        """
        @param title: what it is called in the log.
        @param run: its thread.
        @param uptime: by this readings grow old.
        """
        self.title = title
        self.name = ""
        self.ledger = Ledger()
        self.oldest: float | None = None
        self.trouble = ""
        self.replaced: Callable[[], object] = lambda: None
        self.dropped: Callable[[], object] = lambda: None
        self.held: Callable[[], Collection[int]] = tuple
        self._keeper = Keeper(path, limits, wall, uptime)
        self._run = run
        self._asked: list[_Asked] = []
        self._waiting = 0
        self._missed = Tally()
        self._busy = False
        self._closed: Deferred[None] | None = None

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """
        Take readings.

        @return: fires when they are on the disk; fails with `NotTaken`: none of them is.
        """
        if self._waiting and self._waiting + len(readings) > _WAITING:
            self._missed.add_all(readings)
            why = f"{self._waiting} readings wait for the disk already, the limit is {_WAITING}"
            self._say(why)
            return fail(NotTaken(f"{self.title}: {why}"))
        return self._ask(Job(lambda store: store.take(readings), readings))

    def do(self, act: Callable[[Store], T]) -> Deferred[T]:
        """
        Do something with the store, in its next transaction.

        @return: fires with the result, once that is on the disk; fails with
            `Replaced` if the file turned out to be damaged, else with `NotTaken`.
        """
        return self._ask(Job(act))

    def close(self) -> Deferred[None]:
        """Finish what was asked, and close the file."""
        self._closed = Deferred()
        self._turn()
        return self._closed

    def _ask(self, job: Job) -> Deferred[Any]:
        if self._closed is not None:
            return fail(NotTaken(f"{self.title}: lumina is stopping"))
        asked = _Asked(job, Deferred())
        self._asked.append(asked)
        self._waiting += len(job.readings)
        self._turn()
        return asked.done

    def _turn(self) -> None:
        """Let the thread do all that is asked, unless it is at work."""
        if self._busy or not (self._asked or self._closed):
            return
        self._busy = True
        if self._asked:
            asked = self._next()
            missed, self._missed = self._missed, Tally()
            held = frozenset(self.held())
            jobs = [each.job for each in asked]
            self._run(lambda: self._keeper.carry(jobs, held, missed)).addCallbacks(
                self._carried, self._broke, callbackArgs=(asked,), errbackArgs=(asked,)
            )
        elif self._closed is not None:
            self._run(self._keeper.close).addBoth(self._end, self._closed)

    def _next(self) -> list[_Asked]:
        """As much as makes a transaction of reasonable size, in the order of asking."""
        count = size = 0
        for each in self._asked:
            size += len(each.job.readings)
            if count and size > _TOGETHER:
                break
            count += 1
        chosen, self._asked = self._asked[:count], self._asked[count:]
        self._waiting -= sum(len(each.job.readings) for each in chosen)
        return chosen

    def _carried(self, done: Done, asked: Sequence[_Asked]) -> None:
        self.name, self.ledger, self.oldest = done.name or self.name, done.ledger, done.oldest
        for sentence in done.notes:
            self._log.error("{title}: {sentence}", title=self.title, sentence=sentence)
        if done.trouble is not None:
            self._say(done.trouble)
        if done.dropped:
            self._log.warn(
                "{title}: {count} readings were dropped by the bounds of the spool; gaps are recorded",
                title=self.title,
                count=done.dropped,
            )
            self.dropped()
        if done.replaced:
            self.replaced()
        self._busy = False
        for each, result in zip(asked, done.results, strict=True):
            if isinstance(result, Exception):
                each.done.errback(result)
            else:
                each.done.callback(result)
        self._turn()

    def _broke(self, failure: Failure, asked: Sequence[_Asked]) -> None:
        """A fault in the thread's own work; nothing was done."""
        self._log.failure("{title}: a turn of the spool", failure, title=self.title)
        self._busy = False
        for each in asked:
            self._missed.add_all(each.job.readings)
            each.done.errback(NotTaken(f"{self.title}: {failure.value}"))
        self._turn()

    def _say(self, trouble: str) -> None:
        """Each reason is said once, and so is that it is over."""
        if trouble and trouble != self.trouble:
            self._log.error("{title}: readings are not taken: {trouble}", title=self.title, trouble=trouble)
        elif self.trouble and not trouble:
            self._log.info("{title}: readings are taken again", title=self.title)
        self.trouble = trouble

    def _end(self, result: object, closed: Deferred[None]) -> None:
        self._run.stop()
        if isinstance(result, Failure):
            self._log.failure("{title}: closing the spool", result, title=self.title)
        closed.callback(None)
