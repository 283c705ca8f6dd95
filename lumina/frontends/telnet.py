"""What a telnet client sends besides what is typed, taken out."""

from collections.abc import Callable


class TelnetFilter:
    """
    Drops telnet's commands (RFC 854) from a stream, however it is cut.

    A line feed always passes: no command, however broken, swallows a line. Who
    types a character at a time sends a carriage return with a zero for the
    end of a line; it becomes a line feed.
    """

    _IAC, _SB, _SE, _WILL = 0xFF, 0xFA, 0xF0, 0xFB
    _CR, _LF, _NUL = 0x0D, 0x0A, 0x00

    def __init__(self) -> None:
        self._step: Callable[[int], None] | None = None
        self._returned = False

    def __call__(self, data: bytes) -> bytes:
        if self._step is None and b"\xff" not in data and b"\0" not in data:
            self._returned = data.endswith(b"\r")
            return data
        return bytes(typed for byte in data if (typed := self._typed(byte)) is not None)

    def _typed(self, byte: int) -> int | None:
        """What a byte stands for; `None`: it is a part of a command."""
        returned, self._returned = self._returned, byte == self._CR
        if byte == self._LF:
            self._step = None
        elif self._step is not None:
            self._step(byte)
            return None
        elif byte == self._IAC:
            self._step = self._command
            return None
        elif byte == self._NUL and returned:
            return self._LF
        return byte

    def _command(self, byte: int) -> None:
        if byte == self._SB:
            self._step = self._subnegotiation
        else:
            self._step = self._option if byte >= self._WILL and byte != self._IAC else None

    def _option(self, byte: int) -> None:
        self._step = None

    def _subnegotiation(self, byte: int) -> None:
        if byte == self._IAC:
            self._step = self._end

    def _end(self, byte: int) -> None:
        self._step = None if byte == self._SE else self._subnegotiation
