"""What an error of SQLite says of a spool's file: that it is damaged, locked, or without room."""

import sqlite3

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def is_damaged(error: BaseException) -> bool:
    """Whether an error says that the file is broken."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) in _DAMAGED


def has_no_room(error: BaseException) -> bool:
    """Whether an error says that the disk takes no more."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) in _NO_ROOM


def is_full(error: BaseException) -> bool:
    """Whether it says so in particular."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) == sqlite3.SQLITE_FULL


def is_locked(error: BaseException) -> bool:
    """Whether an error says that somebody else holds the file."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def broken(sentence: str) -> sqlite3.DatabaseError:
    """An error that `is_damaged`."""
    error = sqlite3.DatabaseError(sentence)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
