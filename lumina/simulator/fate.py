"""What becomes of one answer of a simulated unit: an `Effect` as data, and the `Fate` that carries it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Literal

from lumina.modbus import rtu
from lumina.modbus.pdu import EXCEPTION

#: Seconds, from and to: a value between them is drawn each time.
Span = tuple[float, float]

#: The very bytes, or how many are drawn.
Noise = bytes | int

_NONE: Span = (0.0, 0.0)


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
        function = pdu[0] & ~EXCEPTION
        wanted = function | EXCEPTION if self._effect.stale == "exception" else function
        recalled = self._memory.get((unit, wanted), pdu) if self._effect.stale else pdu
        self._memory[unit, pdu[0]] = pdu
        return recalled

    def _burst(self, unit: int, pdu: bytes, encode: Callable[[int, bytes], bytes]) -> bytes:
        effect = self._effect
        if effect.count is not None:
            pdu = _with_count(pdu, effect.count)
        if effect.as_function is not None:
            pdu = bytes((pdu[0] & EXCEPTION | effect.as_function,)) + pdu[1:]
        frame = encode(unit if effect.as_unit is None else effect.as_unit, pdu)
        if effect.bad_crc:
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
        frame = frame[: max(0, len(frame) - effect.cut)]
        half = len(frame) // 2
        inside = frame[:half] + draw_noise(effect.noise_inside, self._chance) + frame[half:]
        before, after = (draw_noise(each, self._chance) for each in (effect.noise_before, effect.noise_after))
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


def draw_noise(noise: Noise, chance: Random) -> bytes:
    """The very bytes, or as many as are to be drawn."""
    return noise if isinstance(noise, bytes) else chance.randbytes(noise)


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
