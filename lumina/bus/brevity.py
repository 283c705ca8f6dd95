"""How little is said of what happens again and again."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

#: Changes of a connection that are said at once, and seconds until the next after those.
CHANGES, CHANGE_PAUSE = 10, 60.0


class Brevity:
    """
    Lets a few be said at once, then one now and then, and counts the others.

    @ivar unsaid: how many were not said since the last that was.
    """

    def __init__(self, burst: int, pause: float, seconds: Callable[[], float]) -> None:
        """
        @param burst: how many may be said at once.
        @param pause: seconds until one more may.
        @param seconds: monotonic time.
        """
        self._burst = burst
        self._pause = pause
        self._seconds = seconds
        self._left = float(burst)
        self._seen = seconds()
        self.unsaid = 0

    def allows(self) -> bool:
        """Whether one more may be said now; if not, it is counted."""
        now = self._seconds()
        self._left = min(self._burst, self._left + (now - self._seen) / self._pause)
        self._seen = now
        if self._left < 1:
            self.unsaid += 1
            return False
        self._left -= 1
        return True


class Changes:
    """
    Says when a connection is lost and found, and of one that flaps only a sum.

    What is not said at once is summed up soon, with how it stands then: the
    last that is said is always true.
    """

    def __init__(
        self, clock: Any, say: Callable[[str, str], None], standing: Callable[[], tuple[str, str]]
    ) -> None:
        """
        @param say: takes a level and a sentence.
        @param standing: the level and the sentence that are true now.
        """
        self._clock = clock
        self._say = say
        self._standing = standing
        self._brevity = Brevity(CHANGES, CHANGE_PAUSE, clock.seconds)
        self._lost = 0
        self._sum: IDelayedCall | None = None

    def lost(self, sentence: str) -> None:
        """The connection is gone, or cannot be made, and why."""
        self._lost += 1
        self._changed("warn", sentence)

    def found(self, sentence: str) -> None:
        """It is there again."""
        self._changed("info", sentence)

    def stop(self) -> None:
        """Nothing is said any more."""
        if self._sum is not None:
            self._sum.cancel()
            self._sum = None

    def _changed(self, level: str, sentence: str) -> None:
        if self._sum is not None:
            return
        if self._brevity.allows():
            self._lost = 0
            self._say(level, sentence)
        else:
            self._lost = int(level == "warn")
            self._sum = self._clock.callLater(CHANGE_PAUSE, self._sum_up)

    def _sum_up(self) -> None:
        self._sum = None
        self._brevity.allows()
        level, sentence = self._standing()
        times = "once" if self._lost == 1 else f"{self._lost} times"
        self._say(level, f"lost {times} within {CHANGE_PAUSE:g} s; now: {sentence}")
