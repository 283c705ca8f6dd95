"""
What every request is, and the requests that we know nothing about.

A request is frozen and valid: its constructor refuses what the specification
forbids. Import it from `pdu`, where all of them are.
"""

import struct
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from lumina.errors import BadReply, BadRequest, LuminaError
from lumina.modbus.sizes import EXCEPTION, request_size

MAX_PDU = 253
LAST_ADDRESS = 0xFFFF

#: The unit id that is all units: each obeys what is sent to it, and none answers (Serial Line V1.02, 2.1).
BROADCAST = 0

ILLEGAL_FUNCTION = 0x01
ILLEGAL_ADDRESS = 0x02

_ECHOED = frozenset((0x05, 0x06, 0x08, 0x15, 0x16))


class Request:
    """
    A request PDU, and what the reply to it must look like.

    Each kind also has `answer`, the server's side: it takes the values and
    gives the reply PDU, and raises `LuminaError` for values that cannot be
    the answer to this request.

    @ivar function: the function code, 01h to 7Fh.
    @ivar writes: it may change something in the device.
    @ivar repeatable: asking twice does no harm, so that a lost reply may be
        asked for again.
    @ivar echoes: a good reply can equal the request byte for byte.
    """

    __slots__ = ()

    function: int
    writes: bool = False
    repeatable: bool = False
    echoes: bool = False

    #: Fields that the reply gives back, by name and place in both PDUs.
    _given_back: tuple[tuple[str, slice], ...] = ()

    @property
    @abstractmethod
    def reply_length(self) -> int | None:
        """Bytes of a good reply's PDU; `None`: the request does not tell."""

    @abstractmethod
    def encode(self) -> bytes:
        """The request PDU."""

    def check(self, pdu: bytes) -> None:
        """
        Return only if it is a sound reply to exactly this request.

        @param pdu: a whole PDU. An exception reply is not sound here.
        @raise BadReply: names the field that does not fit.
        """
        if not pdu or pdu[0] != self.function:
            raise BadReply(f"function: {pdu[:1].hex().upper() or 'none'} came, {self.function:02X} fits")
        length = self.reply_length
        if length is not None and len(pdu) != length:
            expect("PDU length", len(pdu), length)
        self._check_fields(pdu)

    def decode(self, pdu: bytes) -> Any:
        """
        The values in a reply that `check` has accepted; `None` where it tells
        nothing that the request did not.
        """
        return None

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        """
        Read a request of this kind; `pdu.parse` picks the kind.

        @raise BadRequest: its `code` is the exception to answer with.
        """
        check_whole(pdu)
        return cls._read(pdu)

    def _check_fields(self, pdu: bytes) -> None:
        sent = self.encode()
        for name, place in self._given_back:
            if pdu[place] != sent[place]:
                came, due = pdu[place].hex(" ").upper(), sent[place].hex(" ").upper()
                raise BadReply(f"{name}: {came} came, {due} fits")

    @classmethod
    @abstractmethod
    def _read(cls, pdu: bytes) -> Self:
        """Make one of bytes that have the right length."""


@dataclass(frozen=True, slots=True)
class Opaque(Request):
    """
    A request that is carried as it is: of an unknown function, or a known one
    beyond its limits. Of its reply only the function code is checked.

    @ivar pdu: 1 to 253 bytes, the function code 01h to 7Fh first.
    """

    pdu: bytes
    function: int = field(init=False, repr=False, compare=False)
    echoes: bool = field(init=False, repr=False, compare=False)
    writes = True

    def __post_init__(self) -> None:
        function = self.pdu[0] if self.pdu else 0
        if not 0 < function < EXCEPTION:
            raise refusal(f"function: {function:02X} is not within 01 to 7F", ILLEGAL_FUNCTION)
        within("length", len(self.pdu), 1, MAX_PDU)
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "echoes", function in _ECHOED)

    @property
    def reply_length(self) -> int | None:
        return None

    def encode(self) -> bytes:
        return self.pdu

    def decode(self, pdu: bytes) -> bytes:
        """What follows the function code."""
        return pdu[1:]

    def answer(self, data: bytes) -> bytes:
        """@param data: what follows the function code, at most 252 bytes."""
        within("length", 1 + len(data), 1, MAX_PDU, LuminaError)
        return bytes((self.function,)) + data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        return cls._read(pdu)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(pdu)


def refusal(sentence: str, code: int) -> BadRequest:
    """A `BadRequest` that a server answers with another exception than 03."""
    error = BadRequest(sentence)
    error.code = code
    return error


def within(name: str, value: int, lowest: int, highest: int, error: type[LuminaError] = BadRequest) -> None:
    """@raise BadRequest: or `error`, if the value is not within its limits."""
    if not lowest <= value <= highest:
        raise error(f"{name}: {value} is not within {lowest} to {highest}")


def addressed(name: str, address: int, count: int = 1) -> None:
    """
    Check a range of addresses; it comes last, after counts and values.

    @raise BadRequest: with exception 02; a range never wraps around.
    """
    if not 0 <= address <= LAST_ADDRESS:
        raise refusal(f"{name}: {address} is not within 0 to {LAST_ADDRESS}", ILLEGAL_ADDRESS)
    if address + count - 1 > LAST_ADDRESS:
        raise refusal(f"{name}: {address} with count {count} goes beyond {LAST_ADDRESS}", ILLEGAL_ADDRESS)


def check_whole(pdu: bytes) -> None:
    """@raise BadRequest: bytes of the request are missing, or some are left over."""
    size = request_size(pdu)
    if len(pdu) != size:
        raise BadRequest(f"length: {len(pdu)} bytes, function {pdu[0]:02X} takes {size} here")


def expect(name: str, came: int, due: int) -> None:
    """@raise BadReply: what came is not what the request implies."""
    if came != due:
        raise BadReply(f"{name}: {came} came, {due} fits")


def pack(name: str, values: Sequence[int], error: type[LuminaError] = BadRequest) -> bytes:
    """
    Registers as bytes, high byte first.

    @raise BadRequest: or `error`, for a value that is not within 0 to 65535.
    """
    try:
        return struct.pack(f">{len(values)}H", *values)
    except struct.error:
        for value in values:
            within(name, value, 0, 0xFFFF, error)
        raise


def unpack(data: bytes) -> tuple[int, ...]:
    """Bytes, an even number of them, as registers."""
    return struct.unpack(f">{len(data) // 2}H", data)
