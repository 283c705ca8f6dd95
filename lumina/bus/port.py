"""
The life of one serial line: opened, settled, served until lost, opened again.

One worker takes the requests one at a time and has the Wire carry them.
Whatever happens to the line, no request is lost and none is answered twice,
and the front ends above never have to start again.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from lumina.bus.carrier import Carrier
from lumina.bus.entrance import Entrance
from lumina.bus.link import FIRST_PAUSE, LAST_PAUSE, Link
from lumina.bus.requests import Job, Requests
from lumina.bus.schedule import Schedule
from lumina.bus.settings import PortSettings
from lumina.bus.unit import Habits
from lumina.bus.units import Units
from lumina.bus.wire import Wire
from lumina.errors import PortDown
from lumina.interfaces import Watcher
from lumina.status import PortStatus

#: Seconds of quiet before a freshly opened line is used.
SETTLING = 0.05

#: A jammed line is tried once in so many seconds, and opened anew after so many.
JAM_TRIAL, JAM_REOPEN = 1.0, 10.0

#: Seconds of silence that a job may lack when it is taken from the queue.
_LONG = 0.02


class Port(Link):
    """A serial line, as a Bus."""

    _settings: PortSettings

    def __init__(
        self,
        settings: PortSettings,
        endpoint: IStreamClientEndpoint,
        reactor: Any,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        """
        @param reactor: monotonic time and timers.
        """
        self._settings = settings
        self._endpoint = endpoint
        schedule: Schedule[Job] = Schedule(settings.queue, settings.queue_per_client, settings.floor)
        units = Units(_habits(settings))
        requests = Requests(settings.name, schedule, reactor, watchers, self._unsent, held_up=self._held_up)
        super().__init__(reactor, requests, units, "not opened yet")
        self._carrier = Carrier(settings, requests, units, reactor)
        self._entrance = Entrance(settings, requests, units, self._carrier.recent, reactor, self._usable)
        self._grouped_until = 0.0
        self._wire: Wire | None = None
        self._next_trial = 0.0
        self._reopening: IDelayedCall | None = None

    def status(self) -> PortStatus:
        """The port as it is now; outcomes are not counted here."""
        settings, state, line = self._settings, self._state, self._settings.line
        if state == "open" and self._wire is not None:
            state, line = self._wire.state, self._wire.line
        return PortStatus(
            name=settings.name,
            device=settings.device,
            names=settings.names,
            line=str(line),
            state=state,
            reason=self._reason,
            waiting=len(self._requests),
            deepest=self._requests.deepest,
            echo=self._carrier.echo.known,
            echo_changes=self._carrier.echo.changes,
            line_errors=self._wire.line_errors() if self._wire is not None else {},
        )

    def _wind_up(self) -> None:
        self._requests.ring()

    def _usable(self, now: float) -> None:
        """
        @raise PortDown: no request can be taken now.
        """
        jammed = self._state == "jammed" and (self._requests or now < self._next_trial)
        if self._state == "closed" or jammed:
            raise self._down(self._reason)

    def _unsent(self, job: Job) -> None:
        self._units.probe_over(job.unit, self._reactor.seconds())

    # The life of the line.

    async def _live(self) -> None:
        pause = FIRST_PAUSE
        while self.running:
            try:
                self._wire = wire = await self._unless_stopped(self._open())
            except CancelledError:
                break
            except Exception as error:
                self._closed(str(error))
            else:
                await self._settle(wire)
                if self._state == "open":
                    pause = FIRST_PAUSE
                await self._serve(wire)
                self._closed(await wire.lost or self._reason or "the device is gone")
            with suppress(CancelledError):
                await self._unless_stopped(deferLater(self._reactor, pause))
            pause = min(2 * pause, LAST_PAUSE)

    def _open(self) -> Deferred[Wire]:
        settings = self._settings
        factory = Factory.forProtocol(
            lambda: Wire(self._reactor, settings.name, settings.line, settings.slack, self._carrier.stray)
        )
        factory.noisy = False
        return cast("Deferred[Wire]", self._endpoint.connect(factory))

    async def _settle(self, wire: Wire) -> None:
        self._state, self._reason = "settling", ""
        try:
            await wire.silence(SETTLING)
        except PortDown as error:
            if not wire.lost.called:
                self._jammed(error)
        else:
            self._state = "open"
            self._units.reconnected(self._reactor.seconds())
            self._changes.found(f"open, {self._settings.line}")

    async def _serve(self, wire: Wire) -> None:
        """Carry what waits, until the line is lost or lumina stops."""
        up = True

        def lost(reason: str) -> str:
            nonlocal up
            up = False
            self._requests.ring()
            return reason

        wire.lost.addCallback(lost)
        while self.running and up:
            if not self._requests:
                await self._requests.bell()
                continue
            try:
                await wire.silence(self._carrier.pauses.least)
            except PortDown as error:
                if up:
                    self._jammed(error)
                continue
            job, when = self._next(wire, self._reactor.seconds())
            if job is None:
                await self._until(when)
            elif await self._carrier.carry(wire, job) and self._state == "jammed":
                self._usable_again()
        wire.close()

    def _next(self, wire: Wire, now: float) -> tuple[Job | None, float]:
        """
        The job whose turn it is. For a while those of the wire's present speed
        go first: the less often it changes, the less time that costs. One that
        needs a long silence stays until it is nearly over: others may come that
        are more urgent.

        @return: `None`: none can be taken yet; and when to look again.
        """
        grouping = now < self._grouped_until
        ready, line = partial(self._is_free, now=now), wire.line if grouping else None
        job = self._requests.turn(ready, line)
        if job is None:
            return None, self._first_free(now)
        lacking = self._carrier.pauses.before(job) - wire.quiet
        if lacking > _LONG:
            return None, now + lacking - _LONG / 2
        job = self._requests.next(ready, line)
        if job is not None and (not grouping or job.line != wire.line):
            self._grouped_until = now + self._settings.group
        return job, now

    def _is_free(self, job: Job, now: float) -> bool:
        return self._free_at(job, now) <= now

    def _free_at(self, job: Job, now: float) -> float:
        """From when no late reply could be taken for the reply to this one."""
        return self._units.free_at(job.unit, job.request.function, now)

    def _held_up(self, job: Job) -> str:
        now = self._reactor.seconds()
        if self._free_at(job, now) <= now:
            return ""
        return f", while a late reply of unit {job.unit} could have been taken for its own"

    def _first_free(self, now: float) -> float:
        """
        @param now: when none was. A request that waits only for its turn behind
            one that is not ready tells nothing.
        """
        return min((at for job in self._requests if (at := self._free_at(job, now)) > now), default=now)

    async def _until(self, when: float) -> None:
        """Wait, but not while there is something new."""
        if not self._requests:
            return
        call = self._reactor.callLater(max(0.0, when - self._reactor.seconds()), self._requests.ring)
        await self._requests.bell()
        if call.active():
            call.cancel()

    # Its states.

    def _closed(self, reason: str) -> None:
        self._stop_reopening()
        self._wire = None
        if not self._entrance.shut and (self._state, self._reason) != ("closed", reason):
            self._changes.lost(reason)
        self._state, self._reason = "closed", reason
        self._requests.end_waiting(self._down(reason))

    def _jammed(self, error: PortDown) -> None:
        if self._state != "jammed":
            self._changes.lost(str(error))
            self._reopening = self._reactor.callLater(JAM_REOPEN, self._close)
        self._state, self._reason = "jammed", str(error)
        self._next_trial = self._reactor.seconds() + JAM_TRIAL
        self._requests.end_waiting(self._down(error))

    def _usable_again(self) -> None:
        self._stop_reopening()
        self._state, self._reason = "open", ""
        self._changes.found("the line is usable again")

    def _stop_reopening(self) -> None:
        if self._reopening is not None and self._reopening.active():
            self._reopening.cancel()
        self._reopening = None

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    def _standing(self) -> tuple[str, str]:
        return ("info", f"open, {self._settings.line}") if self._state == "open" else ("warn", self._reason)


def _habits(settings: PortSettings) -> Habits:
    return Habits(
        timeout=settings.timeout,
        timeouts=settings.timeouts,
        misses=settings.misses,
        linger=settings.linger,
        longest_pause=settings.longest_pause,
        slack=settings.slack,
    )
