"""
From points to the fewest requests at the least cost.

A `Plan` belongs to one device and lives as long as its configuration. Each
cycle it gives the blocks to be asked, made anew only when what is known of the
device, or what requests cost, has changed enough to matter. Pure.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from lumina.errors import BadRequest
from lumina.modbus.pdu import (
    MAX_READ_BITS,
    MAX_READ_REGISTERS,
)
from lumina.poll.block import Block
from lumina.poll.costs import Costs
from lumina.poll.knowledge import Ban, Gate, Knowledge
from lumina.poll.spans import Gap, Span, cover, gap, in_registers, nested, spans
from lumina.readings import Point, decoder

T = TypeVar("T")

#: Points that are due, by their place in the plan; `None`: all.
Due = tuple[int, ...] | None

#: The plan is made anew when a request's cost in registers is so many times what it was, or a part.
DRIFT = 1.25

#: Registers whose ban is over that are asked again in one cycle.
PROBES = 8
#: The same of those that it met with silence, each of which costs a timeout.
SILENT_PROBES = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a device can do.

    @ivar max_registers: in one request, 1 to 125.
    @ivar max_bits: in one request, 1 to 2000.
    @ivar forbid_gaps: never read what lies between points.
    """

    max_registers: int = MAX_READ_REGISTERS
    max_bits: int = MAX_READ_BITS
    forbid_gaps: bool = False

    def of(self, table: str) -> int:
        """Registers or bits in one request."""
        return self.max_registers if in_registers(table) else self.max_bits


@dataclass(frozen=True, slots=True)
class Round:
    """
    What is to be asked in one cycle.

    @ivar blocks: in the order in which to ask.
    @ivar banned: points that are not asked, by place, and what is held against them.
    @ivar shares: which of those that are due together have points in it.
    """

    blocks: tuple[Block, ...]
    banned: tuple[tuple[int, Ban], ...] = ()
    shares: tuple[int, ...] = (0,)


@dataclass(slots=True)
class _Made:
    """Rounds that were made before, and what they were made of."""

    rounds: tuple[Round, ...]
    version: int
    ratio: float
    until: float


class Plan:
    """
    How the points of one device are read.

    @ivar points: all of its points; others speak of them by their place.
    @ivar knowledge: what is known of the device; may outlive the plan.
    @ivar costs: what requests to it cost.
    """

    def __init__(
        self,
        points: Sequence[Point],
        limits: Limits = Limits(),
        knowledge: Knowledge | None = None,
        costs: Costs | None = None,
        snapshots: Sequence[Sequence[int]] = (),
    ) -> None:
        """
        @param snapshots: points, by their place, that must come from one request.
        @raise BadRequest: a value or a snapshot does not fit into one request;
            it names the points and the limit.
        """
        self.points = tuple(points)
        self.limits = limits
        self.knowledge = Knowledge() if knowledge is None else knowledge
        self.costs = Costs.network() if costs is None else costs
        self._snapshots = tuple(tuple(group) for group in snapshots)
        self._decoders = [decoder(point) for point in self.points]
        self._made: dict[tuple[Due, ...], _Made] = {}
        for problem in problems(self.points, limits, self._snapshots):
            raise BadRequest(problem)

    def round(self, now: float, due: Due = None) -> Round:
        """
        What is to be asked now.

        @param now: monotonic seconds.
        """
        (round,) = finished(self.together(now, (due,)))
        return round

    def together(self, now: float, dues: tuple[Due, ...]) -> Generator[None, None, tuple[Round, ...]]:
        """
        What is to be asked now for several that are due together, in the fewest requests.

        A request for several of them belongs to the first one. Its steps take
        a fraction of a millisecond each.

        @param now: monotonic seconds.
        @param dues: the most urgent one first.
        @return: a round for each, which may be empty.
        """
        made = self._made.get(dues)
        if made is None or not self._holds(made, now):
            made = yield from self._make(now, dues)
            self._made[dues] = made
        return made.rounds

    def _holds(self, made: _Made, now: float) -> bool:
        return (
            made.version == self.knowledge.version
            and now < made.until
            and made.ratio / DRIFT <= self.costs.ratio <= made.ratio * DRIFT
        )

    def seconds(self, now: float, due: Due = None) -> float:
        """How long the round will take, if each block is answered at once."""
        blocks = self.round(now, due).blocks
        return self.costs.of(sum(block.weight for block in blocks), len(blocks))

    def block(self, several: Sequence[Span]) -> Block:
        """One request for these spans, which are neighbours."""
        return Block(several, self.points, self._decoders)

    def _make(self, now: float, dues: tuple[Due, ...]) -> Generator[None, None, _Made]:
        version, until = self.knowledge.version, self.knowledge.next_change(now)
        wanted = self._wanted(dues)
        several, alone, banned = self._sorted(spans(self.points, wanted, self._snapshots), now)
        closed = self._closed(several, now)
        found: list[list[Span]] = []
        for table in dict.fromkeys(span.table for span in several):
            unit = self.costs.register if in_registers(table) else self.costs.register / 16
            mine = [span for span in several if span.table == table]
            limit = self.knowledge.limit(table, self.limits.of(table), now)
            found += cover(mine, self.costs.request, unit, limit, closed)
            yield
        found += [[span] for span in alone]
        blocks = tuple(self.block(each) for each in found)
        return _Made(self._shared(blocks, banned, dues), version, self.costs.ratio, until)

    def _wanted(self, dues: tuple[Due, ...]) -> Iterable[int]:
        if None in dues:
            return range(len(self.points))
        return {index for due in dues for index in due or ()}

    def _shared(
        self, blocks: Sequence[Block], banned: Sequence[tuple[int, Ban]], dues: tuple[Due, ...]
    ) -> tuple[Round, ...]:
        """Each request to the most urgent of those that have points in it."""
        if len(dues) == 1:
            return (Round(tuple(blocks), tuple(banned)),)
        owner: dict[int, int] = {}
        for place, due in reversed([*enumerate(dues)]):
            owner.update(dict.fromkeys(self._wanted((due,)), place))
        asked: list[list[Block]] = [[] for _ in dues]
        shares: list[set[int]] = [set() for _ in dues]
        held = [[each for each in banned if owner[each[0]] == place] for place in range(len(dues))]
        for block in blocks:
            owners = {owner[index] for index in block.points}
            asked[min(owners)].append(block)
            shares[min(owners)] |= owners
        for place, mine in enumerate(held):
            shares[place] |= {place} if mine else set()
        return tuple(
            Round(tuple(mine), tuple(bans), tuple(sorted(all)))
            for mine, bans, all in zip(asked, held, shares, strict=True)
        )

    def _sorted(
        self, several: Iterable[Span], now: float
    ) -> tuple[list[Span], list[Span], list[tuple[int, Ban]]]:
        """Spans to be read together, spans to be asked alone, and points not to be asked."""
        together: list[Span] = []
        alone: list[Span] = []
        banned: list[tuple[Ban, Span]] = []
        left = deque(several)
        while left:
            span = left.popleft()
            ban = self.knowledge.suspect(span)
            if ban is None:
                together.append(span)
                continue
            left += span.inner
            span = replace(span, inner=())
            if ban.until:
                banned.append((ban, span))
            else:
                alone.append(span)
        over = sorted((each for each in banned if each[0].until <= now), key=lambda each: each[0].until)
        probed = [each for each in over if not each[0].silent][:PROBES]
        probed += [each for each in over if each[0].silent][:SILENT_PROBES]
        alone += [span for _, span in probed]
        held = [(index, ban) for ban, span in banned if (ban, span) not in probed for index in span.members]
        return nested(together), alone, held

    def _closed(self, several: Sequence[Span], now: float) -> Callable[[Gap], bool] | None:
        """
        What must not be read across; `None`: anything may be.

        Of the gaps whose ban is over one at a time is tried: then it is known
        which one it was, if the trial fails.
        """
        if not self.knowledge.barriers:
            return (lambda each: each.start < each.end) if self.limits.forbid_gaps else None
        between = [gap(*pair) for pair in pairwise(several) if pair[0].table == pair[1].table]
        gates = {each: self.knowledge.gate(each, now) for each in between}
        due = [each for each, gate in gates.items() if gate is Gate.DUE and self._worthwhile(each)]
        retried = min(due, key=self.knowledge.shut_until, default=None)

        def closed(each: Gap) -> bool:
            if self.limits.forbid_gaps and each.start < each.end:
                return True
            gate = gates[each]
            return gate is Gate.SHUT or (gate is Gate.DUE and each != retried)

        return closed

    def _worthwhile(self, each: Gap) -> bool:
        unit = self.costs.register if in_registers(each.table) else self.costs.register / 16
        return (each.end - each.start) * unit < self.costs.request


def finished(steps: Generator[None, None, T]) -> T:
    """What comes of steps, taken all at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def problems(
    points: Sequence[Point], limits: Limits = Limits(), snapshots: Sequence[Sequence[int]] = ()
) -> list[str]:
    """What cannot be read at all, one sentence each."""
    found = []
    for point in points:
        limit = limits.of(point.table)
        if point.size > limit:
            found.append(
                f"{point.parameter}: it takes {point.size} registers, one request reads {limit} at most"
            )
    for group in snapshots:
        names = ", ".join(points[index].parameter for index in group)
        if len({points[index].table for index in group}) > 1:
            found.append(f"snapshot of {names}: one request reads one table only")
            continue
        for span in spans(points, group, [group]):
            limit = limits.of(span.table)
            if span.end - span.start > limit:
                found.append(
                    f"snapshot of {names}: it takes {span.end - span.start} addresses from {span.start},"
                    f" one request reads {limit} at most"
                )
            if span.gaps and limits.forbid_gaps:
                found.append(
                    f"snapshot of {names}: there are gaps between its points, and they are forbidden"
                )
    return found
