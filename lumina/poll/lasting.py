"""
Values that have been silent for long, while their device answers others.

To ask for one costs a timeout, most likely. So they are asked in turn, last of
all, until one is silent again; those behind it wait for the next cycle. Those
that are back are all read at once. Pure.
"""

from collections import deque
from collections.abc import Mapping

from lumina.poll.block import Block
from lumina.poll.knowledge import Ban, Place


class Lasting:
    """
    Those of one cycle.

    @ivar spared: that are not asked in it.
    """

    def __init__(self, suspects: Mapping[Place, Ban]) -> None:
        """@param suspects: what is asked alone, and what is held against it."""
        self.spared: list[Block] = []
        self._suspects = suspects
        self._silent = False

    def __contains__(self, block: Block) -> bool:
        ban = self._suspects.get(block.place)
        return ban is not None and ban.lasting

    def ban(self, block: Block) -> Ban:
        """What is held against one that is spared."""
        return self._suspects[block.place]

    def silent(self, block: Block) -> None:
        """Nothing came in answer to it; it may be any block."""
        self._silent = self._silent or block in self

    def spare(self, block: Block) -> bool:
        """Not to ask one of them, since another was silent in this cycle, too."""
        if self._silent:
            self.spared.append(block)
        return self._silent

    def turn(self, block: Block, queue: deque[Block]) -> Block:
        """
        The one to ask in place of one that would be asked now: that which was asked the longest time ago.

        @param queue: those behind it.
        """
        others = [each for each in queue if each in self]
        first = min([block, *others], key=lambda each: self._suspects[each.place].failed)
        if first is not block:
            queue[queue.index(first)] = block
        return first
