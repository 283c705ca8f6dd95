"""
`mbaps:802:certificate=FILE:key=FILE:clients=FILE`: what Modbus/TCP Security asks of a listener.

TLS 1.2 at least, suites with forward secrecy and authenticated encryption, no
compression, no renegotiation, no resumption (so that a role is always that of
a certificate just shown), the whole chain sent, and a certificate of each
client where `clients` says who may sign them (MB-TCP-Security-v36, R-01 to
R-62; `docs/security.md` goes through them). Whatever lumina speaks can be
spoken inside.

The files are looked at now and then: new connections have what is new in
them, old ones stay. Files that are wrong change nothing, and are logged.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Files:
    """
    Where the certificates are, in PEM.

    @ivar certificate: the listener's own, those who signed it behind it.
    @ivar key: its private key, without a passphrase.
    @ivar clients: the authorities that sign for clients; empty: they need show nothing.
    """

    certificate: str
    key: str
    clients: str = ""

    @property
    def state(self) -> tuple[object, ...]:
        """Changes with the files."""
        return tuple(_state(path) for path in (self.certificate, self.key, self.clients) if path)

    def context(self) -> SSL.Context:
        """
        What connections are made from.

        @raise ValueError: which file cannot be used, and why.
        """
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(_OPTIONS | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(SUITES)
        context.set_passwd_cb(lambda *_: b"")  # else OpenSSL would ask on the terminal
        _use("certificate", self.certificate, context.use_certificate_chain_file)
        _use("key", self.key, context.use_privatekey_file)
        _use("key", self.key, lambda _: context.check_privatekey())
        if self.clients:
            _use("clients", self.clients, context.load_verify_locations)
            _use("clients", self.clients, lambda path: context.load_client_ca(path.encode()))
            context.set_verify(_MUTUAL, lambda _connection, _certificate, _error, _depth, sound: bool(sound))
        return context


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
        state = self._files.state
        if state == self._state:
            return
        self._state = state
        try:
            self._context = self._fresh()
        except ValueError as error:
            self._log.error(
                "{name}: {error}; the certificates of before stay", name=self._name, error=str(error)
            )
        else:
            self._log.info("{name}: new certificates, for new connections", name=self._name)

    def _fresh(self) -> SSL.Context:
        context = self._files.context()
        context.set_info_callback(_told)
        return context


class _Handshake:
    """One that has begun, and may not take for ever."""

    def __init__(
        self, refused: Callable[[str, str], None], protocol: TLSMemoryBIOProtocol, reactor: Any
    ) -> None:
        """@param refused: is told who is not let in, and why."""
        self._refused = refused
        self._protocol = protocol
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
        why = _ALERTS.get(alert, "its handshake is wrong")
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


def endpoint(
    reactor: Any,
    port: str,
    certificate: str = "",
    key: str = "",
    clients: str = "",
    interface: str = "127.0.0.1",
    backlog: str = "50",
) -> Secured:
    """
    The `mbaps:` endpoint.

    @param port: of TCP; that of Modbus/TCP Security is 802.
    @param key: left out, it is in the file of the certificate.
    @raise ValueError: a file cannot be used.
    """
    files = Files(certificate, key or certificate, clients)
    outer = TCP4ServerEndpoint(reactor, int(port), int(backlog), interface)
    return Secured(Credentials(f"mbaps:{port}", files, reactor), outer, reactor)


_FATAL = 2


def _state(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino


def _use(name: str, path: str, use: Callable[[str], object]) -> None:
    try:
        with open(path, "rb"):
            use(path)
    except OSError as error:
        raise ValueError(f"{name} '{path}' cannot be read: {error.strerror}") from error
    except SSL.Error as error:
        raise ValueError(f"{name} '{path}' cannot be used: {_why(error)}") from error


def _why(error: SSL.Error) -> str:
    """OpenSSL's own words."""
    causes = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(cause[-1]) for cause in causes if cause[-1]]
    return ", ".join(dict.fromkeys(reasons)) or "it is not what it should be"
