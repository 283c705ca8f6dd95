"""
Faults of a line or a connection, as data, and the decision what becomes of a request.

A rule says `When` and what happens: an `Effect` upon one answer, an `Echo` or
a `Babble` of the line itself. Whoever answers on the line carries it out. Each
rule draws its chances from its own seed, anew for each request: the same
rules, times and requests give the same faults, and one rule more changes none
of those that stand before it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from lumina.simulator.fate import Effect, Fate, Noise, draw_noise

#: Seconds between attempts to open a line that cannot be opened: the first, doubled up to the last.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class When:
    """
    Which requests a fault befalls; whatever is left out says nothing.

    @ivar units: to one of them; empty: to any.
    @ivar functions: one of these function codes; empty: any.
    @ivar addresses: the first and the last PDU address of a range that the
        request reads or writes some of.
    @ivar after: not before so many seconds since the simulation began.
    @ivar until: only before so many seconds since then.
    @ivar skip: so many of the requests that fit all of the above are spared.
    @ivar every: of those that follow, the one after each `every - 1`.
    @ivar times: no more than so many; `None`: without end.
    @ivar chance: how probable it is for each that is left, 0 to 1.
    """

    units: frozenset[int] = frozenset()
    functions: frozenset[int] = frozenset()
    addresses: tuple[int, int] | None = None
    after: float = 0.0
    until: float = math.inf
    skip: int = 0
    every: int = 1
    times: int | None = None
    chance: float = 1.0

    def fits(self, unit: int, request: bytes, elapsed: float) -> bool:
        """
        Whether a request is one of those that are counted.

        @param request: its PDU.
        @param elapsed: seconds since the simulation began.
        """
        return (
            self.after <= elapsed < self.until
            and (not self.units or unit in self.units)
            and (not self.functions or request[0] in self.functions)
            and (self.addresses is None or _touches(request, *self.addresses))
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule about answers."""

    when: When
    effect: Effect
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Echo:
    """The line gives back all that the master sends, from one second to another."""

    after: float = 0.0
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Babble:
    """The line sends noise once in `pace` seconds, from one second to another."""

    noise: Noise = 1
    pace: float = 0.01
    after: float = 0.0
    until: float = math.inf
    seed: int = 1


Rule = Fault | Echo | Babble


class Faults:
    """
    The rules of one line, and what they remember.

    Each rule counts all the requests that it fits. The first that befalls a
    request decides; the effects of one rule combine, those of two do not.
    """

    def __init__(self, rules: Sequence[Rule], seconds: Callable[[], float]) -> None:
        """@param seconds: monotonic; the simulation begins now."""
        self._seconds = seconds
        self._began = self._back = seconds()
        self._faults = [_Count(fault, index) for index, fault in enumerate(rules) if isinstance(fault, Fault)]
        self._echoes = [rule for rule in rules if isinstance(rule, Echo)]
        self._babbles = [rule for rule in rules if isinstance(rule, Babble)]
        self._memory: dict[tuple[int, int], bytes] = {}

    def meet(self, unit: int, request: bytes) -> Fate:
        """
        Decide about a request that has come just now.

        @param unit: 1 to 255; broadcasts have no answer to go wrong.
        @param request: its PDU, sound or not.
        """
        drawn = [count.draw(unit, request, self._elapsed) for count in self._faults]
        found = next((each for each in drawn if each is not None), None)
        effect, chance = (Effect(), Random(0)) if found is None else found
        return Fate(effect, chance, self._memory)

    @property
    def echoes(self) -> bool:
        """Whether the line gives back what the master sends now."""
        return any(echo.after <= self._elapsed < echo.until for echo in self._echoes)

    def babble(self) -> tuple[float, bytes] | None:
        """
        @return: what the line sends next of its own accord, and in how many
            seconds; `None`: nothing any more.
        """
        due = min((beat for each in self._babbles for beat in _beat(each, self._elapsed)), default=None)
        return None if due is None else (due[0] - self._elapsed, due[1])

    def leave(self, seconds: float) -> None:
        """The line goes away, for so long."""
        self._back = self._seconds() + seconds

    def pause(self, failures: int) -> float:
        """
        Seconds until the line is to be opened again.

        @param failures: since it was open; 1 for the loss itself.
        """
        away = self._back - self._seconds()
        return away if away > 0 else min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LAST_PAUSE)

    @property
    def _elapsed(self) -> float:
        return self._seconds() - self._began


class _Count:
    """One rule, and how many requests have met it."""

    def __init__(self, fault: Fault, index: int) -> None:
        self._fault = fault
        self._index = index
        self._fitting = 0
        self._befallen = 0

    def draw(self, unit: int, request: bytes, elapsed: float) -> tuple[Effect, Random] | None:
        when = self._fault.when
        if not when.fits(unit, request, elapsed):
            return None
        self._fitting += 1
        chance = Random(f"{self._fault.seed}/{self._index}/{self._fitting}")
        turn = self._fitting - when.skip
        if turn < 1 or turn % when.every or self._befallen == when.times or chance.random() >= when.chance:
            return None
        self._befallen += 1
        return self._fault.effect, chance


def _beat(babble: Babble, elapsed: float) -> Iterator[tuple[float, bytes]]:
    """The next noise, if any: when, in seconds since the simulation began, and what."""
    # A timer may ring a rounding error early: then this is not the next.
    index = max(0, math.floor((elapsed - babble.after) / babble.pace + 1e-6) + 1)
    due = babble.after + index * babble.pace
    if due < babble.until:
        yield due, draw_noise(babble.noise, Random(f"{babble.seed}/{index}"))


def _touches(request: bytes, first: int, last: int) -> bool:
    """Whether a request reads or writes a PDU address within the range."""
    words = [int.from_bytes(request[place : place + 2], "big") for place in (1, 3, 5, 7)]
    match request[0]:
        case 0x01 | 0x02 | 0x03 | 0x04 | 0x0F | 0x10:
            spans = [words[:2]]
        case 0x05 | 0x06 | 0x16 | 0x18:
            spans = [[words[0], 1]]
        case 0x17:
            spans = [words[:2], words[2:]]
        case _:
            spans = []
    return any(start <= last and first < start + count for start, count in spans)
