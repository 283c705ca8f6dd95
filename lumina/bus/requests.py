"""
The requests of one port, from being asked to their end.

Each enters the schedule and rings the door bell, a `DeferredQueue`; each ends
exactly once, in a reply or an error, and its outcome is published.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue, QueueOverflow
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from lumina.bus.schedule import Schedule
from lumina.errors import Cancelled, Expired, LuminaError, NotSent
from lumina.interfaces import Exchange, Outcome, Terms, Watcher
from lumina.modbus.pdu import Reply, Request


@dataclass(eq=False, slots=True)
class Job:
    """
    One request.

    @ivar asked: when it was asked, in monotonic seconds.
    @ivar done: its end, for the asker.
    @ivar sent: when its first byte was handed to the line; `None`: not yet.
    """

    unit: int
    request: Request
    terms: Terms
    asked: float
    done: Deferred[Reply]
    expiry: IDelayedCall | None = None
    sent: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return bool(self.done.called)


class Requests:
    """What waits for a port, and how each of it ends."""

    _log = Logger()

    def __init__(
        self, port: str, schedule: Schedule[Job], reactor: Any, watchers: Sequence[Watcher] = ()
    ) -> None:
        self._port = port
        self._schedule = schedule
        self._reactor = reactor
        self._watchers = watchers
        self._bell: DeferredQueue[None] = DeferredQueue(size=1)

    def __len__(self) -> int:
        return len(self._schedule)

    def new(self, unit: int, request: Request, terms: Terms) -> Job:
        """A request that has just been asked, and waits for nothing yet."""
        done: Deferred[Reply] = Deferred(lambda _: self._withdraw(job))
        job = Job(unit, request, terms, self._reactor.seconds(), done)
        return job

    def enter(self, job: Job) -> None:
        """
        Let a job wait for its turn, as long as its terms say.

        @raise QueueFull: it does not wait.
        """
        self._schedule.add(job.terms.client, job)
        if job.terms.patience is not None:
            job.expiry = self._reactor.callLater(job.terms.patience, self._expire, job)
        self.ring()

    def next(self) -> Job | None:
        """Take the job whose turn it is; it still expires until it is `begun`."""
        return self._schedule.next()

    def begun(self, job: Job) -> None:
        """Its first byte is handed to the line now; it cannot be withdrawn any more."""
        self._disarm(job)
        if job.sent is None:
            job.sent = self._reactor.seconds()

    def end(self, job: Job, result: Reply | LuminaError) -> None:
        """Answer its asker, who may have lost interest, and publish its outcome."""
        self._disarm(job)
        word = result.word if isinstance(result, LuminaError) else "ok"
        now = self._reactor.seconds()
        self.publish(Outcome(self._port, job.unit, job.request, job.terms, word, job.asked, job.sent, now))
        if job.is_over:
            return
        if isinstance(result, LuminaError):
            job.done.errback(result)
        else:
            job.done.callback(result)

    def end_waiting(self, error: NotSent) -> None:
        """End all that wait."""
        for job in self._schedule.drain():
            self.end(job, error)

    def publish(self, event: Outcome | Exchange) -> None:
        """Tell the watchers; one that fails is logged, and the others are told."""
        for watcher in self._watchers:
            try:
                if isinstance(event, Outcome):
                    watcher.outcome(event)
                else:
                    watcher.exchange(event)
            except Exception:
                self._log.failure("{watcher} failed on {event}", watcher=watcher, event=event)

    def ring(self) -> None:
        """Wake whoever waits for the bell; once is enough for any number of rings."""
        with suppress(QueueOverflow):
            self._bell.put(None)

    def bell(self) -> Deferred[None]:
        """Fires when the bell has rung."""
        return self._bell.get()

    def _disarm(self, job: Job) -> None:
        if job.expiry is not None:
            job.expiry.cancel()
            job.expiry = None

    def _expire(self, job: Job) -> None:
        job.expiry = None
        self._schedule.remove(job.terms.client, job)
        self.end(job, Expired(f"{job.terms.patience:g} s went by before its turn came"))

    def _withdraw(self, job: Job) -> None:
        """The asker has lost interest; what is on the wire is finished all the same."""
        if job.sent is None:
            self._schedule.remove(job.terms.client, job)
            self.end(job, Cancelled("withdrawn before it was sent"))
