"""The text front end under test, and the far ends of its clients' connections."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.frontends.text import TextFactory
from lumina.status import PortStatistics, PortStatus, Times, Traffic, UnitStatistics
from lumina.testing import FakeBus, FakeOverview, site
from tests.sockets import Socket

EXAMPLE = b"test:THC:/dev/ttyAMA1:9600:010300000002C40B:9:0.5\n"
READ = b":THC:/dev/ttyAMA1:9600:010300000002:9\n"
GOOD = bytes.fromhex("030400000001")

TRAFFIC = Traffic(
    requests=8,
    words={"ok": 6, "timeout": 1, "exception_02": 1},
    failure_rate=0.25,
    shared=1,
    unknown=1,
    exchanges=7,
    replies=6,
    exceptions={0x02: 1},
    timeouts=1,
    late=4,
    foreign=5,
    noise=6,
    stale=7,
    damaged=2,
    short=3,
    reply_time=Times(6, 0.02, 0.01, 0.05, 0.015, 0.04, 0.045),
    wait=Times(7, 1.5, 0.0002, 120.0, 0.1, 2.0, 3.0),
)


class TextCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.bus = FakeBus()
        self.ports = [PortStatus("bus", "/dev/ttyAMA1", ("/dev/ttyAMA2",), "9600 8N1", "idle")]
        self.overview = FakeOverview(
            self.ports,
            [PortStatistics("bus", TRAFFIC, 7200.0, 0.456, 0.123, 3, 17)],
            [UnitStatistics("bus", 1, TRAFFIC, "suspended", 90.0, "timeout"), UnitStatistics("bus", 18)],
        )
        self.client()

    def client(self, answer: Any = None, **options: Any) -> None:
        if answer is not None:
            self.bus = FakeBus(answer)
        buses = {"bus": self.bus, "/dev/ttyAMA1": self.bus}
        self.factory = TextFactory(site(buses, self.clock, self.overview, "text"), **options)
        self.connection, self.socket = self.connect()

    def connect(self, host: str = "127.0.0.1") -> tuple[Any, Socket]:
        peer = IPv4Address("TCP", host, 1234)
        socket = Socket(peerAddress=peer)
        connection = self.factory.buildProtocol(peer)
        connection.makeConnection(socket)
        return connection, socket

    def lost(self) -> None:
        self.connection.connectionLost(Failure(ConnectionError("gone")))

    def said(self) -> bytes:
        """What the client has read since the last call."""
        data: bytes = self.socket.value()
        self.socket.clear()
        return data
