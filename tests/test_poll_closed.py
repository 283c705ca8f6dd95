"""Which gaps of a plan are closed."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.tables import HOLDING, INPUT
from lumina.poll.closed import closed
from lumina.poll.knowledge import BAN, Gate, Knowledge
from lumina.poll.spans import Gap, Span, gap, nested

NOW = 1000.0

#: A gap with something in it, so that the length of a request is not to blame.
EMPTY = Gap("none", 0, 1)

PLACES = st.tuples(st.integers(0, 40), st.integers(1, 4))


class ClosedTests(SynchronousTestCase):
    def test_forbidden(self) -> None:
        """
        Where gaps are forbidden all are shut, but what touches has none.
        """
        several = [Span(HOLDING, start, start + 2, ()) for start in (0, 2, 5, 9)]
        self.assertEqual(closed(several, Knowledge(), NOW, forbidden=True), ({2, 3}, {}))

    def test_due(self) -> None:
        """
        A gap that has failed may be tried again when its ban is over.
        """
        several = [Span(HOLDING, start, start + 2, ()) for start in (0, 5, 10)]
        knowledge = Knowledge()
        knowledge.apart((HOLDING, 0, 7), [Gap(HOLDING, 2, 5)], NOW, silent=False)
        self.assertEqual(closed(several, knowledge, NOW), ({1}, {}))
        self.assertEqual(closed(several, knowledge, NOW + BAN), (set(), {1: NOW + BAN}))

    @given(
        st.lists(PLACES, min_size=1, max_size=15),
        st.lists(PLACES, max_size=6),
        st.lists(st.tuples(PLACES, st.booleans(), st.booleans()), max_size=8),
    )
    def test_as_each_by_itself(
        self,
        places: list[tuple[int, int]],
        refused: list[tuple[int, int]],
        banned: list[tuple[tuple[int, int], bool, bool]],
    ) -> None:
        """
        Found together they are what each is when it is looked at by itself.
        """
        knowledge = Knowledge()
        for start, size in refused:
            knowledge.failed(Span(HOLDING, start, start + size, ()), "word", "reason", NOW, silent=False)
        for (start, size), over, elsewhere in banned:
            shut = Gap(INPUT if elsewhere else HOLDING, start, start + size - 1)
            knowledge.apart(
                (shut.table, start, start + size), [shut, EMPTY], NOW - BAN - 1 if over else NOW, False
            )
        several = nested({Span(HOLDING, start, start + size, ()) for start, size in places})
        found = closed(several, knowledge, NOW)
        for place in range(1, len(several)):
            gate = knowledge.gate(gap(several[place - 1], several[place]), NOW)
            self.assertEqual(place in found.shut, gate is Gate.SHUT)
            self.assertEqual(place in found.due, gate is Gate.DUE)
