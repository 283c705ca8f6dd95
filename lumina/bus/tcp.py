"""
The life of a Modbus TCP device: connected, served until lost, connected again.

A Device is a Bus and a Service. However many ask, it has one connection, and
as many requests on their way as its settings say; the others wait for their
turn as they do for a serial line. There is no silence to keep between frames,
and no doubt about late replies: transaction ids tell. A write travels alone to
its unit, so that requests to one unit take effect in their order.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.bus.entrance import Entrance
from lumina.bus.pipeline import Flight, Pipeline
from lumina.bus.recent import Recent
from lumina.bus.requests import Job, Requests
from lumina.bus.results import all_over, follow, for_asker, no_reply, verdict_of
from lumina.bus.schedule import Schedule
from lumina.bus.settings import NO_LINE, DeviceSettings
from lumina.bus.units import Habits, Units
from lumina.errors import (
    BadReply,
    ExceptionReply,
    LuminaError,
    NoReply,
    PortDown,
    PortLost,
    Sent,
    ShuttingDown,
)
from lumina.interfaces import Exchange, PortStatus, Terms, Watcher
from lumina.modbus.pdu import Reply, Request

#: Pauses between attempts to connect, in seconds: the first, doubled up to the last.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0

#: Seconds that exchanges under way get to finish when lumina stops.
GRACE = 3.0

_T = TypeVar("_T")
_BROADCAST = 0
_EXCEPTION = 0x80
_SPEED = NO_LINE.baudrate


class Device(Service):
    """A Modbus TCP device, as a Bus."""

    _log = Logger()

    def __init__(
        self,
        settings: DeviceSettings,
        endpoint: IStreamClientEndpoint,
        reactor: Any,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        """
        @param reactor: monotonic time and timers.
        """
        self._settings = settings
        self._endpoint = endpoint
        self._reactor = reactor
        schedule: Schedule[Job] = Schedule(settings.queue, settings.queue_per_client, settings.floor)
        self._units = Units(_habits(settings))
        for unit, own in settings.units.items():
            if own.timeout is not None:
                self._units.set_timeout(unit, own.timeout)
        self._requests = Requests(settings.name, schedule, reactor, watchers, self._unsent, self._pump)
        self._recent = Recent(settings.max_age)
        self._entrance = Entrance(
            settings, self._requests, self._units, self._recent, reactor, self._usable, self._at_once
        )
        self._state, self._reason = "closed", "not connected yet"
        self._hopeful = self._troubled = True
        self._pipeline: Pipeline | None = None
        self._last_id = 0
        self._missed: dict[int, float] = {}
        self._used = 0.0
        self._asleep: Deferred[None] | None = None
        self._idling: IDelayedCall | None = None
        self._interruptible: Deferred[Any] | None = None
        self._life: Deferred[None] | None = None

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        return self._entrance.execute(unit, request, terms)

    def status(self) -> PortStatus:
        """The device as it is now; outcomes are not counted here."""
        settings, state = self._settings, self._state
        if state == "open" and self._pipeline is not None:
            state = "waiting" if self._pipeline.flights else "idle"
        return PortStatus(
            name=settings.name,
            device=settings.device,
            names=settings.names,
            line="Modbus TCP",
            state=state,
            reason=self._reason,
            waiting=len(self._requests),
            deepest=self._requests.deepest,
            echo=False,
        )

    def unit_states(self) -> dict[int, str]:
        """What is made of each unit: `ok`, `missing` or `suspended`."""
        return {view.unit: view.state for view in self._units.view(self._reactor.seconds())}

    def startService(self) -> None:
        super().startService()
        self._entrance.shut = False
        self._life = Deferred.fromCoroutine(self._live())

    def stopService(self) -> Deferred[None]:
        """@return: fires when the exchanges under way are over, `GRACE` seconds later at the most."""
        super().stopService()
        self._entrance.shut = True
        self._requests.end_waiting(ShuttingDown("lumina is stopping"))
        if self._interruptible is not None:
            self._interruptible.cancel()
        grace = self._reactor.callLater(GRACE, self._close)
        self._close_when_done()
        assert self._life is not None

        def ended(_: None) -> None:
            if grace.active():
                grace.cancel()

        return self._life.addCallback(ended)

    # What is asked.

    def _usable(self, now: float) -> None:
        """@raise PortDown: the device cannot be reached; while that is not known, requests may wait."""
        if self._state != "open" and not self._hopeful:
            raise PortDown(f"{self._settings.device}: {self._reason}")

    def _at_once(self, job: Job) -> bool:
        """Send a job, if nobody is before it and there is room on the way."""
        if self._requests or not self._room() or not self._ready(job):
            return False
        self._send([job], 0)
        return True

    def _pump(self) -> None:
        """Send what waits, as far as there is room on the way."""
        if self._asleep is not None and self._requests:
            asleep, self._asleep = self._asleep, None
            asleep.callback(None)
        while self._requests and self._room():
            job = self._requests.next(self._ready, None)
            if job is None:
                break
            self._send([job, *self._requests.sharers(job)], 0)

    def _room(self) -> bool:
        pipeline = self._pipeline
        return (
            pipeline is not None and not pipeline.gone and len(pipeline.flights) < self._settings.pipelining
        )

    def _ready(self, job: Job) -> bool:
        """Whether nothing is on its way that a write would overtake, or be overtaken by."""
        pipeline = self._pipeline
        assert pipeline is not None
        return not any(
            (job.barrier or flight.party[0].barrier)
            and (job.unit == flight.unit or _BROADCAST in (job.unit, flight.unit))
            for flight in pipeline.flights.values()
        )

    def _unsent(self, job: Job) -> None:
        self._units.probe_over(job.unit, self._reactor.seconds())

    def _send(self, party: list[Job], trial: int) -> None:
        job, pipeline = party[0], self._pipeline
        assert pipeline is not None
        stated = job.timeout if len(party) == 1 else max(each.timeout for each in party)
        self._used = now = self._reactor.seconds()
        wait = self._units.wait(job.unit, job.request, stated, now)
        for each in party:
            self._requests.begun(each)
            if each.timeout < wait:
                self._reactor.callLater(each.timeout, self._leave_alone, each)
        flight = Flight(party, job.unit, job.request, job.request.encode(), wait, trial)
        if job.unit == _BROADCAST:
            pipeline.broadcast(flight)
        else:
            pipeline.send(flight)

    def _leave_alone(self, job: Job) -> None:
        """One of several askers waits less long than the others: it is answered by its own time."""
        self._requests.end(job, for_asker(job, no_reply(job, job.timeout)))

    # What comes of it.

    def _landed(self, flight: Flight, pdu: bytes, error: Sent | None) -> None:
        """An exchange is over."""
        now = self._reactor.seconds()
        self._publish(flight, pdu, error, now)
        job = flight.party[0]
        self._requests.charge(flight.party, now - flight.sent)
        if job.barrier:
            self._recent.forget(job.unit)
        if flight.unit != _BROADCAST:
            self._learn(flight, error, now)
        if error is not None and self._again(flight, error):
            return
        result = self._result(flight, pdu, error, now)
        for each in flight.party:
            self._requests.end(each, for_asker(each, result))
        self._pump()
        self._close_when_done()

    def _again(self, flight: Flight, error: Sent) -> bool:
        """Send a read that failed once more, where the settings say so and somebody still waits."""
        more = flight.trial < self._settings.retries and flight.request.repeatable
        if not more or isinstance(error, PortLost) or self._entrance.shut or all_over(flight.party):
            return False
        if not self._room() or self._units.is_suspended(flight.unit):
            return False
        self._send(flight.party, flight.trial + 1)
        return True

    def _publish(self, flight: Flight, pdu: bytes, error: Sent | None, now: float) -> None:
        pipeline = self._pipeline
        strays = None if pipeline is None else pipeline.strays
        if strays is not None and pipeline is not None:
            pipeline.strays = None
        self._requests.publish(
            Exchange(
                port=self._settings.name,
                unit=flight.unit,
                request=flight.request,
                baudrate=0,
                outgoing=flight.outgoing,
                incoming=flight.incoming,
                verdict=verdict_of(pdu, error),
                sent=flight.sent,
                ended=flight.sent,
                first=flight.first,
                last=None if flight.first is None else now,
                stale=strays.stale if strays else 0,
                noise=strays.noise if strays else 0,
                foreign=tuple(strays.foreign) if strays else (),
                late=tuple(strays.late) if strays else (),
                short=flight.broken_off,
                served=len(flight.party),
            )
        )

    def _learn(self, flight: Flight, error: Sent | None, now: float) -> None:
        units, unit, request, waited = self._units, flight.unit, flight.request, now - flight.sent
        suspended = units.is_suspended(unit)
        if error is None:
            units.answered(unit, request, waited, _SPEED, now)
        elif isinstance(error, NoReply):
            # Requests that were on their way together are missed together: that is one miss.
            if flight.sent >= self._missed.get(unit, -inf):
                self._missed[unit] = now
                units.missed(unit, request, waited, _SPEED, now)
        elif isinstance(error, BadReply):
            units.unclear(unit, request, now, waited)
        else:
            units.probe_over(unit, now)
        if error is not None or suspended:
            follow(self._settings.name, units, self._requests, unit, suspended, now)

    def _late(self, frame: bytes) -> None:
        self._units.heard(frame, self._reactor.seconds())

    def _result(self, flight: Flight, pdu: bytes, error: Sent | None, now: float) -> Reply | LuminaError:
        job = flight.party[0]
        if isinstance(error, NoReply):
            return no_reply(job, flight.wait)
        if error is not None:
            return error
        if pdu and pdu[0] & _EXCEPTION:
            return ExceptionReply(job.request.function, pdu[1])
        reply = Reply(job.request, pdu, flight.sent, now)
        if job.key is not None and self._recent.max_age and not self._requests.changing(job.unit):
            self._recent.put(job.unit, job.key, reply)
        return reply

    # The life of the connection.

    async def _live(self) -> None:
        pause = FIRST_PAUSE
        while self.running:
            try:
                await self._wanted()
                self._state = "connecting"
                pipeline = await self._unless_stopped(self._connect())
            except CancelledError:
                break
            except Exception as error:
                self._hopeful = False
                self._closed(_why(error), expected=False)
            else:
                self._open(pipeline)
                reason = await pipeline.lost
                self._last_id = pipeline.last_id
                self._hopeful = pipeline.heard or self._asleep is not None
                if pipeline.heard:
                    pause = FIRST_PAUSE
                expected = self._hopeful and not pipeline.interrupted
                self._closed(reason or "the device has closed the connection", expected)
            if self._asleep is None:
                try:
                    await self._unless_stopped(deferLater(self._reactor, pause))
                except CancelledError:
                    break
                pause = min(2 * pause, LAST_PAUSE)
        self._state, self._reason = "closed", "lumina is stopping"

    async def _wanted(self) -> None:
        """Wait until somebody asks, if the connection was closed because nobody did."""
        if self._asleep is not None:
            await self._unless_stopped(self._asleep)

    async def _unless_stopped(self, waiting: Deferred[_T]) -> _T:
        if not self.running:
            waiting.cancel()
        self._interruptible = waiting
        try:
            return await waiting
        finally:
            self._interruptible = None

    def _connect(self) -> Deferred[Pipeline]:
        seconds = self._settings.connect_timeout
        factory = Factory.forProtocol(
            lambda: Pipeline(self._reactor, self._last_id, self._landed, self._late)
        )
        factory.noisy = False

        def too_late(_: Any, __: float) -> Failure:
            return Failure(PortDown(f"no connection within {seconds:g} s"))

        connecting = cast("Deferred[Pipeline]", self._endpoint.connect(factory))
        return connecting.addTimeout(seconds, self._reactor, too_late)

    def _open(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        pipeline.lost.addCallback(self._lost)
        self._state, self._reason = "open", ""
        if self._troubled:
            self._say("info", "connected")
            self._troubled = False
        self._units.reconnected(self._reactor.seconds())
        self._used = self._reactor.seconds()
        self._watch_idleness()
        self._pump()

    def _lost(self, reason: str) -> str:
        self._pipeline = None
        return reason

    def _closed(self, reason: str, expected: bool) -> None:
        """@param expected: devices close idle connections; that is no trouble."""
        if self.running and not expected and self._reason != reason:
            self._say("warn", reason)
            self._troubled = True
        self._state, self._reason = "closed", reason
        if not self._hopeful:
            self._requests.end_waiting(PortDown(f"{self._settings.device}: {reason}"))

    def _watch_idleness(self) -> None:
        if self._settings.idle is not None and self._pipeline is not None:
            left = self._used + self._settings.idle - self._reactor.seconds()
            self._idling = self._reactor.callLater(max(left, 0.0), self._idled)

    def _idled(self) -> None:
        self._idling = None
        pipeline = self._pipeline
        if pipeline is None or self._settings.idle is None:
            return
        over = self._reactor.seconds() >= self._used + self._settings.idle - 1e-9
        if over and not pipeline.flights and not self._requests:
            self._asleep = Deferred()
            pipeline.close("closed, since nobody asks; the next request opens it")
        else:
            self._used = max(self._used, self._reactor.seconds() - self._settings.idle / 2)
            self._watch_idleness()

    def _close_when_done(self) -> None:
        if self._entrance.shut and self._pipeline is not None and not self._pipeline.flights:
            self._close()

    def _close(self) -> None:
        if self._idling is not None and self._idling.active():
            self._idling.cancel()
        if self._pipeline is not None:
            self._pipeline.close()

    def _say(self, level: str, sentence: str) -> None:
        name, device = self._settings.name, self._settings.device
        getattr(self._log, level)("{port}: {device}: {sentence}", port=name, device=device, sentence=sentence)


def _habits(settings: DeviceSettings) -> Habits:
    return Habits(
        timeout=settings.timeout, misses=settings.misses, longest_pause=settings.longest_pause, slack=0.0
    )


def _why(error: Exception) -> str:
    return "the connection was refused" if isinstance(error, ConnectionRefusedError) else str(error)
