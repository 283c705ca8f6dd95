"""
Blocks of a cycle that met with silence, or at which the device failed, and what is made of them. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lumina.errors import ExceptionReply, LuminaError
from lumina.poll.block import Block
from lumina.poll.plan import Plan
from lumina.poll.splits import Splits

#: Blocks that are taken apart in a cycle in which the device says that it fails, and gives nothing.
TRIALS = 3

#: The server has failed: some say so when they are asked for what they do not have.
FAILURE = 0x04


class Mute(NamedTuple):
    """
    A block that met with silence, or at which the device failed.

    @ivar answers: how many the device had given in the cycle by then.
    """

    block: Block
    error: LuminaError
    answers: int

    @property
    def ill(self) -> bool:
        """Whether the device said that it failed."""
        return isinstance(self.error, ExceptionReply) and self.error.code == FAILURE


class Unanswered:
    """Those of one cycle."""

    def __init__(self, plan: Plan, splits: Splits, was_silent: bool) -> None:
        """@param was_silent: whether the device had answered nothing in the last cycle."""
        self._plan, self._knowledge, self._splits = plan, plan.knowledge, splits
        self._was_silent = was_silent
        self._waiting: list[Mute] = []
        self._lost: list[Mute] = []
        self._trials = 0

    def add(self, block: Block, error: LuminaError, answers: int) -> None:
        """
        It was not answered.

        @param answers: how many the device has given in the cycle.
        """
        self._waiting.append(Mute(block, error, answers))

    @property
    def all(self) -> Sequence[Mute]:
        """Those that were not taken apart."""
        return self._lost + self._waiting

    def unsure(self, answers: int) -> bool:
        """Whether a block of several values may have met with silence since the device died."""
        return any(
            len(mute.block.spans) > 1 and not (mute.ill or self._worthwhile(mute, answers))
            for mute in self._waiting
        )

    def divided(self, answers: int, sound: bool, now: float) -> list[Block]:
        """
        What the device gives others, but not these, may be for a register in each that it does not like.

        @param sound: whether any answer was sound.
        @return: what to ask to find out which.
        """
        waiting, self._waiting = self._waiting, []
        parts: list[Block] = []
        for mute in waiting:
            hopeless = not self._worthwhile(mute, answers)
            if mute.ill and not (sound or hopeless):
                self._trials += 1
                hopeless = self._trials > TRIALS
            if hopeless or not (mute.block.spans[1:] or mute.block.spans[0].inner):
                self._lost.append(mute)
            else:
                parts += self._parts(mute, now)
        return parts

    def remember(self, sound: bool, now: float) -> None:
        """The device has answered others: these are held against it."""
        for block, error, _ in self.all:
            ill = isinstance(error, ExceptionReply) and error.code == FAILURE
            if len(block.spans) > 1:
                self._knowledge.missed(block.place)
            elif sound or not ill:
                reason = str(error) or error.word
                self._knowledge.failed(block.spans[0], error.word, reason, now, silent=not ill)

    def _worthwhile(self, mute: Mute, answers: int) -> bool:
        """
        Whether to find out what the device dislikes in it.

        Not if it was answered the last time, and the device says that it fails, or may have died since.
        """
        alive = self._was_silent or (answers > mute.answers and not mute.ill)
        return alive or self._knowledge.doubtful(mute.block.place)

    def _parts(self, mute: Mute, now: float) -> list[Block]:
        block = mute.block
        if len(block.spans) > 1:
            return self._splits.halves(block, now, silent=True)
        bare = block.spans[0]._replace(inner=())
        self._lost.append(mute._replace(block=self._plan.block((bare,))))
        return [self._plan.block((each,)) for each in block.spans[0].inner]
