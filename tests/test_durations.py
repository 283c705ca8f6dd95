"""Durations, and how they spread."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.status import Times
from lumina.watch.durations import Distribution


class DistributionTests(SynchronousTestCase):
    @given(st.lists(st.floats(0.0, 300.0), min_size=1))
    def test_percentiles(self, durations: list[float]) -> None:
        """
        Number, mean and extremes are exact; percentiles are within a tenth of the truth.
        """
        distribution = Distribution()
        for duration in durations:
            distribution.add(duration)
        times, ordered = distribution.times(), sorted(durations)
        self.assertEqual((times.count, times.least, times.most), (len(ordered), ordered[0], ordered[-1]))
        self.assertAlmostEqual(times.mean, sum(durations) / len(durations))
        for value, share in ((times.p50, 50), (times.p95, 95), (times.p99, 99)):
            true = ordered[-(-len(ordered) * share // 100) - 1]
            self.assertTrue(abs(value - true) <= true / 10 + 1.1e-4, (value, true))

    @given(st.lists(st.floats(0.0, 1e6)), st.lists(st.floats(0.0, 1e6)))
    def test_merge(self, some: list[float], others: list[float]) -> None:
        """
        Two merged are as if all had been counted in one, however long they took.
        """
        one, two, both = Distribution(), Distribution(), Distribution()
        for distribution, durations in ((one, some), (two, others), (both, some + others)):
            for duration in durations:
                distribution.add(duration)
        one.merge(two)
        merged, whole = one.times(), both.times()
        self.assertAlmostEqual(merged.mean, whole.mean, delta=1e-6 * max(1.0, whole.mean))
        self.assertEqual(replace(merged, mean=0.0), replace(whole, mean=0.0))

    def test_nothing(self) -> None:
        """
        Of no durations there are no times.
        """
        self.assertEqual(Distribution().times(), Times())
