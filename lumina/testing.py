"""
Fakes of every seam, for lumina's own tests and for the authors of plug-ins.

They need neither network nor time: `Clock` from `twisted.internet.task` is the
reactor, and what a bus answers is said beforehand or later, by the test.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.errors import Cancelled, LuminaError, PortDown
from lumina.interfaces import Bus, ClientStatus, Exchange, Outcome, PortStatus, Site, Terms
from lumina.modbus.pdu import Reply, Request
from lumina.modbus.rtu import Line

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

    def __init__(self, ports: Sequence[PortStatus] = ()) -> None:
        self._ports = list(ports)
        self._clients: list[ClientStatus] = []

    def ports(self) -> Sequence[PortStatus]:
        return self._ports

    def clients(self) -> Sequence[ClientStatus]:
        return self._clients

    def connected(self, client: ClientStatus) -> None:
        self._clients.append(client)

    def disconnected(self, client: ClientStatus) -> None:
        self._clients.remove(client)


class FakeWatcher:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.exchanges: list[Exchange] = []

    def outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def exchange(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


class _LineTransport(StringTransport):
    """The near end of a `FakeLine`."""

    def __init__(self, line: "FakeLine") -> None:
        super().__init__()
        self._line = line

    def reconfigure(self, line: Line) -> None:
        self._line.formats.append(line)

    def loseConnection(self) -> None:
        self._line.unplug()


@implementer(IStreamClientEndpoint)
class FakeLine:
    """
    A serial device, as an endpoint; the test is what is connected to it.

    @ivar missing: why it cannot be opened; empty: it can.
    @ivar opened: how often it was.
    @ivar formats: the speeds and formats that it was switched to, in order.
    """

    def __init__(self) -> None:
        self.missing = ""
        self.opened = 0
        self.formats: list[Line] = []
        self._transport: _LineTransport | None = None
        self._protocol: IProtocol | None = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        if self.missing:
            return fail(PortDown(self.missing))
        self.opened += 1
        protocol = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]
        assert protocol is not None
        self._protocol, self._transport = protocol, _LineTransport(self)
        protocol.makeConnection(self._transport)
        return succeed(protocol)

    @property
    def is_open(self) -> bool:
        """Whether somebody has the device open."""
        return self._protocol is not None

    def sent(self) -> bytes:
        """What was sent since the last call."""
        assert self._transport is not None
        data: bytes = self._transport.value()
        self._transport.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Let bytes come."""
        assert self._protocol is not None
        self._protocol.dataReceived(data)

    def unplug(self) -> None:
        """The device is gone, or was closed; it can be opened again."""
        if self._protocol is not None:
            protocol, self._protocol = self._protocol, None
            protocol.connectionLost(Failure(ConnectionDone()))


def site(
    buses: Mapping[str, Bus],
    clock: Clock | None = None,
    overview: FakeOverview | None = None,
    listener: str = "test",
) -> Site:
    """What a front end is given, in a test."""
    return Site(listener, clock or Clock(), lambda: WALL, buses, overview or FakeOverview())
