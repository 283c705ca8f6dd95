"""
What a serial line and a Modbus TCP device have in common: each is a Bus, and lives as a Service.

It is opened, serves until it is lost, and is opened again. When lumina stops,
what waits is answered at once, and what is under way may finish.
"""

from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lumina.bus.changes import Changes
from lumina.bus.entrance import Entrance
from lumina.bus.requests import Requests
from lumina.bus.settings import BusSettings
from lumina.bus.units import Units
from lumina.errors import PortDown, ShuttingDown
from lumina.interfaces import Terms
from lumina.modbus.pdu import Reply, Request

#: Pauses between attempts to open it, in seconds: the first, doubled up to the last.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0

#: Seconds that what is under way gets to finish when lumina stops.
GRACE = 3.0

_T = TypeVar("_T")


class Link(Service):
    """
    The way to some units, which may break and is found again.

    Whoever is one gives it a life, and says how that is ended.
    """

    _log = Logger()
    _settings: BusSettings
    _entrance: Entrance

    def __init__(self, reactor: Any, requests: Requests, units: Units, reason: str) -> None:
        """
        @param reactor: monotonic time and timers.
        @param reason: why it is not open yet.
        """
        self._reactor = reactor
        self._requests = requests
        self._units = units
        self._state, self._reason = "closed", reason
        self._changes = Changes(reactor, self._say, self._standing)
        self._interruptible: Deferred[Any] | None = None
        self._life: Deferred[None] | None = None

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        return self._entrance.execute(unit, request, terms)

    def unit_states(self) -> dict[int, str]:
        """What is made of each unit: `ok`, `missing` or `suspended`."""
        return {view.unit: view.state for view in self._units.view(self._reactor.seconds())}

    def startService(self) -> None:
        super().startService()
        self._entrance.shut = False
        self._life = Deferred.fromCoroutine(self._live())

    def stopService(self) -> Deferred[None]:
        """@return: fires when what is under way is over, `GRACE` seconds later at the most."""
        super().stopService()
        self._entrance.shut = True
        self._requests.end_waiting(ShuttingDown("lumina is stopping"))
        self._changes.stop()
        self._wind_up()
        if self._interruptible is not None:
            self._interruptible.cancel()
        grace = self._reactor.callLater(GRACE, self._close)
        assert self._life is not None

        def ended(_: None) -> None:
            if grace.active():
                grace.cancel()

        return self._life.addCallback(ended)

    async def _live(self) -> None:
        """Open it, and again, until it is stopped."""

    def _wind_up(self) -> None:
        """No more will come: end as soon as what is under way has ended."""

    def _close(self) -> None:
        """Give up what is under way."""

    async def _unless_stopped(self, waiting: Deferred[_T]) -> _T:
        """@raise CancelledError: it is being stopped."""
        if not self.running:
            waiting.cancel()
        self._interruptible = waiting
        try:
            return await waiting
        finally:
            self._interruptible = None

    def _down(self, reason: object) -> PortDown:
        return PortDown(f"{self._settings.device}: {reason}")

    def _standing(self) -> tuple[str, str]:
        """How it is now, for the log: a level and a sentence."""
        return ("info", "open") if self._state == "open" else ("warn", self._reason)

    def _say(self, level: str, sentence: str) -> None:
        name, device = self._settings.name, self._settings.device
        getattr(self._log, level)("{port}: {device}: {sentence}", port=name, device=device, sentence=sentence)
