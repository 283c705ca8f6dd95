"""
Which gaps of a plan are closed, found from what is held against registers. Pure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from lumina.poll.knowledge import Knowledge
from lumina.poll.spans import Span


class Closed(NamedTuple):
    """
    Gaps between the spans of a table, each by the place of the span behind it.

    @ivar shut: they must not be read across.
    @ivar due: they have failed, and may be tried again since then, in monotonic seconds.
    """

    shut: set[int]
    due: dict[int, float]


def closed(several: Sequence[Span], knowledge: Knowledge, now: float, forbidden: bool = False) -> Closed:
    """
    Which gaps are not open; as `Knowledge.gate` has it, but without looking at each.

    @param several: of one table, in order, none within another.
    @param now: monotonic seconds.
    @param forbidden: whether nothing may be read that nobody wants.
    """
    shut: set[int] = set()
    due: dict[int, float] = {}
    if forbidden:
        shut.update(_all(several))
    if several and knowledge.barriers:
        table, bounds = several[0].table, _Bounds(several)
        shut.update(_suspected(knowledge, table, bounds))
        for place, until in _banned(knowledge, table, bounds):
            if until > now:
                shut.add(place)
            due[place] = max(until, due.get(place, until))
    return Closed(shut, {place: until for place, until in due.items() if place not in shut})


def _all(several: Sequence[Span]) -> Iterator[int]:
    for place, (before, after) in enumerate(pairwise(several), 1):
        if before.end < after.start:
            yield place


class _Bounds:
    """
    @ivar spans: where each span starts.
    @ivar gaps: where the gap before each span starts.
    """

    def __init__(self, several: Sequence[Span]) -> None:
        self.spans = [span.start for span in several]
        self.gaps = [0, *map(min, (span.end for span in several), self.spans[1:])]


def _suspected(knowledge: Knowledge, table: str, bounds: _Bounds) -> Iterator[int]:
    """Gaps with anything in them that is suspected."""
    for where, start, end in knowledge.suspects:
        if where == table:
            place = max(bisect_right(bounds.spans, start), 1)
            while place < len(bounds.gaps) and bounds.gaps[place] < end:
                yield place
                place += 1


def _banned(knowledge: Knowledge, table: str, bounds: _Bounds) -> Iterator[tuple[int, float]]:
    """Gaps with a ban of their own, and until when."""
    for gap, until in knowledge.bans(table):
        place = bisect_left(bounds.spans, gap.end)
        if 0 < place < len(bounds.spans) and bounds.gaps[place] <= gap.start:
            yield place, until
