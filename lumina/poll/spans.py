"""
What must be read whole, and which of it goes into one request.

A span is what no request may cut: a value of several registers, values that
share a register, a snapshot. A cover is a way to read all spans. Pure.
"""

from collections import deque
from collections.abc import Collection, Generator, Iterable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from lumina.modbus.tables import REGISTERS
from lumina.readings import Point

#: Spans that are looked at in one step of a cover.
STEP = 256


class Gap(NamedTuple):
    """
    Between two spans: registers or bits that nobody wants, from `start` to before
    `end`. It is empty where two spans touch: what does not go together may touch.
    """

    table: str
    start: int
    end: int


class Span(NamedTuple):
    """
    What no request may cut: addresses from `start` to before `end`.

    @ivar members: the points that need all of it, by their place in the list of points.
    @ivar inner: what lies within it and can be read without it.
    @ivar gaps: what lies within it and nobody wants: in snapshots only.
    """

    table: str
    start: int
    end: int
    members: tuple[int, ...]
    inner: tuple["Span", ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def points(self) -> tuple[int, ...]:
        """All that are read with it."""
        if not self.inner:
            return self.members
        return self.members + tuple(point for span in self.inner for point in span.points)


def spans(points: Sequence[Point], due: Iterable[int], snapshots: Sequence[Sequence[int]] = ()) -> list[Span]:
    """
    The spans of some points, by table and address, none within another.

    @param due: which points, by their place in the list.
    @param snapshots: points that must come from one request; those that are
        not due are left out.
    """
    wanted = set(due)
    found: dict[tuple[str, int, int], Span] = {}
    for group in snapshots:
        members = tuple(index for index in group if index in wanted)
        if members:
            wanted.difference_update(members)
            _add(found, _snapshot(points, members))
    for index in sorted(wanted):
        point = points[index]
        _add(found, Span(point.table, point.address, point.address + point.size, (index,)))
    return nested(found.values())


def nested(several: Iterable[Span]) -> list[Span]:
    """The spans in order, with those that lie within another put into it."""
    outer: list[Span] = []
    longest_first = sorted(several, key=itemgetter(2), reverse=True)
    table, end = "", 0
    for span in sorted(longest_first, key=itemgetter(0, 1)):
        if span.end <= end and span.table == table:
            last = outer[-1]
            outer[-1] = last._replace(inner=(*last.inner, span))
        else:
            outer.append(span)
            table, end = span.table, span.end
    return outer


def gap(before: Span, after: Span) -> Gap:
    """What lies between two spans of a table; spans that overlap have an empty gap at the later's start."""
    end = after.start
    return Gap(after.table, before.end if before.end < end else end, end)


def apart(several: Sequence[Span]) -> bool:
    """Whether there are gaps between spans, which are in order."""
    return any(before.end < after.start for before, after in pairwise(several))


def runs(several: Sequence[Span]) -> list[list[Span]]:
    """The spans, which are in order, parted at each gap."""
    found: list[list[Span]] = [[several[0]]]
    for before, span in pairwise(several):
        if before.end < span.start:
            found.append([])
        found[-1].append(span)
    return found


def cover(
    several: Sequence[Span], request: float, unit: float, limit: int, closed: Collection[int] = ()
) -> Generator[None, None, list[Sequence[Span]]]:
    """
    The cheapest requests that read all spans of one table.

    A dynamic program: the cheapest way to read the first n spans ends with one
    request, for the last few of them. A request's cost is a constant, what
    depends on its first span, and what depends on its last one; so the best
    first span for each last one is the least of a sliding window, and the whole
    takes time in proportion to the number of spans. Its steps are `STEP` spans each.

    @param several: in order, none within another.
    @param request: seconds for each request.
    @param unit: seconds for each register or bit.
    @param limit: registers or bits in one request; a longer span stands alone.
    @param closed: spans, by place, before which there is a gap that must not be read across.
    """
    firsts = yield from _firsts(several, request, unit, limit, closed)
    found: list[Sequence[Span]] = []
    stop = len(several)
    while stop:
        begin = firsts[stop - 1]
        found.append(several[begin:stop])
        stop = begin
    return found[::-1]


def _firsts(
    several: Sequence[Span], request: float, unit: float, limit: int, closed: Collection[int]
) -> Generator[None, None, list[int]]:
    """For each span the first one of the request that is to end with it."""
    best = 0.0  # what the spans so far cost
    firsts: list[int] = []
    window: deque[tuple[float, int, int]] = deque()  # firsts that are still possible; the best comes first
    slack = 1e-6 * request  # of two that cost the same, the longer one
    for index, (_, start, end, *_) in enumerate(several):
        if index in closed:
            window.clear()
        value = best - unit * start
        while window and window[-1][0] > value + slack:
            window.pop()
        window.append((value, index, start))
        while end - window[0][2] > limit and len(window) > 1:
            window.popleft()
        value, begin, _ = window[0]
        best = value + request + unit * end
        firsts.append(begin)
        if not index % STEP:
            yield
    return firsts


def _add(found: dict[tuple[str, int, int], Span], span: Span) -> None:
    place = span.table, span.start, span.end
    same = found.get(place)
    found[place] = span if same is None else same._replace(members=same.members + span.members)


def _snapshot(points: Sequence[Point], members: tuple[int, ...]) -> Span:
    ordered = sorted((points[index].address, points[index].address + points[index].size) for index in members)
    table, start, end = points[members[0]].table, ordered[0][0], ordered[0][0]
    gaps = []
    for begin, stop in ordered:
        if begin > end:
            gaps.append(Gap(table, end, begin))
        end = max(end, stop)
    return Span(table, start, end, members, gaps=tuple(gaps))


def in_registers(table: str) -> bool:
    """Whether a table has registers; the others have bits."""
    return table in REGISTERS
