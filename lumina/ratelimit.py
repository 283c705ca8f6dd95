"""How little is said of what happens again and again."""


class RateLimit:
    """
    Lets a few through at once, and then one now and then.

    It fills up again while nothing is let through.
    """

    __slots__ = ("_burst", "_left", "_pause", "_seen")

    def __init__(self, burst: int, pause: float) -> None:
        """
        @param burst: how many may go at once.
        @param pause: seconds until one more may.
        """
        self._burst = burst
        self._pause = pause
        self._left = float(burst)
        self._seen = 0.0

    def allows(self, now: float) -> bool:
        """
        Whether one more may go; if so, it counts.

        @param now: monotonic seconds.
        """
        self._left = min(self._burst, self._left + (now - self._seen) / self._pause)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
