"""A bar that grows, for people who look at a terminal."""

from collections.abc import Callable
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

#: Seconds from which on waiting is worth a bar, and between two looks of it.
_LONG, _OFTEN = 1.0, 0.1


class Progress:
    """Shows how much is done, once that takes long; nothing, if nobody is looking."""

    def __init__(self, seconds: Callable[[], float], file: IO[str], title: str = "reading") -> None:
        """
        @param seconds: monotonic time.
        @param file: where the bar is drawn, if it is a terminal.
        @param title: what stands before the bar.
        """
        self._title = title
        self._seconds = seconds
        self._file = file
        self._drawn = seconds() + _LONG - _OFTEN
        self._bar: Bar | None = None

    def show(self, done: int, all: int) -> None:
        """So much of all is done."""
        now = self._seconds()
        if not self._file.isatty() or now - self._drawn < _OFTEN:
            return
        self._drawn = now
        if self._bar is None:
            columns = TextColumn(self._title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bar = Bar(*columns, console=Console(file=self._file), auto_refresh=False, transient=True)
            self._bar.add_task("", total=all)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, refresh=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
