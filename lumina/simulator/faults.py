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
from itertools import cycle
from random import Random
from typing import Literal

from lumina.modbus import rtu

#: Seconds, from and to: a value between them is drawn each time.
Span = tuple[float, float]

#: The very bytes, or how many are drawn.
Noise = bytes | int

#: Seconds between attempts to open a line that cannot be opened: the first, doubled up to the last.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0

_EXCEPTION = 0x80
_NONE: Span = (0.0, 0.0)


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
class Effect:
    """
    What becomes of one answer; several at once are applied in this order.

    @ivar lost: "request": the unit does not hear it. "reply": the unit does
        what it was asked, and its answer is lost.
    @ivar exception: the unit refuses, with this code.
    @ivar delay: so many seconds later than the unit would answer. The unit
        answers in turn: what it is asked meanwhile, it answers afterwards.
    @ivar stale: in place of this answer, the "reply" or the "exception" that
        the unit gave last to an earlier request with this function, if any.
    @ivar count: with so many registers or bits, the last left out or zeros
        added; of functions 15 and 16, as the count that is confirmed.
    @ivar as_function: under this function code.
    @ivar as_unit: as if from this unit.
    @ivar bad_crc: with a CRC that does not fit.
    @ivar cut: without so many of its last bytes.
    @ivar noise_inside: bytes amidst the frame.
    @ivar noise_before: bytes at once before it.
    @ivar noise_after: bytes at once after it.
    @ivar pieces: sizes of the pieces, in turn, that the bytes come in; empty:
        in one.
    @ivar pause: seconds of silence between the pieces.
    @ivar again: a second time, after so many seconds of silence.
    @ivar gone: afterwards the line is closed for so many seconds; 0: it is not.
    @ivar transaction: of Modbus TCP: so much is added to its transaction id.
    @ivar close: of TCP: afterwards the connection is closed.
    """

    lost: Literal["", "request", "reply"] = ""
    exception: int | None = None
    delay: Span = _NONE
    stale: Literal["", "reply", "exception"] = ""
    count: int | None = None
    as_function: int | None = None
    as_unit: int | None = None
    bad_crc: bool = False
    cut: int = 0
    noise_inside: Noise = b""
    noise_before: Noise = b""
    noise_after: Noise = b""
    pieces: tuple[int, ...] = ()
    pause: Span = _NONE
    again: Span | None = None
    gone: float = 0.0
    transaction: int = 0
    close: bool = False


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


class Fate:
    """
    What becomes of one request.

    @ivar deaf: the unit does not hear it.
    @ivar exception: the code that the unit refuses it with; `None`: it does not.
    @ivar gone: seconds that the line is closed for after the answer, or in
        place of it; 0: it stays.
    @ivar transaction: what is added to the transaction id of the answer.
    @ivar close: whether the connection is closed after the answer, or in
        place of it.
    """

    def __init__(self, effect: Effect, chance: Random, memory: dict[tuple[int, int], bytes]) -> None:
        self.deaf = effect.lost == "request"
        self.exception = effect.exception
        self.gone = effect.gone
        self.transaction = effect.transaction
        self.close = effect.close
        self._effect = effect
        self._chance = chance
        self._memory = memory

    def pieces(
        self, unit: int, pdu: bytes, encode: Callable[[int, bytes], bytes] = rtu.encode
    ) -> Sequence[tuple[float, bytes]]:
        """
        What is sent where a sound unit would send this answer.

        @param encode: makes a frame from a unit and a PDU.
        @return: bytes, and the seconds of silence before them.
        """
        effect = self._effect
        pdu = self._recalled(unit, pdu)
        if effect.lost:
            return []
        burst = self._burst(unit, pdu, encode)
        sent = self._split(self._drawn(effect.delay), burst)
        if effect.again is not None:
            sent += self._split(self._drawn(effect.again), burst)
        return sent

    def _recalled(self, unit: int, pdu: bytes) -> bytes:
        """The answer, or the stale one in its place; this one is remembered for the next."""
        function = pdu[0] & ~_EXCEPTION
        wanted = function | _EXCEPTION if self._effect.stale == "exception" else function
        recalled = self._memory.get((unit, wanted), pdu) if self._effect.stale else pdu
        self._memory[unit, pdu[0]] = pdu
        return recalled

    def _burst(self, unit: int, pdu: bytes, encode: Callable[[int, bytes], bytes]) -> bytes:
        effect = self._effect
        if effect.count is not None:
            pdu = _with_count(pdu, effect.count)
        if effect.as_function is not None:
            pdu = bytes((pdu[0] & _EXCEPTION | effect.as_function,)) + pdu[1:]
        frame = encode(unit if effect.as_unit is None else effect.as_unit, pdu)
        if effect.bad_crc:
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
        frame = frame[: max(0, len(frame) - effect.cut)]
        half = len(frame) // 2
        inside = frame[:half] + _noise(effect.noise_inside, self._chance) + frame[half:]
        before, after = (_noise(each, self._chance) for each in (effect.noise_before, effect.noise_after))
        return before + inside + after

    def _split(self, pause: float, burst: bytes) -> list[tuple[float, bytes]]:
        sent: list[tuple[float, bytes]] = []
        for size in cycle(self._effect.pieces or (len(burst),)):
            if not burst:
                break
            sent.append((pause, burst[:size]))
            burst, pause = burst[size:], self._drawn(self._effect.pause)
        return sent

    def _drawn(self, span: Span) -> float:
        return self._chance.uniform(*span)


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
        yield due, _noise(babble.noise, Random(f"{babble.seed}/{index}"))


def _noise(noise: Noise, chance: Random) -> bytes:
    return noise if isinstance(noise, bytes) else chance.randbytes(noise)


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


def _with_count(pdu: bytes, count: int) -> bytes:
    match pdu[0]:
        case 0x01 | 0x02:
            size = (count + 7) // 8
        case 0x03 | 0x04 | 0x17:
            size = 2 * count
        case 0x0F | 0x10:
            return pdu[:3] + count.to_bytes(2, "big")
        case _:
            return pdu
    return bytes((pdu[0], size)) + pdu[2 : 2 + size].ljust(size, b"\0")
