"""What an answer means for readings, and how long to wait."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.courier import Fate, fate, pause, wait
from tests.spools import START


class FateTests(SynchronousTestCase):
    def test_statuses(self) -> None:
        """
        Each status says one of four things.
        """
        expected = {
            Fate.ACCEPTED: (200, 201, 202, 204),
            Fate.LATER: (408, 425, 429, 500, 502, 503, 504, 599),
            Fate.REFUSED: (400, 404, 409, 413, 422),
            Fate.BARRED: (301, 302, 308, 401, 403, 405, 407, 415),
        }
        for meaning, statuses in expected.items():
            for status in statuses:
                self.assertIs(fate(status), meaning, status)

    @given(st.integers(100, 999))
    def test_any(self, status: int) -> None:
        """
        Whatever a server answers has a meaning.
        """
        self.assertIsInstance(fate(status), Fate)


class WaitTests(SynchronousTestCase):
    def assertWait(self, seconds: float | None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.assertEqual(wait(429, named, START), seconds)

    def test_seconds(self) -> None:
        """
        `Retry-After` may be seconds, up to an hour.
        """
        self.assertWait(60.0, retry_after="60")
        self.assertWait(3600.0, retry_after="86400")
        self.assertWait(0.0, retry_after="0")

    def test_date(self) -> None:
        """
        It may be a date, by the clock of the server if it tells it, and may be over.
        """
        date, server = "Tue, 08 Jul 2025 16:01:00 GMT", "Tue, 08 Jul 2025 16:00:30 GMT"
        self.assertWait(59.75, retry_after=date)
        self.assertWait(30.0, retry_after=date, date=server)
        self.assertWait(0.0, retry_after=server, date=date)

    def test_rate_limit(self) -> None:
        """
        A limit that is used up is waited for: until its reset, be it seconds or a time of day, or one turn.
        """
        self.assertWait(None, x_ratelimit_limit="60", x_ratelimit_remaining="1")
        self.assertWait(17.0, x_ratelimit_remaining="0", x_ratelimit_reset="17")
        self.assertWait(9.75, ratelimit_remaining="0", ratelimit_reset=str(int(START) + 10))
        server = "Thu, 01 Jan 1970 00:00:07 GMT"
        self.assertWait(3600.0, x_ratelimit_remaining="0", x_ratelimit_reset=str(int(START)), date=server)
        later = "Tue, 08 Jul 2025 18:00:00 GMT"  # lumina's own clock is two hours slow
        reset = str(int(START) + 7203)
        self.assertWait(3.0, x_ratelimit_remaining="0", x_ratelimit_reset=reset, date=later)
        self.assertWait(1.0, x_ratelimit_limit="60", x_ratelimit_remaining="0")
        self.assertWait(5.0, retry_after="5", x_ratelimit_remaining="0", x_ratelimit_reset="17")

    def test_nonsense(self) -> None:
        """
        What makes no sense asks for nothing.
        """
        self.assertWait(None)
        self.assertWait(None, retry_after="soon")
        self.assertWait(None, retry_after="-5", x_ratelimit_remaining="none")
        self.assertWait(None, x_ratelimit_remaining="0", x_ratelimit_limit="0")

    @given(st.dictionaries(st.sampled_from(("retry-after", "x-ratelimit-remaining", "date")), st.text()))
    def test_any(self, headers: dict[str, str]) -> None:
        """
        No header makes it wait longer than an hour, or fail.
        """
        asked = wait(429, headers, START)
        self.assertTrue(asked is None or 0.0 <= asked <= 3600.0, asked)


class PauseTests(SynchronousTestCase):
    def test_full_jitter(self) -> None:
        """
        A pause is anything up to a bound that doubles with each attempt, and ends.
        """
        self.assertEqual(
            [pause(n, 1.0, 60.0, lambda: 1.0) for n in range(1, 9)], [1, 2, 4, 8, 16, 32, 60, 60]
        )
        self.assertEqual(pause(5, 1.0, 60.0, lambda: 0.25), 4.0)
        self.assertEqual(pause(10_000, 1.0, 60.0, lambda: 1.0), 60.0)
