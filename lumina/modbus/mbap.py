"""
Modbus TCP framing: the MBAP header before each PDU (Messaging on TCP/IP
Implementation Guide V1.0b, 3.1.3).

Seven bytes: transaction id, protocol id (0 for Modbus), the length of what
follows the length field, and the unit id.
"""

import struct
from functools import partial
from typing import NamedTuple

from lumina.errors import BadReply
from lumina.modbus.request import MAX_PDU

#: Bytes of the header, the unit id included.
HEADER = 7

_HEADER = struct.Struct(">HHHB")
_SHORTEST, _LONGEST = 2, MAX_PDU + 1  # the unit id is counted


class ADU(NamedTuple):
    """
    A message.

    @ivar transaction: chosen by the client, 0 to 65535; the server gives it back.
    @ivar unit: 0 to 255.
    @ivar pdu: 1 to 253 bytes.
    """

    transaction: int
    unit: int
    pdu: bytes


_adu = partial(tuple.__new__, ADU)  # ADU() looks at its arguments, which takes longer than all the rest
_unpack = _HEADER.unpack_from


def encode(transaction: int, unit: int, pdu: bytes) -> bytes:
    """The bytes of a message."""
    return _HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class Frames:
    """
    Takes a stream of bytes apart, in whatever pieces it comes.

    @ivar rest: the beginning of a message that is not whole yet.
    @ivar alien: how many messages of another protocol have been dropped
        (4.4.2.2: they are discarded in silence).
    """

    def __init__(self) -> None:
        self.rest = b""
        self.alien = 0

    def __bool__(self) -> bool:
        """Whether a message has begun, and is not whole yet."""
        return bool(self.rest)

    def received(self, data: bytes) -> list[ADU]:
        """
        @return: the messages that are whole now, in order.
        @raise LyingLength: there is no way to find the next message, the
            connection has to be closed.
        """
        data = self.rest + data if self.rest else data
        found: list[ADU] = []
        start, end = 0, len(data)
        while end - start >= HEADER:
            transaction, protocol, length, unit = _unpack(data, start)
            if not _SHORTEST <= length <= _LONGEST:
                self.rest = b""
                raise LyingLength(length, found)
            stop = start + HEADER - 1 + length
            if stop > end:
                break
            if protocol:
                self.alien += 1
            else:
                found.append(_adu((transaction, unit, data[start + HEADER : stop])))
            start = stop
        self.rest = data[start:]
        return found


class LyingLength(BadReply):
    """
    The length in a header is not within 2 to 254.

    @ivar before: the messages that came whole before it, in the same bytes.
    """

    def __init__(self, length: int, before: list[ADU]) -> None:
        super().__init__(f"length: {length} in the header is not within {_SHORTEST} to {_LONGEST}")
        self.before = before
