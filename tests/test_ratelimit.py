"""How much is said of what happens again and again."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.ratelimit import RateLimit


class RateLimitTests(SynchronousTestCase):
    def test_burst(self) -> None:
        """
        So many go at once, and the next after the pause.
        """
        limit = RateLimit(3, 10.0)
        self.assertEqual([limit.allows(100.0) for _ in range(5)], [True, True, True, False, False])
        self.assertEqual([limit.allows(now) for now in (109.9, 110.1, 110.2)], [False, True, False])

    def test_fills_up(self) -> None:
        """
        After a long calm there is the burst again, and no more than that.
        """
        limit = RateLimit(2, 10.0)
        self.assertEqual([limit.allows(0.0) for _ in range(3)], [True, True, False])
        self.assertEqual([limit.allows(1000.0) for _ in range(3)], [True, True, False])

    @given(st.lists(st.floats(0.0, 30.0), max_size=100))
    def test_any_times(self, steps: list[float]) -> None:
        """
        Whenever it is asked, no more go than the burst, and one for each pause.
        """
        limit, now, gone = RateLimit(3, 10.0), 0.0, 0
        for step in steps:
            now += step
            gone += limit.allows(now)
            self.assertLessEqual(gone, 3 + now / 10.0 + 1e-6)
