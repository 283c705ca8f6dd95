"""Clients of an `mbaps:` endpoint that are let in, and not trusted any more when the files change."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from lumina import tls
from tests.pki import Authority, Issued
from tests.tls_case import Client, SecureCase, Visit

REVOKED = "mbaps:802: 192.0.2.7 is disconnected: its certificate (CN=lost,O=Works) is revoked"
UNKNOWN = "its certificate (CN=scada,O=Works) is signed by nobody in `clients`"


class TrustTests(SecureCase):
    def listen_with_list(self) -> None:
        self.listen(revoked=self.authority.revoke(self.folder))

    def connected(self, *issued: Issued) -> list[Visit]:
        visits = [self.visit(Client(each)) for each in issued]
        self.assertEqual([visit.ask(b"x") for visit in visits], [b"x"] * len(visits))
        return visits

    def still(self, visits: list[Visit]) -> list[bool]:
        """Which connections are still open and served."""
        for _ in range(len(visits) + 1):
            self.clock.advance(0)
        return [visit.ask(b"y") == b"y" and visit.reason is None for visit in visits]

    def test_revoked(self) -> None:
        """
        A new list ends the connections of those whom it revokes, and disturbs no other.
        """
        self.listen_with_list()
        lost = self.authority.issue("lost")
        visits = self.connected(lost, self.authority.issue("scada"), lost)
        self.authority.revoke(self.folder, lost)
        self.clock.advance(tls.LOOK)
        self.assertEqual(self.still(visits), [False, True, False])
        self.assertIsNotNone(visits[0].reason)
        self.assertEqual(self.said.count(REVOKED), 2)

    def test_other_authority(self) -> None:
        """
        So does an authority that is none any more, and not one that is added.
        """
        self.listen()
        plant = Authority("Plant CA", self.authority)
        visits = self.connected(self.authority.issue("scada"), plant.issue("panel"))
        other = Authority("Other CA")
        both = [each.certificate.public_bytes(Encoding.PEM) for each in (other, self.authority)]
        Path(self.clients).write_bytes(b"".join(both))
        self.secured.renew()
        self.assertEqual(self.still(visits), [True, True])
        visits += self.connected(other.issue("new"))
        other.save(self.folder, "clients")
        self.secured.renew()
        self.assertEqual(self.still(visits), [False, False, True])
        self.assertIn(f"mbaps:802: 192.0.2.7 is disconnected: {UNKNOWN}", self.said)

    def test_time(self) -> None:
        """
        A list that was not renewed in time, or lacks an authority, ends no connection; but who is
        revoked in it is revoked.
        """
        self.listen_with_list()
        lost = self.authority.issue("lost")
        visits = self.connected(lost, self.authority.issue("scada"))
        Authority("Other CA").revoke(self.folder)
        self.secured.renew()
        self.assertEqual(self.still(visits), [True, True])
        self.authority.revoke(self.folder, lost, last_day=-1)
        self.secured.renew()
        self.assertEqual(self.still(visits), [False, True])

    def test_wrong_files(self) -> None:
        """
        Files that cannot be used end no connection.
        """
        self.listen_with_list()
        visits = self.connected(self.authority.issue("scada"))
        Path(self.clients).write_bytes(b"-----BEGIN CERT")
        self.secured.renew()
        self.assertEqual(self.still(visits), [True])

    def test_amid_a_handshake(self) -> None:
        """
        Who is let in while the files change is judged by the new ones.
        """
        self.listen_with_list()
        lost = self.authority.issue("lost")

        def revoke() -> None:
            self.authority.revoke(self.folder, lost)
            self.secured.renew()

        visit = self.visit(Client(lost), revoke)
        self.assertEqual(visit.ask(b"x"), b"")
        self.assertIn(REVOKED, self.said)

    def test_without_clients(self) -> None:
        """
        Where no certificate is asked for, none is judged.
        """
        self.listen(clients=False)
        visit = self.visit(Client())
        self.secured.renew()
        self.assertEqual(self.still([visit]), [True])

    def test_only_the_nearest_authority(self) -> None:
        """
        Who is signed for by an authority that is trusted alone stays when that is read anew.
        """
        plant, root = Authority("Plant CA", self.authority), Path(self.clients).read_bytes()
        Path(self.clients).write_bytes(plant.certificate.public_bytes(Encoding.PEM))
        self.listen()
        visits = self.connected(plant.issue("scada"))
        self.secured.renew()
        self.assertEqual(self.still(visits), [True])
        Path(self.clients).write_bytes(root)
        self.secured.renew()
        self.assertEqual(self.still(visits), [True])
        Authority("Other CA").save(self.folder, "clients")
        self.secured.renew()
        self.assertEqual(self.still(visits), [False])
