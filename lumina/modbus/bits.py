"""Coils and discrete inputs: functions 01, 02, 05 and 15 (Application Protocol, 6.1, 6.2, 6.5, 6.11)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from lumina.errors import BadRequest, LuminaError
from lumina.modbus.request import Request, addressed, expect, within

MAX_READ_BITS = 2000
MAX_WRITE_BITS = 1968

_COIL = {0xFF00: True, 0x0000: False}


@dataclass(frozen=True, slots=True)
class ReadBits(Request):
    """
    Coils or discrete inputs.

    @ivar address: of the first, 0 to 65535; the last must not be beyond 65535.
    @ivar count: 1 to 2000.
    """

    address: int
    count: int
    repeatable = True

    def __post_init__(self) -> None:
        within("count", self.count, 1, MAX_READ_BITS)
        addressed("address", self.address, self.count)

    @property
    def reply_length(self) -> int:
        return 2 + _size(self.count)

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, self.count)

    def decode(self, pdu: bytes) -> tuple[bool, ...]:
        """The states, the one at `address` first."""
        return _unpack(pdu[2:], self.count)

    def answer(self, values: Sequence[bool]) -> bytes:
        """@param values: `count` of them."""
        within("values", len(values), self.count, self.count, LuminaError)
        return bytes((self.function, _size(self.count))) + _pack(values)

    def _check_fields(self, pdu: bytes) -> None:
        expect("byte count", pdu[1], _size(self.count))

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">HH", pdu[1:]))


@dataclass(frozen=True, slots=True)
class ReadCoils(ReadBits):
    """Function 01."""

    function = 0x01


@dataclass(frozen=True, slots=True)
class ReadDiscreteInputs(ReadBits):
    """Function 02."""

    function = 0x02


@dataclass(frozen=True, slots=True)
class WriteCoil(Request):
    """Function 05; the address is within 0 to 65535."""

    address: int
    value: bool
    function = 0x05
    writes = True
    echoes = True
    _given_back = (("address", slice(1, 3)), ("value", slice(3, 5)))

    def __post_init__(self) -> None:
        addressed("address", self.address)

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, 0xFF00 if self.value else 0)

    def answer(self) -> bytes:
        """The request itself."""
        return self.encode()

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        address, value = struct.unpack(">HH", pdu[1:])
        if value not in _COIL:
            raise BadRequest(f"value: {value:04X} is neither FF00 nor 0000")
        return cls(address, _COIL[value])


@dataclass(frozen=True, slots=True)
class WriteCoils(Request):
    """
    Function 15.

    @ivar address: of the first, 0 to 65535; the last must not be beyond 65535.
    @ivar values: 1 to 1968 of them.
    """

    address: int
    values: tuple[bool, ...]
    function = 0x0F
    writes = True
    _given_back = (("address", slice(1, 3)), ("count", slice(3, 5)))

    def __post_init__(self) -> None:
        within("count", len(self.values), 1, MAX_WRITE_BITS)
        addressed("address", self.address, len(self.values))

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return self.answer() + bytes((_size(len(self.values)),)) + _pack(self.values)

    def answer(self) -> bytes:
        """Address and count, as asked."""
        return struct.pack(">BHH", self.function, self.address, len(self.values))

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        address, count = struct.unpack(">HH", pdu[1:5])
        within("count", count, 1, MAX_WRITE_BITS)
        within("byte count", pdu[5], _size(count), _size(count))
        return cls(address, _unpack(pdu[6:], count))


def _size(count: int) -> int:
    return (count + 7) // 8


def _pack(values: Sequence[bool]) -> bytes:
    """The first value in the lowest bit of the first byte, the last byte filled up with 0."""
    number = sum(1 << place for place, value in enumerate(values) if value)
    return number.to_bytes(_size(len(values)), "little")


def _unpack(data: bytes, count: int) -> tuple[bool, ...]:
    return tuple(bool(data[place >> 3] >> (place & 7) & 1) for place in range(count))
