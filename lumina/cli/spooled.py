"""What `lumina spool` does with a spool: few readings at a time, so that no service beside it has to wait."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import click

from lumina.cli.progress import Progress
from lumina.sinks.mishaps import is_damaged
from lumina.sinks.records import Limits
from lumina.sinks.store import Store

#: Readings that are changed in one transaction, and lines that are written at once.
_CHUNK = 1000
#: Seconds at most that are left to others between two transactions.
_TURN = 0.5


@contextmanager
def opened(file: Path) -> Iterator[Store]:
    """
    A spool that may belong to a service that runs.

    @raise click.ClickException: it cannot be used.
    """
    store = Store(file, Limits(), time.time)
    if not file.is_file():
        raise click.ClickException(f"there is no spool at {file}")
    try:
        store.open(own=False)
    except sqlite3.Error as error:
        raise click.ClickException(f"{file}: {error}") from None
    try:
        yield store
    except sqlite3.Error as error:
        hint = "; it is damaged" if is_damaged(error) else ""
        raise click.ClickException(f"{file}: {error}{hint}") from None
    finally:
        store.abandon()


def change(
    store: Store, table: str, seqs: Sequence[int], act: Callable[[Store, Sequence[int]], int]
) -> tuple[int, list[int]]:
    """
    Do something with readings, a few in each transaction.

    @param seqs: which; none: all that are in the table now.
    @return: with how many it was done; and those that are not there.
    """
    chosen = sorted(store.among(table, seqs)) if seqs else store.numbers(table)
    progress = Progress(time.monotonic, sys.stderr, "readings")
    done = 0
    for first in range(0, len(chosen), _CHUNK):
        began, chunk = time.monotonic(), chosen[first : first + _CHUNK]
        done += _turn(store, act, chunk)
        progress.show(first + len(chunk), len(chosen))
        if first + _CHUNK < len(chosen):
            time.sleep(min(_TURN, time.monotonic() - began))
    progress.end()
    return done, sorted({*seqs} - {*chosen})


def _turn(store: Store, act: Callable[[Store, Sequence[int]], int], seqs: Sequence[int]) -> int:
    done: int = store.turn([lambda store: act(store, seqs)])[0]
    return done


def write(lines: Iterable[str]) -> None:
    """Many lines, some at a time."""
    rest = iter(lines)
    while some := list(islice(rest, _CHUNK)):
        click.echo("\n".join(some))
