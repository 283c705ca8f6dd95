"""
Reading without delivering, to see whether what is configured makes sense.

Beside each value stand its registers as they came, and what they would be in
the other orders of bytes and words, the likeliest of all marked.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from twisted.internet.defer import Deferred

from lumina.errors import BadReply
from lumina.modbus.request import unpack
from lumina.modbus.tables import REGISTERS
from lumina.modbus.values import ORDERS, Value
from lumina.poll.block import Block
from lumina.poll.cycle import Cycle
from lumina.poll.lane import Lane, Visit
from lumina.poll.plan import Plan
from lumina.poll.rounds import Polled, terms
from lumina.readings import ABSENT, Point, Reading, decoder

#: Where measurements lie, mostly: what is beyond is unlikely to be one.
_LEAST, _MOST = 1e-4, 1e8

#: Decades of a whole number, or digits of a fraction, that make a difference.
_CLEARLY = 2.0


@dataclass(frozen=True, slots=True)
class Tried:
    """
    A point that was read.

    @ivar raw: its bytes as they came; empty: none did.
    """

    reading: Reading
    raw: bytes


class Way(NamedTuple):
    """One way to understand bytes; `likely` is the likeliest of several."""

    name: str
    value: Value | None
    likely: bool = False


class Trial(Cycle):
    """A cycle that also keeps the bytes of each point, by its place in the plan."""

    def __init__(self, plan: Plan, now: float) -> None:
        super().__init__(plan, now)
        self._raw: dict[int, bytes] = {}

    def answered(
        self, block: Block, pdu: bytes, now: float, at: float, seconds: float | None = None
    ) -> list[Reading]:
        self._raw.update(block.raw(pdu))
        return super().answered(block, pdu, now, at, seconds)

    def tried(self, readings: Sequence[Reading]) -> list[Tried]:
        """All points in the order of the plan, each as it was read."""
        found: Mapping[str, Reading] = {each.point.parameter: each for each in readings}
        return [
            Tried(found[point.parameter], self._raw.get(place, b""))
            for place, point in enumerate(self._plan.points)
            if point.parameter in found
        ]


def attempt(device: Polled, plan: Plan, lane: Lane, seconds: Callable[[], float]) -> Deferred[list[Tried]]:
    """
    Read a device once, by its own plan or by another one.

    @param seconds: monotonic time.
    """
    done: Deferred[list[Tried]] = Deferred()
    now = seconds()
    trial = Trial(plan, now)

    def over(visit: Visit) -> None:
        done.callback(trial.tried(visit.readings))

    lane.enter(Visit(device.unit, terms(device), trial, now, math.inf, over))
    return done


def words(raw: bytes) -> str:
    """Registers in hexadecimal, as manuals print them; a bit as it is."""
    return " ".join(f"{word:04X}" for word in unpack(raw)) if len(raw) > 1 else raw.hex()


def orders(point: Point, raw: bytes) -> list[Way]:
    """
    What the bytes are in each order of bytes and words, those that make no difference left out.

    None is marked where the device says, in the configured order, that it has no value.
    """
    if point.table not in REGISTERS or not raw:
        return []
    ways: list[Way] = []
    for order in (point.format.order, *ORDERS):
        value, _, _ = _decoded(replace(point, format=replace(point.format, order=order)), raw)
        if not any(_same(way.value, value) for way in ways):
            ways.append(Way(order, value))
    return ways if _decoded(point, raw)[1] == ABSENT else marked(ways)


def marked(ways: Sequence[Way]) -> list[Way]:
    """
    With the likeliest marked, if it is not the only one.

    The first is what is configured: another must be clearly likelier.
    """
    if len(ways) < 2 or all(way.value is None for way in ways):
        return list(ways)
    oddness = [_oddness(way.value) for way in ways]
    best = min(range(len(ways)), key=lambda place: (oddness[place], place))
    if oddness[0][0] == oddness[best][0] and oddness[0][1] - oddness[best][1] < _CLEARLY:
        best = 0
    return [way._replace(likely=place == best) for place, way in enumerate(ways)]


def _decoded(point: Point, raw: bytes) -> tuple[Value | None, str, str]:
    try:
        return decoder(point)(raw)
    except (BadReply, ValueError) as error:
        return None, "invalid", str(error)


def _same(one: Value | None, other: Value | None) -> bool:
    return type(one) is type(other) and one == other


def _oddness(value: Value | None) -> tuple[int, float]:
    """
    How unlikely a value is to be a measurement; smaller is likelier.

    A true one is of moderate size and has few digits; in the wrong order it
    is huge or tiny, or has as many digits as fit.
    """
    if value is None:
        return 3, 0.0
    if isinstance(value, str):
        strange = sum(not (letter.isascii() and letter.isprintable()) for letter in value)
        return (1 if strange else 0), strange / (len(value) or 1)
    if isinstance(value, bool):
        return 0, 0.0
    size = abs(value)
    if not math.isfinite(size):
        return 3, 0.0
    if size == 0:
        return 1, 0.0
    if not _LEAST <= size <= _MOST:
        return 2, abs(math.log10(size))
    if isinstance(value, int):
        return 0, math.log10(size)
    return 0, float(len(repr(value)))
