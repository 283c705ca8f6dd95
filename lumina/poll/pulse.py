"""
Whether a device that is silent lives: single values, asked beside what the plan has.

Silence may be a dead device, or one that dislikes what it is asked: a gap, a
length, or some registers. A single value, as short as requests can be, tells
that best; and another one each time, since it may be the one that is disliked.
A device that has died costs a few such requests at first, and one in each cycle
from its third silent one on. Pure.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
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

    def __init__(self, blocks: Iterable[Block], others: Iterable[Span], knowledge: Knowledge) -> None:
        """
        @param blocks: all that the plan has for the cycle.
        @param others: what the plan has beyond that, and perhaps that again.
        """
        self._blocks, self._others, self._knowledge = blocks, others, knowledge
        self._asked: set[Place] = set()
        silent = knowledge.silent_cycles
        self._left = SINGLES[min(silent, len(SINGLES) - 1)]
        self._patience = 0 if silent else PATIENCE

    def patient(self, silences: int) -> bool:
        """Whether to go on with the plan after so many requests that met with silence."""
        return silences < self._patience

    def next(self) -> Span | None:
        """What to ask alone; `None`: the device is taken for dead."""
        if not self._left:
            return None
        self._left -= 1
        alone, suspects = self._knowledge.alone, self._knowledge.suspects
        places = {span[:3]: span for span in _spread([*_singles(self._blocks)])}
        fresh = [place for place in places if place not in alone]
        sound = [place for place in fresh if place not in suspects] if suspects else fresh
        for place in (*sound[:1], *fresh[:1], *alone):
            if place in places and place not in self._asked:
                return places[place]
        return next(self._witnesses(places), None)

    def _witnesses(self, due: Container[Place]) -> Iterator[Span]:
        """What is not due, and was read before: it tells whether only what is due is silent."""
        for span in self._others:
            place = span[:3]
            if place not in due and place not in self._asked and self._knowledge.proven(*place):
                yield span._replace(inner=())

    def silent(self, several: Sequence[Span]) -> None:
        """These were asked, and nothing came; it matters where that was a single value."""
        if len(several) == 1:
            self._asked.add(several[0][:3])
            self._knowledge.silent_alone(several[0][:3])


def _singles(blocks: Iterable[Block]) -> Iterator[Span]:
    """All that can be asked alone."""
    for block in blocks:
        for span in block.spans:
            yield from _within(span) if span.inner else (span,)


def _within(span: Span) -> Iterator[Span]:
    yield span._replace(inner=())
    for each in span.inner:
        yield from _within(each)


def _spread(several: Sequence[Span]) -> Iterator[Span]:
    """All of them, those that are neighbours far from each other."""
    count = len(several)
    stride = next((step for step in range(int(_GOLDEN * count), count) if gcd(step, count) == 1), 1)
    return (several[place * stride % count] for place in range(count))
