"""
Readings as JSON lines, in a file or on standard output.

A line has the eight documented keys, and `quality` and `reason`. A file is
opened for each write, so whoever rotates it needs to tell nobody; with a date
in its name (`%Y-%m-%d`) it is a new one each day, by UTC.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import NotTaken
from lumina.readings import Reading
from lumina.sinks.documents import full_document, is_good, lines
from lumina.sinks.pipes import Pipe, is_pipe
from lumina.sinks.spool import Runner
from lumina.status import SinkStatus

#: Readings that may wait for the disk.
_WAITING = 200_000
_STANDARD_OUTPUT = 1


class LinesSink(Service):
    """A Sink: readings are taken when their lines are on the disk, which is also their delivery."""

    _log = Logger()

    def __init__(
        self,
        title: str,
        path: str,
        wall: Callable[[], float],
        run: Runner,
        bad: bool = True,
    ) -> None:
        """
        @param path: of the file, with the fields of `strftime`; `-`: standard output.
        @param run: where writing may block.
        @param bad: whether readings without a value are wanted.
        """
        self.setName(title)
        self._title = title
        self._path = path
        self._wall = wall
        self._run = run
        self._bad = bad
        self._waiting = self._taken = self._missed = self._declined = 0
        self._trouble = ""
        self._pipe = Pipe()

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """
        Write readings.

        @return: fires when they are on the disk; fails with `NotTaken`: none of them is.
        """
        wanted = readings if self._bad else [each for each in readings if is_good(each)]
        self._declined += len(readings) - len(wanted)
        self._waiting += len(wanted)
        done = self._run(lambda: self._write(wanted, self._waiting))
        return done.addCallbacks(self._written, self._failed, callbackArgs=(wanted,), errbackArgs=(wanted,))

    def note(self, data: bytes) -> Deferred[None]:
        """Write lines that are no readings."""
        return self._run(lambda: self._append(data))

    def status(self) -> SinkStatus:
        """What it has done since the start."""
        return SinkStatus(
            self._title,
            "jsonl",
            "failing" if self._trouble else "idle",
            taken=self._taken,
            delivered=self._taken,
            missed=self._missed,
            declined=self._declined,
            error=self._trouble,
        )

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        return self._run(lambda: None).addBoth(lambda _: self._run.stop())

    def _write(self, readings: Sequence[Reading], waiting: int) -> None:
        if waiting > _WAITING and waiting > len(readings):
            raise NotTaken(f"{waiting} readings wait for the disk, the limit is {_WAITING}")
        if not readings:
            return
        self._append(lines(map(full_document, readings)))

    def _append(self, data: bytes) -> None:
        if self._path == "-":
            self._pipe.write(_STANDARD_OUTPUT, data)  # `sys.stdout` is the log's, in a service
            return
        path = Path(time.strftime(self._path, time.gmtime(self._wall())))
        if is_pipe(path):
            self._pipe.write_to(path, data)
        else:
            append(path, data)

    def _written(self, _: None, readings: Sequence[Reading]) -> None:
        self._waiting -= len(readings)
        self._taken += len(readings)
        if self._trouble:
            self._log.info("{name}: readings are written again", name=self._title)
            self._trouble = ""

    def _failed(self, failure: Failure, readings: Sequence[Reading]) -> None:
        self._waiting -= len(readings)
        self._missed += len(readings)
        error = failure.value
        where = "standard output" if self._path == "-" else self._path
        reason = f"{where}: {error.strerror}" if isinstance(error, OSError) else str(error)
        if reason != self._trouble:
            self._log.error("{name}: readings are not written: {why}", name=self._title, why=reason)
            self._trouble = reason
        raise NotTaken(f"{self._title}: {reason}")


def append(path: Path, data: bytes) -> None:
    """
    Add to a file, all of it on the disk or nothing.

    @raise OSError: nothing was added.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
