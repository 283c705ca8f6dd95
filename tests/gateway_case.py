"""The Modbus TCP front end under test, and the far ends of its clients' connections."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.frontends.gateway import GatewayFactory
from lumina.frontends.serving import Serving
from lumina.interfaces import Bus, Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request
from lumina.testing import FakeBus, FakeOverview, site
from tests.sockets import Socket

READ = ReadHoldingRegisters(0, 1).encode()
GOOD = bytes.fromhex("03 02 002A")


def adu(transaction: int, unit: int, pdu: bytes | str) -> bytes:
    """The bytes of a message; a PDU may be in hexadecimal."""
    return mbap.encode(transaction, unit, bytes.fromhex(pdu) if isinstance(pdu, str) else pdu)


class Broken:
    """A bus with a fault that nobody thought of."""

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        answer: Deferred[Reply] = Deferred()
        answer.errback(ValueError("a fault"))
        return answer


class GatewayCase(SynchronousTestCase):
    """
    One client. Unit ids 1 to 99 lead to a serial bus, 101 to 199 to units 1 to
    99 of a device, 0 to the broadcast of the former; the others lead nowhere.
    """

    def setUp(self) -> None:
        self.serve()

    def serve(self, answer: Any = None, broken: Bus | None = None, **options: Any) -> None:
        """Begin anew, with other options; `routes` are unit ids that lead to other units of the bus."""
        self.clock = Clock()
        self.bus, self.device = FakeBus(answer), FakeBus()
        self.overview = FakeOverview()
        routes: list[Any] = [None] * 256
        for unit in range(100):
            routes[unit] = (self.bus, unit)
            routes[unit + 101] = (self.device, unit + 1)
        routes[250] = broken and (broken, 1)
        for unit, target in options.pop("routes", {}).items():
            routes[unit] = target and (self.bus, target)
        limits = {each: options.pop(each) for each in ("connections", "make_asker") if each in options}
        self.factory = GatewayFactory(
            site({}, self.clock, self.overview, "modbus"), Serving(routes, **options), **limits
        )
        self.connection, self.socket = self.connect()

    def connect(self, host: str = "192.0.2.7") -> tuple[Any, Socket]:
        peer = IPv4Address("TCP", host, 1234)
        socket = Socket(peerAddress=peer)
        connection = self.factory.buildProtocol(peer)
        connection.makeConnection(socket)
        return connection, socket

    def ask(self, *messages: bytes) -> None:
        """Let messages come, all at once."""
        self.connection.dataReceived(b"".join(messages))

    def said(self) -> bytes:
        """What the client has read since the last call."""
        data: bytes = self.socket.value()
        self.socket.clear()
        return data

    def lost(self) -> None:
        """The client hangs up."""
        self.connection.connectionLost(Failure(ConnectionError("gone")))

    def assertSays(self, *messages: bytes) -> None:
        """All that was said since the last call."""
        self.assertEqual(self.said().hex(" "), b"".join(messages).hex(" "))
