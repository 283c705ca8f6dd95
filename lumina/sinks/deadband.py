"""Which readings are worth sending: those that differ from the last that was, or are due anyway."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lumina.modbus.values import Value
from lumina.readings import Reading
from lumina.sinks.documents import is_good


class Band(NamedTuple):
    """
    @ivar change: how much a number must differ; other values count as changed
        when they are not the same.
    @ivar heartbeat: seconds after which it is sent however little it differs.
    """

    change: float
    heartbeat: float


class Deadband:
    """
    Knows what was sent last of each point; of all of them nothing at first.

    A reading without a value is always worth sending, and so is the next good
    one. The time of a reading is never changed.
    """

    def __init__(self, bands: Mapping[str, Band]) -> None:
        """
        @param bands: by parameter; `*` is for all others. Without a band
            everything is sent.
        """
        self._bands = bands
        self._last: dict[tuple[int | str, str], tuple[Value, float]] = {}

    def worthy(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """Those of the readings that are to be sent; they count as sent."""
        if not self._bands:
            return readings
        return [each for each in readings if self._is_worthy(each)]

    def forget(self, readings: Iterable[Reading]) -> None:
        """Those were not sent after all."""
        for reading in readings:
            self._last.pop((reading.point.device, reading.point.parameter), None)

    def _is_worthy(self, reading: Reading) -> bool:
        point = reading.point
        band = self._bands.get(point.parameter) or self._bands.get("*")
        if band is None:
            return True
        key = point.device, point.parameter
        last = self._last.get(key)
        if reading.value is None or not is_good(reading):
            self._last.pop(key, None)
            return True
        if last is not None and reading.at - last[1] < band.heartbeat and not _differs(band, *last, reading):
            return False
        self._last[key] = reading.value, reading.at
        return True


def _differs(band: Band, value: Value, at: float, reading: Reading) -> bool:
    now = reading.value
    if reading.at < at:
        return True  # the clock was set back
    if isinstance(now, bool | str) or isinstance(value, bool | str) or now is None:
        return now != value
    return now != value and abs(now - value) >= band.change
