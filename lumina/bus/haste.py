"""
Units that need more silence before a request than others: pure, without clock or wire.

Some take long to listen again after their neighbour's exchange, on long cables
above all, and miss what comes sooner, or damage it. So where several requests
have failed, what follows the next failure is sent after a longer silence. If that
helps, time and again, while a good part of what comes sooner fails, all
requests to the unit get it. Now and then one goes without, to see whether it is
needed still.
"""

from collections import deque

#: The longer silence, in seconds.
BREATH = 0.1

#: So many of the last requests after a short silence must have failed, and none of the last after a long one.
FAILED, SHORT, LONG = 8, 32, 12

#: Failures among those after a short silence from which on the longer one is tried.
SUSPICIOUS = 4

#: Requests from one that goes without to the next: at first, doubled at each that fails up to the last.
FIRST_INTERVAL, LAST_INTERVAL = 32, 1024

#: So many in a row that went without and were answered show that it is not needed.
ANSWERED = 8

_NEAR = 0.001


class Haste:
    """
    How one unit bears to be asked soon.

    @ivar needed: it fails too often without the longer silence.
    """

    __slots__ = ("_answered", "_failed", "_interval", "_long", "_passed", "_short", "needed")

    def __init__(self) -> None:
        self._begin(needed=False)

    def _begin(self, needed: bool) -> None:
        self.needed = needed
        self._failed = False
        self._short: deque[bool] = deque(maxlen=SHORT)
        self._long: deque[bool] = deque(maxlen=LONG)
        self._passed = self._answered = 0
        self._interval = FIRST_INTERVAL

    def silence(self, may_try: bool, tried: int = 0) -> float:
        """
        Seconds of silence that the next request gets, if others are not longer.

        @param may_try: it is one to find out with: a read that is not urgent.
        @param tried: how often the unit, which is suspended, was tried in vain:
            it may only have been asked too soon.
        """
        if self.needed:
            return 0.0 if may_try and self._passed >= self._interval else BREATH
        suspicious = self._failed and self._short.count(False) >= SUSPICIOUS
        return BREATH if may_try and (suspicious or tried % 2) else 0.0

    def told(self, quiet: float, sound: bool) -> bool:
        """
        A request that must be expected to be answered was, or was not.

        @param quiet: seconds of silence that were before it.
        @return: whether `needed` is another now.
        """
        short = quiet < BREATH - _NEAR
        self._failed = not sound
        if self.needed:
            return self._tried(short, sound)
        (self._short if short else self._long).append(sound)
        if self._short.count(False) < FAILED or self._long.count(True) < LONG:
            return False
        self._begin(needed=True)
        return True

    def _tried(self, short: bool, sound: bool) -> bool:
        self._passed += 1
        if not short:
            return False
        self._passed = 0
        self._answered = self._answered + 1 if sound else 0
        if not sound:
            self._interval = min(2 * self._interval, LAST_INTERVAL)
        if self._answered >= ANSWERED:
            self._begin(needed=False)
            return True
        return False
