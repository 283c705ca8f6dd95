"""The log: what happens on the wire, and how much of it all is written where."""

import os
from typing import IO, Any, cast

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    textFileLogObserver,
)
from twisted.python.logfile import LogFile

from lumina.interfaces import Exchange, Outcome


class LoggedTraffic:
    """Writes each exchange, and each request that failed, at level debug."""

    _log = Logger()

    def outcome(self, outcome: Outcome) -> None:
        if outcome.word != "ok":
            self._log.debug(
                "{port}: {id} from {client} to unit {unit} ended as {word}",
                port=outcome.port,
                id=outcome.terms.id,
                client=outcome.terms.client,
                unit=outcome.unit,
                word=outcome.word,
            )

    def exchange(self, exchange: Exchange) -> None:
        self._log.debug(
            "{port}: sent {outgoing}, got {incoming}: {verdict}",
            port=exchange.port,
            outgoing=exchange.outgoing.hex(" ").upper(),
            incoming=exchange.incoming.hex(" ").upper() or "nothing",
            verdict=exchange.verdict,
        )


def log_file(path: str) -> LogFile:
    """A file that is rotated at a megabyte, and whenever it is asked to."""
    directory, name = os.path.split(os.path.abspath(path))
    return LogFile(name, directory, rotateLength=1_000_000, maxRotatedFiles=10)


def observer(level: str, file: IO[Any] | LogFile | str) -> ILogObserver:
    """
    Writes events of a level, and graver ones, a line each.

    @param level: `debug`, `info`, `warn` or `error`.
    @param file: an open file, or the path of a `log_file`.
    """
    file = cast("IO[Any]", log_file(file) if isinstance(file, str) else file)
    predicate = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    # Its retries name objects, and no reasons; those are said where they are known.
    predicate.setLogLevelForNamespace("twisted.application._client_service", LogLevel.error)
    predicate.setLogLevelForNamespace("twisted.web.client._HTTP11ClientFactory", LogLevel.warn)
    return FilteringLogObserver(textFileLogObserver(file), [predicate])
