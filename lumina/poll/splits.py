"""
How requests are taken apart, and what it says of one that its parts were answered, when it was not. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lumina.poll.block import Block
from lumina.poll.knowledge import Knowledge, Place
from lumina.poll.spans import Gap, Span


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

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._waiting: dict[Block, _Split] = {}

    def add(self, place: Place, parts: Sequence[Block], gaps: tuple[Gap, ...], silent: bool) -> None:
        """
        A block is asked again in parts.

        @param gaps: between the parts. They are to blame if every part is answered; of a block that
            was answered before, only when it fails again and again.
        @param silent: it met with silence; else it was refused.
        """
        known = self._knowledge.whole(place)
        if known and not self._knowledge.misses(place):
            gaps = ()
        self._waiting.update(dict.fromkeys(parts, _Split(place, gaps, silent, len(parts), known)))

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


def one_alone(blocks: Sequence[Block], turn: int, make: Callable[[Sequence[Span]], Block]) -> list[Block]:
    """
    The same requests, but for one span that is asked alone, and first.

    @param turn: which one; counted round and round.
    @param make: makes one request for several spans.
    """
    place = turn % (sum(len(block.spans) for block in blocks) or 1)
    for index, block in enumerate(blocks):
        if place < len(block.spans):
            rest = [part for part in (block.spans[:place], block.spans[place + 1 :]) if part]
            alone = make(block.spans[place : place + 1])
            return [alone, *blocks[:index], *(make(part) for part in rest), *blocks[index + 1 :]]
        place -= len(block.spans)
    return []


def ends(count: int, turn: int) -> set[int]:
    """
    Where to cut spans so that the first and the last one are alone; at other turns those next to them.

    @param count: how many spans.
    """
    near = turn % ((count + 1) // 2)
    return {near, near + 1, count - near - 1, count - near}
