"""Where a request enters a port: refused, answered from memory, or let wait for its turn."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from lumina.bus.recent import Recent
from lumina.bus.requests import Job, Requests
from lumina.bus.settings import BusSettings
from lumina.bus.units import Units
from lumina.errors import BadRequest, Denied, NotSent, ShuttingDown, Suspended
from lumina.interfaces import Priority, Terms
from lumina.modbus.pdu import BROADCAST, Reply, Request

_LAST_UNIT = 255
_SHARED_FUNCTIONS = range(1, 5)


class Entrance:
    """
    The Bus side of a port.

    @ivar shut: whether lumina is stopping.
    """

    def __init__(
        self,
        settings: BusSettings,
        requests: Requests,
        units: Units,
        recent: Recent,
        clock: Any,
        usable: Callable[[float], None],
        at_once: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        """
        @param clock: monotonic time.
        @param usable: raises a `NotSent` if the port can take no request now.
        @param at_once: sends a job for which nobody has to wait, and says
            whether it did; the others wait for their turn.
        """
        self.shut = False
        self._settings = settings
        self._requests = requests
        self._units = units
        self._recent = recent
        self._clock = clock
        self._usable = usable
        self._at_once = at_once

    def execute(self, unit: int, request: Request, terms: Terms) -> Deferred[Reply]:
        """As a `Bus` does."""
        settings, now = self._settings, self._clock.seconds()
        own, line = settings.unit(unit), settings.line_for(unit, terms.baudrate)
        timeout = terms.timeout or own.timeout or settings.timeout
        shared = own.share and request.function in _SHARED_FUNCTIONS and not request.writes
        key = (request, line) if shared else None
        job = self._requests.new(unit, request, terms, line, timeout, key, now)
        try:
            known = self._admit(job, now)
        except NotSent as error:
            self._requests.end(job, error)
        else:
            if known is not None:
                self._requests.end(job, known)
        return job.done

    def _admit(self, job: Job, now: float) -> Reply | None:
        """
        @return: a reply that is young enough; `None`: the job waits for one.
        @raise NotSent: why the request cannot be carried.
        """
        if self.shut:
            raise ShuttingDown("lumina is stopping")
        self._check(job.unit, job.request, job.terms)
        if self._recent.max_age and job.key is not None and not self._requests.changing(job.unit):
            known = self._recent.get(job.unit, job.key, now)
            if known is not None:
                return known
        self._usable(now)
        urgent = job.barrier or job.terms.priority == Priority.HIGH
        sentence = self._units.refusal(job.unit, now, urgent, job.request, job.line.baudrate)
        if sentence is not None:
            raise Suspended(sentence)
        if not self._at_once(job):
            self._requests.enter(job)
        self._units.probing(job.unit, now)
        return None

    def _check(self, unit: int, request: Request, terms: Terms) -> None:
        if not 0 <= unit <= _LAST_UNIT:
            raise BadRequest(f"unit {unit} is not within 0 to {_LAST_UNIT}")
        lowest, highest = self._settings.baudrates
        if terms.baudrate is not None and not lowest <= terms.baudrate <= highest:
            raise BadRequest(f"baudrate {terms.baudrate} is not within {lowest} to {highest}")
        if unit == BROADCAST:
            if not request.writes:
                raise BadRequest(f"function {request.function:02X} to unit 0: only writes can be broadcast")
            if not self._settings.broadcast:
                raise Denied(f"broadcasts are not enabled on {self._settings.name}")
