"""`lumina poll --test`: what is read and what it could mean, as text for people; nothing is sent on."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from lumina.config.addressing import meanings
from lumina.errors import BadRequest
from lumina.modbus.tables import BITS
from lumina.modbus.values import Value
from lumina.poll.lane import Lane
from lumina.poll.plan import Plan
from lumina.poll.rounds import Polled
from lumina.poll.trial import Tried, Way, attempt, marked, orders, words
from lumina.readings import GOOD, Point
from lumina.sinks.documents import document, encode

#: The mark of what is likeliest.
_LIKELY = " <- likely"

#: In place of a document, where there is no value.
_NO_JSON = "none: without a value nothing is sent, but to sinks with `bad: true`"


class TrialReport:
    """
    Reads devices, one after the other, and tells about them.

    @ivar bad: values that could not be had.
    """

    def __init__(self, reactor: Any, wall: Any) -> None:
        self.bad = 0
        self._reactor = reactor
        self._wall = wall

    async def device(self, device: Polled) -> AsyncIterator[str]:
        """All about one device, line by line."""
        lane = Lane(device.bus, self._reactor, self._wall)
        seconds = self._reactor.seconds
        yield f"device {device.id}: unit {device.unit} on {device.bus_name}"
        for line in self._plan(device):
            yield line
        tried = await attempt(device, device.plan, lane, seconds)
        self.bad += sum(each.reading.quality != GOOD for each in tried)
        elsewhere = {}
        if any(each.raw for each in tried):  # who does not answer at all will not answer elsewhere
            elsewhere = await self._elsewhere(device, lane)
        for each in tried:
            yield ""
            for line in _value(each, elsewhere.get(each.reading.point.parameter, [])):
                yield f"  {line}"
        yield ""

    def _plan(self, device: Polled) -> Iterator[str]:
        now = self._reactor.seconds()
        blocks = device.plan.agenda(now).blocks
        count = "1 request" if len(blocks) == 1 else f"{len(blocks)} requests"
        yield f"  plan: {count}, about {device.plan.seconds(now) * 1000:.0f} ms"
        for block in blocks:
            yield f"    function {block.request.function:02d}: {block}"

    async def _elsewhere(self, device: Polled, lane: Lane) -> dict[str, list[tuple[str, Tried]]]:
        """What each point would be by the other conventions of addresses, where they lead elsewhere."""
        found: dict[str, list[tuple[str, Tried]]] = {}
        for convention in ("modicon", "pdu", "one-based"):
            moved = [other for point in device.plan.points if (other := _moved(point, convention))]
            try:
                plan = Plan(moved, device.plan.limits) if moved else None
            except BadRequest:
                continue
            if plan is None:
                continue
            for each in await attempt(device, plan, lane, self._reactor.seconds):
                found.setdefault(each.reading.point.parameter, []).append((convention, each))
        return found


def _moved(point: Point, convention: str) -> Point | None:
    """The point by another convention, if that leads elsewhere in tables of its sort."""
    place = meanings(point.register_address, point.table, point.table in BITS).get(convention)
    if place is None or place == (point.table, point.address):
        return None
    if (place.table in BITS) != (point.table in BITS) or place.address + point.size > 0x10000:
        return None
    return replace(point, table=place.table, address=place.address)


def _value(tried: Tried, elsewhere: list[tuple[str, Tried]]) -> Iterator[str]:
    reading, point = tried.reading, tried.reading.point
    shown = _shown(reading.value, point.unit)
    why = "" if reading.quality == GOOD else f"  {reading.quality}: {reading.reason}"
    yield f"{point.parameter}: {shown}{why}"
    yield f"  address {point.register_address} is {point.table} {point.address}, {point.data_type}"
    if tried.raw:
        yield f"  raw   {words(tried.raw)}"
        yield f"  json  {encode(document(reading)).decode() if reading.quality == GOOD else _NO_JSON}"
    ways = orders(point, tried.raw)
    if len(ways) > 1:
        yield "  in other orders"
        yield from (f"    {way.name}  {_shown(way.value, point.unit)}{_mark(way)}" for way in ways)
    if elsewhere:
        yield "  by other addressing"
        yield from _conventions(tried, elsewhere)


def _conventions(tried: Tried, elsewhere: list[tuple[str, Tried]]) -> Iterator[str]:
    point = tried.reading.point
    known = meanings(point.register_address, point.table, point.table in BITS)
    here = [name for name, place in known.items() if place == (point.table, point.address)]
    ways = marked(
        [Way("/".join(here) or "as it is", tried.reading.value)]
        + [Way(convention, each.reading.value) for convention, each in elsewhere]
    )
    for way, each in zip(ways, [tried, *(each for _, each in elsewhere)], strict=True):
        where = f"{each.reading.point.table} {each.reading.point.address}"
        value = _shown(way.value, point.unit) if way.value is not None else each.reading.quality
        yield f"    {way.name:9}  {where}: {value}{_mark(way)}"


def _mark(way: Way) -> str:
    return _LIKELY if way.likely else ""


def _shown(value: Value | None, unit: str) -> str:
    if value is None:
        return "no value"
    text = repr(value) if isinstance(value, str) else str(value)
    return f"{text} {unit}".rstrip()
