"""From where the audit log is to be, to a watcher that writes it."""

import os
from collections.abc import Mapping
from pathlib import Path

from lumina.assembly.parts import Parts
from lumina.assembly.state import state_directory
from lumina.watch.audit import KEPT_DENIED, AuditLog, RotatedFile

_NAME = "audit.log"


def add(parts: Parts, file: str | None, environment: Mapping[str, str] = os.environ) -> None:
    """
    Let each write be logged.

    A file that cannot be written stops nothing: the log of the service says so.

    @param file: where; empty: nowhere; `None`: where the state lies.
    @param environment: says where that is.
    """
    if file == "":
        return
    path = Path(file) if file else state_directory(environment) / _NAME
    audit, denied = RotatedFile(path), RotatedFile(denied_beside(path), kept=KEPT_DENIED)
    audit.probe()
    parts.watchers.append(AuditLog(audit, denied, parts.wall))


def denied_beside(path: Path) -> Path:
    """Where what was denied is logged: beside `audit.log` in `audit-denied.log`."""
    return path.with_name(f"{path.stem}-denied{path.suffix}")
