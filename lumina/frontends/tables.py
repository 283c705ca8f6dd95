"""Columns, durations and other text for people."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

#: What of an item stands in each column, by the head of the column.
Columns = Mapping[str, Callable[[T], object]]

_UNITS_OF_TIME = (86400.0, "d"), (3600.0, "h"), (60.0, "min")

#: Columns of words; the others have numbers.
_LEFT = {
    *("sink", "kind", "port", "state", "last error"),
    *("device", "bus", "parameter", "in", "quality", "change"),
}


def table(columns: Columns[T], items: Iterable[T]) -> list[str]:
    """A row for each item, the numbers of a column under each other; words stand to the left."""
    lines = [list(columns), *([str(cell(item)) for cell in columns.values()] for item in items)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def counted(number: int, what: str) -> str:
    """So many of them: `1 timeout`, `2 timeouts`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def short(seconds: float) -> str:
    """A duration of a request, with its unit."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms" if seconds < 0.0995 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 99.5 else f"{seconds:.0f} s"


def ago(seconds: float) -> str:
    """A duration in life, with its unit."""
    for size, unit in _UNITS_OF_TIME:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def printable(text: str) -> str:
    """On one line, whatever a device or a file has in it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
