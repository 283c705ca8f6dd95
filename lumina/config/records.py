"""Records that are replayed: CSV files of seconds and values."""

import csv
import io
from collections.abc import Iterator
from itertools import chain

from lumina.config import files
from lumina.errors import ConfigError
from lumina.plugins import nearest

#: Times and values, as many of the one as of the other.
Record = tuple[tuple[float, ...], tuple[float, ...]]


def read_record(path: str, column: str | None) -> Record:
    """
    The record that a replay plays: seconds in the first column, values in
    another; a first row of words names the columns.

    @param column: the name of that column; `None`: the second.
    @raise ConfigError: it cannot be read, or is wrong.
    """
    text = files.text_of(path, files.read(path))
    rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    try:
        return _read(path, rows, column)
    except csv.Error as error:
        raise ConfigError(f"{path}: it is not CSV: {error}") from error


def _read(path: str, rows: Iterator[list[str]], column: str | None) -> Record:
    first = next(rows, None)
    place = 1
    if first is not None and not is_number(first[0]):
        names = [name.strip() for name in first]
        if column is not None and column not in names:
            raise ConfigError(f"{path}:1:1: no column is called '{column}'; {nearest(column, names)}")
        place = 1 if column is None else names.index(column)
        first = next(rows, None)
    elif column is not None:
        raise ConfigError(f"{path}:1:1: the first row names no columns, so that '{column}' cannot be found")
    if first is None:
        raise ConfigError(f"{path}: there is no row of numbers")
    times: list[float] = []
    values: list[float] = []
    for number, row in enumerate(chain([first], rows), 1):
        if len(row) <= place or not (is_number(row[0]) and is_number(row[place])):
            raise ConfigError(f"{path}: row {number} of the numbers has no time and value")
        times.append(float(row[0]))
        values.append(float(row[place]))
        if times[-1] < max(0.0, *times[-2:]):
            raise ConfigError(f"{path}: row {number} of the numbers: its time is before 0, or that above it")
    return tuple(times), tuple(values)


def is_number(text: str) -> bool:
    """Whether a cell of a record holds a finite number."""
    try:
        return float(text) - float(text) == 0  # neither infinite nor not-a-number
    except ValueError:
        return False
