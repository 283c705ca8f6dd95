"""When a value is looked at, and what was before."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Past(Protocol):
    """
    What registers of the same unit have held. All times are seconds since the
    simulation began.
    """

    def held(self, table: str, address: int, count: int, elapsed: float) -> Sequence[int]:
        """What `count` registers held at a time; those that move, as they were then."""

    def changed(self, table: str, address: int, count: int, since: float) -> Sequence[float] | None:
        """When they were written after `since`, in order; `None`: they move."""


class _Nothing:
    """The past where there are no registers: all of them hold 0."""

    def held(self, table: str, address: int, count: int, elapsed: float) -> Sequence[int]:
        return (0,) * count

    def changed(self, table: str, address: int, count: int, since: float) -> Sequence[float]:
        return ()


NOTHING = _Nothing()


class Moment(NamedTuple):
    """
    When, and in which of all possible worlds.

    @ivar elapsed: seconds since the simulation began, never negative.
    @ivar past: what the registers of the unit have held until then.
    """

    seed: int
    elapsed: float
    past: Past = NOTHING
