"""Certificates for tests: an authority, and what it signs, right ones and wrong ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROLE = "1.3.6.1.4.1.50316.802.1"

#: As long as `ROLE` in DER, so that one can be put in place of the other.
_STAND_IN = "1.3.6.1.4.1.50316.802.9"

_DAY = timedelta(days=1)


def utf8(text: str) -> bytes:
    """An ASN.1 UTF8String of less than 128 bytes."""
    return bytes((0x0C, len(text.encode()))) + text.encode()


class Issued:
    """
    A certificate with its key.

    @ivar chain: the certificates of those who signed it, the nearest first.
    """

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate] = (),
    ) -> None:
        self.key = key
        self.certificate = certificate
        self.chain = tuple(chain)

    def save(self, folder: Path, name: str) -> tuple[str, str]:
        """@return: the paths of the certificate, its chain behind it, and of the key."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        certificate.write_bytes(
            b"".join(
                each.public_bytes(serialization.Encoding.PEM) for each in (self.certificate, *self.chain)
            )
        )
        return str(certificate), str(key)


class Authority(Issued):
    """One that signs the certificates of others."""

    def __init__(self, name: str = "Works CA", parent: "Authority | None" = None, last_day: int = 30) -> None:
        """@param last_day: until when it is valid, in days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, parent.certificate.subject if parent else _named(name), key, -9, last_day)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        certificate = builder.sign(parent.key if parent else key, hashes.SHA256())
        super().__init__(key, certificate, (parent.certificate, *parent.chain) if parent else ())

    def revoke(self, folder: Path, *issued: Issued, last_day: int = 30) -> str:
        """
        Save a list of revoked certificates.

        @param last_day: by which it has to be renewed, in days from now.
        @return: its path.
        """
        now = datetime.now()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - 9 * _DAY).next_update(now + last_day * _DAY)
        for each in issued:
            revoked = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(now - _DAY).build())
        path = folder / "revoked.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return str(path)

    def issue(
        self, name: str, *roles: bytes, first_day: int = -1, last_day: int = 30, server: bool = False
    ) -> Issued:
        """
        Sign a certificate.

        @param roles: the values of the role extension, in DER; none, one or two.
        @param first_day: from when it is valid, in days from now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(name, self.certificate.subject, key, first_day, last_day)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for oid, value in zip((ROLE, _STAND_IN), roles, strict=False):
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        if len(roles) > 1:
            certificate = self._with_a_second_role(certificate)
        return Issued(key, certificate, (self.certificate, *self.chain) if self.chain else ())

    def _with_a_second_role(self, certificate: x509.Certificate) -> x509.Certificate:
        """What no library makes: the extension twice, and signed again."""
        body = certificate.tbs_certificate_bytes.replace(_oid(_STAND_IN), _oid(ROLE))
        algorithm = _sequence(bytes.fromhex("06082A8648CE3D040302"))  # ecdsa-with-SHA256
        signature = self.key.sign(body, ec.ECDSA(hashes.SHA256()))
        return x509.load_der_x509_certificate(_sequence(body + algorithm + _tagged(0x03, b"\0" + signature)))


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Works"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, first_day: int, last_day: int
) -> x509.CertificateBuilder:
    now = datetime.now()
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + first_day * _DAY)
        .not_valid_after(now + last_day * _DAY)
    )


def _tagged(tag: int, data: bytes) -> bytes:
    size = len(data).to_bytes(2, "big")
    return bytes((tag, 0x82)) + size + data if len(data) > 127 else bytes((tag, len(data))) + data


def _sequence(data: bytes) -> bytes:
    return _tagged(0x30, data)


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytes((40 * first + second,))
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.insert(0, number & 0x7F | 0x80)
        encoded += bytes(groups)
    return _tagged(0x06, encoded)
