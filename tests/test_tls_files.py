"""The files of an `mbaps:` endpoint: new certificates and lists while it listens, and wrong ones."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from lumina import tls
from tests.pki import Authority
from tests.tls_case import Client, SecureCase, Visit

PEM = Encoding.PEM


class ReloadTests(SecureCase):
    def shown(self, visit: Visit) -> str:
        certificate = visit.connection.get_peer_certificate()
        assert certificate is not None
        return str(certificate.get_subject().CN)

    def test_new_files(self) -> None:
        """
        New connections have the new certificate and the new authority.
        """
        self.listen()
        old = self.visit(Client(self.authority.issue("scada")))
        other = Authority("Other CA")
        both = other.certificate.public_bytes(PEM) + self.authority.certificate.public_bytes(PEM)
        Path(self.clients).write_bytes(both)
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        self.clock.advance(tls.LOOK)
        new = self.visit(Client(other.issue("panel")))
        self.assertEqual((self.shown(old), self.shown(new)), ("lumina", "renewed"))
        self.assertEqual((old.ask(b"old"), new.ask(b"new")), (b"old", b"new"))
        self.assertIn("mbaps:802: new certificates, for new connections", self.said)

    def test_asked_to(self) -> None:
        """
        They are taken at once where somebody asks for it, even if they look the same.
        """
        self.listen()
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        self.secured.renew()
        self.assertEqual(self.shown(self.visit(Client(self.authority.issue("scada")))), "renewed")
        self.secured.renew()
        self.assertEqual(self.said.count("mbaps:802: new certificates, for new connections"), 2)

    def test_wrong_files(self) -> None:
        """
        Files that are wrong, or half written, leave what there was; it is said once, and put right later.
        """
        self.listen()
        Path(self.certificate).write_bytes(b"-----BEGIN CERT")
        for _ in range(3):
            self.clock.advance(tls.LOOK)
        complaints = [line for line in self.said if "the certificates of before stay" in line]
        self.assertEqual(len(complaints), 1)
        self.assertIn(f"certificate '{self.certificate}' cannot be used: ", complaints[0])
        self.assertEqual(self.shown(self.visit(Client(self.authority.issue("scada")))), "lumina")
        Path(self.key).unlink()
        self.clock.advance(tls.LOOK)
        self.assertEqual(self.shown(self.visit(Client(self.authority.issue("scada")))), "lumina")
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        self.clock.advance(tls.LOOK)
        self.assertEqual(self.shown(self.visit(Client(self.authority.issue("scada")))), "renewed")
        self.flushLoggedErrors()


class FileTests(SecureCase):
    def refused(self, **files: str) -> str:
        chosen = {"certificate": self.certificate, "key": self.key, "clients": self.clients} | files
        return str(self.assertRaises(ValueError, tls.endpoint, self.clock, "802", **chosen))

    def test_sentences(self) -> None:
        """
        A file that cannot be used is named, with the reason.
        """
        missing = str(self.folder / "missing.pem")
        for name in ("certificate", "key", "clients"):
            self.assertEqual(
                self.refused(**{name: missing}),
                f"{name} '{missing}' cannot be read: No such file or directory",
            )
        _, stranger = self.authority.issue("other").save(self.folder, "other")
        nothing = "it has nothing of the kind in PEM"
        for name, path, said in (
            ("key", stranger, "it does not belong to the certificate"),
            ("key", self.clients, nothing),
            ("clients", self.key, nothing),
            ("certificate", self.key, nothing),
            ("certificate", "/dev/zero", "it is no plain file of a size that certificates have"),
            ("revoked", self.key, "it has no list of revoked certificates in PEM"),
        ):
            self.assertIn(f"{name} '{path}' cannot be used: {said}", self.refused(**{name: path}))

    def test_time_alone_stops_nothing(self) -> None:
        """
        A certificate or an authority that has expired, or a list that was not renewed, is used all the same:
        clients refuse it, or are refused.
        """
        ended = Authority("Old CA", last_day=-1)
        old = ended.issue("old", first_day=-9, last_day=-2, server=True)
        self.certificate, self.key = old.save(self.folder, "old")
        self.clients, _ = ended.save(self.folder, "ended")
        self.listen(revoked=ended.revoke(self.folder, last_day=-1))
        self.assertRefused(
            Client(ended.issue("scada")), "the list in `revoked` was to be renewed by now (TLS alert 45)"
        )

    def test_all_at_once(self) -> None:
        """
        All files that cannot be used are named at once.
        """
        said = self.refused(certificate="/missing/a", clients="/missing/b", key="/missing/c")
        self.assertEqual(said.count("No such file or directory"), 3)

    def test_passphrase(self) -> None:
        """
        A key with a passphrase is refused; nobody is asked for it.
        """
        from cryptography.hazmat.primitives import serialization

        encryption = serialization.BestAvailableEncryption(b"secret")
        pem = self.server.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        Path(self.key).write_bytes(pem)
        self.assertIn(f"key '{self.key}' cannot be used: it has a passphrase", self.refused())

    def test_key_beside(self) -> None:
        """
        The key can be in the file of the certificate.
        """
        both = self.folder / "both.pem"
        both.write_bytes(Path(self.certificate).read_bytes() + Path(self.key).read_bytes())
        tls.endpoint(self.clock, "802", certificate=str(both))
