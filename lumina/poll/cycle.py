"""
One round of questions to a device, whatever it answers.

What is refused is taken apart until the bad register is alone, and the others
are read in the same cycle. What is met with silence is split at its gaps
first: cheap meters do not answer to what they do not like. Each point that is
due comes out exactly once, as a reading that is good or says why it is not.
Pure: whoever asks reports what came.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply
from lumina.poll.block import Block
from lumina.poll.costs import ALL, SOME
from lumina.poll.knowledge import Ban, Gate
from lumina.poll.plan import Plan, Round
from lumina.poll.spans import Gap, Span, apart, gap, runs
from lumina.poll.splits import Splits, ends, one_alone
from lumina.readings import Reading

#: Silences, without any answer in the cycle, after which a device is taken for dead: to blocks that
#: it has answered before; to any, if there are none of these; to any, if there are.
STRIKES, DOUBTFUL_STRIKES, MOST_STRIKES = 2, 3, 4

#: Blocks that are taken apart in a cycle in which the device says that it fails, and gives nothing.
TRIALS = 3


class _Mute(NamedTuple):
    """A block that met with silence, or at which the device failed."""

    block: Block
    error: LuminaError


#: Exceptions that say that the request should have been another one: illegal data address, and value.
_DIVIDES = (0x02, 0x03)
#: The server has failed: some say so when they are asked for what they do not have.
_FAILURE = 0x04


class Cycle:
    """
    A cycle of one plan.

    Ask `next` for a block, ask the device, and report with `answered` or
    `failed`, one block at a time, until there is none; then `close`. These three give the
    readings that are settled; together they are one for each point that was due.

    @ivar asked: how many blocks were given.
    @ivar answers: how many of them the device answered, refusals included.
    """

    def __init__(self, plan: Plan, now: float, round: Round | None = None) -> None:
        """
        @param now: monotonic seconds.
        @param round: what is to be asked; `None`: all points.
        """
        round = plan.round(now) if round is None else round
        self.asked = self.answers = 0
        self._plan, self._knowledge = plan, plan.knowledge
        self._blocks = round.blocks
        self._queue = deque(self._blocks)
        silent = self._knowledge.silent_cycles
        if silent and not self._knowledge.answers:  # it may dislike something in each block
            self._queue = deque(one_alone(self._blocks, silent - 1, plan.block))
        elif silent and self._knowledge.doubtful:  # or in those that are asked first
            self._queue.rotate(-((silent + 1) // 8))
        self._banned = round.banned
        self._splits: Splits | None = None
        self._mute: list[_Mute] = []
        self._lost: list[_Mute] = []
        self._silences = self._surprises = 0
        self._careful = self._sound = self._divides = False
        self._doubtful, self._strikes, self._trials = True, 0, 0

    def next(self, now: float) -> Block | None:
        """The block to ask now; `None`: there is none, or the device is taken for dead."""
        if self._mute and (not self._queue or self._changed):
            self._divide_mute(now)
        if self._silences and self._dead:
            return None
        while self._queue:
            block = self._queue.popleft()
            if not (self._careful and self._untried(block, now)):
                self.asked += 1
                return block
            self._queue.extendleft(reversed(self._split_at_gaps(block, now)))
        return None

    def answered(
        self, block: Block, pdu: bytes, now: float, at: float, seconds: float | None = None
    ) -> list[Reading]:
        """
        A sound reply came.

        @param now: monotonic seconds.
        @param at: when it was read, in seconds since 1970.
        @param seconds: how long the exchange took; `None`: it says nothing of
            what requests cost, as when it was shared or answered from memory.
        """
        self.answers += 1
        self._sound = True
        self._knowledge.answered(block.place, block.gaps, block.cuts, block.spans)
        costs = self._plan.costs
        costs.answers += 1
        if seconds is not None and (costs.answers <= ALL or costs.answers % SOME == 0):
            costs.learn(block.weight, seconds)
        if self._splits:
            self._splits.settle(block, True, now)
        return block.readings(pdu, at)

    def failed(self, block: Block, error: LuminaError, now: float, at: float) -> list[Reading]:
        """
        No sound reply came.

        @return: what is settled by it; nothing, if it will be asked in another way.
        """
        if isinstance(error, NoReply | BadReply):
            self._silent(block, error, now)
            return []
        if isinstance(error, ExceptionReply):
            self.answers += 1
            if error.code in _DIVIDES:
                return self._refused(block, error, now, at)
            if error.code == _FAILURE:
                self._ill(block, error, now)
                return []
        self._settle(block, now)
        return self._bad(block.points, error, at)

    def close(self, now: float, at: float, error: LuminaError | None = None) -> list[Reading]:
        """
        The cycle is over: the readings of all points that are not settled.

        @param error: why those that were not asked will not be; `None`: as the last that failed.
        """
        lost = self._lost + self._mute
        if not (lost or self._banned or self._queue or self._silences):
            return []
        if self._silences and not self.answers:
            self._knowledge.silent_cycle()
        found = [self._held(index, ban, now, at) for index, ban in self._banned]
        for mute in lost:
            found += self._bad(mute.block.points, mute.error, at)
            self._remember(mute, now)
        why = error or (lost[-1].error if lost else NoReply("the device was not asked"))
        for block in self._queue:
            found += self._bad(block.points, why, at)
        self._banned, self._lost, self._mute = (), [], []
        self._queue.clear()
        return found

    def _weigh(self) -> None:
        """Silence to what was asked just so before says most: trials and probes count less beside it."""
        sure = sum(self._known(block) for block in self._blocks)
        self._doubtful = self._knowledge.doubtful or not sure
        self._strikes = min(STRIKES, sure)

    @property
    def _dead(self) -> bool:
        if self.answers:
            return False
        if self._doubtful:
            return self._silences >= DOUBTFUL_STRIKES
        return self._surprises >= self._strikes or self._silences >= MOST_STRIKES

    @property
    def _changed(self) -> bool:
        """Whether a device that once answered may have come to dislike something in each block."""
        strange = self._silences and self._doubtful and self._knowledge.answers
        return bool(strange and not self.answers and not self._divides)

    def _refused(self, block: Block, error: ExceptionReply, now: float, at: float) -> list[Reading]:
        if len(block.spans) > 1:
            cut = self._middle(block.spans)
            blamed = (gap(block.spans[cut - 1], block.spans[cut]),)
            halves = self._split(block, (block.spans[:cut], block.spans[cut:]), blamed, now, silent=False)
            self._queue.extendleft(reversed(halves))
            return []
        self._settle(block, now)
        (span,) = block.spans
        self._knowledge.failed(span, error.word, str(error), now, silent=False)
        self._queue.extendleft(self._plan.block((each,)) for each in reversed(span.inner))
        return self._bad(span.members, error, at)

    def _ill(self, block: Block, error: LuminaError, now: float) -> None:
        if self._untried(block, now):
            self._queue += self._split_at_gaps(block, now)
        else:
            self._settle(block, now)
            self._mute.append(_Mute(block, error))

    def _silent(self, block: Block, error: LuminaError, now: float) -> None:
        if isinstance(error, NoReply):
            if not self._silences:
                self._weigh()
            self._silences += 1
            self._surprises += self._known(block)
        if apart(block.spans) and (self.answers or not self._knowledge.whole(block.place)):
            self._careful = True
            # What is asked alone for what it did before comes last: its silence says least.
            left, suspects = [*self._queue, *self._split_at_gaps(block, now)], self._knowledge.suspects
            self._queue = deque(sorted(left, key=lambda each: each.place in suspects))
        else:
            self._settle(block, now)
            self._mute.append(_Mute(block, error))

    def _divide_mute(self, now: float) -> None:
        """
        What met with silence, or made the device fail, may hold a register that it does not like.

        That is worth finding out while it answers others; if it answers
        nothing, by a few requests only, for a sign of life.
        """
        mutes, self._mute = self._mute, []
        parts: list[Block] = []
        tried = False
        for mute in mutes:
            (block, error), helped, known = mute, self._helped(mute), self._known(mute.block)
            if isinstance(error, ExceptionReply):
                hopeless = known or not (helped or self._trials < TRIALS)
                self._trials += not (helped or hopeless)
            else:
                hopeless = known if helped else tried or not self._doubtful
            if hopeless or not (block.spans[1:] or block.spans[0].inner):
                self._lost.append(mute)
                continue
            parts += self._divided(mute, now)
            tried = self._divides = True
        self._queue.extendleft(reversed(parts))

    def _divided(self, mute: _Mute, now: float) -> list[Block]:
        block = mute.block
        if len(block.spans) == 1:
            bare = block.spans[0]._replace(inner=())
            self._lost.append(_Mute(self._plan.block((bare,)), mute.error))
            return [self._plan.block((each,)) for each in block.spans[0].inner]
        cuts = (
            {self._middle(block.spans)}
            if self.answers
            else ends(len(block.spans), self._knowledge.silent_cycles // 8)
        )
        edges = sorted({0, *cuts, len(block.spans)})
        parts = [block.spans[first:last] for first, last in pairwise(edges)]
        blamed = tuple(gap(block.spans[cut - 1], block.spans[cut]) for cut in edges[1:-1])
        return sorted(self._split(block, parts, blamed, now, silent=True), key=lambda part: part.count)

    def _known(self, block: Block) -> bool:
        """Whether it was answered the last time that the device answered anything."""
        return self._knowledge.whole(block.place) and not self._knowledge.misses(block.place)

    def _helped(self, mute: _Mute) -> bool:
        """Whether the device does for others what it did not do for this one."""
        return self._sound if isinstance(mute.error, ExceptionReply) else self.answers > 0

    def _split_at_gaps(self, block: Block, now: float) -> list[Block]:
        blamed = tuple(each for each in block.gaps if self._knowledge.gate(each, now) is not Gate.OPEN)
        return self._split(block, runs(block.spans), blamed or block.gaps, now, silent=True)

    def _split(
        self, block: Block, parts: Sequence[Sequence[Span]], blamed: tuple[Gap, ...], now: float, silent: bool
    ) -> list[Block]:
        """
        @param blamed: what is to blame if all parts are answered; of a block that was read
            before, only when it fails again and again.
        """
        self._settle(block, now)
        blocks = [self._plan.block(part) for part in parts]
        if self._splits is None:
            self._splits = Splits(self._knowledge)
        self._splits.add(block.place, blocks, blamed, silent)
        return blocks

    def _settle(self, block: Block, now: float) -> None:
        """It was not answered, which says something of what it was a part of."""
        if self._splits:
            self._splits.settle(block, False, now)

    def _untried(self, block: Block, now: float) -> bool:
        """Whether it reads across a gap that was never read."""
        return apart(block.spans) and any(
            self._knowledge.gate(each, now) is not Gate.OPEN for each in block.gaps
        )

    def _middle(self, several: Sequence[Span]) -> int:
        """Where to cut: at the gap nearest to the middle that was not read yet, else in the middle."""
        middle = len(several) / 2
        cuts = range(1, len(several))
        strange = [cut for cut in cuts if not self._knowledge.proven(*gap(several[cut - 1], several[cut]))]
        return min(strange or cuts, key=lambda cut: abs(cut - middle))

    def _remember(self, mute: _Mute, now: float) -> None:
        """Silence or failure, while the device answers others."""
        (block, error), ill = mute, isinstance(mute.error, ExceptionReply)
        if len(block.spans) > 1 and (ill or self.answers):
            self._knowledge.missed(block.place)
        elif len(block.spans) == 1 and self._helped(mute):
            self._knowledge.failed(block.spans[0], error.word, _reason(error), now, silent=not ill)

    def _bad(self, points: Sequence[int], error: LuminaError, at: float) -> list[Reading]:
        reason = _reason(error)
        return [Reading(self._plan.points[index], None, at, error.word, reason) for index in points]

    def _held(self, index: int, ban: Ban, now: float, at: float) -> Reading:
        reason = (
            f"{ban.reason}; {ban.failures} times in a row, and it is asked again in {ban.until - now:.0f} s"
        )
        return Reading(self._plan.points[index], None, at, ban.word, reason)


def _reason(error: LuminaError) -> str:
    return str(error) or error.word
