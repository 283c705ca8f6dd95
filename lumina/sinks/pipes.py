"""
Lines through a pipe, to whoever reads at the other end: a program, a terminal, a FIFO.

A reader that stands still holds up nobody for long. What it has taken is whole
lines, for the rest of one that was begun goes first when it reads on.
"""

import errno
import os
import select
import stat
import time
from pathlib import Path

#: Seconds that a reader is waited for; while it is known to stand still it is not.
_PATIENCE = 5.0


def is_pipe(path: Path) -> bool:
    """Whether what is there is read at its other end, and is no file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


class Pipe:
    """Writes lines."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        """
        @param patience: seconds that a reader is waited for.
        """
        self._patience = patience
        self._rest = b""
        self._stands_still = False

    def write_to(self, path: Path, data: bytes) -> None:
        """
        Open it, and write.

        @raise OSError: nobody reads, or does not read on.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.write(descriptor, data)
        finally:
            os.close(descriptor)

    def write(self, descriptor: int, data: bytes) -> None:
        """
        Write whole lines.

        @raise OSError: nobody reads, or does not read on; some of them may have gone.
        """
        begun, self._rest = self._rest, b""
        data = begun + data
        done = _feed(descriptor, data, 0.0 if self._stands_still else self._patience)
        self._stands_still = done < len(data)
        if self._stands_still:
            self._rest = begun[done:] or _rest_of_line(data, done)
            raise OSError(errno.ETIMEDOUT, "whoever reads it does not read on")


def _rest_of_line(data: bytes, done: int) -> bytes:
    """What is left of a line that was begun."""
    is_begun = done and not data.endswith(b"\n", 0, done)
    return data[done : data.index(b"\n", done) + 1] if is_begun else b""


def _feed(descriptor: int, data: bytes, patience: float) -> int:
    """
    Write as much as is taken in time.

    @return: how many bytes.
    """
    room, done, until = select.poll(), 0, time.monotonic() + patience
    room.register(descriptor, select.POLLOUT)
    while done < len(data) and room.poll(max(0.0, until - time.monotonic()) * 1000):
        try:
            # A pipe that has any room has room for so many, so this never waits.
            done += os.write(descriptor, data[done : done + select.PIPE_BUF])
        except BlockingIOError:
            time.sleep(0.01)
            if time.monotonic() >= until:
                break
    return done
