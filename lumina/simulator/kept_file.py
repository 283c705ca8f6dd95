"""A file that is kept up to date, and is whole at any moment, even if the power fails."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

#: Seconds from a change until the file is written, with all that has changed meanwhile.
PAUSE = 1.0

#: Calls a function in a thread of its own.
InThread = Callable[[Callable[[], None]], Deferred[None]]


class KeptFile(Service):
    """
    Writes a file after each change: at once when lumina stops, else soon.

    A file that cannot be written is reported, once for each reason in a row,
    and tried again at the next change.
    """

    _log = Logger()

    def __init__(
        self, path: str, take: Callable[[], Callable[[], bytes]], reactor: Any, in_thread: InThread
    ) -> None:
        """
        @param take: quickly takes what is to be written, and gives what makes
            the bytes of it, which may take its time.
        @param in_thread: where that is done, and the disk waited for.
        """
        self._path = path
        self._take = take
        self._reactor = reactor
        self._in_thread = in_thread
        self._call: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._again = False
        self._reason = ""

    def changed(self) -> None:
        """There is something new to be written."""
        if self._writing is not None:
            self._again = True
        elif self._call is None:
            self._call = self._reactor.callLater(PAUSE, self._write)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._finish())

    async def _finish(self) -> None:
        while self._call is not None or self._writing is not None:
            if self._call is not None:
                self._call.cancel()
                self._write()
            if self._writing is not None:
                await self._written()

    def _write(self) -> None:
        self._call = None
        make = self._take()
        self._writing = self._in_thread(lambda: write(self._path, make()))
        self._writing.addCallbacks(self._succeeded, self._failed).addCallback(self._done)

    def _written(self) -> Deferred[None]:
        """Fires when what is being written is written."""
        waiting: Deferred[None] = Deferred()
        assert self._writing is not None

        def written(result: None) -> None:
            waiting.callback(None)

        self._writing.addCallback(written)
        return waiting

    def _succeeded(self, result: None) -> None:
        self._reason = ""

    def _failed(self, failure: Failure) -> None:
        reason = str(failure.value)
        if self._reason != reason:
            self._reason = reason
            self._log.error("{path} cannot be written: {reason}", path=self._path, reason=reason)

    def _done(self, result: None) -> None:
        self._writing = None
        if self._again:
            self._again = False
            self.changed()


def write(path: str, data: bytes) -> None:
    """
    Replace a file as a whole: whoever reads it finds the old one or the new.

    @raise OSError: the old one is still there.
    """
    new = f"{path}.new"
    with open(new, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_aside(path: str) -> str:
    """
    Give a damaged file another name, for whoever wants to look at it.

    @return: that name.
    """
    number = 1
    while os.path.exists(aside := f"{path}.damaged-{number}"):
        number += 1
    with suppress(FileNotFoundError):
        os.replace(path, aside)
    return aside
