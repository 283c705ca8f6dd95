"""From the poller to one sink: in order, one call at a time, within bounds."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.interfaces import Sink
from lumina.readings import Reading

#: Readings that may wait for a sink that is slow.
LIMIT = 200_000

#: Readings of one call, if those of single devices are not more.
TOGETHER = 500


class Feed:
    """
    Hands readings to a sink, while the poller goes on.

    What comes while the sink is busy is handed over together afterwards.
    Beyond `LIMIT` nothing more is let wait: those readings are lost to this
    sink, which is said and counted.

    @ivar name: what the sink is called.
    @ivar taken: readings that it has taken.
    @ivar lost: readings that it could not take, or that were not let wait.
    """

    _log = Logger()

    def __init__(self, name: str, sink: Sink, reactor: Any) -> None:
        self.name = name
        self.taken = self.lost = 0
        self._sink = sink
        self._reactor = reactor
        self._waiting: deque[Sequence[Reading]] = deque()
        self._count = 0
        self._busy = False
        self._trouble = ""
        self._idle: list[Deferred[None]] = []

    def put(self, readings: Sequence[Reading]) -> None:
        """Hand over what was read from one device; those readings stay together."""
        if self._count + len(readings) > LIMIT:
            self._lose(len(readings), f"{self._count} readings wait for it already, at most {LIMIT}")
            return
        self._waiting.append(readings)
        self._count += len(readings)
        if not self._busy:
            self._busy = True
            self._reactor.callLater(0, self._hand_over)

    def drained(self) -> Deferred[None]:
        """Fires when nothing waits any more."""
        if not self._busy:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        return done

    def _hand_over(self) -> None:
        batch: list[Reading] = []
        while self._waiting and len(batch) < TOGETHER:
            batch += self._waiting.popleft()
        self._count -= len(batch)
        done: Deferred[None] = maybeDeferred(self._sink.put, batch)
        done.addCallbacks(self._took, self._failed, callbackArgs=(len(batch),), errbackArgs=(len(batch),))
        done.addErrback(lambda failure: self._log.failure("sink {name}", failure, name=self.name))
        done.addCallback(self._go_on)

    def _took(self, result: object, count: int) -> None:
        self.taken += count
        if self._trouble:
            self._trouble = ""
            self._log.info("sink {name}: takes readings again", name=self.name)

    def _failed(self, failure: Failure, count: int) -> None:
        self._lose(count, failure.getErrorMessage())

    def _lose(self, count: int, reason: str) -> None:
        self.lost += count
        if not self._trouble:
            self._log.error(
                "sink {name}: {count} readings are lost: {reason}", name=self.name, count=count, reason=reason
            )
        self._trouble = reason

    def _go_on(self, _: object) -> None:
        if self._waiting:
            self._reactor.callLater(0, self._hand_over)
            return
        self._busy = False
        idle, self._idle = self._idle, []
        for done in idle:
            done.callback(None)
