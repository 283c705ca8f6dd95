"""Which values go into one request."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.tables import COIL, HOLDING, INPUT
from lumina.modbus.values import Format
from lumina.poll.plan import finished
from lumina.poll.spans import Gap, Span, cover, gap, spans
from lumina.readings import Point


def at(address: int, size: int = 1, table: str = HOLDING) -> Point:
    return Point(1, f"{table} {address}/{size}", table, address, Format("string", length=size))


def cost(found: Sequence[Sequence[Span]], request: float, unit: float) -> float:
    return sum(request + unit * (block[-1].end - block[0].start) for block in found)


def cheapest(several: Sequence[Span], request: float, unit: float, limit: int, shut: frozenset[Gap]) -> float:
    """The least cost of all ways to part the spans, tried one by one."""
    best = float("inf")
    for cuts in range(1 << max(len(several) - 1, 0)):
        found, block = [], [several[0]]
        for index, span in enumerate(several[1:]):
            if cuts >> index & 1:
                found.append(block)
                block = []
            block.append(span)
        found.append(block)
        if all(legal(each, limit, shut) for each in found):
            best = min(best, cost(found, request, unit))
    return best


def legal(block: Sequence[Span], limit: int, shut: frozenset[Gap]) -> bool:
    crossed = {gap(*pair) for pair in pairwise(block)}
    return block[-1].end - block[0].start <= limit and not crossed & shut


class SpanTests(SynchronousTestCase):
    def test_neighbours(self) -> None:
        """
        Values that touch may be cut apart; they are two spans, in the order of their addresses.
        """
        found = spans([at(7, 2), at(5, 2)], (0, 1))
        self.assertEqual(
            [(span.start, span.end, span.members) for span in found], [(5, 7, (1,)), (7, 9, (0,))]
        )

    def test_shared_registers(self) -> None:
        """
        Values of the same registers are one span; one within another goes with it.
        """
        found = spans([at(4), at(4), at(0, 4), at(1, 2), at(2, 2)], range(5))
        self.assertEqual([span.points for span in found], [(2, 3, 4), (0, 1)])

    def test_tables(self) -> None:
        """
        The same address of two tables is two spans.
        """
        points = [at(4), at(4, table=INPUT), Point(1, "on", COIL, 4)]
        self.assertEqual(len(spans(points, range(3))), 3)

    def test_due(self) -> None:
        """
        Only what is due is read.
        """
        self.assertEqual([span.members for span in spans([at(0), at(1), at(2)], (2, 0))], [(0,), (2,)])

    def test_snapshot(self) -> None:
        """
        A snapshot is one span, with the gaps in it, and with what else lies in it.
        """
        found = spans([at(0, 2), at(3), at(10), at(20, 2), at(30)], range(5), [(0, 1, 3)])
        self.assertEqual([span.points for span in found], [(0, 1, 3, 2), (4,)])
        self.assertEqual(found[0].gaps, (Gap(HOLDING, 2, 3), Gap(HOLDING, 4, 20)))


class CoverTests(SynchronousTestCase):
    def test_gap_is_cheaper(self) -> None:
        """
        A gap is read where that costs less than another request, and not where it costs more.
        """
        several = spans([at(0), at(10), at(40)], range(3))
        found = finished(cover(several, 0.02, 0.001, 125))
        self.assertEqual([[span.start for span in block] for block in found], [[0, 10], [40]])

    def test_limit(self) -> None:
        """
        No request is longer than the limit, and no value is torn by it.
        """
        several = spans([at(place, 2) for place in range(0, 300, 2)], range(150))
        found = finished(cover(several, 0.02, 0.001, 125))
        self.assertEqual([block[-1].end - block[0].start for block in found], [52, 124, 124])

    def test_closed_gap(self) -> None:
        """
        A closed gap is not read across, not even an empty one.
        """
        several = spans([at(0), at(1), at(3)], range(3))
        for place in (1, 2):
            found = finished(cover(several, 1, 0.001, 125, {place}))
            self.assertEqual(len(found), 2)
            self.assertEqual(found[1][0], several[place])

    @given(
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), min_size=1, max_size=9),
        st.integers(4, 40),
        st.floats(0, 40),
        st.sets(st.integers(0, 8)),
    )
    def test_brute_force(
        self, places: list[tuple[int, int]], limit: int, request: float, shut: set[int]
    ) -> None:
        """
        No way to part the spans is cheaper, and each span is read once.
        """
        points = [at(address, size) for address, size in places]
        several = spans(points, range(len(points)))
        between = [gap(*pair) for pair in pairwise(several)]
        closed = frozenset(between[index] for index in shut if index < len(between))
        found = finished(cover(several, request, 1.0, limit, {index + 1 for index in shut}))
        self.assertEqual([span for block in found for span in block], several)
        self.assertTrue(all(legal(block, limit, closed) for block in found))
        best = cheapest(several, request, 1.0, limit, closed)
        self.assertAlmostEqual(cost(found, request, 1.0), best, places=6)
