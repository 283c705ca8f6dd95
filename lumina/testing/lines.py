"""Serial lines without a device: one whose far end is the test, and one that joins a master and slaves."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.errors import PortDown
from lumina.modbus.rtu import Line


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
        protocol = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]  # there is no address
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


class _Plug(StringTransport):
    """One end of a `Cable`, with the speed and format that it sends and listens at."""

    def __init__(self, cable: "Cable", protocol: IProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.line = cable.line
        self._cable = cable
        self._free = 0.0
        self._under_way = 0

    def reconfigure(self, line: Line) -> None:
        self.line = line

    def write(self, data: bytes) -> None:
        clock, lump = self._cable.clock, self._cable.lump
        self._free = max(self._free, clock.seconds())
        for start in range(0, len(data), lump):
            piece = data[start : start + lump]
            self._free += self.line.duration(len(piece))
            self._under_way += 1
            clock.callLater(self._free - clock.seconds(), self._pass, piece, self.line)

    def loseConnection(self) -> None:
        """Leave, once all that was written has passed."""
        self.disconnecting = True
        if not self._under_way:
            self._cable.leave(self)

    def _pass(self, piece: bytes, line: Line) -> None:
        self._under_way -= 1
        self._cable.carry(self, piece, line)
        if self.disconnecting and not self._under_way:
            self._cable.leave(self)


@implementer(IStreamClientEndpoint)
class _Drops:
    """Where the slaves of a `Cable` are connected."""

    def __init__(self, cable: "Cable") -> None:
        self._cable = cable

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._cable.join(protocolFactory, self._cable.drops)


@implementer(IStreamClientEndpoint)
class Cable:
    """
    A serial line between a master and slaves, in the time of a `Clock`.

    It is the endpoint of the master, and `slaves` that of each slave. A byte
    takes its time, and then everybody else on the line hears it; who listens
    at another speed or format hears its bits inverted. Frames that two send
    at once are mixed. As with a pseudo-terminal, the master's device is there
    while at least one slave is, and is lost with the last.

    @ivar slaves: an endpoint; each connection to it is one more on the line.
    @ivar line: the speed and format that each end begins with.
    @ivar lump: how many bytes are handed over at once, as USB adapters do.
    @ivar opened: how often the master has opened its device.
    """

    def __init__(self, clock: Clock, line: Line = Line(), lump: int = 1) -> None:  # noqa: B008
        self.clock = clock
        self.line = line
        self.lump = lump
        self.opened = 0
        self.slaves = _Drops(self)
        self.drops: list[_Plug] = []
        self._masters: list[_Plug] = []
        self._plugged = True

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        if not self._plugged or not self.drops:
            return fail(PortDown("there is no such device"))
        self.opened += 1
        return self.join(protocolFactory, self._masters)

    def unplug(self) -> None:
        """The master's device is gone until `plug`."""
        self._plugged = False
        for plug in list(self._masters):
            self.leave(plug)

    def plug(self) -> None:
        """The master's device can be opened again."""
        self._plugged = True

    def join(self, factory: IProtocolFactory, side: list[_Plug]) -> Deferred[IProtocol]:
        """Connect one more, to one side."""
        protocol = factory.buildProtocol(None)  # type: ignore[arg-type]  # there is no address
        assert protocol is not None
        plug = _Plug(self, protocol)
        side.append(plug)
        protocol.makeConnection(plug)
        return succeed(protocol)

    def carry(self, sender: _Plug, piece: bytes, line: Line) -> None:
        """Bytes have passed that were sent at this speed and format; a sender that has left is not heard."""
        ends = [*self._masters, *self.drops]
        for end in ends if sender in ends else ():
            if end is not sender:
                end.protocol.dataReceived(piece if end.line == line else bytes(0xFF - byte for byte in piece))

    def leave(self, plug: _Plug) -> None:
        """One end is gone, if it was there."""
        side = self.drops if plug in self.drops else self._masters
        if plug in side:
            side.remove(plug)
            plug.protocol.connectionLost(Failure(ConnectionDone()))
            if not self.drops:
                for master in list(self._masters):
                    self.leave(master)


def pass_time(clock: Clock, seconds: float) -> None:
    """Let time pass from one event to the next, where `advance` alone would do all of them at its end."""
    end = clock.seconds() + seconds
    while due := [call.getTime() for call in clock.getDelayedCalls() if call.getTime() <= end]:
        clock.advance(max(0.0, min(due) - clock.seconds()))
    clock.advance(max(0.0, end - clock.seconds()))
