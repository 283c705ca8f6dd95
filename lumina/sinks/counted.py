"""A sink of others that tells nothing of itself: what it takes and what it does not is counted for it."""

from collections.abc import Sequence
from dataclasses import replace

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from lumina.interfaces import Sink
from lumina.readings import Reading
from lumina.status import SinkStatus


class CountedSink:
    """A Sink before another one."""

    def __init__(self, name: str, kind: str, sink: Sink) -> None:
        self._status = SinkStatus(name, kind)
        self._sink = sink
        self._taken = self._missed = 0
        self._trouble = ""

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """As of a Sink; one that raises has not taken them."""
        done: Deferred[None] = maybeDeferred(self._sink.put, readings)
        return done.addCallbacks(
            self._took, self._failed, callbackArgs=(len(readings),), errbackArgs=(len(readings),)
        )

    def status(self) -> SinkStatus:
        """What it has taken, which is all that is known to have been delivered, and why not all of it."""
        return replace(
            self._status,
            state="failing" if self._trouble else "idle",
            taken=self._taken,
            delivered=self._taken,
            missed=self._missed,
            error=self._trouble,
        )

    def _took(self, result: None, count: int) -> None:
        self._taken += count
        self._trouble = ""

    def _failed(self, failure: Failure, count: int) -> Failure:
        self._missed += count
        self._trouble = failure.getErrorMessage() or type(failure.value).__name__
        return failure
