"""The pauses while everything is refused; pure."""

from collections.abc import Callable

#: The pauses grow to so many times the first.
_GROWTH = 10.0

#: Requests in one try, but for thorough ones.
_TRIED = 2
#: Every so many suspects make thorough tries rarer.
_RARER = 8


class Hold:
    """
    While all is refused, one reading is tried now and then.

    @ivar reason: why; empty: it is not so.
    @ivar due: when the next one may be tried, in monotonic seconds.
    @ivar steps: requests in it.
    """

    def __init__(self, first: float, draw: Callable[[], float]) -> None:
        """
        @param first: seconds until the first try, at most.
        @param draw: a random number from 0 up to 1.
        """
        self.reason = ""
        self.due = 0.0
        self.steps = 0
        self._first = first
        self._draw = draw
        self._tries = 0

    def begin(self, reason: str, now: float) -> None:
        """All is refused from now on."""
        self.reason = reason
        self._tries = 0
        self.later(now)

    def later(self, now: float) -> None:
        """A try has come to nothing."""
        bound = self._first * min(_GROWTH, 2.0**self._tries)
        self._tries += 1
        self.steps = 0
        self.due = now + bound * (0.5 + self._draw() / 2)

    def goes_on(self, suspects: int) -> bool:
        """
        Whether there is to be one more request in this try.

        Where all suspects are of one device, only the whole row of them can
        tell; the more they are, the more rarely that is gone through.
        """
        is_thorough = self._tries % (1 + suspects // _RARER) == 0
        return self.steps < _TRIED or is_thorough

    def end(self) -> None:
        """Something is accepted."""
        self.reason = ""
