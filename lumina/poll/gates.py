"""
Which gaps of a plan are closed, found from what is held against registers. Pure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from lumina.poll.knowledge import Knowledge
from lumina.poll.spans import Span


class Gates(NamedTuple):
    """
    Gaps between the spans of a table, each by the place of the span behind it.

    @ivar shut: they must not be read across.
    @ivar due: they have failed, and may be tried again since then, in monotonic seconds.
    """

    shut: set[int]
    due: dict[int, float]


def gates(several: Sequence[Span], knowledge: Knowledge, now: float, forbidden: bool = False) -> Gates:
    """
    Which gaps are not open; as `Knowledge.gate` has it, but without looking at each.

    @param several: of one table, in order, none within another.
    @param now: monotonic seconds.
    @param forbidden: whether nothing may be read that nobody wants.
    """
    shut: set[int] = set()
    due: dict[int, float] = {}
    if forbidden:
        shut.update(
            place for place in range(1, len(several)) if several[place - 1].end < several[place].start
        )
    if several and knowledge.barriers:
        starts = [span.start for span in several]
        begins = [0, *map(min, (span.end for span in several), starts[1:])]  # of the gap before each
        for table, start, end in knowledge.suspects:
            if table != several[0].table:
                continue
            place = max(bisect_right(starts, start), 1)
            while place < len(starts) and begins[place] < end:
                shut.add(place)
                place += 1
        for gap, until in knowledge.bans(several[0].table):
            place = bisect_left(starts, gap.end)
            if 0 < place < len(starts) and begins[place] <= gap.start:
                if until > now:
                    shut.add(place)
                due[place] = max(until, due.get(place, until))
    return Gates(shut, {place: until for place, until in due.items() if place not in shut})
