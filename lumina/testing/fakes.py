"""Fakes of the seams: a bus, a sink, a watcher, and what there is to ask about the service."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from lumina.errors import BadRequest, Cancelled, InvalidPort, LuminaError
from lumina.interfaces import Bus, Exchange, Outcome, Outlet, Site, Terms
from lumina.modbus.pdu import Reply, Request
from lumina.readings import Reading
from lumina.status import (
    Change,
    ClientStatus,
    DeviceStatus,
    PortStatistics,
    PortStatus,
    SinkStatus,
    UnitStatistics,
)

#: What `site()` takes for the time of day, in seconds since 1970.
WALL = 1732467890.1234


class Asked(NamedTuple):
    """A request that a `FakeBus` was asked to carry; `done` answers it."""

    unit: int
    request: Request
    terms: Terms
    done: Deferred[Reply]

    def reply(self, pdu: bytes) -> None:
        """Answer with a PDU."""
        self.done.callback(Reply(self.request, pdu))

    def fail(self, error: LuminaError) -> None:
        """Answer with an error."""
        self.done.errback(error)


class FakeBus:
    """
    A Bus that records what it is asked.

    @ivar asked: all requests, in order.
    @ivar withdrawn: those of them that were cancelled.
    """

    def __init__(self, answer: Callable[[int, Request], bytes] | None = None) -> None:
        """
        @param answer: gives the reply PDU to a unit and a request, or raises a
            `LuminaError`; without it the test answers through `asked`.
        """
        self.asked: list[Asked] = []
        self.withdrawn: list[Asked] = []
        self._answer = answer

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        done: Deferred[Reply] = Deferred(lambda _: self._withdraw(asked))
        asked = Asked(unit, request, terms, done)
        self.asked.append(asked)
        if self._answer is not None:
            try:
                asked.reply(self._answer(unit, request))
            except LuminaError as error:
                asked.fail(error)
        return done

    def _withdraw(self, asked: Asked) -> None:
        self.withdrawn.append(asked)
        asked.fail(Cancelled("withdrawn before it was sent"))


class FakeOverview:
    """An Overview of what the test says, that remembers who is connected."""

    def __init__(
        self,
        ports: Sequence[PortStatus] = (),
        statistics: Sequence[PortStatistics] = (),
        units: Sequence[UnitStatistics] = (),
        devices: Sequence[DeviceStatus] = (),
        sinks: Sequence[SinkStatus] = (),
    ) -> None:
        self._ports = list(ports)
        self._statistics = list(statistics)
        self._units = list(units)
        self._devices = list(devices)
        self._changed: list[Callable[[Change], None]] = []
        self._sinks = list(sinks)
        self._clients: list[ClientStatus] = []

    def ports(self) -> Sequence[PortStatus]:
        return self._ports

    def statistics(self, port: str | None = None) -> Sequence[PortStatistics]:
        called = self._called(port)
        return [each for each in self._statistics if each.port in called]

    def units(self, port: str | None = None) -> Sequence[UnitStatistics]:
        called = self._called(port)
        return [each for each in self._units if each.port in called]

    def devices(self, id: str | None = None) -> Sequence[DeviceStatus]:
        found = [each for each in self._devices if id is None or str(each.id) == id]
        if id is not None and not found:
            known = ", ".join(str(each.id) for each in self._devices)
            raise BadRequest(f"{id!r} is not a device that is polled; there are: {known}")
        return found

    def watch_devices(self, changed: Callable[[Change], None]) -> Callable[[], None]:
        self._changed.append(changed)
        return lambda: self._changed.remove(changed)

    def change(self, change: Change) -> None:
        """Tell whoever watches the devices."""
        for changed in list(self._changed):
            changed(change)

    def sinks(self) -> Sequence[SinkStatus]:
        return self._sinks

    def clients(self) -> Sequence[ClientStatus]:
        return self._clients

    def connected(self, client: ClientStatus) -> None:
        self._clients.append(client)

    def disconnected(self, client: ClientStatus) -> None:
        self._clients.remove(client)

    def _called(self, name: str | None) -> list[str]:
        names = {each.name: (each.name, each.device, *each.names) for each in self._ports}
        called = [port for port in names if name is None or name in names[port]]
        if name is not None and not called:
            raise InvalidPort(f"{name!r} is neither a serial bus nor a device; there are: {', '.join(names)}")
        return called


class FakeSink:
    """
    A Sink that keeps what it is given.

    @ivar taken: all readings that it took, in order.
    @ivar pending: calls that the test has to answer, if it is slow.
    @ivar fault: what each call fails with; `None`: it takes them.
    """

    def __init__(self, slow: bool = False) -> None:
        self.taken: list[Reading] = []
        self.pending: list[Deferred[None]] = []
        self.fault: LuminaError | None = None
        self._slow = slow

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        if self.fault is not None:
            return fail(self.fault)
        self.taken += readings
        if not self._slow:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self.pending.append(done)
        return done


class FakeWatcher:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.exchanges: list[Exchange] = []

    def outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def exchange(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


def site(
    buses: Mapping[str, Bus],
    clock: Clock | None = None,
    overview: FakeOverview | None = None,
    listener: str = "test",
) -> Site:
    """What a front end is given, in a test."""
    return Site(listener, clock or Clock(), lambda: WALL, buses, overview or FakeOverview())


def outlet(directory: Path, clock: Clock | None = None, name: str = "test") -> Outlet:
    """What a sink is given, in a test."""
    return Outlet(name, clock or Clock(), lambda: WALL, directory)
