"""Answers on their way to one client, at the pace that the client can take."""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall


class Answers:
    """
    A queue of lines, empty as long as nobody needs a pause between them.

    @ivar written: called after each line that had to wait.
    """

    def __init__(self, reactor: Any, write: Callable[[str], None], written: Callable[[], None]) -> None:
        self._reactor = reactor
        self._write = write
        self._written = written
        self._lines: deque[tuple[str, float]] = deque()
        self._free_at = 0.0
        self._next: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: str, pause: float) -> None:
        """
        Write a line after those before it.

        @param pause: seconds until the line after it may follow.
        """
        now = self._reactor.seconds()
        if self._lines or now < self._free_at:
            self._lines.append((line, pause))
            if self._next is None:
                self._next = self._reactor.callLater(self._free_at - now, self._flush)
        else:
            self._free_at = now + pause
            self._write(line)

    def stop(self) -> None:
        """Forget what waits: the client has gone."""
        self._lines.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _flush(self) -> None:
        self._next = None
        line, pause = self._lines.popleft()
        if self._lines:
            self._next = self._reactor.callLater(pause, self._flush)
        self._free_at = self._reactor.seconds() + pause
        self._write(line)
        self._written()
