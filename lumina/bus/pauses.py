"""How long a line is silent before what is sent next, and what the log says of units that need it longer."""

import math
from collections import defaultdict
from typing import Any

from twisted.logger import Logger

from lumina.bus.copies import ALERT
from lumina.bus.haste import BREATH, Haste
from lumina.bus.requests import Job
from lumina.bus.settings import PortSettings
from lumina.bus.units import Units
from lumina.interfaces import Priority

_NEEDED = (
    "{port}: unit {unit} often fails when it is asked soon after another exchange, and not after"
    f" {BREATH:g} s: it is given that long from now on; see gap in the documentation"
)
_NOT_NEEDED = "{port}: unit {unit} does not need the longer silence any more"
_COPIES = (
    "{port}: unit {unit} sends replies too many, twice or later than the linger; after each reply"
    " requests of its function wait {hold:.2g} s or longer"
)


class Pauses:
    """
    The silences of one line.

    @ivar least: seconds that whatever is sent next needs: the port's own, or
        those of the unit that was asked last.
    """

    _log = Logger()

    def __init__(self, settings: PortSettings, units: Units, clock: Any) -> None:
        """@param clock: monotonic time."""
        self.least = settings.gap
        self._settings = settings
        self._units = units
        self._clock = clock
        self._hastes: defaultdict[int, Haste] = defaultdict(Haste)
        self._copying: dict[int, float] = {}

    def before(self, job: Job) -> float:
        """Seconds of silence before it is sent."""
        own = self._settings.unit(job.unit).gap
        if own is None:
            may_try = job.request.repeatable and job.priority != Priority.HIGH
            own = self._hastes[job.unit].silence(may_try, self._units.tried(job.unit))
        return max(self.least, own, job.line.gap)

    def asked(self, unit: int) -> None:
        """A unit has been asked, and what comes next waits for what it needs then."""
        self.least = max(self._settings.gap, self._settings.unit(unit).turnaround or 0.0)

    def told(self, unit: int, quiet: float, sound: bool) -> None:
        """
        A request that must be expected to be answered was, or was not.

        @param quiet: seconds of silence that were before it.
        """
        haste = self._hastes[unit]
        if haste.told(quiet, sound):
            sentence = _NEEDED if haste.needed else _NOT_NEEDED
            self._log.warn(sentence, port=self._settings.name, unit=unit)

    def copied(self, unit: int, hold: float) -> None:
        """
        It has sent a reply too many, which is said now and then.

        @param hold: seconds after each reply for which others of its kind are looked out for.
        """
        now = self._clock.seconds()
        if now - self._copying.get(unit, -math.inf) > ALERT:
            self._copying[unit] = now
            self._log.warn(_COPIES, port=self._settings.name, unit=unit, hold=hold)
