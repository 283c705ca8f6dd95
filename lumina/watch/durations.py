"""
How long things take: durations as they spread, and what of an exchange is whose time.

All times are monotonic seconds.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import accumulate
from math import inf

from lumina.errors import EXCEPTION_WORD
from lumina.interfaces import Exchange
from lumina.status import Times

#: Seconds that "lately" means.
LATELY = 60

#: Durations are told apart from these seconds on, in so many steps to a doubling, so many in all.
_FLOOR, _STEPS, _BUCKETS = 1e-4, 4, 88
#: Where each step but the first begins.
_EDGES = [_FLOOR * 2 ** (step / _STEPS) for step in range(1, _BUCKETS)]


class Distribution:
    """Durations: their number, sum and extremes exactly, and how they spread, in steps of a fifth."""

    __slots__ = ("_buckets", "_count", "_least", "_most", "_total")

    def __init__(self) -> None:
        self._count = 0
        self._total = 0.0
        self._least, self._most = inf, 0.0
        self._buckets = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        """Count one more."""
        self._count += 1
        if not seconds:  # simulated units take no time
            self._least = 0.0
            self._buckets[0] += 1
            return
        self._total += seconds
        if seconds < self._least:
            self._least = seconds
        if seconds > self._most:
            self._most = seconds
        self._buckets[bisect_right(_EDGES, seconds)] += 1

    def merge(self, other: "Distribution") -> None:
        """Count all of another's too."""
        self._count += other._count
        self._total += other._total
        self._least = min(self._least, other._least)
        self._most = max(self._most, other._most)
        self._buckets = [one + more for one, more in zip(self._buckets, other._buckets, strict=True)]

    def times(self) -> Times:
        if not self._count:
            return Times()
        p50, p95, p99 = (self._percentile(percent) for percent in (50, 95, 99))
        return Times(self._count, self._total / self._count, self._least, self._most, p50, p95, p99)

    def _percentile(self, percent: int) -> float:
        """What so many of a hundred durations do not exceed: the middle of the step it lies in."""
        step = bisect_left(list(accumulate(self._buckets)), self._count * percent / 100)
        middle: float = _FLOOR * 2 ** ((step + 0.5) / _STEPS)
        return min(max(middle, self._least), self._most)


class BusyTime:
    """How much of the time there were bytes on the wire."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._total = 0.0
        self._second, self._part = 0, 0.0  # a second that is not over, and how much of it until now
        self._lately: deque[tuple[int, float]] = deque(maxlen=LATELY)  # seconds before it

    def add(self, at: float, seconds: float) -> None:
        """@param at: when the bytes came to their end; never before the last time."""
        self._total += seconds
        if int(at) != self._second:
            self._lately.append((self._second, self._part))
            self._second, self._part = int(at), 0.0
        self._part += seconds

    def share(self, now: float) -> float:
        """Since the start, 0 to 1."""
        return _share(self._total, now - self._since)

    def share_lately(self, now: float) -> float:
        """Of the last minute, 0 to 1."""
        seconds = [*self._lately, (self._second, self._part)]
        used = sum(part for second, part in seconds if second > now - LATELY)
        return _share(used, min(now - self._since, LATELY))


def _character(exchange: Exchange) -> float:
    """Seconds that one character takes."""
    return (exchange.ended - exchange.sent) / len(exchange.outgoing)


def wire_time(exchange: Exchange) -> float:
    """
    Seconds in which bytes were on the wire, those before the request included;
    in a network, those that the request and its reply were under way.
    """
    if not exchange.baudrate:
        return max(0.0, (exchange.last or exchange.sent) - exchange.sent)
    sending = exchange.ended - exchange.sent
    receiving = _character(exchange) * (exchange.stale + max(len(exchange.incoming), exchange.noise))
    if exchange.first is not None:
        receiving -= max(0.0, exchange.ended - exchange.first)  # an echo takes no time of its own
    return sending + max(0.0, receiving)


def reply_time(exchange: Exchange) -> float:
    """Seconds from the end of the request until its sound reply began."""
    assert exchange.first is not None and exchange.last is not None
    if exchange.first >= exchange.ended and not (exchange.foreign or exchange.late or exchange.noise):
        return exchange.first - exchange.ended
    # Something else came before the reply: reckon back from its end.
    length = 2 if exchange.verdict.startswith(EXCEPTION_WORD) else exchange.request.reply_length
    size = len(exchange.incoming) - exchange.noise if length is None else length + 3
    return max(0.0, exchange.last - exchange.ended - _character(exchange) * size)


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0
