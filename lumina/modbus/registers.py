"""
Registers: functions 03, 04, 06, 16, 22, 23 and 24 (Application Protocol, 6.3,
6.4, 6.6, 6.12 and 6.16 to 6.18).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from lumina.errors import BadReply, LuminaError
from lumina.modbus.request import Request, addressed, expect, pack, unpack, within

MAX_READ_REGISTERS = 125
MAX_WRITE_REGISTERS = 123
MAX_READ_WRITE_REGISTERS = 121
MAX_FIFO = 31

_pack_read = struct.Struct(">BHH").pack  # a poller packs the same for ever


@dataclass(frozen=True, slots=True)
class ReadRegisters(Request):
    """
    Holding or input registers.

    @ivar address: of the first, 0 to 65535; the last must not be beyond 65535.
    @ivar count: 1 to 125.
    """

    address: int
    count: int
    repeatable = True

    def __post_init__(self) -> None:
        within("count", self.count, 1, MAX_READ_REGISTERS)
        addressed("address", self.address, self.count)

    @property
    def reply_length(self) -> int:
        return 2 + 2 * self.count

    def encode(self) -> bytes:
        return _pack_read(self.function, self.address, self.count)

    def decode(self, pdu: bytes) -> tuple[int, ...]:
        """The registers, the one at `address` first."""
        return unpack(pdu[2:])

    def answer(self, values: Sequence[int]) -> bytes:
        """@param values: `count` of them, each 0 to 65535."""
        return _counted(self.function, values, self.count)

    def _check_fields(self, pdu: bytes) -> None:
        if pdu[1] != 2 * self.count:
            expect("byte count", pdu[1], 2 * self.count)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">HH", pdu[1:]))


@dataclass(frozen=True, slots=True)
class ReadHoldingRegisters(ReadRegisters):
    """Function 03."""

    function = 0x03


@dataclass(frozen=True, slots=True)
class ReadInputRegisters(ReadRegisters):
    """Function 04."""

    function = 0x04


@dataclass(frozen=True, slots=True)
class WriteRegister(Request):
    """Function 06; address and value are within 0 to 65535."""

    address: int
    value: int
    function = 0x06
    writes = True
    echoes = True
    _given_back = (("address", slice(1, 3)), ("value", slice(3, 5)))

    def __post_init__(self) -> None:
        within("value", self.value, 0, 0xFFFF)
        addressed("address", self.address)

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, self.value)

    def answer(self) -> bytes:
        """The request itself."""
        return self.encode()

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">HH", pdu[1:]))


@dataclass(frozen=True, slots=True)
class WriteRegisters(Request):
    """
    Function 16.

    @ivar address: of the first, 0 to 65535; the last must not be beyond 65535.
    @ivar values: 1 to 123 of them, each 0 to 65535.
    """

    address: int
    values: tuple[int, ...]
    function = 0x10
    writes = True
    _given_back = (("address", slice(1, 3)), ("count", slice(3, 5)))

    def __post_init__(self) -> None:
        within("count", len(self.values), 1, MAX_WRITE_REGISTERS)
        pack("values", self.values)
        addressed("address", self.address, len(self.values))

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return self.answer() + bytes((2 * len(self.values),)) + pack("values", self.values)

    def answer(self) -> bytes:
        """Address and count, as asked."""
        return struct.pack(">BHH", self.function, self.address, len(self.values))

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        address, count = struct.unpack(">HH", pdu[1:5])
        within("count", count, 1, MAX_WRITE_REGISTERS)
        within("byte count", pdu[5], 2 * count, 2 * count)
        return cls(address, unpack(pdu[6:]))


@dataclass(frozen=True, slots=True)
class MaskWriteRegister(Request):
    """Function 22: and then or, each 0 to 65535, in the device; see `applied`."""

    address: int
    and_mask: int
    or_mask: int
    function = 0x16
    writes = True
    echoes = True
    _given_back = (
        ("address", slice(1, 3)),
        ("and mask", slice(3, 5)),
        ("or mask", slice(5, 7)),
    )

    def __post_init__(self) -> None:
        addressed("address", self.address)
        within("and mask", self.and_mask, 0, 0xFFFF)
        within("or mask", self.or_mask, 0, 0xFFFF)

    @property
    def reply_length(self) -> int:
        return 7

    def applied(self, value: int) -> int:
        """What the register becomes when it holds this value."""
        return value & self.and_mask | self.or_mask & ~self.and_mask

    def encode(self) -> bytes:
        return struct.pack(">BHHH", self.function, self.address, self.and_mask, self.or_mask)

    def answer(self) -> bytes:
        """The request itself."""
        return self.encode()

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">HHH", pdu[1:]))


@dataclass(frozen=True, slots=True)
class ReadWriteRegisters(Request):
    """
    Function 23: the device writes first, then reads.

    @ivar read_address: of the first register read, 0 to 65535.
    @ivar read_count: 1 to 125.
    @ivar write_address: of the first register written, 0 to 65535.
    @ivar values: 1 to 121 of them, each 0 to 65535.
    """

    read_address: int
    read_count: int
    write_address: int
    values: tuple[int, ...]
    function = 0x17
    writes = True

    def __post_init__(self) -> None:
        within("read count", self.read_count, 1, MAX_READ_REGISTERS)
        within("write count", len(self.values), 1, MAX_READ_WRITE_REGISTERS)
        pack("values", self.values)
        addressed("read address", self.read_address, self.read_count)
        addressed("write address", self.write_address, len(self.values))

    @property
    def reply_length(self) -> int:
        return 2 + 2 * self.read_count

    def encode(self) -> bytes:
        count = len(self.values)
        numbers = (self.read_address, self.read_count, self.write_address, count, 2 * count)
        return struct.pack(">BHHHHB", self.function, *numbers) + pack("values", self.values)

    def decode(self, pdu: bytes) -> tuple[int, ...]:
        """The registers read, the one at `read_address` first."""
        return unpack(pdu[2:])

    def answer(self, values: Sequence[int]) -> bytes:
        """@param values: the registers read, `read_count` of them."""
        return _counted(self.function, values, self.read_count)

    def _check_fields(self, pdu: bytes) -> None:
        expect("byte count", pdu[1], 2 * self.read_count)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        read_address, read_count, write_address, count, size = struct.unpack(">HHHHB", pdu[1:10])
        within("read count", read_count, 1, MAX_READ_REGISTERS)
        within("write count", count, 1, MAX_READ_WRITE_REGISTERS)
        within("byte count", size, 2 * count, 2 * count)
        return cls(read_address, read_count, write_address, unpack(pdu[10:]))


@dataclass(frozen=True, slots=True)
class ReadFIFOQueue(Request):
    """Function 24; the pointer address is within 0 to 65535. The queue keeps what is read."""

    address: int
    function = 0x18

    def __post_init__(self) -> None:
        addressed("address", self.address)

    @property
    def reply_length(self) -> int | None:
        return None

    def encode(self) -> bytes:
        return struct.pack(">BH", self.function, self.address)

    def decode(self, pdu: bytes) -> tuple[int, ...]:
        """The queue, at most 31 registers, oldest first."""
        return unpack(pdu[5:])

    def answer(self, values: Sequence[int]) -> bytes:
        """@param values: at most 31; more in the queue is exception 03, which is the server's to say."""
        within("count", len(values), 0, MAX_FIFO, LuminaError)
        head = struct.pack(">BHH", self.function, 2 + 2 * len(values), len(values))
        return head + pack("values", values, LuminaError)

    def _check_fields(self, pdu: bytes) -> None:
        if len(pdu) < 5:
            raise BadReply(f"PDU length: {len(pdu)} came, at least 5 fits")
        size, count = struct.unpack(">HH", pdu[1:5])
        within("count", count, 0, MAX_FIFO, BadReply)
        expect("byte count", size, 2 + 2 * count)
        expect("PDU length", len(pdu), 3 + size)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">H", pdu[1:]))


def _counted(function: int, values: Sequence[int], count: int) -> bytes:
    within("values", len(values), count, count, LuminaError)
    return bytes((function, 2 * count)) + pack("values", values, LuminaError)
