"""Which values of a device that answers cannot be had: told once, and once more when they are there again."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from twisted.logger import Logger

from lumina.ratelimit import RateLimit
from lumina.readings import ABSENT, GOOD, Reading

#: Values that are named; of others, how many.
_NAMED = 3


class Unread:
    """
    The values of one device that cannot be had, although it answers.

    @ivar told: of which the log has told, and their quality then.
    """

    _log = Logger()

    def __init__(self, device: int | str, limit: RateLimit) -> None:
        """@param limit: of how often the log tells of it."""
        self.told: dict[str, str] = {}
        self._device = device
        self._limit = limit

    def known(self, reading: Reading) -> bool:
        """Whether it fails as it did while the device answered: that says nothing of the device."""
        return self.told.get(reading.point.parameter) == reading.quality

    def took(self, readings: Iterable[Reading], now: float) -> None:
        """
        What was read of the device, or could not be, while it answered something.

        @param now: monotonic seconds.
        """
        back, lacking = [], []
        for reading in readings:
            if reading.quality == GOOD:
                back += [reading] if reading.point.parameter in self.told else []
            elif reading.point.parameter not in self.told:
                lacking.append(reading)
        if back:
            for reading in back:
                del self.told[reading.point.parameter]
            self._log.info(
                "device {device}: {values} again", device=self._device, values=_have(back, "a value")
            )
        for (quality, reason), several in groupby(sorted(lacking, key=_why), _why):
            if self._limit.allows(now):
                self._tell([*several], quality, reason)

    def _tell(self, several: Sequence[Reading], quality: str, reason: str) -> None:
        self.told.update((reading.point.parameter, quality) for reading in several)
        tell = self._log.info if quality == ABSENT else self._log.warn
        tell(
            "device {device}: {values}: {reason}",
            device=self._device,
            values=_have(several, "no value"),
            reason=reason,
        )


def _why(reading: Reading) -> tuple[str, str]:
    return reading.quality, reading.reason or reading.quality


def _have(several: Sequence[Reading], what: str) -> str:
    """Who has it, by name."""
    names = [reading.point.parameter for reading in several]
    if len(names) == 1:
        return f"{names[0]} has {what}"
    more = len(names) - _NAMED
    last = f"{more} more" if more > 0 else names.pop()
    return f"{', '.join(names[:_NAMED])} and {last} have {what}"
