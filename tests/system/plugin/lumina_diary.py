"""
A sink for lumina: each reading is a sentence in a file.

It keeps nothing but the file; readings that cannot be written are not taken.
"""

from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, execute
from twisted.plugin import IPlugin
from zope.interface import implementer

from lumina.interfaces import NotTaken, Outlet, Reading
from lumina.plugins import ISink, Settings


class DiarySettings(Settings):
    """How a sentence begins, and the file, within lumina's directory."""

    opening: str = "Dear diary"
    file: str


class Diary:
    """One diary."""

    def __init__(self, settings: DiarySettings, outlet: Outlet) -> None:
        self._opening = settings.opening
        self._path: Path = outlet.directory / settings.file

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        return execute(self._write, readings)

    def _write(self, readings: Sequence[Reading]) -> None:
        try:
            with self._path.open("a") as file:
                for each in readings:
                    what = each.reason if each.value is None else f"it was {each.value}"
                    file.write(f"{self._opening}, {each.point.parameter}: {what}.\n")
        except OSError as error:
            raise NotTaken(f"{self._path}: {error.strerror}") from error


@implementer(IPlugin, ISink)
class Kind:
    """What lumina finds."""

    kind = "diary"
    settings = DiarySettings

    def sink(self, settings: DiarySettings, outlet: Outlet) -> Diary:
        return Diary(settings, outlet)
