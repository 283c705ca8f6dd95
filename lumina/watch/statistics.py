"""
What each port and each unit has done, counted from outcomes and exchanges.

Counts are kept by unit; a port's are their sum, taken when somebody asks. An
event costs the same however many came before it, and memory is bounded by the
256 units of a port.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from lumina.errors import EXCEPTION_WORD
from lumina.interfaces import Exchange, Outcome
from lumina.status import PortStatistics, PortStatus, Traffic, UnitStatistics
from lumina.watch.durations import BusyTime, Distribution, reply_time, wire_time

#: The numbers that a unit can have, and broadcast.
UNITS = range(256)
_NO_UNIT = -1


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
        if self._is_simulated and outcome.sent is not None:
            self._exchanged(outcome)
        if word in ("ok", "cancelled"):
            return
        self.error = word
        if outcome.sent is not None and outcome.request.writes and not word.startswith(EXCEPTION_WORD):
            self._unknown += 1

    def _exchanged(self, outcome: Outcome) -> None:
        """A simulated unit was asked: there is no wire, and so no exchange that tells of it."""
        word = outcome.word
        if not outcome.unit and word == "ok":
            word = "sent"  # to all, and none answers
        self._verdicts[word] += 1
        if word == "ok" or word.startswith(EXCEPTION_WORD):
            self.seen = outcome.answered

    def exchange(self, exchange: Exchange) -> None:
        verdict = exchange.verdict
        self._verdicts[verdict] += 1
        if verdict == "ok" or verdict.startswith(EXCEPTION_WORD):
            self.seen = exchange.last
            self._reply_time.add(reply_time(exchange))
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
            int(verdict.removeprefix(EXCEPTION_WORD), 16): count
            for verdict, count in sorted(self._verdicts.items())
            if verdict.startswith(EXCEPTION_WORD)
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
        self._busy = BusyTime(since)
        self._units: dict[int, Tally] = {}

    def exchange(self, exchange: Exchange) -> None:
        tally = self._units.get(exchange.unit) or self.unit(exchange.unit)
        tally.exchange(exchange)
        self._busy.add(exchange.last or exchange.ended, wire_time(exchange))
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
            busy=self._busy.share(now),
            busy_lately=self._busy.share_lately(now),
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
