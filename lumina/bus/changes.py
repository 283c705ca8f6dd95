"""What the log says of a connection that comes and goes."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from lumina.ratelimit import RateLimit

#: Changes of a connection that are said at once, and seconds until the next after those.
CHANGES, CHANGE_PAUSE = 10, 60.0


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
        self._limit = RateLimit(CHANGES, CHANGE_PAUSE)
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
        if self._limit.allows(self._clock.seconds()):
            self._lost = 0
            self._say(level, sentence)
        else:
            self._lost = int(level == "warn")
            self._sum = self._clock.callLater(CHANGE_PAUSE, self._sum_up)

    def _sum_up(self) -> None:
        self._sum = None
        self._limit.allows(self._clock.seconds())
        level, sentence = self._standing()
        times = "once" if self._lost == 1 else f"{self._lost} times"
        self._say(level, f"lost {times} within {CHANGE_PAUSE:g} s; now: {sentence}")
