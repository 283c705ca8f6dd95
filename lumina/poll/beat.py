"""A timer that keeps to the wall clock."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Beat:
    """
    Calls something at once, and then whenever the wall clock shows a multiple of the interval.

    The timer itself is monotonic: where the wall clock has been set, the beat
    finds its way back to it within one interval, and never comes twice for
    the same time.
    """

    _log = Logger()

    def __init__(
        self,
        interval: float,
        call: Callable[[], None],
        reactor: Any,
        wall: Callable[[], float],
        phase: float = 0.0,
    ) -> None:
        """
        @param interval: seconds.
        @param call: what it calls; if that raises, it is logged, and the beat goes on.
        @param wall: seconds since 1970.
        @param phase: seconds by which it comes later than the multiples.
        """
        self.interval = interval
        self._call = call
        self._reactor = reactor
        self._wall = wall
        self._phase = phase
        self._loop = LoopingCall(self._beat)
        self._loop.clock = reactor
        self._slot: int | None = None

    def start(self) -> None:
        """Call now, and from now on."""
        self._slot = None
        over: Deferred[Any] = self._loop.start(self.interval)
        over.addErrback(lambda failure: self._log.failure("the beat has stopped", failure))

    def stop(self) -> None:
        """Call no more."""
        if self._loop.running:
            self._loop.stop()

    def _beat(self) -> None:
        first, slot = self._slot is None, self._align()
        if not first and slot == self._slot:  # the timer was a little early before
            return
        # The first call is not one of the wall clock's, whichever that is nearest to.
        self._slot = -1 if first else slot
        try:
            self._call()
        except Exception:
            self._log.failure("in a beat of {interval} s", interval=self.interval)

    def _align(self) -> int:
        """
        Move the grid of the loop to where the wall clock has it now.

        @return: the number of the multiple that is nearest.
        """
        shown = self._wall() - self._phase
        slot = round(shown / self.interval)
        self._loop.starttime = self._reactor.seconds() - (shown - slot * self.interval)
        return slot
