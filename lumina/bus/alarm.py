"""Alarms that ring after the driver was read, or as near to their time as a reactor can."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

#: A reactor timer may be this late, in seconds: it is armed so much early, and checked again.
_TICK = 0.001


class Alarm:
    """
    Rings once, a turn of the reactor after its time at the earliest.

    Due timers run before reads: in the turn between, what the driver holds is
    read, and whoever hears the alarm has seen it.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None

    def set(self, due: float, ring: Callable[[], None], settled: Callable[[], bool] = lambda: False) -> None:
        """
        Ring at a time, in monotonic seconds, instead of what was set before.

        @param settled: asked when the time has come, whether nothing is waited for any
            more: then it rings at once.
        """
        self.cancel()
        delay = max(0.0, due - self._clock.seconds())
        self._call = self._clock.callLater(delay, self._wait_a_turn, ring, settled)

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wait_a_turn(self, ring: Callable[[], None], settled: Callable[[], bool]) -> None:
        if settled():
            self._ring(ring)
        else:
            self._call = self._clock.callLater(0, self._ring, ring)

    def _ring(self, ring: Callable[[], None]) -> None:
        self._call = None
        ring()


class ExactAlarm(Alarm):
    """
    An Alarm that is late by a turn of the reactor at the most.

    A timer of the reactor may be a millisecond late. So it is armed early, and
    then the time is looked at in each turn.
    """

    def set(self, due: float, ring: Callable[[], None], settled: Callable[[], bool] = lambda: False) -> None:
        self.cancel()
        self._arm(due, ring, None)

    def _arm(self, due: float, ring: Callable[[], None], checked: float | None) -> None:
        now = self._clock.seconds()
        left = due - now
        # At the end turn by turn, unless the clock stands still between turns.
        last = left if now == checked else 0.0
        delay = left - _TICK if left > 2 * _TICK else max(last, 0.0)
        self._call = self._clock.callLater(delay, self._check, due, ring, now)

    def _check(self, due: float, ring: Callable[[], None], checked: float) -> None:
        self._call = None
        if self._clock.seconds() < due - 1e-9:
            self._arm(due, ring, checked)
        else:
            ring()
