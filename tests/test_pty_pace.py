"""Bytes that take as long as a line takes to carry them."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.rtu import Line
from lumina.simulator.pty import Pace


class PaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.passed: list[tuple[float, bytes]] = []
        self.emptied = 0

    def pace(self, line: Line) -> Pace:
        return Pace(
            self.clock, line, lambda data: self.passed.append((self.clock.seconds(), data)), self.empty
        )

    def empty(self) -> None:
        self.emptied += 1

    def run_for(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.0001)):
            self.clock.advance(0.0001)

    def test_in_time(self) -> None:
        """
        No byte passes before its last bit would have, nor more than a few milliseconds after.
        """
        for line in (Line(9600), Line(300), Line(19200, "E"), Line(115200)):
            start, sent = self.clock.seconds(), bytes(range(200))
            self.passed.clear()
            self.pace(line).put(sent)
            self.run_for(line.duration(200) + 0.001)
            self.assertEqual(b"".join(data for _, data in self.passed), sent)
            count = 0
            for when, data in self.passed:
                self.assertGreaterEqual(when - start + 1e-9, line.duration(count + len(data)))
                self.assertLess(when - start, line.duration(count + 1) + 0.0035)
                count += len(data)

    def test_waits_its_turn(self) -> None:
        """
        Bytes that come while others are under way begin behind them.
        """
        pace = self.pace(Line(9600))
        pace.put(b"x" * 10)
        self.run_for(0.001)
        pace.put(b"y" * 10)
        self.run_for(Line(9600).duration(20) - 0.0015)
        self.assertTrue(pace)
        self.run_for(0.001)
        self.assertFalse(pace)
        self.assertEqual(
            (b"".join(data for _, data in self.passed), self.emptied), (b"x" * 10 + b"y" * 10, 1)
        )

    def test_a_late_timer_is_made_up_for(self) -> None:
        """
        A reactor that was busy delays the bytes under way once, not each of them.
        """
        pace = self.pace(Line(9600))
        pace.put(b"x" * 20)
        self.clock.advance(0.02)
        self.run_for(0.001)
        self.assertEqual(sum(len(data) for _, data in self.passed), 20)

    def test_a_pause_gains_nothing(self) -> None:
        """
        After a pause bytes take their full time again.
        """
        pace = self.pace(Line(9600))
        pace.put(b"x")
        self.run_for(1)
        self.passed.clear()
        pace.put(b"y")
        self.run_for(0.001)
        self.assertEqual(self.passed, [])
        self.run_for(0.0002)
        self.assertEqual(len(self.passed), 1)

    def test_stop(self) -> None:
        """
        What is under way can be forgotten.
        """
        pace = self.pace(Line(9600))
        pace.put(b"abc")
        pace.stop()
        self.run_for(0.1)
        self.assertEqual((self.passed, bool(pace)), ([], False))
