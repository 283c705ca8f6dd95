"""
The three dialects in which a line of text is answered: an outcome becomes a line.

What each client expects stands in `docs/text-protocol.md`.
"""

import re
from typing import Final

from lumina.commands import RequestLine
from lumina.errors import BadCRC, BadReply, BadRequest, ExceptionReply, LuminaError


class Documented:
    """`OK:id:HEX` and `ERROR:id:word: sentence`: for people, and as documented."""

    #: Seconds between answers on one connection, at least.
    pause = 0.0

    def good(self, ask: RequestLine, frame: bytes, now: float) -> str:
        return f"OK:{ask.id}:{frame.hex().upper()}"

    def bad(self, name: str, error: LuminaError, now: float) -> str:
        return f"ERROR:{name}:{error.word}: {error}"


class Timestamped:
    """
    `id:HH HH:1732467890.1234` and `id:ERROR:word:1732467890.123400`.

    The client that speaks it loses lines that its 256-byte reads cut, hence
    the pause.
    """

    pause = 0.005

    def good(self, ask: RequestLine, frame: bytes, now: float) -> str:
        return f"{ask.id}:{frame.hex(' ').upper()}:{now:.4f}"

    def bad(self, name: str, error: LuminaError, now: float) -> str:
        return f"{name}:ERROR:{error.word}:{now:.6f}"


class Bare:
    """
    `id:hex`, `id:MISMATCH` and `id:TIMEOUT`: the 2024 client.

    It takes exactly as many bytes as it stated, and states two too few where
    it leaves out the CRC.
    """

    pause = 0.0

    def good(self, ask: RequestLine, frame: bytes, now: float) -> str:
        return f"{ask.id}:{(frame[:-2] if ask.length == len(frame) - 2 else frame).hex()}"

    def bad(self, name: str, error: LuminaError, now: float) -> str:
        mismatch = isinstance(error, (ExceptionReply, BadReply, BadRequest, BadCRC))
        return f"{name}:{'MISMATCH' if mismatch else 'TIMEOUT'}"


Dialect = Documented | Timestamped | Bare

DIALECTS: Final[dict[str, Dialect]] = {
    "documented": Documented(),
    "timestamped": Timestamped(),
    "bare": Bare(),
}

#: Port, type, up to 12 digits of the frame, 14 of the time, and two more; read from both ends.
_SHIPPING_ID = re.compile(r"[^_].*_.*_[0-9A-Fa-f]{0,12}_[0-9]{14}_[0-9A-Za-z]{2}")


def dialect_of(name: str) -> Dialect:
    """The dialect of a client, told by the form of the ids that it makes."""
    return DIALECTS["timestamped" if _SHIPPING_ID.fullmatch(name) else "documented"]
