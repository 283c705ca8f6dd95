"""
How requests are taken apart, and what it says of one that its parts were answered, when it was not. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lumina.poll.block import Block
from lumina.poll.knowledge import Gate, Place
from lumina.poll.plan import Plan
from lumina.poll.spans import Gap, Span, apart, gap, runs


@dataclass(slots=True)
class _Split:
    """
    A block that failed, and was asked again in parts.

    @ivar gaps: between the parts; they are to blame if every part is answered.
    @ivar silent: it met with silence; else it was refused.
    @ivar waiting: parts that were not asked yet.
    @ivar known: it was answered before, and its failure was not counted yet.
    """

    place: Place
    gaps: tuple[Gap, ...]
    silent: bool
    waiting: int
    known: bool
    sound: bool = True


class Splits:
    """The blocks of a cycle that failed, and were asked again in parts."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._knowledge = plan, plan.knowledge
        self._waiting: dict[Block, _Split] = {}

    def untried(self, block: Block, now: float) -> bool:
        """Whether it reads across a gap that was never read, or that has failed."""
        return apart(block.spans) and any(
            self._knowledge.gate(each, now) is not Gate.OPEN for each in block.gaps
        )

    def at_gaps(self, block: Block, now: float) -> list[Block]:
        """The runs between its gaps. Those gaps that were never read are to blame, if there are any."""
        blamed = tuple(each for each in block.gaps if self._knowledge.gate(each, now) is not Gate.OPEN)
        return self._split(block, runs(block.spans), blamed or block.gaps, now, silent=True)

    def halves(self, block: Block, now: float, silent: bool) -> list[Block]:
        """
        Two parts of a block of several spans.

        @param silent: it met with silence; else it was refused.
        """
        cut = self._middle(block.spans)
        parts, between = (block.spans[:cut], block.spans[cut:]), gap(block.spans[cut - 1], block.spans[cut])
        return self._split(block, parts, (between,), now, silent)

    def settle(self, block: Block, sound: bool, now: float) -> None:
        """A block, which may be a part of another, was asked, or is taken apart itself."""
        split = self._waiting.pop(block, None)
        if split is None:
            return
        if sound and split.known:
            split.known = False
            self._knowledge.missed(split.place)
        split.waiting -= 1
        split.sound &= sound
        if split.sound and not split.waiting and split.gaps:
            self._knowledge.apart(split.place, split.gaps, now, split.silent)

    def _split(
        self, block: Block, parts: Sequence[Sequence[Span]], blamed: tuple[Gap, ...], now: float, silent: bool
    ) -> list[Block]:
        """
        @param blamed: what is to blame if all parts are answered; of a block that was read
            before, only when it fails again and again.
        """
        self.settle(block, False, now)
        known = self._knowledge.whole(block.place)
        if known and not self._knowledge.misses(block.place):
            blamed = ()
        blocks = [self._plan.block(part) for part in parts]
        self._waiting.update(dict.fromkeys(blocks, _Split(block.place, blamed, silent, len(blocks), known)))
        return blocks

    def _middle(self, several: Sequence[Span]) -> int:
        """Where to cut: at the gap nearest to the middle that was not read yet, else in the middle."""
        middle = len(several) / 2
        cuts = range(1, len(several))
        strange = [cut for cut in cuts if not self._knowledge.proven(*gap(several[cut - 1], several[cut]))]
        return min(strange or cuts, key=lambda cut: abs(cut - middle))
