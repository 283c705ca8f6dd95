"""
One request of a plan, and what its reply means. Pure.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from lumina.modbus.pdu import (
    ReadCoils,
    ReadDiscreteInputs,
    ReadHoldingRegisters,
    ReadInputRegisters,
    Request,
)
from lumina.modbus.tables import COIL, DISCRETE, HOLDING, INPUT
from lumina.poll.spans import Span, gap, in_registers
from lumina.readings import Judged, Point, Reading

Decode = Callable[[bytes], Judged]

_make = (
    tuple.__new__
)  # what Reading(...) ends in, without the way there: this is where polling spends its time

_READS: dict[str, Callable[[int, int], Request]] = {
    COIL: ReadCoils,
    DISCRETE: ReadDiscreteInputs,
    HOLDING: ReadHoldingRegisters,
    INPUT: ReadInputRegisters,
}


class Block:
    """
    One request of a plan, and what its reply means.

    @ivar request: the PDU.
    @ivar table: one of `modbus.tables.TABLES`.
    @ivar start: PDU address of its first register or bit.
    @ivar end: of the first one behind it.
    @ivar place: these three.
    @ivar gaps: what it reads that nobody wants.
    @ivar points: what it reads, by place in the list of points.
    """

    __slots__ = (
        "_fields",
        "_registers",
        "cuts",
        "end",
        "gaps",
        "place",
        "points",
        "request",
        "spans",
        "start",
        "table",
    )

    def __init__(self, several: Sequence[Span], points: Sequence[Point], decoders: Sequence[Decode]) -> None:
        self.spans = tuple(several)
        self.table, self.start, self.end = several[0].table, several[0].start, several[-1].end
        self.place = self.table, self.start, self.end
        between = [gap(*pair) for pair in pairwise(several)]
        inside = tuple(each for span in several for each in span.gaps)
        self.gaps = (*(each for each in between if each.start < each.end), *inside)
        self.cuts = tuple(each for each in between if each.start == each.end)
        self.points = tuple(index for span in several for index in span.points)
        self.request = _READS[self.table](self.start, self.end - self.start)
        self._registers = in_registers(self.table)
        self._fields = [
            (points[index], decoders[index], slice(*self._bytes(points[index]))) for index in self.points
        ]

    @property
    def count(self) -> int:
        """How many registers or bits it reads."""
        return self.end - self.start

    @property
    def weight(self) -> float:
        """How many registers it reads; 16 bits are as many bytes as one."""
        return self.count if self._registers else self.count / 16

    def readings(self, pdu: bytes, at: float) -> list[Reading]:
        """
        What a reply says.

        @param pdu: a sound reply to the request.
        @param at: when it was read, in seconds since 1970.
        """
        if not self._registers:
            pdu = pdu[:2] + b"".join(_unpacked(byte) for byte in pdu[2:])
        found = []
        for point, decode, place in self._fields:
            value, quality, reason = decode(pdu[place])
            found.append(_make(Reading, (point, value, at, quality, reason)))
        return found

    def raw(self, pdu: bytes) -> dict[int, bytes]:
        """
        The bytes of each point in a sound reply, by its place in the list.

        Coils and discrete inputs are one byte, 0 or 1.
        """
        if not self._registers:
            pdu = pdu[:2] + b"".join(_unpacked(byte) for byte in pdu[2:])
        return {index: pdu[place] for index, (_, _, place) in zip(self.points, self._fields, strict=True)}

    def _bytes(self, point: Point) -> tuple[int, int]:
        """Where a point lies in a reply, whose bits have become a byte each."""
        place, width = point.address - self.start, 2 if self._registers else 1
        return 2 + width * place, 2 + width * (place + point.size)

    def __str__(self) -> str:
        what = _counted(self.count, "register" if self._registers else "bit")
        where = f"{self.start} to {self.end - 1}" if self.count > 1 else f"{self.start}"
        return f"{self.table} {where} ({what}, {_counted(len(self.points), 'value')})"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _unpacked(byte: int) -> bytes:
    """Eight bits as a byte each, the lowest first (Application Protocol V1.1b3, 6.1)."""
    return bytes(byte >> place & 1 for place in range(8))
