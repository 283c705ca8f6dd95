"""What a telnet client sends besides what is typed, taken out."""

from collections.abc import Callable


class TelnetFilter:
    """
    Drops telnet's commands (RFC 854) from a stream, however it is cut.

    A line feed always passes: no command, however broken, swallows a line.
    """

    _IAC, _SB, _SE, _WILL = 0xFF, 0xFA, 0xF0, 0xFB

    def __init__(self) -> None:
        self._step: Callable[[int], bool] | None = None

    def __call__(self, data: bytes) -> bytes:
        if self._step is None and b"\xff" not in data:
            return data
        return bytes(byte for byte in data if self._passes(byte))

    def _passes(self, byte: int) -> bool:
        if byte == 0x0A:
            self._step = None
            return True
        if self._step is not None:
            return self._step(byte)
        if byte == self._IAC:
            self._step = self._command
            return False
        return True

    def _command(self, byte: int) -> bool:
        if byte == self._SB:
            self._step = self._subnegotiation
        else:
            self._step = self._option if byte >= self._WILL and byte != self._IAC else None
        return False

    def _option(self, byte: int) -> bool:
        self._step = None
        return False

    def _subnegotiation(self, byte: int) -> bool:
        if byte == self._IAC:
            self._step = self._end
        return False

    def _end(self, byte: int) -> bool:
        self._step = None if byte == self._SE else self._subnegotiation
        return False
