"""Whose fault a refusal is: signs for it, and the pauses while it is the API's. Pure."""

from collections.abc import Callable, Iterable, Sequence

from lumina.sinks.lanes import Device, Parcel

#: An acceptance is a sign that the fault is that of others, for so many seconds.
_LATELY = 60.0

#: The pauses while all is refused grow to so many times the first.
_GROWTH = 10.0


class Signs:
    """Of which devices readings were accepted, and when."""

    def __init__(self) -> None:
        self._accepted: dict[Device, float] = {}

    def accepted(self, devices: Iterable[Device], at: float) -> None:
        """
        @param at: when it was sent, in monotonic seconds.
        """
        self._accepted.update(dict.fromkeys(devices, at))

    def lately(self, now: float) -> set[Device]:
        """Devices of which something was accepted within the last minute."""
        return {device for device, at in self._accepted.items() if at >= now - _LATELY}

    def is_one_alone(self, suspects: Sequence[Parcel], now: float) -> bool:
        """Whether all suspects are of one device of which nothing is accepted, while others are."""
        devices = {device for parcel in suspects for device in parcel.devices}
        lately = self.lately(now)
        return len(devices) == 1 and bool(lately) and not devices & lately


class Hold:
    """
    While all is refused, one reading is tried now and then.

    @ivar reason: why; empty: it is not so.
    @ivar due: when the next one may be tried, in monotonic seconds.
    """

    def __init__(self, first: float, draw: Callable[[], float]) -> None:
        """
        @param first: seconds until the first try, at most.
        @param draw: a random number from 0 up to 1.
        """
        self.reason = ""
        self.due = 0.0
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
        self.due = now + bound * (0.5 + self._draw() / 2)

    def end(self) -> None:
        """Something is accepted."""
        self.reason = ""
