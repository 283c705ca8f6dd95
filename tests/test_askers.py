"""Who asks, by address and by certificate."""

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL.crypto import FILETYPE_ASN1, X509, dump_certificate, load_certificate
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from lumina.frontends.askers import asker_of, decoded, role_of
from lumina.interfaces import Asker
from tests.pki import Authority, utf8

PEER = IPv4Address("TCP", "192.0.2.7", 50412)
PRINTABLE = b"\x13\x08Operator"


class TLSTransport(StringTransport):
    """A transport of a peer that has shown a certificate, or none."""

    def __init__(self, certificate: X509 | None) -> None:
        super().__init__(peerAddress=PEER)
        self._certificate = certificate
        alsoProvides(self, ISSLTransport)

    def getPeerCertificate(self) -> X509 | None:
        return self._certificate


class AskerTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """
        Without TLS the address is known, on a UNIX socket nothing.
        """
        self.assertEqual(asker_of("lan", StringTransport(peerAddress=PEER)), Asker("lan", "192.0.2.7"))
        local = StringTransport(peerAddress=UNIXAddress("/run/x"))
        self.assertEqual(asker_of("lan", local), Asker("lan"))

    def test_no_certificate(self) -> None:
        """
        A client of TLS need not show a certificate where none is asked for.
        """
        self.assertEqual(asker_of("lan", TLSTransport(None)), Asker("lan", "192.0.2.7"))

    def test_certificate(self) -> None:
        """
        Subject and role of a certificate become who asks.
        """
        issued = Authority().issue("pump", utf8("Operator"))
        shown = TLSTransport(X509.from_cryptography(issued.certificate))
        self.assertEqual(asker_of("lan", shown), Asker("lan", "192.0.2.7", "CN=pump,O=Works", "Operator"))

    def test_unreadable(self) -> None:
        """
        A certificate with a name that is no right text shows nobody, and closes no connection.
        """
        shown = X509.from_cryptography(Authority().issue("pump", utf8("Operator")).certificate)
        right = dump_certificate(FILETYPE_ASN1, shown)
        wrong = right.replace(b"\x0c\x04pump", b"\x13\x04\xff\xfemp")
        self.assertNotEqual(wrong, right)
        transport = TLSTransport(load_certificate(FILETYPE_ASN1, wrong))
        self.assertEqual(asker_of("lan", transport), Asker("lan", "192.0.2.7"))


class RoleTests(SynchronousTestCase):
    def test_null_role(self) -> None:
        """
        No role, two of them, even the same one, or one that is no UTF8String: the null role.
        """
        authority = Authority()
        for roles, role in (
            ((), ""),
            ((utf8("Operator"),), "Operator"),
            ((utf8("Bedienerin für Öfen"),), "Bedienerin für Öfen"),
            ((utf8("Operator"), utf8("Engineer")), ""),
            ((utf8("Operator"), utf8("Operator")), ""),
            ((PRINTABLE,), ""),
            ((b"",), ""),
            ((utf8(""),), ""),
        ):
            self.assertEqual(role_of(authority.issue("pump", *roles).certificate), role, roles)

    def test_encodings(self) -> None:
        """
        What is not exactly one DER UTF8String is no role.
        """
        long = "x" * 200
        for value, role in (
            (b"\x0c\x02ab", "ab"),
            (b"\x0c\x81\xc8" + long.encode(), long),
            (b"\x0c\x82\x01\x2c" + b"y" * 300, "y" * 300),
            (b"\x0c\x81\x02ab", ""),
            (b"\x0c\x82\x00\x02ab", ""),
            (b"\x0c\x80ab\x00\x00", ""),
            (b"\x0c\x03ab", ""),
            (b"\x0c\x01ab", ""),
            (b"\x0c\x02\xff\xfe", ""),
            (b"\x2c\x04\x0c\x02ab", ""),
            (b"\x0c", ""),
            (b"\x0c\x81", ""),
            (PRINTABLE, ""),
        ):
            self.assertEqual(decoded(value), role, value)

    @given(st.binary(max_size=300))
    def test_any_bytes(self, value: bytes) -> None:
        """
        Whatever is in the extension, it is a role or the null role.
        """
        self.assertIsInstance(decoded(value), str)
        self.assertIsInstance(decoded(b"\x0c" + value), str)
