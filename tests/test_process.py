"""Values that move."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.simulator.moment import Moment
from lumina.simulator.process import Constant, Counter, Lag, Process, Product, Ramp, Rate, Sine, Uniform, Walk

SEEDS = st.integers(-(2**40), 2**40)
TIMES = st.floats(0, 1e8)

EVERY_KIND: list[Process] = [
    Constant(3.5),
    Uniform(2, 9, every=0.5, stream="a"),
    Walk(-5, 5, period=10, stream="a"),
    Ramp(0, 10, 60),
    Sine(1, 2, 30),
    Counter(5, 0.5, swing=1, period=10, stream="a"),
    Lag(Walk(0, 1, period=3, stream="a"), 5),
    Rate(Counter(0, 2, swing=0.5, stream="a")),
    Product((Constant(2), Walk(1, 2, stream="a")), (Constant(4),), 10),
]


class EveryProcessTests(SynchronousTestCase):
    @given(SEEDS, st.lists(TIMES, min_size=1, max_size=5))
    def test_depends_on_seed_and_time_alone(self, seed: int, times: list[float]) -> None:
        """
        The value at a moment is the same whenever, and however often, it is asked.
        """
        for process in EVERY_KIND:
            there = [process.value(Moment(seed, time)) for time in times]
            back = [process.value(Moment(seed, time)) for time in reversed(times)]
            self.assertEqual(there, back[::-1])
            self.assertTrue(all(map(math.isfinite, there)))

    def test_stays_what_it_was(self) -> None:
        """
        A seed means the same values in every release and on every machine.
        """
        moment = Moment(7, 12.5)
        self.assertAlmostEqual(Uniform(0, 1, stream="1/x").value(moment), 0.667901, 5)
        self.assertAlmostEqual(Walk(0, 1, period=5, stream="1/x").value(moment), 0.526668, 5)

    def test_seeds_differ(self) -> None:
        """
        Another seed is another world.
        """
        for process in (Uniform(0, 1), Walk(0, 1), Counter(0, 1, swing=1)):
            self.assertNotEqual(process.value(Moment(1, 100.5)), process.value(Moment(2, 100.5)))

    def test_streams_are_their_own(self) -> None:
        """
        Two registers with the same declaration do not move in step.
        """
        moment = Moment(1, 33.3)
        self.assertNotEqual(
            Uniform(0, 1, stream="1/x").value(moment), Uniform(0, 1, stream="1/y").value(moment)
        )
        self.assertNotEqual(Walk(0, 1, stream="1/x").value(moment), Walk(0, 1, stream="2/x").value(moment))


class RandomTests(SynchronousTestCase):
    @given(SEEDS, TIMES)
    def test_bounds(self, seed: int, time: float) -> None:
        """
        Random values and walks never leave their bounds.
        """
        for process in (Uniform(-3, 8, stream="s"), Walk(-3, 8, stream="s")):
            self.assertTrue(-3 <= process.value(Moment(seed, time)) <= 8)

    def test_uniform_holds(self) -> None:
        """
        A random value stays for its time, then another one comes.
        """
        process = Uniform(0, 1, every=2)
        self.assertEqual(process.value(Moment(1, 4.0)), process.value(Moment(1, 5.99)))
        self.assertNotEqual(process.value(Moment(1, 5.99)), process.value(Moment(1, 6.0)))

    def test_walk_moves_without_a_jump(self) -> None:
        """
        A walk covers much of its range in time, a little at each step.
        """
        process = Walk(0, 100, period=60, stream="s")
        values = [process.value(Moment(1, second)) for second in range(3600)]
        self.assertLess(max(abs(b - a) for a, b in pairwise(values)), 5)
        self.assertGreater(max(values) - min(values), 60)
        turns = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
        self.assertLess(max(turns), 0.6)


class RegularTests(SynchronousTestCase):
    def test_ramp(self) -> None:
        """
        A ramp arrives after its duration and stays there; or begins anew.
        """
        at = [Moment(1, elapsed) for elapsed in (0, 5, 10, 15)]
        self.assertEqual([Ramp(20, 30, 10).value(moment) for moment in at], [20, 25, 30, 30])
        self.assertEqual([Ramp(20, 30, 10, repeat=True).value(moment) for moment in at], [20, 25, 20, 25])

    def test_sine(self) -> None:
        """
        A wave begins at its middle and rises to its amplitude in a quarter of the period.
        """
        wave = Sine(50, 10, 40)
        for elapsed, value in ((0, 50), (10, 60), (20, 50), (30, 40), (40, 50)):
            self.assertAlmostEqual(wave.value(Moment(1, elapsed)), value)
        self.assertAlmostEqual(Sine(50, 10, 40, phase=0.25).value(Moment(1, 0)), 60)

    def test_counter(self) -> None:
        """
        A counter rises by its rate, and begins anew where it wraps.
        """
        self.assertEqual(Counter(100, 2).value(Moment(1, 30)), 160)
        self.assertEqual(Counter(100, 2, wrap=150).value(Moment(1, 30)), 10)

    @given(SEEDS, st.floats(0, 1e5), st.floats(0, 100))
    def test_counter_never_falls(self, seed: int, time: float, later: float) -> None:
        """
        However unevenly it counts, a counter never goes back, and keeps its rate on the whole.
        """
        counter = Counter(0, 3, swing=1, period=7, stream="s")
        before, after = counter.value(Moment(seed, time)), counter.value(Moment(seed, time + later))
        self.assertGreaterEqual(after, before - 1e-6)
        self.assertLess(abs(before - 3 * time), 3 * 7)


class ComposedTests(SynchronousTestCase):
    def test_lag(self) -> None:
        """
        After a step, 63 % of the way are done after the delay, and nearly all after five.
        """
        lag = Lag(Constant(100), 10, start=0)
        for delays, share in ((0, 0), (0.5, 0.393), (1, 0.632), (5, 0.993), (50, 1)):
            self.assertApproximates(lag.value(Moment(1, 10 * delays)), 100 * share, 0.1)

    def test_lag_begins_at_its_source(self) -> None:
        """
        Without a start of its own a lag has always been where its source begins.
        """
        self.assertAlmostEqual(Lag(Ramp(20, 30, 100), 10).value(Moment(1, 0)), 20)

    def test_lag_follows_late(self) -> None:
        """
        Behind a steady ramp a lag is late by its delay.
        """
        self.assertApproximates(Lag(Ramp(0, 1000, 1000), 10).value(Moment(1, 300)), 290, 0.2)

    def test_lag_has_no_jump(self) -> None:
        """
        A lag smooths the jumps of its source.
        """
        lag = Lag(Uniform(0, 100, every=5, stream="s"), 20)
        values = [lag.value(Moment(1, tenth / 10)) for tenth in range(6000)]
        self.assertLess(max(abs(b - a) for a, b in pairwise(values)), 1)

    def test_rate_is_what_a_counter_gains(self) -> None:
        """
        Power and energy agree: the rate is the rise within the last second.
        """
        counter = Counter(10, 4, swing=0.9, period=30, stream="s")
        risen = counter.value(Moment(1, 100)) - counter.value(Moment(1, 99))
        self.assertAlmostEqual(Rate(counter).value(Moment(1, 100)), risen)

    def test_rate_at_the_beginning(self) -> None:
        """
        A rate is there from the start, not only after its first interval.
        """
        self.assertAlmostEqual(Rate(Counter(10, 4), over=5).value(Moment(1, 0)), 4)

    def test_product(self) -> None:
        """
        Products and quotients take the values of the same moment.
        """
        product = Product((Constant(6), Ramp(0, 10, 10)), (Constant(4),), factor=2)
        self.assertEqual(product.value(Moment(1, 5)), 15)
