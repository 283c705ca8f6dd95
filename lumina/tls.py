"""
`mbaps:802:certificate=FILE:key=FILE:clients=FILE:revoked=FILE`: what Modbus/TCP Security asks of a listener.

TLS 1.2 at least, suites with forward secrecy and authenticated encryption, no
compression, no renegotiation, no resumption (so that a role is always that of
a certificate just shown), the whole chain sent, and a certificate of each
client where `clients` says who may sign them (MB-TCP-Security-v36, R-01 to
R-62; `docs/security.md` goes through them). Whatever lumina speaks can be
spoken inside.

The files are looked at now and then: new connections have what is new in
them, old ones stay. Files that are wrong change nothing, and are logged.
"""

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
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

#: Seconds between looks at the files.
LOOK = 5.0

#: Seconds that a client has for its handshake.
HANDSHAKE = 10.0

#: Clients that were not let in and are logged, between looks.
SAID = 10

#: Of TLS 1.2; among them those that the specification demands (R-37, R-62). TLS 1.3 has no weak ones.
SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20"

_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET

_MUTUAL = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT

#: Why a handshake fails, for people (RFC 8446, 6.2).
_ALERTS = {
    40: "it and lumina have no cipher suite in common",
    42: "its certificate is bad",
    43: "its certificate is of a kind that is not supported",
    44: "its certificate is revoked",
    45: "its certificate is expired",
    46: "its certificate cannot be accepted",
    48: "its certificate is signed by nobody in `clients`",
    51: "it could not prove that the certificate is its own",
    70: "its version of TLS is too old",
    116: "it showed no certificate",
}

#: The same where TLS has no word for it, by OpenSSL's numbers.
_OBJECTIONS = {
    3: "`revoked` has no list of who signed its certificate",
    12: "the list in `revoked` was to be renewed by now",
}

_FATAL = 2


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
        context.set_verify(_MUTUAL, _verified)
    return context


def _verified(connection: SSL.Connection, _certificate: X509, error: int, _depth: int, sound: int) -> bool:
    """OpenSSL has looked at a certificate of a client, or of who signed for it."""
    if not sound:
        connection.get_app_data().handshake.objection = _OBJECTIONS.get(error, "")
    return bool(sound)


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """
    Makes the TLS side of connections, from files that may change.
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
        self._context = self._fresh()
        self._unlucky = 0

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        assert isinstance(tlsProtocol, _Connection)
        tlsProtocol.handshake = _Handshake(self.refused, tlsProtocol, self._reactor)
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
            self._context = self._fresh()
        except ValueError as error:
            self._log.error(
                "{name}: {error}; the certificates of before stay", name=self._name, error=str(error)
            )
        else:
            self._log.info("{name}: new certificates, for new connections", name=self._name)

    def _fresh(self) -> SSL.Context:
        context = context_of(self._files)
        context.set_info_callback(_told)
        return context


class _Handshake:
    """
    One that has begun, and may not take for ever.

    @ivar objection: what is wrong with a certificate, where no alert of TLS says that.
    """

    def __init__(
        self, refused: Callable[[str, str], None], protocol: TLSMemoryBIOProtocol, reactor: Any
    ) -> None:
        """@param refused: is told who is not let in, and why."""
        self._refused = refused
        self._protocol = protocol
        self.objection = ""
        self._limit: IDelayedCall | None = reactor.callLater(HANDSHAKE, self._late)

    def over(self) -> None:
        """It has succeeded, or failed."""
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.cancel()

    def refused(self, alert: int) -> None:
        """lumina ends it, for a reason of TLS."""
        if self._limit is None:
            return
        self.over()
        why = self.objection or _ALERTS.get(alert, "its handshake is wrong")
        self._say(f"{why} (TLS alert {alert})")

    def _late(self) -> None:
        self._limit = None
        self._say(f"no handshake of TLS within {HANDSHAKE:g} s")
        self._protocol.abortConnection()

    def _say(self, why: str) -> None:
        assert self._protocol.transport is not None
        peer = getattr(self._protocol.transport.getPeer(), "host", "a client")
        self._refused(peer, why)


def _told(connection: SSL.Connection, where: int, value: int) -> None:
    """OpenSSL says how far a connection is."""
    handshake = connection.get_app_data().handshake
    if where & SSL.SSL_CB_HANDSHAKE_DONE:
        handshake.over()
    elif where == SSL.SSL_CB_WRITE_ALERT and value >> 8 == _FATAL:
        handshake.refused(value & 0xFF)


class _Connection(BufferingTLSTransport):
    """
    The TLS of one connection; OpenSSL knows it as the application's data.

    @ivar handshake: that which it begins with.
    """

    handshake: _Handshake

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.handshake.over()
        super().connectionLost(reason)


class _Inside(TLSMemoryBIOFactory):
    """Puts TLS around the protocols of a factory; looks at the files as long as it is listened for."""

    protocol = _Connection

    def __init__(self, credentials: Credentials, factory: IProtocolFactory, reactor: Any) -> None:
        super().__init__(credentials, False, factory, reactor)
        self._look = LoopingCall(credentials.look)
        self._look.clock = reactor

    def startFactory(self) -> None:
        self._look.start(LOOK, now=False)

    def stopFactory(self) -> None:
        self._look.stop()


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
