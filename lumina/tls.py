"""
`mbaps:802:certificate=FILE:key=FILE:clients=FILE:revoked=FILE`: what Modbus/TCP Security asks of a listener.

TLS 1.2 at least, suites with forward secrecy and authenticated encryption, no
compression, no renegotiation, no resumption (so that a role is always that of
a certificate just shown), the whole chain sent, and a certificate of each
client where `clients` says who may sign them (MB-TCP-Security-v36, R-01 to
R-62; `docs/security.md` goes through them). Whatever lumina speaks can be
spoken inside.

The files are looked at now and then: new connections have what is new in
them, old ones stay, but for those whose client is not trusted any more. Files
that are wrong change nothing, and are logged.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.certificates import Files
from lumina.handshake import Handshake, host_of, told, verified
from lumina.trust import Trust

#: Seconds between looks at the files.
LOOK = 5.0

#: Clients that were not let in and are logged, between looks.
SAID = 10

#: Of TLS 1.2; among them those that the specification demands (R-37, R-62). TLS 1.3 has no weak ones.
SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20"

_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET

_MUTUAL = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


def context_of(files: Files) -> SSL.Context:
    """
    What connections are made from.

    @raise ValueError: which files cannot be used, and why.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(SUITES)
    if wrong := files.give(context):
        raise ValueError("; ".join(wrong))
    if files.clients:
        context.set_verify(_MUTUAL, verified)
    return context


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """
    Makes the TLS side of connections, from files that may change.

    @ivar renewed: is called when they have.
    @ivar doubt: is called with a client that was let in by files of before.
    """

    _log = Logger()

    def __init__(self, name: str, files: Files, reactor: Any) -> None:
        """
        @param name: what listens, for the log.
        @raise ValueError: a file cannot be used.
        """
        self._name = name
        self._files = files
        self._reactor = reactor
        self._state = files.state
        self.renewed: Callable[[], object] = bool
        self.doubt: Callable[[TLSMemoryBIOProtocol], object] = bool
        self._context, self._trust = self._fresh()
        self._unlucky = 0

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        assert isinstance(tlsProtocol, _Connection)
        tlsProtocol.handshake = Handshake(self.refused, self._let_in, tlsProtocol, self._reactor)
        return SSL.Connection(self._context, None)

    def refused(self, peer: str, why: str) -> None:
        """Somebody is not let in; of many in a short time only some are logged."""
        self._unlucky += 1
        if self._unlucky <= SAID:
            self._log.info("{name}: {peer} is not let in: {why}", name=self._name, peer=peer, why=why)

    def look(self) -> None:
        """Take the files anew if they have changed; if they are wrong now, keep what there is."""
        unsaid, self._unlucky = self._unlucky - SAID, 0
        if unsaid > 0:
            self._log.info("{name}: {unsaid} more were not let in", name=self._name, unsaid=unsaid)
        if self._files.state != self._state:
            self.renew()

    def renew(self) -> None:
        """Take the files anew; if they are wrong, keep what there is."""
        self._state = self._files.state
        try:
            self._context, self._trust = self._fresh()
        except ValueError as error:
            self._log.error(
                "{name}: {error}; the certificates of before stay", name=self._name, error=str(error)
            )
        else:
            self._log.info("{name}: new certificates, for new connections", name=self._name)
            self.renewed()

    def is_trusted(self, connection: TLSMemoryBIOProtocol) -> bool:
        """Whether a client that was let in would be by the files of now; if not, that is logged."""
        why = self._trust.objection(connection.getHandle())
        if why:
            self._log.warn(
                "{name}: {peer} is disconnected: {why}", name=self._name, peer=host_of(connection), why=why
            )
        return not why

    def _let_in(self, connection: TLSMemoryBIOProtocol) -> None:
        if connection.getHandle().get_context() is not self._context:  # the files changed meanwhile
            self.doubt(connection)

    def _fresh(self) -> tuple[SSL.Context, Trust]:
        context = context_of(self._files)
        context.set_info_callback(told)
        return context, Trust(self._files)


class _Connection(BufferingTLSTransport):
    """
    The TLS of one connection; OpenSSL knows it as the application's data.

    @ivar handshake: that which it begins with.
    """

    handshake: Handshake

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.handshake.over()
        super().connectionLost(reason)


class _Inside(TLSMemoryBIOFactory):
    """
    Puts TLS around the protocols of a factory.

    As long as it is listened for, it looks at the files, and parts with
    clients that new ones do not let in: one by one, since each takes a signature.
    """

    protocol = _Connection

    def __init__(self, credentials: Credentials, factory: IProtocolFactory, reactor: Any) -> None:
        super().__init__(credentials, False, factory, reactor)
        self._credentials = credentials
        self._reactor = reactor
        self._look = LoopingCall(credentials.look)
        self._look.clock = reactor
        self._doubted: deque[TLSMemoryBIOProtocol] = deque()
        self._judging: IDelayedCall | None = None

    def startFactory(self) -> None:
        self._credentials.renewed = self._doubt_all
        self._credentials.doubt = self._doubt
        self._look.start(LOOK, now=False)

    def stopFactory(self) -> None:
        self._look.stop()
        if self._judging is not None:
            self._judging.cancel()

    def _doubt_all(self) -> None:
        for connection in self.protocols:
            if connection.handshake.is_over:
                self._doubt(connection)

    def _doubt(self, connection: TLSMemoryBIOProtocol) -> None:
        self._doubted.append(connection)
        if self._judging is None:
            self._judging = self._reactor.callLater(0, self._judge)

    def _judge(self) -> None:
        connection = self._doubted.popleft()
        self._judging = self._reactor.callLater(0, self._judge) if self._doubted else None
        if connection in self.protocols and not self._credentials.is_trusted(connection):
            connection.abortConnection()


@implementer(IStreamServerEndpoint)
class Secured:
    """An endpoint whose connections are inside TLS."""

    def __init__(self, credentials: Credentials, outer: IStreamServerEndpoint, reactor: Any) -> None:
        self._credentials = credentials
        self._outer = outer
        self._reactor = reactor

    def listen(self, protocolFactory: IProtocolFactory) -> "Deferred[IListeningPort]":
        return self._outer.listen(_Inside(self._credentials, protocolFactory, self._reactor))

    def renew(self) -> None:
        """Take the certificates anew, for new connections."""
        self._credentials.renew()


def endpoint(
    reactor: Any,
    port: str,
    certificate: str = "",
    key: str = "",
    clients: str = "",
    revoked: str = "",
    interface: str = "127.0.0.1",
    backlog: str = "50",
) -> Secured:
    """
    The `mbaps:` endpoint.

    @param port: of TCP; that of Modbus/TCP Security is 802.
    @param key: left out, it is in the file of the certificate.
    @raise ValueError: a file cannot be used.
    """
    files = Files(certificate, key or certificate, clients, revoked)
    outer = TCP4ServerEndpoint(reactor, int(port), int(backlog), interface)
    return Secured(Credentials(f"mbaps:{port}", files, reactor), outer, reactor)
