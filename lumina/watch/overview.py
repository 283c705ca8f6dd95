"""The service as it is now, and what it has done, for whoever asks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lumina.errors import InvalidPort
from lumina.interfaces import Exchange, Outcome
from lumina.status import (
    Change,
    ClientStatus,
    DeviceStatus,
    PortStatistics,
    PortStatus,
    SinkStatus,
    UnitStatistics,
)
from lumina.watch.devices import DeviceStates
from lumina.watch.statistics import UNITS, PortTally


@dataclass(frozen=True, slots=True)
class _Port:
    status: Callable[[], PortStatus]
    states: Callable[[], Mapping[int, str]]
    tally: PortTally


class LiveOverview:
    """
    Counts outcomes and exchanges, and asks the ports for their state.

    It is a Watcher, and an Overview.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        @param seconds: monotonic time, the same as in outcomes and exchanges.
        """
        self._seconds = seconds
        self._ports: dict[str, _Port] = {}
        # Where the outcomes of a port and a unit are counted, for the quickest way there.
        self._counted: dict[tuple[str, int], Callable[[Outcome], None]] = {}
        self._sinks: list[Callable[[], SinkStatus]] = []
        self._clients: dict[str, ClientStatus] = {}
        self._devices = DeviceStates(lambda: 0.0, lambda: 0.0)

    def add_port(
        self,
        status: Callable[[], PortStatus],
        states: Callable[[], Mapping[int, str]] = dict,
        is_simulated: bool = False,
    ) -> None:
        """
        Show one more port.

        @param status: its state now, without counts.
        @param states: what it makes now of units of which it makes anything.
        @param is_simulated: whether its units are simulated, and publish no exchanges.
        """
        name = status().name
        self._ports[name] = _Port(status, states, PortTally(name, self._seconds(), is_simulated))

    def add_sink(self, status: Callable[[], SinkStatus]) -> None:
        """Show one more sink; `status` is how it is now."""
        self._sinks.append(status)

    def show_devices(self, states: DeviceStates) -> None:
        """Show what is polled."""
        self._devices = states

    def outcome(self, outcome: Outcome) -> None:
        count = self._counted.get(outcome[:2])
        if count is not None:
            count(outcome)
        elif port := self._ports.get(outcome.port):  # a bus of another kind is not shown
            tally = port.tally.unit(outcome.unit)
            if outcome.unit in UNITS:
                self._counted[outcome[:2]] = tally.outcome
            tally.outcome(outcome)

    def exchange(self, exchange: Exchange) -> None:
        if port := self._ports.get(exchange.port):
            port.tally.exchange(exchange)

    def ports(self) -> Sequence[PortStatus]:
        return [replace(port.status(), words=port.tally.words()) for port in self._ports.values()]

    def statistics(self, port: str | None = None) -> Sequence[PortStatistics]:
        now = self._seconds()
        return [each.tally.statistics(now, each.status()) for each in self._called(port)]

    def units(self, port: str | None = None) -> Sequence[UnitStatistics]:
        now = self._seconds()
        return [unit for each in self._called(port) for unit in each.tally.units(now, each.states())]

    def devices(self, id: str | None = None) -> Sequence[DeviceStatus]:
        return self._devices.devices(id)

    def watch_devices(self, changed: Callable[[Change], None]) -> Callable[[], None]:
        return self._devices.watch(changed)

    def sinks(self) -> Sequence[SinkStatus]:
        return [status() for status in self._sinks]

    def clients(self) -> Sequence[ClientStatus]:
        return list(self._clients.values())

    def connected(self, client: ClientStatus) -> None:
        self._clients[client.name] = client

    def disconnected(self, client: ClientStatus) -> None:
        self._clients.pop(client.name, None)

    def _called(self, name: str | None) -> Sequence[_Port]:
        """
        @param name: any name of a port; `None`: all of them.
        @raise InvalidPort: no port is called so.
        """
        if name is None:
            return list(self._ports.values())
        for port in self._ports.values():
            status = port.status()
            if name in (status.name, status.device, *status.names):
                return [port]
        known = ", ".join(self._ports) or "none"
        raise InvalidPort(f"{name!r:.42} is neither a serial bus nor a device; there are: {known}")
