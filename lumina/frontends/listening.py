"""Tells a bus what happens on its line beside requests, if it wants to know."""

from lumina.interfaces import Bus, Listening


class _Deaf:
    """A bus that is not its units: whether one is there only an exchange would tell."""

    def refused(self, unit: int, code: int) -> bool:
        return True

    def damaged(self) -> None:
        pass


_DEAF = _Deaf()


def listening(bus: Bus) -> Listening:
    """Whom to tell."""
    return getattr(bus, "listening", None) or _DEAF
