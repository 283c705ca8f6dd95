"""
Whether a device that is silent lives: single values, asked beside what the plan has.

Silence may be a dead device, or one that dislikes what it is asked: a gap, a
length, or some registers. A single value, as short as requests can be, tells
that best; and another one each time, since it may be the one that is disliked.
A device that has died costs a few such requests at first, and one in each cycle
from its third silent one on. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import gcd

from lumina.poll.block import Block
from lumina.poll.knowledge import Knowledge, Place
from lumina.poll.spans import Span

#: Requests of the plan that may meet with silence, in the first cycle without an answer.
PATIENCE = 2

#: Single values that are asked then: in the first cycle without an answer, the second, and those that follow.
SINGLES = (2, 3, 1)

#: Steps of about so great a part of a whole are spread over it, however many are taken.
_GOLDEN = 0.618


class Pulse:
    """The search for a sign of life in one cycle."""

    def __init__(self, blocks: Iterable[Block], knowledge: Knowledge) -> None:
        """@param blocks: all that the plan has for the cycle."""
        self._spans = list(_singles(span for block in blocks for span in block.spans))
        self._knowledge = knowledge
        self._asked: set[Place] = set()
        silent = knowledge.silent_cycles
        self._left = SINGLES[min(silent, len(SINGLES) - 1)]
        self._patience = 0 if silent else PATIENCE

    def patient(self, silences: int) -> bool:
        """Whether to go on with the plan after so many requests that met with silence."""
        return silences < self._patience

    def next(self) -> Span | None:
        """What to ask alone; `None`: the device is taken for dead."""
        left = [span for span in _spread(self._spans) if span[:3] not in self._asked] if self._left else []
        if not left:
            return None
        self._left -= 1
        suspects, turn = self._knowledge.suspects, self._knowledge.turn
        return min(left, key=lambda span: (turn(span[:3]), span[:3] in suspects))

    def silent(self, several: Sequence[Span]) -> None:
        """These were asked, and nothing came; it matters where that was a single value."""
        if len(several) == 1:
            self._asked.add(several[0][:3])
            self._knowledge.silent_alone(several[0][:3])


def _singles(several: Iterable[Span]) -> Iterator[Span]:
    """All that can be asked alone."""
    for span in several:
        if span.inner:
            yield span._replace(inner=())
            yield from _singles(span.inner)
        else:
            yield span


def _spread(several: Sequence[Span]) -> Iterator[Span]:
    """All of them, those that are neighbours far from each other."""
    count = len(several)
    stride = next((step for step in range(int(_GOLDEN * count), count) if gcd(step, count) == 1), 1)
    return (several[place * stride % count] for place in range(count))
