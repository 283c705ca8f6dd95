"""
What it says of a request that its parts were answered, when it was not. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lumina.poll.block import Block
from lumina.poll.knowledge import Knowledge, Place
from lumina.poll.spans import Gap


@dataclass(slots=True)
class _Split:
    """
    A block that failed, and was asked again in parts.

    @ivar gaps: between the parts; they are to blame if every part is answered.
    @ivar silent: it met with silence; else it was refused.
    @ivar waiting: parts that were not asked yet.
    """

    place: Place
    gaps: tuple[Gap, ...]
    silent: bool
    waiting: int
    sound: bool = True


class Splits:
    """The blocks of a cycle that failed, and were asked again in parts."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._waiting: dict[Block, _Split] = {}

    def add(self, place: Place, parts: Sequence[Block], gaps: tuple[Gap, ...], silent: bool) -> None:
        """
        A block is asked again in parts.

        @param gaps: between the parts; they are to blame if every part is answered.
        @param silent: it met with silence; else it was refused.
        """
        self._waiting.update(dict.fromkeys(parts, _Split(place, gaps, silent, len(parts))))

    def settle(self, block: Block, sound: bool, now: float) -> None:
        """A block, which may be a part of another, was asked, or is taken apart itself."""
        split = self._waiting.pop(block, None)
        if split is None:
            return
        split.waiting -= 1
        split.sound &= sound
        if split.sound and not split.waiting and split.gaps:
            self._knowledge.apart(split.place, split.gaps, now, split.silent)
