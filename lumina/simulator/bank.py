"""
Simulated units, as a Bus that answers at once.

The bank is the line: it knows which unit hears what. What a unit answers is
the unit's own (`lumina.simulator.unit`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed

from lumina.errors import LuminaError, NoReply
from lumina.interfaces import AskAgain, Listening, Outcome, Terms, Watcher
from lumina.modbus.pdu import BROADCAST, Reply, Request
from lumina.modbus.request import ILLEGAL_ADDRESS
from lumina.simulator.communication import Traffic
from lumina.simulator.unit import Unit
from lumina.status import PortStatus
from lumina.watchers import tell

_DEFAULT_TERMS = Terms()

_outcome = partial(tuple.__new__, Outcome)  # Outcome() looks at its arguments, which takes twice as long


class Missed(Protocol):
    """Is told what clients asked for and did not get."""

    def missed(self, unit: int, request: Request) -> None:
        """A request for addresses or a unit that are not there."""


class Bank:
    """
    The units of a simulated bus.

    A serial bus has silence for a unit that is not there, and so has this:
    `NoReply`, at once. Unit 0 is a broadcast, which all obey and none
    answers, unless one unit answers to every address: then it is that one.
    """

    def __init__(
        self,
        units: Mapping[int, Unit],
        seconds: Callable[[], float],
        seed: int = 1,
        anywhere: Unit | None = None,
        name: str = "simulator",
        watchers: Sequence[Watcher] = (),
        missed: Missed | None = None,
    ) -> None:
        """
        @param units: by address, 1 to 255.
        @param seconds: monotonic; the simulation begins now.
        @param seed: the same seed gives the same values after the same time.
        @param anywhere: the unit at all other addresses, 0 and 255 included.
        @param name: what the bus is called in outcomes.
        @param missed: is told what was asked for and is not there.
        """
        self._units = dict(units)
        self._anywhere = anywhere
        self._seconds = seconds
        self._began = seconds()
        self._name = name
        self._watchers = watchers
        self._missed = missed
        self._traffic = Traffic()
        for unit in self.units:
            unit.begin(seed)
            unit.communication.join(self._traffic)

    @property
    def units(self) -> list[Unit]:
        """Each unit once, in the order of addresses."""
        return list(dict.fromkeys((*self._units.values(), *filter(None, (self._anywhere,)))))

    @property
    def devices(self) -> Mapping[str, Unit]:
        """The units by their addresses as text; one that is everywhere else is `any`."""
        devices = {str(address): unit for address, unit in sorted(self._units.items())}
        return devices if self._anywhere is None else {**devices, "any": self._anywhere}

    def device(self, address: int) -> tuple[str, Unit | None]:
        """Who answers at an address, and under which of the names of `devices`."""
        if address in self._units or self._anywhere is None:
            return str(address), self._units.get(address)
        return "any", self._anywhere

    def status(self) -> PortStatus:
        """What there is to say of a bus without a line: it is never closed, and nobody waits."""
        count = len(self.units)
        line = f"{count} device{'s' * (count != 1)}"
        return PortStatus(self._name, "simulated", (), line, "idle", echo=False)

    @property
    def elapsed(self) -> float:
        """Seconds since the simulation began."""
        return self._seconds() - self._began

    def execute(self, unit: int, request: Request, terms: Terms = _DEFAULT_TERMS) -> Deferred[Reply]:
        now = self._seconds()
        device = self._units.get(unit, self._anywhere)
        if device is None:
            return self._elsewhere(unit, request, terms, now)
        try:
            body = self._answer(device, unit, request, terms, now)
        except LuminaError as error:
            return fail(error)
        return succeed(Reply(request, body, now, now))

    def prompt(self, unit: int, request: Request, terms: Terms) -> AskAgain | None:
        device = self._units.get(unit, self._anywhere)
        if device is None:
            return None
        return lambda: self._answer(device, unit, request, terms, self._seconds())

    @property
    def listening(self) -> Listening:
        """Hears of messages that are no requests: the units count them."""
        return self

    def refused(self, unit: int, code: int) -> bool:
        self._traffic.messages += 1
        device = self._units.get(unit, self._anywhere)
        return device is not None and device.refuse(code)

    def damaged(self) -> None:
        """A frame came that is none: every unit on the line counts it."""
        for unit in self.units:
            unit.communication.damaged()

    def _answer(self, device: Unit, unit: int, request: Request, terms: Terms, now: float) -> bytes:
        """
        @return: the reply PDU.
        @raise LuminaError: an exception is the reply, or there is none.
        """
        self._traffic.messages += 1
        try:
            body = device.answer(request, now - self._began)
            if not body:
                raise NoReply(f"unit {unit} of the simulator only listens; function 08/01 restarts it")
        except LuminaError as error:
            self._failed(unit, request, terms, now, error)
            raise
        if self._watchers:
            tell(self._watchers, _outcome((self._name, unit, request, terms, "ok", now, now, now, None)))
        return body

    def _elsewhere(self, unit: int, request: Request, terms: Terms, now: float) -> Deferred[Reply]:
        """What becomes of a request to all, or to nobody."""
        self._traffic.messages += 1
        if unit != BROADCAST:
            there = ", ".join(map(str, sorted(self._units)))
            silence = NoReply(f"there is no unit {unit}; the simulator has {there or 'none'}")
            self._failed(unit, request, terms, now, silence)
            return fail(silence)
        for device in self.units:
            device.obey(request, now - self._began)
        if self._watchers:
            tell(self._watchers, Outcome(self._name, unit, request, terms, "ok", now, now, now))
        return succeed(Reply(request, b"", now, now))

    def _failed(self, unit: int, request: Request, terms: Terms, now: float, error: LuminaError) -> None:
        if self._watchers:
            tell(self._watchers, Outcome(self._name, unit, request, terms, error.word, now, now, now))
        if self._missed is not None and (isinstance(error, NoReply) or error.code == ILLEGAL_ADDRESS):
            self._missed.missed(unit, request)
