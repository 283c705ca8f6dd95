"""Whatever a unit has answered and missed: the rules of suspension, doubt and shares hold."""

from hypothesis import given
from hypothesis import strategies as st

from lumina.bus.unit import LEAST_BOUND
from lumina.bus.units import STRANGE
from lumina.modbus.pdu import Request
from lumina.modbus.rtu import Line
from tests.examples import tries
from tests.units_case import BAUDRATE, HOLE, INPUT, READ, UNKNOWN, WRITE, UnitsCase

REQUESTS = st.sampled_from([READ, HOLE, INPUT, WRITE, UNKNOWN])
ENDS = st.sampled_from(["answered", "missed", "damaged", "unclear", "late", "pause"])
STEPS = st.tuples(ENDS, REQUESTS, st.floats(0.001, 3.0), st.sampled_from([9600, 19200]))


class HistoryTests(UnitsCase):
    @tries(300)
    @given(st.lists(STEPS, max_size=40), st.integers(1, 4))
    def test_suspension(self, history: list[tuple[str, Request, float, int]], misses: int) -> None:
        """
        A unit is suspended only after enough misses in a row, each at least the shorter of timeout and least
        bound, at its speed, to something that it answers, or to so many things that it never answered; and it
        is never refused while it replies.
        """
        self.setUp()
        self.habits(misses=misses)
        row, speed = 0, None
        known: set[tuple[int, Request]] = set()
        strange: set[Request] = set()
        for end, request, seconds, baudrate in history:
            expected = speed in (None, baudrate) and (not known or (request.function, request) in known)
            self.now += seconds
            if end == "answered":
                self.units.answered(7, request, seconds, baudrate, self.now)
                speed, row = baudrate, 0
                strange.clear()
                known.add((request.function, request))
            elif end == "missed":
                self.units.missed(7, request, seconds, baudrate, self.now)
                row += expected and seconds >= LEAST_BOUND
                strange.add(request)
            elif end == "damaged":
                self.units.damaged(7, request, self.now)
            elif end == "unclear":
                self.units.unclear(7, request, self.now)
            elif end == "late":
                late = bytes((7, request.function | 0x80, 2))
                if self.units.heard(late, self.now):
                    row = 0
                    strange.clear()
            if row < misses and len(strange) < max(misses, STRANGE):
                self.assertFalse(self.refused())

    @tries(300)
    @given(st.lists(STEPS, max_size=40), st.sampled_from([None, 0.5, 2.0]))
    def test_doubt(self, history: list[tuple[str, Request, float, int]], linger: float | None) -> None:
        """
        A request waits while a reply of its function is owed, and never beyond the linger after the last of
        these requests.
        """
        self.setUp()
        self.habits(linger=linger, misses=0)
        least, most = (1.0, 3.0) if linger is None else (linger, linger)
        last: dict[int, float] = {}
        owed: dict[int, int] = {}
        for end, request, seconds, baudrate in history:
            function = request.function
            if end == "answered":
                self.now += seconds
                self.units.answered(7, request, seconds, baudrate, self.now)
                again = owed.get(function, 0) if self.now - seconds < last.get(function, 0.0) + least else 0
                owed = {function: again}
                last[function] = self.now - seconds
            elif end in ("missed", "unclear"):
                if self.now >= last.get(function, 0.0) + most:
                    owed[function] = 0
                last[function] = self.now
                self.now += seconds
                if end == "missed":
                    self.units.missed(7, request, seconds, baudrate, self.now)
                else:
                    self.units.unclear(7, request, self.now, seconds)
                owed[function] = owed.get(function, 0) + 1
            elif end == "late":
                if self.units.heard(bytes((7, function, 0)), self.now):
                    self.assertGreater(owed[function], 0)
                    owed = {each: count for each, count in owed.items() if last[each] > last[function]} | {
                        function: owed[function] - 1
                    }
            else:
                self.now += seconds
            for each in (1, 3, 4, 6, 0x41):
                free = self.units.free_at(7, each, self.now)
                self.assertGreaterEqual(free, self.now)
                self.assertLessEqual(free, max(self.now, last.get(each, 0.0) + most + 1e-6))
                if owed.get(each) and end in ("missed", "unclear") and each == function:
                    self.assertGreaterEqual(free, min(last[each] + least, free + 1) - 1e-6)

    @tries(60)
    @given(
        dead=st.lists(st.floats(0.005, 0.02), min_size=1, max_size=8),
        learnt=st.booleans(),
        pauses=st.lists(st.floats(0.01, 20.0), min_size=1, max_size=30),
        share=st.sampled_from([0.02, 0.05, 0.2]),
    )
    def test_share(self, dead: list[float], learnt: bool, pauses: list[float], share: float) -> None:
        """
        Over any long run the probes take their share of the bus and no more, but for the first one of each
        unit; whoever asks, and how often.
        """
        self.setUp()
        self.habits(share=share)
        for unit, delay in enumerate(dead, 1):
            if learnt:
                self.answer(unit, delay=delay)
            self.miss(unit, times=3)
        began, spent, dearest = self.now, 0.0, 0.0
        for turn in range(400):
            self.now += pauses[turn % len(pauses)]
            unit = 1 + turn % len(dead)
            if not self.refused(unit):
                before = self.now
                self.probe(unit, waited=self.units.wait(unit, READ, 0.2, self.now))
                self.now += Line(BAUDRATE).duration(8) + Line(BAUDRATE).gap
                spent += self.now - before
                dearest = max(dearest, self.now - before)
        forced = 5 * dearest / 14 if learnt and len(dead) <= 5 else 0.0
        self.assertLessEqual(spent, max(share, forced) * (self.now - began) + (len(dead) + 1) * dearest)
