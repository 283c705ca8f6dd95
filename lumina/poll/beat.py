"""A timer that keeps to the wall clock."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

#: Seconds, and the part of an interval, within which what comes at nearly the same time comes together.
_TOGETHER, _PART = 0.02, 0.1


class Beat:
    """
    Calls something at once, and then whenever the wall clock shows a multiple of one of its intervals.

    Where multiples of several intervals fall together that is one call, with
    all of them. The timers themselves are monotonic: where the wall clock has
    been set, each finds its way back to it within one interval, and never
    comes twice for the same time.
    """

    _log = Logger()

    def __init__(
        self,
        intervals: Iterable[float],
        call: Callable[[Sequence[float]], None],
        reactor: Any,
        wall: Callable[[], float],
        phase: float = 0.0,
    ) -> None:
        """
        @param intervals: seconds.
        @param call: what it calls, with the intervals that have come, the shortest
            first; if that raises, it is logged, and the beat goes on.
        @param wall: seconds since 1970.
        @param phase: seconds by which it comes later than the multiples.
        """
        self.intervals = sorted(intervals)
        self._call = call
        self._reactor = reactor
        self._wall = wall
        self._phase = phase
        self._loops = {interval: LoopingCall(self._beat, interval) for interval in self.intervals}
        self._slots: dict[float, int] = {}

    def start(self) -> None:
        """Call now, and from now on."""
        self._slots.clear()
        for interval, loop in self._loops.items():
            loop.clock = self._reactor
            over: Deferred[Any] = loop.start(interval)
            over.addErrback(lambda failure: self._log.failure("the beat has stopped", failure))
        self._come(self.intervals)

    def stop(self) -> None:
        """Call no more."""
        for loop in self._loops.values():
            if loop.running:
                loop.stop()

    def _beat(self, interval: float) -> None:
        slot, _ = self._align(interval)
        if interval not in self._slots:  # it was started just now
            # The first call is not one of the wall clock's, whichever that is nearest to.
            self._slots[interval] = -1
        elif slot != self._slots[interval]:  # else it came with another, or its timer was a little early
            self._slots[interval] = slot
            self._come([each for each in self.intervals if each == interval or self._joins(each)])

    def _joins(self, interval: float) -> bool:
        """Whether an interval has come as well, although its own timer may be a moment later."""
        slot, off = self._align(interval)
        timer = self._loops[interval].call
        late = timer is not None and timer.getTime() <= self._reactor.seconds()
        if slot == self._slots[interval] or not (late or abs(off) <= min(_TOGETHER, _PART * interval)):
            return False
        self._slots[interval] = slot
        return True

    def _come(self, intervals: Sequence[float]) -> None:
        try:
            self._call(intervals)
        except Exception:
            self._log.failure("in a beat of {intervals} s", intervals=intervals)

    def _align(self, interval: float) -> tuple[int, float]:
        """
        Move the grid of a timer to where the wall clock has it now.

        @return: the number of the multiple that is nearest, and for how many seconds it has been over.
        """
        shown = self._wall() - self._phase
        slot = round(shown / interval)
        off = shown - slot * interval
        self._loops[interval].starttime = self._reactor.seconds() - off
        return slot, off
