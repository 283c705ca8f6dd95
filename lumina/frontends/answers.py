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
        self._wrote_at = float("-inf")
        self._next: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: str, pause: float) -> None:
        """
        Write a line after those before it.

        @param pause: seconds that it must stand alone, before and after it.
        """
        now = self._reactor.seconds()
        due = max(self._free_at, self._wrote_at + pause)
        if self._lines or now < due:
            self._lines.append((line, pause))
            if self._next is None:
                self._next = self._reactor.callLater(due - now, self._flush)
        else:
            self._wrote_at, self._free_at = now, now + pause
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
            self._next = self._reactor.callLater(max(pause, self._lines[0][1]), self._flush)
        self._wrote_at = self._reactor.seconds()
        self._free_at = self._wrote_at + pause
        self._write(line)
        self._written()
