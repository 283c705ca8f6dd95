"""
What each port and each unit has done, counted from outcomes and exchanges.

Counts are kept by unit; a port's are their sum, taken when somebody asks. An
event costs the same however many came before it, and memory is bounded by the
256 units of a port.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import inf

from lumina.interfaces import Exchange, Outcome
from lumina.status import PortStatistics, PortStatus, Times, Traffic, UnitStatistics

#: Seconds that "lately" means.
LATELY = 60

_EXCEPTION = "exception_"
#: The numbers that a unit can have, and broadcast.
UNITS = range(256)
_NO_UNIT = -1

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


class Tally:
    """
    What is counted of one unit, or of several together.

    @ivar seen: when it last sent a sound frame; `None`: never.
    @ivar error: the last word of a request that failed.
    """

    def __init__(self, is_simulated: bool = False) -> None:
        """@param is_simulated: whether replies are no exchanges on a wire, and only outcomes tell of them."""
        self._is_simulated = is_simulated
        self.seen: float | None = None
        self.error = ""
        self.words: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._shared = self._unknown = self._remembered = 0
        self._oldest = 0.0
        self._late = self._foreign = self._noise = self._stale = 0
        self._damaged = self._short = 0
        self._reply_time = Distribution()
        self._wait = Distribution()

    def outcome(self, outcome: Outcome) -> None:
        word = outcome.word
        self.words[word] += 1
        if outcome.sent is not None:
            self._wait.add(outcome.sent - outcome.asked)
        if outcome.age is not None:
            self._remembered += 1
            self._oldest = max(self._oldest, outcome.age)
        if self._is_simulated and (word == "ok" or word.startswith(_EXCEPTION)) and outcome.unit:
            self.seen = outcome.answered  # unit 0 is nobody: none answers a broadcast
        if word in ("ok", "cancelled"):
            return
        self.error = word
        if outcome.sent is not None and outcome.request.writes and not word.startswith(_EXCEPTION):
            self._unknown += 1

    def exchange(self, exchange: Exchange) -> None:
        verdict = exchange.verdict
        self._verdicts[verdict] += 1
        if verdict == "ok" or verdict.startswith(_EXCEPTION):
            self.seen = exchange.last
            self._reply_time.add(_reply_time(exchange))
        if exchange.served > 1:
            self._shared += exchange.served - 1
        if exchange.foreign or exchange.noise or exchange.stale or exchange.damaged or exchange.short:
            self._foreign += len(exchange.foreign)
            self._noise += exchange.noise
            self._stale += exchange.stale
            self._damaged += exchange.damaged
            self._short += exchange.short

    def late(self, seen: float) -> None:
        """A reply of this unit came too late."""
        self._late += 1
        self.seen = seen

    def merge(self, other: "Tally") -> None:
        """Count all of another's too."""
        self.words.update(other.words)
        self._verdicts.update(other._verdicts)
        self._shared += other._shared
        self._unknown += other._unknown
        self._remembered += other._remembered
        self._oldest = max(self._oldest, other._oldest)
        self._late += other._late
        self._foreign += other._foreign
        self._noise += other._noise
        self._stale += other._stale
        self._damaged += other._damaged
        self._short += other._short
        self._reply_time.merge(other._reply_time)
        self._wait.merge(other._wait)

    def traffic(self) -> Traffic:
        requests = self.words.total()
        lasting = requests - self.words["cancelled"]
        exceptions = {
            int(verdict.removeprefix(_EXCEPTION), 16): count
            for verdict, count in sorted(self._verdicts.items())
            if verdict.startswith(_EXCEPTION)
        }
        return Traffic(
            requests=requests,
            words=dict(self.words),
            failure_rate=(lasting - self.words["ok"]) / lasting if lasting else 0.0,
            shared=self._shared,
            remembered=self._remembered,
            oldest=self._oldest,
            unknown=self._unknown,
            exchanges=self._verdicts.total(),
            replies=self._verdicts["ok"] + sum(exceptions.values()),
            exceptions=exceptions,
            timeouts=self._verdicts["timeout"],
            late=self._late,
            foreign=self._foreign,
            noise=self._noise,
            stale=self._stale,
            damaged=self._damaged,
            short=self._short,
            reply_time=self._reply_time.times(),
            wait=self._wait.times(),
        )


class Use:
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


class PortTally:
    """What is counted of one port."""

    def __init__(self, port: str, since: float, is_simulated: bool = False) -> None:
        """
        @param since: when the counting begins, in monotonic seconds.
        @param is_simulated: whether its units are simulated, with no wire to them.
        """
        self._port = port
        self._is_simulated = is_simulated
        self._since = since
        self._use = Use(since)
        self._units: dict[int, Tally] = {}

    def exchange(self, exchange: Exchange) -> None:
        tally = self._units.get(exchange.unit) or self.unit(exchange.unit)
        tally.exchange(exchange)
        self._use.add(exchange.last or exchange.ended, _wire_time(exchange))
        for frame in exchange.late:
            self.unit(frame[0]).late(exchange.sent)

    def words(self) -> Mapping[str, int]:
        """How many requests have ended with which word."""
        words: Counter[str] = Counter()
        for tally in self._units.values():
            words.update(tally.words)
        return dict(words)

    def statistics(self, now: float, status: PortStatus) -> PortStatistics:
        """@param status: the port as it is now."""
        whole = Tally()
        for tally in self._units.values():
            whole.merge(tally)
        return PortStatistics(
            port=self._port,
            traffic=whole.traffic(),
            seconds=now - self._since,
            busy=self._use.share(now),
            busy_lately=self._use.share_lately(now),
            waiting=status.waiting,
            deepest=status.deepest,
        )

    def units(self, now: float, states: Mapping[int, str]) -> Sequence[UnitStatistics]:
        """In the order of their numbers."""
        return [
            UnitStatistics(
                port=self._port,
                unit=unit,
                traffic=tally.traffic(),
                state=states.get(unit, ""),
                seen=None if tally.seen is None else max(0.0, now - tally.seen),
                error=tally.error,
            )
            for unit, tally in sorted(self._units.items())
            if unit != _NO_UNIT
        ]

    def unit(self, unit: int) -> Tally:
        """What is counted of one unit; of all numbers that no unit can have, together."""
        if unit not in UNITS:
            unit = _NO_UNIT  # it was refused, and any number of such numbers shall not cost memory
        tally = self._units.get(unit)
        if tally is None:
            tally = self._units[unit] = Tally(self._is_simulated)
        return tally


def _character(exchange: Exchange) -> float:
    """Seconds that one character takes."""
    return (exchange.ended - exchange.sent) / len(exchange.outgoing)


def _wire_time(exchange: Exchange) -> float:
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


def _reply_time(exchange: Exchange) -> float:
    """Seconds from the end of the request until its sound reply began."""
    assert exchange.first is not None and exchange.last is not None
    if exchange.first >= exchange.ended and not (exchange.foreign or exchange.late or exchange.noise):
        return exchange.first - exchange.ended
    # Something else came before the reply: reckon back from its end.
    length = 2 if exchange.verdict.startswith(_EXCEPTION) else exchange.request.reply_length
    size = len(exchange.incoming) - exchange.noise if length is None else length + 3
    return max(0.0, exchange.last - exchange.ended - _character(exchange) * size)


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0
