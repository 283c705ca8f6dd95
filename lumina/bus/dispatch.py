"""
The way of the requests of one Modbus TCP device to it, and back.

As many as the settings say are under way at the same time; the others wait for
their turn as they do for a serial line. A write travels alone to its unit, so
that what is asked of one unit takes effect in its order. One that nobody has to
wait for is sent while it is asked: a thousand devices that are mostly idle then
cost little.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any

from lumina.bus.flight import Flight
from lumina.bus.pipeline import Pipeline
from lumina.bus.recent import Recent
from lumina.bus.requests import Job, Requests
from lumina.bus.results import all_over, follow, for_asker, no_reply, verdict_of
from lumina.bus.schedule import Schedule
from lumina.bus.settings import NO_LINE, DeviceSettings
from lumina.bus.unit import Habits
from lumina.bus.units import Units
from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply, PortLost, Sent
from lumina.interfaces import Exchange, Watcher
from lumina.modbus.pdu import BROADCAST, EXCEPTION, Reply

_SPEED = NO_LINE.baudrate

# What Exchange() and Reply() do in several times the time, for each request.
_exchange = partial(tuple.__new__, Exchange)
_reply = partial(tuple.__new__, Reply)


class Dispatch:
    """
    Sends what waits, and draws the conclusions from what comes.

    @ivar pipeline: the connection; `None`: there is none.
    @ivar stopping: nothing is sent again.
    @ivar used: when something was sent last.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        clock: Any,
        watchers: Sequence[Watcher],
        drained: Callable[[], None],
    ) -> None:
        """
        @param clock: monotonic time and timers.
        @param drained: hears of the end of each exchange while lumina is stopping.
        """
        self.pipeline: Pipeline | None = None
        self.stopping = False
        self.used = clock.seconds()
        self._settings = settings
        self._clock = clock
        self.units = Units(_habits(settings))
        self._drained = drained
        schedule: Schedule[Job] = Schedule(settings.queue, settings.queue_per_client, settings.floor)
        self._waiting = schedule.waiting
        self.requests = Requests(settings.name, schedule, clock, watchers, self._unsent, self.pump)
        self.recent = Recent(settings.max_age)
        self._crowded = False
        self._missed: dict[int, float] = {}

    def at_once(self, job: Job) -> bool:
        """Send a job that is asked just now, if nobody is before it and there is room on the way."""
        if self._waiting or not self._room() or not self._ready(job):
            return False
        self._send([job], job.asked)
        return True

    def pump(self) -> None:
        """Send what waits, as far as there is room on the way."""
        while self._waiting and self._room():
            job = self.requests.next(self._ready, None)
            if job is None:
                break
            self._crowded = True
            self._send([job, *self.requests.sharers(job)], self._clock.seconds())

    def late(self, frame: bytes) -> None:
        """A reply has come to a request that was given up; the frame is its unit id and PDU."""
        self.units.heard(frame, self._clock.seconds())

    def landed(self, flight: Flight, pdu: bytes, error: Sent | None) -> None:
        """
        An exchange is over.

        @param pdu: what came; empty after a broadcast, or with an error.
        """
        now = self._clock.seconds()
        job = flight.party[0]
        for call in flight.leaving:
            if call.active():
                call.cancel()
        self._publish(flight, verdict_of(pdu, error), now)
        if self._crowded:
            self.requests.charge(flight.party, now - flight.sent)
            self._crowded = bool(self._waiting)
        if job.barrier:
            self.recent.forget(job.unit)
        if job.unit != BROADCAST:
            self._learn(flight, error, now)
        if error is not None:
            self._failed(flight, error)
        else:
            result = self._result(flight, pdu, now)
            for each in flight.party:
                self.requests.end(each, result)
        if self._waiting:
            self.pump()
        if self.stopping:
            self._drained()

    # What goes.

    def _room(self) -> bool:
        pipeline = self.pipeline
        return (
            pipeline is not None and not pipeline.gone and len(pipeline.flights) < self._settings.pipelining
        )

    def _ready(self, job: Job) -> bool:
        """Whether nothing is on its way that a write would overtake, or be overtaken by."""
        assert self.pipeline is not None
        flights = self.pipeline.flights
        return not flights or not any(
            (job.barrier or flight.party[0].barrier)
            and (job.unit == flight.unit or BROADCAST in (job.unit, flight.unit))
            for flight in flights.values()
        )

    def _unsent(self, job: Job) -> None:
        self.units.probe_over(job.unit, self._clock.seconds())

    def _send(self, party: list[Job], now: float, trial: int = 0) -> None:
        job, pipeline = party[0], self.pipeline
        assert pipeline is not None
        stated = job.timeout if len(party) == 1 else max(each.timeout for each in party)
        self.used = now
        wait = self.units.wait(job.unit, job.request, stated, now)
        flight = Flight(party, job.unit, job.request, wait, trial)
        for each in party:
            self.requests.begun(each, now)
            if each.timeout < wait:
                flight.leaving += (self._clock.callLater(each.timeout, self._leave_alone, each),)
        if job.unit == BROADCAST:
            pipeline.broadcast(flight)
        else:
            pipeline.send(flight)

    def _leave_alone(self, job: Job) -> None:
        """One of several askers waits less long than the others: it is answered by its own time."""
        self.requests.end(job, for_asker(job, no_reply(job, job.timeout)))

    def _failed(self, flight: Flight, error: Sent) -> None:
        if self._again(flight, error):
            return
        result = no_reply(flight.party[0], flight.wait) if isinstance(error, NoReply) else error
        for each in flight.party:
            self.requests.end(each, for_asker(each, result))

    def _again(self, flight: Flight, error: Sent) -> bool:
        """Send a read that failed once more, where the settings say so and somebody still waits."""
        more = flight.trial < self._settings.retries and flight.request.repeatable
        if not more or isinstance(error, PortLost) or self.stopping or all_over(flight.party):
            return False
        if not self._room() or self.units.is_suspended(flight.unit):
            return False
        self._send(flight.party, self._clock.seconds(), flight.trial + 1)
        return True

    # What comes of it.

    def _publish(self, flight: Flight, verdict: str, now: float) -> None:
        strays = self.pipeline.take_strays() if self.pipeline is not None else None
        exchange = (
            self._settings.name,
            flight.unit,
            flight.request,
            0,
            flight.outgoing,
            flight.incoming,
            verdict,
            flight.sent,
            flight.sent,
            flight.first,
            None if flight.first is None else now,
            *((0, 0, (), ()) if strays is None else strays.counted()),
            False,
            flight.broken_off,
            None,
            len(flight.party),
        )
        self.requests.publish(_exchange(exchange))

    def _learn(self, flight: Flight, error: Sent | None, now: float) -> None:
        units, unit, request, waited = self.units, flight.unit, flight.request, now - flight.sent
        if error is None:
            if units.answered(unit, request, waited, _SPEED, now):
                follow(self._settings.name, units, self.requests, unit, True, now)
            return
        suspended = units.is_suspended(unit)
        if isinstance(error, NoReply):
            # Requests that were on their way together are missed together: that is one miss.
            if flight.sent >= self._missed.get(unit, -inf):
                self._missed[unit] = now
                units.missed(unit, request, waited, _SPEED, now)
        elif isinstance(error, BadReply):
            units.unclear(unit, request, now, waited)
        else:
            units.probe_over(unit, now)
        follow(self._settings.name, units, self.requests, unit, suspended, now)

    def _result(self, flight: Flight, pdu: bytes, now: float) -> Reply | LuminaError:
        if pdu and pdu[0] & EXCEPTION:
            return ExceptionReply(flight.request.function, pdu[1])
        job, reply = flight.party[0], _reply((flight.request, pdu, flight.sent, now))
        if self.recent.max_age and job.key is not None and not self.requests.changing(job.unit):
            self.recent.put(job.unit, job.key, reply)
        return reply


def _habits(settings: DeviceSettings) -> Habits:
    return Habits(
        timeout=settings.timeout,
        timeouts=settings.timeouts,
        misses=settings.misses,
        longest_pause=settings.longest_pause,
        slack=0.0,
    )
