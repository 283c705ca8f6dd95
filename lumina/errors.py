"""
Every exception, on one page, with its word and its Modbus code.

They are sorted by the one thing a caller must know: did anything reach the
wire? `NotSent`: no, asking again is safe. `Sent`: yes, and a write may have
happened. `ExceptionReply`: yes, and the unit said no.

The word is for text clients and is an interface; the code is the exception
code that a Modbus client is answered with (Application Protocol V1.1b3, 7).
"""

from typing import ClassVar

#: What the word of each `ExceptionReply` begins with; the code follows, in hexadecimal.
EXCEPTION_WORD = "exception_"


class LuminaError(Exception):
    """A fault in lumina itself, unless a subclass says better."""

    word: str = "error"
    code: int = 0x04


class ConfigError(LuminaError):
    """
    Settings are wrong: one `file:line:column: key: sentence` to a line.
    """


class StartRefused(LuminaError):
    """lumina cannot start; its text is a sentence for the operator."""


class NotTaken(LuminaError):
    """A sink could not take readings: none of them."""

    word = "not_taken"


class NotSent(LuminaError):
    """Nothing was transmitted; asking again is safe."""


class BadRequest(NotSent):
    """The request is not well formed: which field, its value and the limit."""

    word, code = "bad_request", 0x03


class BadCRC(NotSent):
    """The frame came with a CRC that does not fit."""

    word, code = "bad_crc", 0x03


class InvalidPort(NotSent):
    """Not a configured port."""

    word, code = "invalid_port", 0x0A


class Denied(NotSent):
    """An access rule forbids it."""

    word, code = "denied", 0x01


class QueueFull(NotSent):
    """The port's or the client's queue is full."""

    word, code = "queue_full", 0x06


class Expired(NotSent):
    """Its time ran out while it waited its turn."""

    word, code = "expired", 0x06


class PortDown(NotSent):
    """The port is unplugged, jammed, or being reopened."""

    word, code = "serial_error", 0x0A


class Suspended(NotSent):
    """The unit has not answered for a while; refused at once until it does."""

    word, code = "suspended", 0x0B


class ShuttingDown(NotSent):
    """lumina is stopping."""

    word, code = "shutting_down", 0x0A


class Cancelled(NotSent):
    """Its asker left before its turn came; nobody is answered."""

    word = "cancelled"


class Sent(LuminaError):
    """Transmitted, and no sound reply: a write may have happened."""

    code = 0x0B


class NoReply(Sent):
    """Sent; nothing came."""

    word = "timeout"


class BadReply(Sent):
    """Sent; bytes came, but no sound reply to this request."""

    word = "bad_reply"


class PortLost(Sent):
    """The port vanished in mid-exchange."""

    word, code = "serial_error", 0x0A


class ExceptionReply(LuminaError):
    """
    The unit refused.

    @param function: the function code asked for, 01h to 7Fh.
    @param code: the exception code, 00h to FFh.
    """

    _MEANINGS: ClassVar[dict[int, str]] = {
        0x01: "illegal function",
        0x02: "illegal data address",
        0x03: "illegal data value",
        0x04: "server device failure",
        0x05: "acknowledge",
        0x06: "server device busy",
        0x07: "negative acknowledge",
        0x08: "memory parity error",
        0x0A: "gateway path unavailable",
        0x0B: "gateway target device failed to respond",
    }

    def __init__(self, function: int, code: int) -> None:
        meaning = self._MEANINGS.get(code, "a code that the specification does not name")
        super().__init__(f"function {function:02X} was refused with exception {code:02X}, {meaning}")
        self.function = function
        self.code = code
        self.word = f"{EXCEPTION_WORD}{code:02X}"

    @property
    def pdu(self) -> bytes:
        """The exception response, two bytes (Application Protocol, 7)."""
        return bytes((self.function | 0x80, self.code))
