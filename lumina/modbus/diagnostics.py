"""Status and counters of a device: functions 07, 08, 11 and 12 (Application Protocol, 6.7 to 6.10)."""

import struct
from dataclasses import dataclass
from typing import Self

from lumina.errors import BadReply, BadRequest, LuminaError
from lumina.modbus.request import ILLEGAL_FUNCTION, Request, check_whole, expect, refusal, within

QUERY_DATA = 0
RESTART_COMMUNICATIONS = 1
RETURN_REGISTER = 2
CHANGE_DELIMITER = 3
FORCE_LISTEN_ONLY = 4
CLEAR_COUNTERS = 10
CLEAR_OVERRUN = 20

MAX_EVENTS = 64

_SUBFUNCTIONS = frozenset((*range(5), *range(10, 19), CLEAR_OVERRUN))
_RETURNS_DATA = frozenset((RETURN_REGISTER, *range(11, 19)))


@dataclass(frozen=True, slots=True)
class ReadExceptionStatus(Request):
    """Function 07: eight flags, whose meaning is the device's own."""

    function = 0x07

    @property
    def reply_length(self) -> int:
        return 2

    def encode(self) -> bytes:
        return bytes((self.function,))

    def decode(self, pdu: bytes) -> int:
        """The flags, 0 to 255."""
        return pdu[1]

    def answer(self, status: int) -> bytes:
        """@param status: 0 to 255."""
        within("status", status, 0, 0xFF, LuminaError)
        return bytes((self.function, status))

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class Diagnostics(Request):
    """
    Function 08. A device does not answer sub-function 4, force listen only.

    @ivar subfunction: 0 to 4, 10 to 18 or 20.
    @ivar data: 0 to 65535 for sub-function 0; 0000h or FF00h for 1; the
        delimiter in the high byte for 3; 0 for all others.
    """

    subfunction: int
    data: int = 0
    function = 0x08
    writes = True
    echoes = True

    def __post_init__(self) -> None:
        _check_subfunction(self.subfunction)
        within("data", self.data, 0, 0xFFFF)
        if not _allowed(self.subfunction, self.data):
            raise BadRequest(f"data: {self.data:04X} does not fit sub-function {self.subfunction}")

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.subfunction, self.data)

    def decode(self, pdu: bytes) -> int:
        """The register or counter asked for; what was sent, for other sub-functions."""
        return int.from_bytes(pdu[3:], "big")

    def answer(self, data: int | None = None) -> bytes:
        """@param data: the register or counter, 0 to 65535; `None`: the request's own data."""
        value = self.data if data is None else data
        within("data", value, 0, 0xFFFF, LuminaError)
        return struct.pack(">BHH", self.function, self.subfunction, value)

    def _check_fields(self, pdu: bytes) -> None:
        expect("sub-function", int.from_bytes(pdu[1:3], "big"), self.subfunction)
        if self.subfunction not in _RETURNS_DATA:
            expect("data", self.decode(pdu), self.data)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        if len(pdu) > 2:
            _check_subfunction(int.from_bytes(pdu[1:3], "big"))
        check_whole(pdu)
        return cls._read(pdu)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(*struct.unpack(">HH", pdu[1:]))


@dataclass(frozen=True, slots=True)
class CommEventCounter:
    """
    What function 11 tells.

    @ivar busy: a program command is still being carried out.
    @ivar events: requests completed, 0 to 65535.
    """

    busy: bool
    events: int


@dataclass(frozen=True, slots=True)
class ReadCommEventCounter(Request):
    """Function 11."""

    function = 0x0B

    @property
    def reply_length(self) -> int:
        return 5

    def encode(self) -> bytes:
        return bytes((self.function,))

    def decode(self, pdu: bytes) -> CommEventCounter:
        status, events = struct.unpack(">HH", pdu[1:])
        return CommEventCounter(status != 0, events)

    def answer(self, counter: CommEventCounter) -> bytes:
        within("events", counter.events, 0, 0xFFFF, LuminaError)
        return struct.pack(">BHH", self.function, _status(counter.busy), counter.events)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class CommEventLog:
    """
    What function 12 tells.

    @ivar busy: a program command is still being carried out.
    @ivar events: requests completed, 0 to 65535.
    @ivar messages: messages processed since the last restart, 0 to 65535.
    @ivar log: at most 64 event bytes, newest first.
    """

    busy: bool
    events: int
    messages: int
    log: bytes


@dataclass(frozen=True, slots=True)
class ReadCommEventLog(Request):
    """Function 12."""

    function = 0x0C

    @property
    def reply_length(self) -> int | None:
        return None

    def encode(self) -> bytes:
        return bytes((self.function,))

    def decode(self, pdu: bytes) -> CommEventLog:
        status, events, messages = struct.unpack(">HHH", pdu[2:8])
        return CommEventLog(status != 0, events, messages, pdu[8:])

    def answer(self, log: CommEventLog) -> bytes:
        within("events", log.events, 0, 0xFFFF, LuminaError)
        within("messages", log.messages, 0, 0xFFFF, LuminaError)
        within("log", len(log.log), 0, MAX_EVENTS, LuminaError)
        numbers = (6 + len(log.log), _status(log.busy), log.events, log.messages)
        return struct.pack(">BBHHH", self.function, *numbers) + log.log

    def _check_fields(self, pdu: bytes) -> None:
        if len(pdu) < 8:
            raise BadReply(f"PDU length: {len(pdu)} came, at least 8 fits")
        within("byte count", pdu[1], 6, 6 + MAX_EVENTS, BadReply)
        expect("PDU length", len(pdu), 2 + pdu[1])

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls()


def _status(busy: bool) -> int:
    return 0xFFFF if busy else 0


def _check_subfunction(subfunction: int) -> None:
    if subfunction not in _SUBFUNCTIONS:
        raise refusal(f"sub-function: {subfunction} is not 0 to 4, 10 to 18 or 20", ILLEGAL_FUNCTION)


def _allowed(subfunction: int, data: int) -> bool:
    if subfunction == QUERY_DATA:
        return True
    if subfunction == RESTART_COMMUNICATIONS:
        return data in (0x0000, 0xFF00)
    return not (data & 0xFF if subfunction == CHANGE_DELIMITER else data)
