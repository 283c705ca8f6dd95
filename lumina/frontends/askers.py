"""
Who asks through a connection: its address, and what its certificate says.

Modbus/TCP Security (MB-TCP-Security-v36) puts the role of a client into an
extension of its certificate, as an ASN.1 UTF8String (R-21, R-22, R-65). A
certificate without one, with two, or with one that is encoded otherwise has
the null role (R-23), and the connection stays. One that cannot be
read at all has no identity either.
"""

from typing import Any

from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    ExtensionNotFound,
    ObjectIdentifier,
    UnrecognizedExtension,
    UnsupportedGeneralNameType,
)
from OpenSSL.crypto import X509
from twisted.internet.interfaces import ISSLTransport

from lumina.frontends.admission import host_of
from lumina.interfaces import Asker

ROLE = ObjectIdentifier("1.3.6.1.4.1.50316.802.1")

NULL_ROLE = ""

#: Why the extensions of a certificate cannot be read, that one or another.
_UNREADABLE = (ExtensionNotFound, DuplicateExtension, UnsupportedGeneralNameType, ValueError)

_UTF8_STRING = 0x0C
_LONG_FORM = 0x80


def asker_of(listener: str, transport: Any) -> Asker:
    """
    Who asks through a transport.

    Over TLS it tells the truth only after the handshake: call it when the first bytes have come.

    @param listener: the key of the listener that let it in.
    """
    host = host_of(transport.getPeer())
    shown = transport.getPeerCertificate() if ISSLTransport.providedBy(transport) else None
    if not isinstance(shown, X509):
        return Asker(listener, host)
    try:
        certificate = shown.to_cryptography()
        identity = certificate.subject.rfc4514_string()
    except ValueError:  # OpenSSL lets in what is no right text, such as other letters in a PrintableString
        return Asker(listener, host)
    return Asker(listener, host, identity, role_of(certificate))


def role_of(certificate: Certificate) -> str:
    """The role in a certificate; the null role if it has not exactly one, well encoded."""
    try:
        found = certificate.extensions.get_extension_for_oid(ROLE).value
    except _UNREADABLE:
        return NULL_ROLE
    return decoded(found.value) if isinstance(found, UnrecognizedExtension) else NULL_ROLE


def decoded(value: bytes) -> str:
    """The text of a DER UTF8String, which has to be the whole value; the null role for anything else."""
    if len(value) < 2 or value[0] != _UTF8_STRING:
        return NULL_ROLE
    start, length = 2, value[1]
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        length = int.from_bytes(value[2:start], "big")
        if value[2:3] in (b"", b"\0") or length < _LONG_FORM:
            return NULL_ROLE  # DER has one length for each value: the shortest
    if len(value) != start + length:
        return NULL_ROLE
    try:
        return value[start:].decode()
    except UnicodeDecodeError:
        return NULL_ROLE
