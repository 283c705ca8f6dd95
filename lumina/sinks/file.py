"""
A spool's file: opened or begun, changed in whole transactions, kept from filling the disk.

SQLite in WAL mode with `synchronous=FULL`: what a transaction has written is on
the disk when it ends. All of this blocks.
"""

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from lumina.errors import StartRefused
from lumina.sinks import schema
from lumina.sinks.mishaps import broken

#: Seconds that one process waits for the transaction of another: a service, and whoever is beside it.
_PATIENCE = 30.0
_PATIENCE_BESIDE = 5.0

#: Bytes kept aside, so that what was delivered can still be removed from a full disk.
BALLAST = 2 << 20


def _why_not(version: int) -> str:
    """Why a file cannot be used, by its version."""
    if version == 0:
        return "nothing was ever written to it"
    if version in schema.UPGRADES:
        return "an earlier lumina wrote it; once this one has been started with its sink, it can be read"
    return f"a later lumina wrote it: its version is {version}, the last known here is {schema.VERSION}"


def lock(path: Path) -> int:
    """
    Claim a spool for this process.

    @return: a file descriptor; closing it gives the spool back.
    @raise StartRefused: another process has it, or its directory cannot be used.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StartRefused(f"lumina: the spool {path} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartRefused(f"lumina: the spool {path} belongs to another lumina that is running") from None
    return descriptor


def set_aside(path: Path, stamp: str) -> Path:
    """
    Move a damaged spool out of the way, with all that belongs to it.

    @return: where it is now.
    """
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():  # the clock of the machine was set back, or stands
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    return aside


class SpoolFile:
    """
    The file, its transactions and its ledger.

    @ivar name: of this spool; made when the file was, and never again.
    """

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        self.path = path
        self.name = ""
        self._wall = wall
        self._ballast = path.with_name(f"{path.name}.ballast")
        self._change: dict[str, int] = {}
        self._version = 0
        self._own = True

    def open(self, own: bool = True) -> None:
        """
        Open the file, or begin it.

        @param own: whether it is this process that delivers from it. Another
            one only asks questions and makes small changes, beside the
            owner; for it the file must exist.
        @raise sqlite3.Error: it cannot be used; see `is_damaged`.
        """
        self._own = own
        self._db = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={'rwc' if own else 'rw'}",
            uri=True,
            timeout=_PATIENCE if own else _PATIENCE_BESIDE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(own)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, own: bool) -> None:
        run = self._db.execute
        if own:
            run("PRAGMA journal_mode=WAL")
            run(f"PRAGMA journal_size_limit={BALLAST}")
            run("PRAGMA wal_autocheckpoint=256")  # a megabyte: less than what is kept aside
        run("PRAGMA synchronous=FULL")
        (version,) = run("PRAGMA user_version").fetchone()
        if own:
            version = self._upgrade(version)
        if version != schema.VERSION:
            raise broken(_why_not(version))
        row = run("SELECT name, clean FROM spool").fetchone()
        if row is None or run("SELECT count(*) FROM ledger").fetchone() != (1,):
            raise broken("it has no ledger")
        self.name = row[0]
        if own:
            if not row[1]:
                self._check()
            run("UPDATE spool SET clean = 0")
            self.keep_ballast()
        self._version = self._data_version()

    def _upgrade(self, version: int) -> int:
        """
        Begin an empty file, and bring one of an earlier lumina up to date.

        @return: its version now.
        """
        if version == 0:
            self._begin()
            return schema.VERSION
        while version in schema.UPGRADES:
            upgrade = schema.UPGRADES[version]
            version += 1
            self._db.executescript(f"BEGIN IMMEDIATE; {upgrade} PRAGMA user_version = {version}; COMMIT;")
        return version

    def _begin(self) -> None:
        """A new file: it is whole, or there is none."""
        self._db.executescript(
            f"BEGIN IMMEDIATE; {schema.TABLES}"
            f"INSERT INTO spool (name, begun, clean) VALUES ('{uuid.uuid4().hex[:16]}', {self._wall()!r}, 1);"
            "INSERT INTO ledger VALUES (0, 0, 0, 0, 0, 0);"
            f"PRAGMA user_version = {schema.VERSION}; COMMIT;"
        )

    def _check(self) -> None:
        (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise broken(str(found))

    def close(self) -> None:
        """Close it; a file that its owner has closed needs no check when it is opened."""
        with suppress(sqlite3.Error):
            self._db.execute("UPDATE spool SET clean = 1")
        self._db.close()

    def abandon(self) -> None:
        """Close it as it is."""
        self._db.close()

    def turn(self, jobs: Sequence[Callable[[Self], Any]]) -> list[Any]:
        """
        One transaction: all of the jobs are done and on disk, or none is.

        @raise sqlite3.Error: nothing was done.
        """
        self._change.clear()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if not self._own:
                self._forget()
            results = [job(self) for job in jobs]
            if self._change:
                sums = ", ".join(f"{column} = {column} + {by}" for column, by in self._change.items())
                self._db.execute(f"UPDATE ledger SET {sums}")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            with suppress(sqlite3.Error):
                self._forget()
            raise
        return results

    def look(self, questions: Sequence[Callable[[Self], Any]]) -> list[Any]:
        """
        Ask about one moment, while others go on changing the file.

        @raise sqlite3.Error: it cannot be read.
        """
        self._db.execute("BEGIN")
        try:
            return [question(self) for question in questions]
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _forget(self) -> None:
        """Know nothing but what is in the file: others have written, or a transaction came to nothing."""

    def _count(self, **changes: int) -> None:
        """Changes of the ledger, to be made at the end of this transaction."""
        for column, by in changes.items():
            self._change[column] = self._change.get(column, 0) + by

    def _taken(self) -> int:
        """The last number given, in this transaction too."""
        return int(self._db.execute("SELECT taken FROM ledger").fetchone()[0]) + self._change.get("taken", 0)

    def changed(self) -> bool:
        """Whether another process has changed the file since this was asked last."""
        before, self._version = self._version, self._data_version()
        if before != self._version:
            self._forget()
        return before != self._version

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def used(self) -> int:
        """Bytes of the file that are in use."""
        run = self._db.execute
        pages = run("PRAGMA page_count").fetchone()[0] - run("PRAGMA freelist_count").fetchone()[0]
        return int(pages * run("PRAGMA page_size").fetchone()[0])

    def make_room(self) -> None:
        """The disk is full: give up what is kept aside, so that delivered readings can be removed."""
        with suppress(OSError):
            self._ballast.unlink()
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def keep_ballast(self) -> None:
        """Keep some room aside, if that leaves as much again."""
        with suppress(OSError):
            if self._ballast.exists() or self._free() < 2 * BALLAST:
                return
            with self._ballast.open("xb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, BALLAST)
                except OSError:
                    self._ballast.unlink()

    def has_room(self) -> bool:
        """
        Whether more may be written: something is kept aside, or there is plenty
        of room on the disk, or in the file itself.
        """
        run = self._db.execute
        inside = run("PRAGMA freelist_count").fetchone()[0] * run("PRAGMA page_size").fetchone()[0]
        return self._ballast.exists() or inside >= BALLAST or self._free() >= 2 * BALLAST

    def _free(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize
