"""Records that are replayed: CSV files of seconds and values."""

import csv
from pathlib import Path

from lumina.errors import ConfigError
from lumina.plugins import nearest


def read_record(path: str, column: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """
    The record that a replay plays: seconds in the first column, values in
    another; a first row of words names the columns.

    @param column: the name of that column; `None`: the second.
    @raise ConfigError: it cannot be read, or is wrong.
    """
    try:
        rows = [row for row in csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines()) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error
    except csv.Error as error:
        raise ConfigError(f"{path}: it is not CSV: {error}") from error
    place = 1
    if rows and not is_number(rows[0][0]):
        names = [name.strip() for name in rows.pop(0)]
        if column is not None and column not in names:
            raise ConfigError(f"{path}:1:1: no column is called '{column}'; {nearest(column, names)}")
        place = 1 if column is None else names.index(column)
    elif column is not None:
        raise ConfigError(f"{path}:1:1: the first row names no columns, so that '{column}' cannot be found")
    if not rows:
        raise ConfigError(f"{path}: there is no row of numbers")
    times: list[float] = []
    values: list[float] = []
    for number, row in enumerate(rows, 1):
        if len(row) <= place or not (is_number(row[0]) and is_number(row[place])):
            raise ConfigError(f"{path}: row {number} of the numbers has no time and value")
        times.append(float(row[0]))
        values.append(float(row[place]))
        if times[-1] < max(0.0, *times[-2:]):
            raise ConfigError(f"{path}: row {number} of the numbers: its time is before 0, or that above it")
    return tuple(times), tuple(values)


def is_number(text: str) -> bool:
    try:
        return float(text) - float(text) == 0  # neither infinite nor not-a-number
    except ValueError:
        return False
