"""File records: functions 20 and 21 (Application Protocol, 6.14 and 6.15)."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from lumina.errors import BadReply, BadRequest, LuminaError
from lumina.modbus.request import ILLEGAL_ADDRESS, MAX_PDU, Request, expect, pack, refusal, unpack, within

MAX_FILE = 0xFFFF
MAX_RECORD = 9999

_REFERENCE_TYPE = 6
_GROUP = 7
_READ_BYTES = (0x07, 0xF5)
_WRITE_BYTES = (0x09, 0xFB)


@dataclass(frozen=True, slots=True)
class RecordRange:
    """
    Which registers of a file are to be read.

    @ivar file: 1 to 65535.
    @ivar record: the first register's number in the file, 0 to 9999.
    @ivar count: registers, at least 1; the last must not be beyond 9999.
    """

    file: int
    record: int
    count: int

    def __post_init__(self) -> None:
        _check_records(self.file, self.record, self.count)


@dataclass(frozen=True, slots=True)
class RecordData:
    """
    What is to be written into a file.

    @ivar file: 1 to 65535.
    @ivar record: the first register's number in the file, 0 to 9999.
    @ivar values: at least 1, each 0 to 65535; the last must not be beyond 9999.
    """

    file: int
    record: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        pack("values", self.values)
        _check_records(self.file, self.record, len(self.values))


@dataclass(frozen=True, slots=True)
class ReadFileRecord(Request):
    """
    Function 20.

    @ivar groups: 1 to 35 of them; the reply to all must fit into 253 bytes.
    """

    groups: tuple[RecordRange, ...]
    function = 0x14

    def __post_init__(self) -> None:
        within("byte count", _GROUP * len(self.groups), *_READ_BYTES)
        within("reply length", self.reply_length, 2, MAX_PDU)

    @property
    def reply_length(self) -> int:
        return 2 + sum(2 + 2 * group.count for group in self.groups)

    def encode(self) -> bytes:
        heads = (_head(group.file, group.record, group.count) for group in self.groups)
        return bytes((self.function, _GROUP * len(self.groups))) + b"".join(heads)

    def decode(self, pdu: bytes) -> tuple[tuple[int, ...], ...]:
        """The registers of each group."""
        return tuple(unpack(data) for _, data in self._parts(pdu))

    def answer(self, values: Sequence[Sequence[int]]) -> bytes:
        """@param values: the registers of each group, as many as were asked for."""
        within("groups", len(values), len(self.groups), len(self.groups), LuminaError)
        body = b""
        for group, registers in zip(self.groups, values, strict=True):
            within("values", len(registers), group.count, group.count, LuminaError)
            size = 1 + 2 * group.count
            body += bytes((size, _REFERENCE_TYPE)) + pack("values", registers, LuminaError)
        return bytes((self.function, len(body))) + body

    def _check_fields(self, pdu: bytes) -> None:
        expect("byte count", pdu[1], len(pdu) - 2)
        for group, (head, _) in zip(self.groups, self._parts(pdu), strict=True):
            expect("group length", head[0], 1 + 2 * group.count)
            expect("reference type", head[1], _REFERENCE_TYPE)

    def _parts(self, pdu: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Length and reference type, and data, of each group: as long as the request says."""
        start = 2
        for group in self.groups:
            end = start + 2 + 2 * group.count
            yield pdu[start : start + 2], pdu[start + 2 : end]
            start = end

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        within("byte count", pdu[1], *_READ_BYTES)
        if pdu[1] % _GROUP:
            raise BadRequest(f"byte count: {pdu[1]} is no multiple of {_GROUP}")
        pieces = (pdu[start : start + _GROUP] for start in range(2, len(pdu), _GROUP))
        return cls(tuple(RecordRange(*_parse_head(piece)) for piece in pieces))


@dataclass(frozen=True, slots=True)
class WriteFileRecord(Request):
    """
    Function 21.

    @ivar groups: at least 1; the request must fit into 253 bytes.
    """

    groups: tuple[RecordData, ...]
    function = 0x15
    writes = True
    echoes = True

    def __post_init__(self) -> None:
        within("byte count", self.reply_length - 2, *_WRITE_BYTES)

    @property
    def reply_length(self) -> int:
        return 2 + sum(_GROUP + 2 * len(group.values) for group in self.groups)

    def encode(self) -> bytes:
        body = b"".join(
            _head(group.file, group.record, len(group.values)) + pack("values", group.values)
            for group in self.groups
        )
        return bytes((self.function, len(body))) + body

    def answer(self) -> bytes:
        """The request itself."""
        return self.encode()

    def _check_fields(self, pdu: bytes) -> None:
        sent = self.encode()
        for place, (came, due) in enumerate(zip(pdu, sent, strict=True)):
            if came != due:
                raise BadReply(f"byte {place} of the echo: {came:02X} came, {due:02X} fits")

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        within("byte count", pdu[1], *_WRITE_BYTES)
        groups = []
        for head, data in tuple(_written(pdu)):
            file, record, _ = _parse_head(head)
            groups.append(RecordData(file, record, unpack(data)))
        return cls(tuple(groups))


def _written(pdu: bytes) -> Iterator[tuple[bytes, bytes]]:
    """
    Head and data of each group of function 21.

    @raise BadRequest: the groups do not fill the PDU exactly.
    """
    start = 2
    while start < len(pdu):
        data = start + _GROUP
        end = data + 2 * int.from_bytes(pdu[data - 2 : data], "big")
        if end > len(pdu):
            raise BadRequest(f"byte count: {pdu[1]} ends within the group at byte {start}")
        yield pdu[start:data], pdu[data:end]
        start = end


def _head(file: int, record: int, count: int) -> bytes:
    return struct.pack(">BHHH", _REFERENCE_TYPE, file, record, count)


def _parse_head(head: bytes) -> tuple[int, int, int]:
    """@return: file, record, count."""
    reference, file, record, count = struct.unpack(">BHHH", head)
    if reference != _REFERENCE_TYPE:
        raise refusal(f"reference type: {reference} is not {_REFERENCE_TYPE}", ILLEGAL_ADDRESS)
    return file, record, count


def _check_records(file: int, record: int, count: int) -> None:
    if not 1 <= file <= MAX_FILE:
        raise refusal(f"file: {file} is not within 1 to {MAX_FILE}", ILLEGAL_ADDRESS)
    if not 0 <= record <= MAX_RECORD:
        raise refusal(f"record: {record} is not within 0 to {MAX_RECORD}", ILLEGAL_ADDRESS)
    if not 1 <= count <= MAX_RECORD + 1 - record:
        limit = MAX_RECORD + 1 - record
        raise refusal(f"count: {count} from record {record} is not within 1 to {limit}", ILLEGAL_ADDRESS)
