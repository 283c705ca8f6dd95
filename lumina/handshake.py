"""How a client is let in: the handshake of TLS, what may be wrong with it, and how long it may take."""

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IDelayedCall
from twisted.protocols.tls import TLSMemoryBIOProtocol

#: Seconds that a client has for it.
LONGEST = 10.0

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
    9: "its certificate is not valid yet; is the clock right?",
    11: "the list in `revoked` is not valid yet; is the clock right?",
    12: "the list in `revoked` was to be renewed by now",
    24: "who signed its certificate is no authority",
    26: "its certificate is not made for clients",
    66: "its key is too short",
    67: "the key of who signed its certificate is too short",
    68: "its certificate is signed with too weak a digest, such as SHA-1",
}

#: The same of who signed it.
_OBJECTIONS_TO_AUTHORITIES = {
    9: "who signed its certificate is not valid yet; is the clock right?",
    10: "who signed its certificate has expired",
}

_FATAL = 2


class Handshake:
    """
    One that has begun, and may not take for ever.

    @ivar objection: what is wrong with a certificate, where no alert of TLS says that.
    """

    def __init__(
        self,
        refused: Callable[[str, str], None],
        let_in: Callable[[TLSMemoryBIOProtocol], object],
        protocol: TLSMemoryBIOProtocol,
        reactor: Any,
    ) -> None:
        """
        @param refused: is told who is not let in, and why.
        @param let_in: is called with the protocol when it has succeeded.
        """
        self._refused = refused
        self._let_in = let_in
        self._protocol = protocol
        self.objection = ""
        self._limit: IDelayedCall | None = reactor.callLater(LONGEST, self._late)

    @property
    def is_over(self) -> bool:
        """Whether it has succeeded, or failed."""
        return self._limit is None

    def over(self) -> None:
        """It has succeeded, or failed."""
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.cancel()

    def succeeded(self) -> None:
        """The client is let in."""
        self.over()
        self._let_in(self._protocol)

    def refused(self, alert: int) -> None:
        """lumina ends it, for a reason of TLS."""
        if self._limit is None:
            return
        self.over()
        why = self.objection or _ALERTS.get(alert, "its handshake is wrong")
        self._say(f"{why} (TLS alert {alert})")

    def _late(self) -> None:
        self._limit = None
        self._say(f"no handshake of TLS within {LONGEST:g} s")
        self._protocol.abortConnection()

    def _say(self, why: str) -> None:
        self._refused(host_of(self._protocol), why)


def verified(connection: SSL.Connection, _certificate: X509, error: int, depth: int, sound: int) -> bool:
    """OpenSSL has looked at a certificate of a client, or of who signed for it."""
    if not sound:
        known = _OBJECTIONS | _OBJECTIONS_TO_AUTHORITIES if depth else _OBJECTIONS
        connection.get_app_data().handshake.objection = known.get(error, "")
    return bool(sound)


def host_of(protocol: TLSMemoryBIOProtocol) -> str:
    """Where a client is, for people."""
    assert protocol.transport is not None
    return getattr(protocol.transport.getPeer(), "host", "a client")


def told(connection: SSL.Connection, where: int, value: int) -> None:
    """OpenSSL says how far a connection is; its application data is a protocol that has a `Handshake`."""
    handshake = connection.get_app_data().handshake
    if where & SSL.SSL_CB_HANDSHAKE_DONE:
        handshake.succeeded()
    elif where == SSL.SSL_CB_WRITE_ALERT and value >> 8 == _FATAL:
        handshake.refused(value & 0xFF)
