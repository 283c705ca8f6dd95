"""
The life of a Modbus TCP device: connected, served until lost, connected again.

However many ask, it has one connection. There
is no silence to keep between frames, and no doubt about late replies:
transaction ids tell. Whatever happens to the connection, no request is lost and
none is answered twice, and the front ends above never have to start again.
"""

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from lumina.bus.dispatch import Dispatch
from lumina.bus.entrance import Entrance
from lumina.bus.link import FIRST_PAUSE, LAST_PAUSE, Link
from lumina.bus.pipeline import Pipeline
from lumina.bus.settings import DeviceSettings
from lumina.errors import PortDown
from lumina.interfaces import Watcher
from lumina.status import PortStatus


class Device(Link):
    """A Modbus TCP device, as a Bus."""

    _settings: DeviceSettings

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
        self._dispatch = dispatch = Dispatch(settings, reactor, watchers, self._close_when_done)
        super().__init__(reactor, dispatch.requests, dispatch.units, "not connected yet")
        self._entrance = Entrance(
            settings,
            dispatch.requests,
            dispatch.units,
            dispatch.recent,
            reactor,
            self._usable,
            dispatch.at_once,
        )
        self._hopeful = self._troubled = True
        self._last_id = 0
        self._opened = 0.0
        self._asleep: Deferred[None] | None = None
        self._idling: IDelayedCall | None = None

    def status(self) -> PortStatus:
        """The device as it is now; outcomes are not counted here."""
        settings, state = self._settings, self._state
        if state == "open" and self._dispatch.pipeline is not None:
            state = "waiting" if self._dispatch.pipeline.flights else "idle"
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

    def startService(self) -> None:
        self._dispatch.stopping = False
        super().startService()

    def _wind_up(self) -> None:
        self._dispatch.stopping = True
        self._close_when_done()

    def _usable(self, now: float) -> None:
        """@raise PortDown: the device cannot be reached; while that is not known, requests may wait."""
        if self._state != "open" and not self._hopeful:
            raise self._down(self._reason)
        if self._asleep is not None:
            asleep, self._asleep = self._asleep, None
            asleep.callback(None)

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
                self._hopeful = self._proven(pipeline) or self._asleep is not None
                if self._hopeful:
                    pause = FIRST_PAUSE
                expected = self._hopeful and not pipeline.interrupted and not pipeline.mute
                self._closed(reason or "the device has closed the connection", expected)
            if self._asleep is None:
                try:
                    await self._unless_stopped(deferLater(self._reactor, pause))
                except CancelledError:
                    break
                pause = min(2 * pause, LAST_PAUSE)
        self._state, self._reason = "closed", "lumina is stopping"

    def _proven(self, pipeline: Pipeline) -> bool:
        """Whether a connection that is lost was a good one, so that there will be another."""
        lasted = self._reactor.seconds() - self._opened
        return pipeline.heard or (lasted >= LAST_PAUSE and not pipeline.interrupted)

    async def _wanted(self) -> None:
        """Wait until somebody asks, if the connection was closed because nobody did."""
        if self._asleep is not None:
            await self._unless_stopped(self._asleep)

    def _connect(self) -> Deferred[Pipeline]:
        seconds = self._settings.connect_timeout
        factory = Factory.forProtocol(
            lambda: Pipeline(self._reactor, self._last_id, self._dispatch.landed, self._dispatch.late)
        )
        factory.noisy = False

        def too_late(_: Any, __: float) -> Failure:
            return Failure(PortDown(f"no connection within {seconds:g} s"))

        connecting = cast("Deferred[Pipeline]", self._endpoint.connect(factory))
        return connecting.addTimeout(seconds, self._reactor, too_late)

    def _open(self, pipeline: Pipeline) -> None:
        self._dispatch.pipeline = pipeline
        pipeline.lost.addCallback(self._lost)
        self._state, self._reason = "open", ""
        if self._troubled:
            self._changes.found("connected")
            self._troubled = False
        self._units.reconnected(self._reactor.seconds())
        self._dispatch.used = self._opened = self._reactor.seconds()
        self._watch_idleness()
        self._dispatch.pump()

    def _lost(self, reason: str) -> str:
        self._dispatch.pipeline = None
        self._stop_watching()
        return reason

    def _closed(self, reason: str, expected: bool) -> None:
        """@param expected: devices close idle connections; that is no trouble."""
        if self.running and not expected and self._reason != reason:
            self._changes.lost(reason)
            self._troubled = True
        self._state, self._reason = "closed", reason
        if not self._hopeful:
            self._requests.end_waiting(self._down(reason))

    def _watch_idleness(self) -> None:
        if self._settings.idle is not None and self._dispatch.pipeline is not None:
            left = self._dispatch.used + self._settings.idle - self._reactor.seconds()
            self._idling = self._reactor.callLater(max(left, 0.0), self._idled)

    def _idled(self) -> None:
        self._idling = None
        pipeline = self._dispatch.pipeline
        if pipeline is None or self._settings.idle is None:
            return
        over = self._reactor.seconds() >= self._dispatch.used + self._settings.idle - 1e-9
        if over and not pipeline.flights and not self._requests:
            self._asleep = Deferred()
            pipeline.close("closed, since nobody asks; the next request opens it")
        else:
            self._dispatch.used = max(self._dispatch.used, self._reactor.seconds() - self._settings.idle / 2)
            self._watch_idleness()

    def _stop_watching(self) -> None:
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None

    def _close_when_done(self) -> None:
        pipeline = self._dispatch.pipeline
        if self._entrance.shut and pipeline is not None and not pipeline.flights:
            self._close()

    def _close(self) -> None:
        if self._dispatch.pipeline is not None:
            self._dispatch.pipeline.close()

    def _standing(self) -> tuple[str, str]:
        return ("info", "connected") if self._state == "open" else ("warn", self._reason)


def _why(error: Exception) -> str:
    return "the connection was refused" if isinstance(error, ConnectionRefusedError) else str(error)
