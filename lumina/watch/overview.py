"""The service as it is now, for whoever asks."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from lumina.interfaces import ClientStatus, Exchange, Outcome, PortStatus


class LiveOverview:
    """
    Counts outcomes, and asks the ports for their state.

    It is a Watcher, and an Overview.
    """

    def __init__(self) -> None:
        self._statuses: list[Callable[[], PortStatus]] = []
        self._words: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._clients: dict[str, ClientStatus] = {}

    def add_port(self, status: Callable[[], PortStatus]) -> None:
        """
        Show one more port.

        @param status: its state now, without counts.
        """
        self._statuses.append(status)

    def outcome(self, outcome: Outcome) -> None:
        self._words[outcome.port][outcome.word] += 1

    def exchange(self, exchange: Exchange) -> None:
        """Exchanges are not counted here."""

    def ports(self) -> Sequence[PortStatus]:
        return [
            replace(now, words=dict(self._words[now.name])) for now in (status() for status in self._statuses)
        ]

    def clients(self) -> Sequence[ClientStatus]:
        return list(self._clients.values())

    def connected(self, client: ClientStatus) -> None:
        self._clients[client.name] = client

    def disconnected(self, client: ClientStatus) -> None:
        self._clients.pop(client.name, None)
