"""
What is known of a device's registers: which were read, which not, and together with what.

Nothing is held against a register for ever, and nothing against one that ever
answered, but that it is asked alone while it refuses. Pure: the time is passed in.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lumina.poll.spans import Gap, Span, in_registers

#: Seconds that the first ban lasts; each further one lasts twice as long as the one before it, ...
BAN = 600.0
#: ... up to this.
LONGEST_BAN = 86400.0

#: How often a register must be refused, alone, before it is left out for a while;
REFUSALS = 2
#: and how often it must be silent, alone, while its device answers.
SILENCES = 3

Place = tuple[str, int, int]


class Gate(Enum):
    """Whether a gap may be read across."""

    OPEN = "open"
    UNTRIED = "untried"
    SHUT = "shut"
    DUE = "due"  # it has failed, and may be tried again


@dataclass(slots=True)
class Ban:
    """
    What is held against a register or a gap.

    @ivar failures: in a row.
    @ivar until: when it may be asked again, in monotonic seconds; 0: it is not banned.
    @ivar word: of the last failure.
    @ivar reason: of the last failure.
    @ivar silent: nothing came; else it was refused.
    @ivar failed: when it failed last, in monotonic seconds.
    """

    failures: int = 0
    until: float = 0.0
    word: str = ""
    reason: str = ""
    silent: bool = False
    failed: float = 0.0

    @property
    def lasting(self) -> bool:
        """Whether it is silent for good, as it seems: to ask costs a timeout each time."""
        return self.silent and self.failures >= SILENCES

    def fail(self, now: float, confirmations: int) -> None:
        """It has failed once more; it is banned from so many failures on."""
        self.failures += 1
        beyond = self.failures - confirmations
        if beyond >= 0:
            self.until = now + min(BAN * 2.0 ** min(beyond, 20), LONGEST_BAN)


@dataclass(slots=True)
class Length:
    """
    How much a device gives in one request, found out between what it gave and what it did not.

    @ivar good: the most that was ever answered.
    @ivar bad: what was too much; `None`: nothing yet.
    @ivar ban: for how long that holds.
    """

    good: int = 0
    bad: int | None = None
    ban: Ban = field(default_factory=Ban)

    def limit(self, most: int, now: float) -> int:
        """
        What to ask for at most: the middle between good and bad, until they meet.

        @param most: if nothing is known.
        """
        if self.bad is None or self.ban.until <= now:
            return most
        return min(most, max((self.good + self.bad) // 2, 1))

    def fail(self, count: int, now: float, confirmations: int) -> None:
        """So much was too much."""
        self.bad = count if self.bad is None else min(count, self.bad)
        self.ban.fail(now, confirmations)

    def grow(self, count: int) -> bool:
        """
        So much was answered.

        @return: whether the limit is another one now.
        """
        self.good, searching = count, self.bad is not None
        if self.bad is not None and count >= self.bad:
            self.bad = None
        return searching


class Knowledge:
    """
    What is known of one device.

    @ivar version: changes whenever something was learnt that a plan must heed.
    @ivar silent_cycles: in a row, in which it answered nothing.
    """

    def __init__(self) -> None:
        self.version = 0
        self._readable: dict[str, set[int]] = {}
        self._whole: set[Place] = set()
        self._gaps: dict[Gap, Ban] = {}
        self._spans: dict[Place, Ban] = {}
        self._misses: dict[Place, int] = {}
        self._alone: dict[Place, None] = {}
        self.silent_cycles = 0
        self._lengths = {True: Length(), False: Length()}

    @property
    def silent(self) -> bool:
        """Whether the device has answered nothing since before its last cycle."""
        return self.silent_cycles > 0

    def silent_cycle(self) -> None:
        """A cycle is over in which the device answered nothing that was asked."""
        self.silent_cycles += 1

    def lives(self) -> None:
        """Something came from the device."""
        self.silent_cycles = 0
        if self._alone:
            self._alone.clear()

    def silent_alone(self, place: Place) -> None:
        """Nothing came when a single value was asked for."""
        self._alone.pop(place, None)
        self._alone[place] = None

    @property
    def alone(self) -> Collection[Place]:
        """Single values that have met with silence since anything came at all, the latest last."""
        return self._alone.keys()

    @property
    def barriers(self) -> bool:
        """Whether there is any gap that may not be read across."""
        return bool(self._gaps or self._spans)

    def proven(self, table: str, start: int, end: int) -> bool:
        """Whether each of these registers has been read at some time, in some way."""
        readable = self._readable.get(table, set())
        return (table, start, end) in self._whole or readable.issuperset(range(start, end))

    def whole(self, place: Place) -> bool:
        """Whether just this request was answered before."""
        return place in self._whole

    def gate(self, gap: Gap, now: float) -> Gate:
        """
        Whether a gap may be read across.

        What is wrong with a part of it is wrong with it; it is not while it
        holds a register that is to be asked alone.
        """
        if any(
            table == gap.table and start < gap.end and gap.start < end for table, start, end in self._spans
        ):
            return Gate.SHUT
        bans = [
            ban
            for shut, ban in self._gaps.items()
            if shut.table == gap.table and gap.start <= shut.start and shut.end <= gap.end
        ]
        if bans:
            return Gate.SHUT if any(ban.until > now for ban in bans) else Gate.DUE
        return Gate.OPEN if self.proven(*gap) else Gate.UNTRIED

    @property
    def suspects(self) -> Mapping[Place, Ban]:
        """What is asked alone, and what is held against it: a ban that may be over, or not have begun."""
        return self._spans

    def bans(self, table: str) -> Iterator[tuple[Gap, float]]:
        """Gaps of a table that were banned, and until when."""
        return ((gap, ban.until) for gap, ban in self._gaps.items() if gap.table == table)

    def limit(self, table: str, most: int, now: float) -> int:
        """
        How many registers or bits to ask for at most.

        @param most: if nothing is known.
        """
        return self._lengths[in_registers(table)].limit(most, now)

    def next_change(self, now: float) -> float:
        """When the next ban ends, in monotonic seconds."""
        lengths = (length.ban for length in self._lengths.values())
        bans = (*self._gaps.values(), *self._spans.values(), *lengths)
        return min((ban.until for ban in bans if ban.until > now), default=float("inf"))

    def answered(self, place: Place, gaps: Iterable[Gap], cuts: Iterable[Gap], parts: Iterable[Span]) -> None:
        """
        A request was answered.

        @param gaps: what it read that nobody wants.
        @param cuts: where its spans touch.
        @param parts: its spans.
        """
        self.lives()
        if self._misses:
            self._misses.pop(place, None)
        if place in self._whole and not self._gaps and not self._spans:
            return
        table, start, end = place
        self._readable.setdefault(table, set()).update(range(start, end))
        self._whole.add(place)
        length = self._lengths[in_registers(table)]
        if end - start > length.good:
            self.version += length.grow(end - start)
        for crossed in (*gaps, *cuts):
            self.version += self._gaps.pop(crossed, None) is not None
        for span in parts:
            self.version += self._spans.pop((span.table, span.start, span.end), None) is not None

    def apart(self, place: Place, gaps: Iterable[Gap], now: float, silent: bool) -> None:
        """
        All of a request was answered, but not at once.

        If it has no gaps that are to blame, and is longer than any that was
        answered, it was too long.

        @param gaps: between its parts, which may be empty.
        @param silent: nothing came, which may be for noise, and has to be seen twice.
        """
        table, start, end = place
        length, blamed = self._lengths[in_registers(table)], list(gaps)
        confirmations = 2 if silent else 1
        self.version += 1
        if end - start > length.good and all(gap.start == gap.end for gap in blamed):
            length.fail(end - start, now, confirmations)
            return
        for gap in blamed:
            self._gaps.setdefault(gap, Ban()).fail(now, confirmations)

    def failed(self, span: Span, word: str, reason: str, now: float, silent: bool) -> None:
        """
        A span that was asked alone was refused, or silent while its device answers others.

        One that ever answered is never banned.
        """
        known = self.proven(span.table, span.start, span.end)
        ban = self._spans.setdefault((span.table, span.start, span.end), Ban())
        ban.word, ban.reason, ban.silent, ban.failed = word, reason, silent, now
        if known:
            ban.failures += 1
        else:
            ban.fail(now, SILENCES if silent else REFUSALS)
        self.version += ban.failures == 1 or not known

    def doubtful(self, place: Place) -> bool:
        """Whether a request was not answered the last time that the device answered anything."""
        return place not in self._whole or place in self._misses or place in self._spans

    def misses(self, place: Place) -> int:
        """How often in a row a request has failed while its device answers others."""
        return self._misses.get(place, 0)

    def missed(self, place: Place) -> int:
        """
        A request has failed while its device answers others.

        @return: how often in a row.
        """
        self._misses[place] = self._misses.get(place, 0) + 1
        return self._misses[place]
