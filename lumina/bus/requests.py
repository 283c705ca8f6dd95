"""
The requests of one port, from being asked to their end.

Each enters the schedule and rings the door bell, a `DeferredQueue`; each ends
exactly once, in a reply or an error, and its outcome is published.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue, QueueOverflow
from twisted.internet.interfaces import IDelayedCall

from lumina.bus.schedule import Schedule
from lumina.errors import Cancelled, Expired, LuminaError, NotSent
from lumina.interfaces import Exchange, Outcome, Terms, Watcher
from lumina.modbus.pdu import BROADCAST, Reply, Request
from lumina.modbus.rtu import Line
from lumina.watchers import tell

_outcome = partial(tuple.__new__, Outcome)  # Outcome() takes several times as long, for each request


@dataclass(eq=False, slots=True)
class Job:
    """
    One request.

    @ivar line: the speed and format that it is sent with.
    @ivar timeout: seconds from its end on the wire until the reply begins.
    @ivar key: requests to one unit with equal keys may share an exchange;
        `None`: it is alone.
    @ivar barrier: whether it may change what others read.
    @ivar asked: when it was asked, in monotonic seconds.
    @ivar done: its end, for the asker.
    @ivar sent: when its first byte was handed to the line; `None`: not yet.
    @ivar entered: whether it was admitted, and not refused at once.
    """

    unit: int
    request: Request
    terms: Terms
    line: Line
    timeout: float
    key: Hashable | None
    barrier: bool
    asked: float
    done: Deferred[Reply]
    expiry: IDelayedCall | None = None
    sent: float | None = None
    entered: bool = False
    ended: bool = False

    @property
    def client(self) -> str:
        return self.terms.client

    @property
    def priority(self) -> int:
        return self.terms.priority

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return bool(self.done.called)


class Requests:
    """
    What waits for a port, and how each of it ends.

    @ivar deepest: the most that ever waited.
    """

    def __init__(
        self,
        port: str,
        schedule: Schedule[Job],
        reactor: Any,
        watchers: Sequence[Watcher] = (),
        unsent: Callable[[Job], None] = lambda job: None,
        wake: Callable[[], None] | None = None,
        held_up: Callable[[Job], str] = lambda job: "",
    ) -> None:
        """
        @param unsent: hears of each request that entered, and ended without
            having been sent.
        @param wake: is called instead of ringing the bell.
        @param held_up: the end of a sentence: what a request has waited for, where it
            is more than its turn.
        """
        self._port = port
        self._schedule = schedule
        self._reactor = reactor
        self._watchers = watchers
        self._unsent = unsent
        self._wake = wake
        self._held_up = held_up
        self._bell: DeferredQueue[None] = DeferredQueue(size=1)
        self.deepest = 0
        self._barriers: Counter[int] = Counter()
        self._asked: dict[Deferred[Reply], Job] = {}

    def __len__(self) -> int:
        return len(self._schedule)

    def __iter__(self) -> Iterator[Job]:
        """All that wait, in no particular order."""
        return iter(self._schedule)

    def new(
        self,
        unit: int,
        request: Request,
        terms: Terms,
        line: Line,
        timeout: float,
        key: Hashable | None,
        now: float,
    ) -> Job:
        """A request that has just been asked, and waits for nothing yet."""
        # The canceller finds the job by its Deferred: one that held it would be garbage in a circle.
        done: Deferred[Reply] = Deferred(self._withdraw)
        job = Job(unit, request, terms, line, timeout, key, request.writes, now, done)
        self._asked[done] = job
        if job.barrier:
            self._barriers[unit] += 1
        return job

    def changing(self, unit: int) -> bool:
        """Whether something that may change what this unit says was asked, and is not over."""
        return bool(self._barriers.get(unit) or self._barriers.get(BROADCAST))

    def enter(self, job: Job) -> None:
        """
        Let a job wait for its turn, as long as its terms say.

        @raise QueueFull: it does not wait.
        """
        self._schedule.add(job)
        job.entered = True
        self.deepest = max(self.deepest, len(self._schedule))
        if job.terms.patience is not None:
            job.expiry = self._reactor.callLater(job.terms.patience, self._expire, job)
        self.ring()

    def next(self, ready: Callable[[Job], bool], line: Line | None) -> Job | None:
        """
        Take the job whose turn it is; it still expires until it is `begun`.

        @param ready: whether a job may be sent now.
        @param line: those of this line go first in their class; `None`: none do.
        """
        return self._schedule.next(ready, line)

    def turn(self, ready: Callable[[Job], bool], line: Line | None) -> Job | None:
        """The job that `next` would take; it stays."""
        return self._schedule.turn(ready, line)

    def sharers(self, job: Job) -> list[Job]:
        """Take those that the exchange of a job can answer as well."""
        return self._schedule.sharers(job)

    def charge(self, party: Sequence[Job], seconds: float) -> None:
        """A party has used the bus for so long."""
        self._schedule.charge([job.client for job in party], seconds, party[0].priority)

    def begun(self, job: Job, now: float) -> None:
        """Its first byte is handed to the line now; it cannot be withdrawn any more."""
        if job.expiry is not None:
            self._disarm(job)
        if job.sent is None:
            job.sent = now

    def end(self, job: Job, result: Reply | LuminaError) -> None:
        """
        Answer its asker, who may have lost interest, and publish its outcome;
        the first time counts.
        """
        if job.ended:
            return
        job.ended = True
        del self._asked[job.done]
        if job.expiry is not None:
            self._disarm(job)
        if job.barrier:
            self._barriers[job.unit] -= 1
        if job.entered and job.sent is None:
            self._unsent(job)
        word = result.word if isinstance(result, LuminaError) else "ok"
        now = self._reactor.seconds()
        # What was never sent, and is answered all the same, is known from before.
        age = now - result.ended if job.sent is None and isinstance(result, Reply) else None
        self.publish(
            _outcome((self._port, job.unit, job.request, job.terms, word, job.asked, job.sent, now, age))
        )
        if job.done.called:
            return
        if isinstance(result, LuminaError):
            job.done.errback(result)
        else:
            job.done.callback(result)

    def end_waiting(self, error: NotSent) -> None:
        """End all that wait."""
        for job in self._schedule.drain():
            self.end(job, error)

    def end_unit(self, unit: int, error: NotSent) -> None:
        """End all that wait for one unit."""
        for job in [job for job in self._schedule if job.unit == unit]:
            self._schedule.remove(job)
            self.end(job, error)

    def publish(self, event: Outcome | Exchange) -> None:
        """Tell the watchers."""
        tell(self._watchers, event)

    def ring(self) -> None:
        """Wake whoever waits for the bell; once is enough for any number of rings."""
        if self._wake is not None:
            self._wake()
            return
        with suppress(QueueOverflow):
            self._bell.put(None)

    def bell(self) -> Deferred[None]:
        """Fires when the bell has rung."""
        return self._bell.get()

    def _disarm(self, job: Job) -> None:
        assert job.expiry is not None
        job.expiry.cancel()
        job.expiry = None

    def _expire(self, job: Job) -> None:
        job.expiry = None
        self._schedule.remove(job)
        self.end(job, Expired(f"{job.terms.patience:g} s went by before its turn came{self._held_up(job)}"))

    def _withdraw(self, done: Deferred[Reply]) -> None:
        """The asker has lost interest; what is on the wire is finished all the same."""
        job = self._asked.get(done)
        if job is not None and job.sent is None:
            self._schedule.remove(job)
            self.end(job, Cancelled("withdrawn before it was sent"))
