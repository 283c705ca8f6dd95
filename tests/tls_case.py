"""An `mbaps:` endpoint under test, and clients with certificates of every kind; all of it in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina import tls
from lumina.certificates import Files
from lumina.frontends.askers import asker_of
from lumina.interfaces import Asker
from tests.pki import Authority, Issued

PEER = IPv4Address("TCP", "192.0.2.7", 50412)


class Echo(Protocol):
    """Says who sent something, and sends it back."""

    def __init__(self, seen: list[Asker]) -> None:
        self._seen = seen

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self._seen.append(asker_of("tls", self.transport))
        self.transport.write(data)


@implementer(IStreamServerEndpoint)
class Outer:
    """What is listened on; the test is who connects."""

    factory: Factory

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        protocolFactory.doStart()
        self.factory = cast(Factory, protocolFactory)
        return succeed(cast(IListeningPort, self))


@implementer(IOpenSSLClientConnectionCreator)
class Client:
    """How a client does TLS."""

    def __init__(
        self, issued: Issued | None = None, prepare: Callable[[SSL.Context], object] = lambda context: None
    ) -> None:
        """@param prepare: changes its settings."""
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        prepare(self._context)
        if issued:
            self._context.use_certificate(issued.certificate)
            self._context.use_privatekey(issued.key)
            for each in issued.chain:
                self._context.add_extra_chain_cert(each)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        return connection


class Visit:
    """
    A connection of a client.

    @ivar said: all that came back.
    @ivar reason: why it ended; `None`: it has not.
    """

    def __init__(
        self, server: Any, client: Client, clock: Clock, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """@param meanwhile: is called in the middle of the handshake."""
        self._clock = clock
        self.said = b""
        self.reason: Failure | None = None
        visit = self

        class Inside(Protocol):
            def dataReceived(self, data: bytes) -> None:
                visit.said += data

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                visit.reason = reason

        self.tls = TLSMemoryBIOFactory(client, True, Factory.forProtocol(Inside), clock).buildProtocol(PEER)
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        self._pump: IOPump = connect(
            server,
            FakeTransport(server, isServer=True, peerAddress=PEER),
            self.tls,
            FakeTransport(self.tls, isServer=False),
            greet=False,
        )
        self._pump.pump()
        meanwhile()
        self.flush()

    def flush(self) -> None:
        """Carry everything to and fro."""
        for _ in range(5):
            self._clock.advance(0)
            self._pump.flush()

    def ask(self, data: bytes) -> bytes:
        """@return: what came back since the last time; nothing if not let in."""
        self.said = b""
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        self.tls.write(data)
        self.flush()
        return self.said

    @property
    def connection(self) -> SSL.Connection:
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        return cast(SSL.Connection, self.tls.getHandle())


class SecureCase(SynchronousTestCase):
    """A listener in a test, its authority, and its log."""

    def setUp(self) -> None:
        self.clock, self.authority, self.askers = Clock(), Authority(), list[Asker]()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = self.authority.issue("lumina", server=True)
        self.certificate, self.key = self.server.save(self.folder, "server")
        self.clients, _ = self.authority.save(self.folder, "clients")
        self.said: list[str] = []

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            self.said.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def listen(self, clients: bool = True, revoked: str = "") -> None:
        files = Files(self.certificate, self.key, self.clients if clients else "", revoked)
        self.outer = Outer()
        inside = Factory.forProtocol(lambda: Echo(self.askers))
        credentials = tls.Credentials("mbaps:802", files, self.clock)
        self.secured = tls.Secured(credentials, self.outer, self.clock)
        self.successResultOf(self.secured.listen(inside))
        self.addCleanup(self.assertQuiet)

    def assertQuiet(self) -> None:
        """No timer is left once nobody listens and all handshakes are over."""
        self.outer.factory.doStop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def visit(self, client: Client, meanwhile: Callable[[], object] = lambda: None) -> Visit:
        return Visit(self.outer.factory.buildProtocol(PEER), client, self.clock, meanwhile)

    def send(self, data: bytes) -> StringTransport:
        """Let raw bytes come from a new client."""
        server, transport = self.outer.factory.buildProtocol(PEER), StringTransport(peerAddress=PEER)
        assert server is not None
        server.makeConnection(transport)
        server.dataReceived(data)
        return transport

    def assertRefused(self, client: Client, why: str) -> None:
        """It gets no answer, its connection ends, and the log says why."""
        visit = self.visit(client)
        self.assertEqual(visit.ask(b"x"), b"")
        self.assertIsNotNone(visit.reason)
        self.assertEqual(self.askers, [])
        self.assertEqual(
            [line for line in self.said if "not let in" in line][-1:],
            [f"mbaps:802: 192.0.2.7 is not let in: {why}"],
        )
