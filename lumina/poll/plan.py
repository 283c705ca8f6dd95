"""
From points to the fewest requests at the least cost.

A `Plan` belongs to one device and lives as long as its configuration. Each
cycle it gives the blocks to be asked, made anew only when what is known of the
device, or what requests cost, has changed enough to matter. Pure.
"""

from collections import deque
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from lumina.errors import BadRequest
from lumina.poll.block import Block
from lumina.poll.closed import closed
from lumina.poll.costs import Costs
from lumina.poll.knowledge import Ban, Knowledge, Place
from lumina.poll.limits import Limits, problems
from lumina.poll.spans import Span, cover, in_registers, nested, spans
from lumina.readings import Point, decoder

T = TypeVar("T")

#: Points that are due, by their place in the plan; `None`: all.
Due = tuple[int, ...] | None

#: The plan is made anew when a request's cost in registers is so many times what it was, or a part.
DRIFT = 1.25

#: Agendas that are kept: which points are due together differs from time to time.
KEPT = 32

#: Registers whose ban is over that are asked again in one cycle.
PROBES = 8
#: The same of those that it met with silence, each of which costs a timeout.
SILENT_PROBES = 1


@dataclass(frozen=True, slots=True)
class Agenda:
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
    """Agendas that were made before, and what they were made of."""

    agendas: tuple[Agenda, ...]
    spans: Sequence[Span]
    version: int
    ratio: float
    until: float


class Plan:
    """
    How the points of one device are read.

    @ivar points: all of its points; others speak of them by their place.
    @ivar knowledge: what is known of the device; may outlive the plan.
    @ivar costs: what requests to it cost.
    @ivar spans: of all points, in order.
    """

    def __init__(
        self,
        points: Sequence[Point],
        limits: Limits = Limits(),  # noqa: B008
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
        self._blocks: dict[Place, Block] = {}
        self.spans = spans(self.points, range(len(self.points)), self._snapshots)
        self._plain = len(self.spans) == len(self.points)
        for problem in problems(self.points, limits, self._snapshots):
            raise BadRequest(problem)

    def agenda(self, now: float, due: Due = None) -> Agenda:
        """
        What is to be asked now.

        @param now: monotonic seconds.
        """
        (agenda,) = finished(self.together(now, (due,)))
        return agenda

    def together(self, now: float, dues: tuple[Due, ...]) -> Generator[None, None, tuple[Agenda, ...]]:
        """
        What is to be asked now for several that are due together, in the fewest requests.

        A request for several of them belongs to the first one. Its steps take
        a fraction of a millisecond each.

        @param now: monotonic seconds.
        @param dues: the most urgent one first.
        @return: an agenda for each, which may be empty.
        """
        kept = self.kept(now, dues)
        if kept is not None:
            return kept
        made = yield from self._make(now, dues)
        if len(self._made) >= KEPT:
            self._made.clear()
        self._made[dues] = made
        return made.agendas

    def kept(self, now: float, dues: tuple[Due, ...]) -> tuple[Agenda, ...] | None:
        """What `together` would say at once, since it was made before and still holds; else `None`."""
        made = self._made.get(dues)
        if made is None or made.version != self.knowledge.version or now >= made.until:
            return None
        drift = self.costs.ratio / made.ratio
        return made.agendas if 1 / DRIFT <= drift <= DRIFT else None

    def seconds(self, now: float, dues: tuple[Due, ...] = (None,)) -> float:
        """How long it will take to read what is due together, if each block is answered at once."""
        blocks = [block for agenda in finished(self.together(now, dues)) for block in agenda.blocks]
        return self.costs.of(sum(block.weight for block in blocks), len(blocks))

    def block(self, several: Sequence[Span]) -> Block:
        """One request for these spans, which are neighbours."""
        return Block(several, self.points, self._decoders)

    def same(self, several: Sequence[Span]) -> Block:
        """One request for these spans, which are neighbours; the same one as the last time."""
        place = several[0].table, several[0].start, several[-1].end
        block = self._blocks.get(place)
        if block is None or block.spans != tuple(several):
            if len(self._blocks) > len(self.points):
                self._blocks.clear()
            block = self._blocks[place] = self.block(several)
        return block

    def _make(self, now: float, dues: tuple[Due, ...]) -> Generator[None, None, _Made]:
        version, until, ratio = self.knowledge.version, self.knowledge.next_change(now), self.costs.ratio
        before = self._made.get(dues)
        wanted = self._due(dues) if before is None else before.spans
        yield
        several, alone, banned = self._sorted(wanted, now)
        yield
        tables = [[*group] for _, group in groupby(several, itemgetter(0))]
        found: list[Sequence[Span]] = []
        for mine, shut in zip(tables, self._shut(tables, now), strict=True):
            limit = self.knowledge.limit(mine[0].table, self.limits.of(mine[0].table), now)
            found += yield from cover(mine, self.costs.request, self._unit(mine[0].table), limit, shut)
        found += [[span] for span in alone]
        blocks: list[Block] = []
        for each in found:
            blocks.append(self.same(each))
            yield
        return _Made(self._shared(blocks, banned, dues), wanted, version, ratio, until)

    def _due(self, dues: tuple[Due, ...]) -> Sequence[Span]:
        """The spans of all that is due."""
        if None in dues:
            return self.spans
        wanted = self._wanted(dues)
        if self._plain:
            return [span for span in self.spans if span.members[0] in wanted]
        return spans(self.points, wanted, self._snapshots)

    def _wanted(self, dues: tuple[Due, ...]) -> Collection[int]:
        if None in dues:
            return range(len(self.points))
        return {index for due in dues for index in due or ()}

    def _shared(
        self, blocks: Sequence[Block], banned: Sequence[tuple[int, Ban]], dues: tuple[Due, ...]
    ) -> tuple[Agenda, ...]:
        """Each request to the most urgent of those that have points in it."""
        if len(dues) == 1:
            return (Agenda(tuple(blocks), tuple(banned)),)
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
            Agenda(tuple(mine), tuple(bans), tuple(sorted(all)))
            for mine, bans, all in zip(asked, held, shares, strict=True)
        )

    def _sorted(
        self, several: Sequence[Span], now: float
    ) -> tuple[Sequence[Span], list[Span], list[tuple[int, Ban]]]:
        """Spans to be read together, spans to be asked alone, and points not to be asked."""
        suspects = self.knowledge.suspects
        if not suspects:
            return several, [], []
        left = deque(span for span in several if span[:3] in suspects)
        together = [span for span in several if span[:3] not in suspects]
        apart = len(together)
        alone: list[Span] = []
        banned: list[tuple[Ban, Span]] = []
        while left:
            span = left.popleft()
            ban = suspects.get(span[:3])
            if ban is None:
                together.append(span)
                continue
            left += span.inner
            span = span._replace(inner=())
            if ban.until:
                banned.append((ban, span))
            else:
                alone.append(span)
        over = sorted((each for each in banned if each[0].until <= now), key=lambda each: each[0].until)
        probed = [span for ban, span in over if not ban.silent][:PROBES]
        probed += [span for ban, span in over if ban.silent][:SILENT_PROBES]
        asked = set(probed)
        held = [(index, ban) for ban, span in banned if span not in asked for index in span.members]
        return together if len(together) == apart else nested(together), alone + probed, held

    def _shut(self, tables: Sequence[Sequence[Span]], now: float) -> list[set[int]]:
        """
        The gaps of each table that must not be read across.

        Of those whose ban is over one at a time is tried: then it is known
        which one it was, if the trial fails.
        """
        found = [closed(several, self.knowledge, now, self.limits.forbid_gaps) for several in tables]
        due = [
            (until, table, place)
            for table, each in enumerate(found)
            for place, until in each.due.items()
            if self._worthwhile(tables[table][place - 1], tables[table][place])
        ]
        tried = min(due, default=(0.0, 0, 0))[1:]
        return [
            each.shut | {place for place in each.due if (table, place) != tried}
            for table, each in enumerate(found)
        ]

    def _worthwhile(self, before: Span, after: Span) -> bool:
        """Whether to read across is cheaper than another request."""
        return (after.start - before.end) * self._unit(after.table) < self.costs.request

    def _unit(self, table: str) -> float:
        """Seconds for a register or a bit."""
        return self.costs.register if in_registers(table) else self.costs.register / 16


def finished(steps: Generator[None, None, T]) -> T:
    """What comes of steps, taken all at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
