"""
The audit log: every write, whoever asked it, and how it ended.

One JSON object a line, in a file that is rotated by its size. What was denied
goes to a file of its own: whoever may connect can have as much denied as he
likes, and must not be able to push out the record of what was carried out. A
file that cannot be written disturbs nobody: what could not be written is
counted, and said as soon as it can.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from lumina.errors import Denied
from lumina.interfaces import Exchange, Outcome
from lumina.modbus.pdu import BROADCAST, Diagnostics, MaskWriteRegister, Request
from lumina.modbus.reach import Reach, reaches
from lumina.modbus.tables import HOLDING

#: Bytes of a file, and how many full ones are kept beside it.
SIZE, KEPT = 10_000_000, 9

#: The same of the files of what was denied.
KEPT_DENIED = 4

_MODE = 0o640


class AuditLog:
    """Writes an entry for each write: a Watcher."""

    def __init__(self, file: "RotatedFile", denied: "RotatedFile", wall: Callable[[], float]) -> None:
        """
        @param denied: for what an access rule forbids.
        @param wall: seconds since 1970.
        """
        self._file = file
        self._denied = denied
        self._wall = wall

    def outcome(self, outcome: Outcome) -> None:
        if outcome.request.writes or outcome.unit == BROADCAST:
            file = self._denied if outcome.word == Denied.word else self._file
            file.write(json.dumps(entry(outcome, self._wall())))

    def exchange(self, exchange: Exchange) -> None:
        """What went over the wire is another's to log."""


def entry(outcome: Outcome, now: float) -> Mapping[str, Any]:
    """
    What the audit log says of a write.

    @param now: when it ended, in seconds since 1970.
    """
    asker, terms = outcome.terms.asker, outcome.terms
    asked = datetime.fromtimestamp(now - (outcome.answered - outcome.asked), UTC)
    return {
        "time": asked.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "listener": asker.listener,
        "client": terms.client,
        "host": asker.host,
        "identity": asker.identity,
        "role": asker.role,
        "id": terms.id,
        "type": terms.type,
        "bus": outcome.port,
        "unit": outcome.unit,
        "function": outcome.request.function,
        "request": outcome.request.encode().hex().upper(),
        "writes": _written(outcome.request),
        "outcome": outcome.word,
        "sent": outcome.sent is not None,
        "seconds": round(outcome.answered - outcome.asked, 3),
    }


def _written(request: Request) -> list[Mapping[str, Any]]:
    """What a request writes where; empty for what has no registers, whose bytes say all there is to say."""
    if isinstance(request, Diagnostics):
        return [{"subfunction": request.subfunction, "data": request.data}]
    if isinstance(request, MaskWriteRegister):
        masks = {"and_mask": request.and_mask, "or_mask": request.or_mask}
        return [{"table": HOLDING, "address": request.address, **masks}]
    return [_values(reach) for reach in reaches(request) if reach.writes and reach.table]


def _values(reach: Reach) -> Mapping[str, Any]:
    file = {"file": reach.file} if reach.file else {}
    return {"table": reach.table, **file, "address": reach.first, "values": list(reach.values)}


class RotatedFile:
    """
    Lines on disk, in files of bounded size.

    The full ones are called `.1`, the newest, to the highest number.
    """

    _log = Logger()

    def __init__(self, path: Path, size: int = SIZE, kept: int = KEPT) -> None:
        """
        @param size: bytes after which a new file is begun.
        @param kept: how many full ones are kept.
        """
        self._path = path
        self._size = size
        self._kept = kept
        self._descriptor = -1
        self._length = 0
        self._lost = 0
        self._torn = False
        self._reason = ""

    def write(self, line: str) -> None:
        """Append a line, or count it as lost."""
        data = line.encode() + b"\n"
        try:
            self._open()
            if self._length and self._length + len(data) > self._size:
                self._rotate()
            if self._reason:
                self._recover()
            self._append(data)
        except OSError as error:
            self._failed(error)

    def probe(self) -> None:
        """Open it now, so that what is wrong with it is said at the start."""
        try:
            self._open()
        except OSError as error:
            self._failed(error, 0)

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _open(self) -> None:
        if self._descriptor >= 0:
            return
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, _MODE)
        self._length = os.fstat(self._descriptor).st_size
        self._torn = self._length > 0 and not self._ends_well()

    def _ends_well(self) -> bool:
        """Whether the last line is whole."""
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _append(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        written = os.write(self._descriptor, data)
        self._length += written
        self._torn = written < len(data)
        if self._torn:
            raise OSError(0, "the disk took only a part of the line")

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                os.replace(newer, older)
        if not self._kept:
            self._path.unlink()
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _failed(self, error: OSError, lost: int = 1) -> None:
        self._lost += lost
        reason = error.strerror or str(error)
        if reason != self._reason:
            self._reason = reason
            self._log.warn(
                "audit log {path}: cannot be written: {reason}; writes go on without it",
                path=str(self._path),
                reason=reason,
            )
        self.close()

    def _recover(self) -> None:
        if self._lost:
            self._append(json.dumps({"lost": self._lost, "reason": self._reason}).encode() + b"\n")
        self._log.warn(
            "audit log {path}: written again; {lost} entries are lost", path=str(self._path), lost=self._lost
        )
        self._lost, self._reason = 0, ""
