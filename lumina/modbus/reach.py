"""What a request touches in a device: tables, addresses, values; for whoever decides whether it may."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lumina.modbus.bits import ReadCoils, ReadDiscreteInputs, WriteCoil, WriteCoils
from lumina.modbus.files import ReadFileRecord, WriteFileRecord
from lumina.modbus.registers import (
    MAX_FIFO,
    MaskWriteRegister,
    ReadFIFOQueue,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadWriteRegisters,
    WriteRegister,
    WriteRegisters,
)
from lumina.modbus.request import LAST_ADDRESS, Request
from lumina.modbus.tables import COIL, DISCRETE, FILE, HOLDING, INPUT

#: For each known function whether it writes to which table; an empty one is none.
TOUCHED: Mapping[int, tuple[tuple[bool, str], ...]] = {
    0x01: ((False, COIL),),
    0x02: ((False, DISCRETE),),
    0x03: ((False, HOLDING),),
    0x04: ((False, INPUT),),
    0x05: ((True, COIL),),
    0x06: ((True, HOLDING),),
    0x07: ((False, ""),),
    0x08: ((True, ""),),
    0x0B: ((False, ""),),
    0x0C: ((False, ""),),
    0x0F: ((True, COIL),),
    0x10: ((True, HOLDING),),
    0x11: ((False, ""),),
    0x14: ((False, FILE),),
    0x15: ((True, FILE),),
    0x16: ((True, HOLDING),),
    0x17: ((True, HOLDING), (False, HOLDING)),
    0x18: ((False, HOLDING),),
    0x2B: ((False, ""),),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """
    A run of addresses that a request reads or writes.

    @ivar writes: whether it may change them.
    @ivar table: one of `tables.TABLES`, or `FILE`; empty: none, as for diagnostics.
    @ivar first: the first address, or record of a file.
    @ivar last: the last.
    @ivar low: the least value that is written, a coil's being 0 or 1; `None`: nobody can tell.
    @ivar high: the greatest.
    @ivar values: which they are; empty: any from `low` to `high`.
    @ivar file: the number of the file, 1 to 65535; 0: none.
    """

    writes: bool
    table: str = ""
    first: int = 0
    last: int = 0
    low: int | None = None
    high: int | None = None
    file: int = 0
    values: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.table:
            return ""
        name = f"file {self.file} record" if self.file else self.table
        values = "" if self.low is None else f" = {_run(self.low, self.high)}"
        return f"{name} {_run(self.first, self.last)}{values}"


def reaches(request: Request) -> tuple[Reach, ...]:
    """
    All that a request touches, at least one; that of an unknown function has no table.

    What function 22 makes of a register depends on what is in it: its values
    are all that could come of it. Function 24 reads the register asked for, and
    the 31 after it, where a queue lies.
    """
    find = _FOUND.get(type(request))
    return find(request) if find else (Reach(request.writes),)


def _run(first: int, last: int | None) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _read(table: str) -> Callable[[Any], tuple[Reach, ...]]:
    return lambda request: (Reach(False, table, request.address, request.address + request.count - 1),)


def _written(table: str, address: int, values: Sequence[int]) -> Reach:
    written = tuple(map(int, values))
    return Reach(True, table, address, address + len(values) - 1, min(written), max(written), values=written)


def _write(table: str) -> Callable[[Any], tuple[Reach, ...]]:
    return lambda request: (_written(table, request.address, request.values),)


def _mask(request: MaskWriteRegister) -> tuple[Reach, ...]:
    least, most = request.applied(0), request.applied(0xFFFF)
    return (Reach(True, HOLDING, request.address, request.address, least, most),)


def _read_write(request: ReadWriteRegisters) -> tuple[Reach, ...]:
    last = request.read_address + request.read_count - 1
    return (
        _written(HOLDING, request.write_address, request.values),
        Reach(False, HOLDING, request.read_address, last),
    )


def _fifo(request: ReadFIFOQueue) -> tuple[Reach, ...]:
    return (Reach(False, HOLDING, request.address, min(request.address + MAX_FIFO, LAST_ADDRESS)),)


def _read_files(request: ReadFileRecord) -> tuple[Reach, ...]:
    return tuple(
        Reach(False, FILE, group.record, group.record + group.count - 1, file=group.file)
        for group in request.groups
    )


def _write_files(request: WriteFileRecord) -> tuple[Reach, ...]:
    return tuple(
        Reach(
            True,
            FILE,
            group.record,
            group.record + len(group.values) - 1,
            min(group.values),
            max(group.values),
            group.file,
            group.values,
        )
        for group in request.groups
    )


_FOUND: dict[type[Request], Callable[[Any], tuple[Reach, ...]]] = {
    ReadCoils: _read(COIL),
    ReadDiscreteInputs: _read(DISCRETE),
    ReadHoldingRegisters: _read(HOLDING),
    ReadInputRegisters: _read(INPUT),
    WriteCoil: lambda request: (_written(COIL, request.address, [request.value]),),
    WriteCoils: _write(COIL),
    WriteRegister: lambda request: (_written(HOLDING, request.address, [request.value]),),
    WriteRegisters: _write(HOLDING),
    MaskWriteRegister: _mask,
    ReadWriteRegisters: _read_write,
    ReadFIFOQueue: _fifo,
    ReadFileRecord: _read_files,
    WriteFileRecord: _write_files,
}
