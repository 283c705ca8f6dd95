"""The `mbaps:` endpoint: who gets in, and who is refused."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from lumina import tls
from lumina.handshake import LONGEST
from lumina.interfaces import Asker
from tests.pki import Authority, utf8
from tests.tls_case import Client, SecureCase

NOT_ITS_OWN = "it could not prove that the certificate is its own (TLS alert 51)"
UNKNOWN = "its certificate is signed by nobody in `clients` (TLS alert 48)"


class HandshakeTests(SecureCase):
    def test_role(self) -> None:
        """
        A client is known by the subject and the role of its certificate.
        """
        self.listen()
        visit = self.visit(Client(self.authority.issue("scada", utf8("Operator"))))
        self.assertEqual(visit.ask(b"hello"), b"hello")
        self.assertEqual(self.askers, [Asker("tls", "192.0.2.7", "CN=scada,O=Works", "Operator")])

    def test_null_role(self) -> None:
        """
        Without a role, with two, or with one that is badly encoded a client is let in, in the null role.
        """
        self.listen()
        for roles in ((), (utf8("Operator"), utf8("Engineer")), (b"\x13\x08Operator",)):
            self.assertEqual(self.visit(Client(self.authority.issue("scada", *roles))).ask(b"x"), b"x")
        self.assertEqual({asker.role for asker in self.askers}, {""})
        self.assertEqual(len(self.askers), 3)

    def test_no_certificate(self) -> None:
        """
        Who shows no certificate is not let in.
        """
        self.listen()
        self.assertRefused(Client(), "it showed no certificate (TLS alert 116)")

    def test_other_authority(self) -> None:
        """
        Nor is who shows one that somebody else has signed, even of the same name.
        """
        self.listen()
        stranger = Authority().issue("scada", utf8("Operator"))
        self.assertRefused(
            Client(stranger), "it could not prove that the certificate is its own (TLS alert 51)"
        )
        stranger = Authority("Another CA").issue("scada", utf8("Operator"))
        self.assertRefused(
            Client(stranger), "its certificate is signed by nobody in `clients` (TLS alert 48)"
        )

    def test_expired(self) -> None:
        """
        Nor is who shows one whose time is over, or has not come.
        """
        self.listen()
        old = self.authority.issue("scada", first_day=-9, last_day=-2)
        self.assertRefused(Client(old), "its certificate is expired (TLS alert 45)")
        young = self.authority.issue("scada", first_day=2, last_day=9)
        self.assertRefused(
            Client(young), "its certificate is not valid yet; is the clock right? (TLS alert 42)"
        )

    def test_expired_authority(self) -> None:
        """
        Nor is whom an authority has signed for that has expired, and the log does not say so of the client.
        """
        self.authority = Authority(last_day=-1)
        self.clients, _ = self.authority.save(self.folder, "clients")
        self.listen()
        self.assertRefused(
            Client(self.authority.issue("scada")), "who signed its certificate has expired (TLS alert 45)"
        )

    def test_certificate_of_a_server(self) -> None:
        """
        The certificate of a server is none of a client.
        """
        self.listen()
        self.assertRefused(
            Client(self.authority.issue("other", server=True)),
            "its certificate is not made for clients (TLS alert 43)",
        )

    def test_intermediate_authority(self) -> None:
        """
        A client may be signed for by one whom the authority has signed for, if it shows the chain.
        """
        self.listen()
        client = Authority("Plant CA", self.authority).issue("scada")
        self.assertEqual(self.visit(Client(client)).ask(b"x"), b"x")

    def test_without_clients(self) -> None:
        """
        Where nobody is said to sign for clients, they are let in without a certificate.
        """
        self.listen(clients=False)
        self.assertEqual(self.visit(Client()).ask(b"x"), b"x")
        self.assertEqual(self.askers, [Asker("tls", "192.0.2.7")])

    def test_whole_chain(self) -> None:
        """
        A client is shown all certificates that are in the file.
        """
        plant = Authority("Plant CA", self.authority)
        self.certificate, self.key = plant.issue("lumina", server=True).save(self.folder, "server")
        self.listen(clients=False)
        chain = self.visit(Client()).connection.get_peer_cert_chain() or []
        self.assertEqual([each.get_subject().CN for each in chain], ["lumina", "Plant CA", "Works CA"])

    def test_slow(self) -> None:
        """
        A client that does not finish its handshake is dropped.
        """
        self.listen()
        transport = self.send(b"\x16\x03\x01")
        self.clock.advance(LONGEST - 0.1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(transport.disconnecting)
        self.assertIn("mbaps:802: 192.0.2.7 is not let in: no handshake of TLS within 10 s", self.said)

    def test_flood(self) -> None:
        """
        Clients that are refused without end do not fill the log; the others are counted.
        """
        self.listen()
        for _ in range(tls.SAID + 20):
            self.send(b"no TLS at all")
            self.visit(Client())
        self.assertEqual(len([line for line in self.said if "is not let in" in line]), tls.SAID)
        self.clock.advance(tls.LOOK)
        more = [line for line in self.said if "more were not let in" in line]
        self.assertEqual(len(more), 1)
        self.clock.advance(LONGEST)


class RevocationTests(SecureCase):
    def test_revoked(self) -> None:
        """
        Who shows a certificate that its authority has revoked is not let in, others are.
        """
        lost, kept = self.authority.issue("lost"), self.authority.issue("kept")
        self.listen(revoked=self.authority.revoke(self.folder, lost))
        self.assertEqual(self.visit(Client(kept)).ask(b"x"), b"x")
        self.askers.clear()
        self.assertRefused(Client(lost), "its certificate is revoked (TLS alert 44)")

    def test_revoked_later(self) -> None:
        """
        A new list counts for new connections, as new certificates do.
        """
        lost = self.authority.issue("lost")
        self.listen(revoked=self.authority.revoke(self.folder))
        self.assertEqual(self.visit(Client(lost)).ask(b"x"), b"x")
        self.askers.clear()
        self.authority.revoke(self.folder, lost)
        self.clock.advance(tls.LOOK)
        self.assertRefused(Client(lost), "its certificate is revoked (TLS alert 44)")

    def test_no_list(self) -> None:
        """
        Nobody is let in of whose authority there is no list: whether he was revoked cannot be told.
        """
        other = Authority("Other CA")
        bundle = Path(self.clients)
        bundle.write_bytes(bundle.read_bytes() + Path(other.save(self.folder, "other")[0]).read_bytes())
        self.listen(revoked=self.authority.revoke(self.folder))
        self.assertRefused(
            Client(other.issue("panel")),
            "`revoked` has no list of who signed its certificate (TLS alert 48)",
        )


class StrengthTests(SecureCase):
    def test_old_tls(self) -> None:
        """
        TLS 1.1 is refused.
        """

        def old(context: SSL.Context) -> None:
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
            context.set_min_proto_version(SSL.TLS1_1_VERSION)
            context.set_max_proto_version(SSL.TLS1_1_VERSION)

        self.listen(clients=False)
        self.assertRefused(Client(prepare=old), "its version of TLS is too old (TLS alert 70)")

    def only(self, suite: bytes) -> Client:
        """A client of TLS 1.2 that has one suite."""

        def prepare(context: SSL.Context) -> None:
            context.set_cipher_list(suite)
            context.set_max_proto_version(SSL.TLS1_2_VERSION)

        return Client(self.authority.issue("scada"), prepare)

    def test_suites(self) -> None:
        """
        What the specification demands for certificates with elliptic curves is there; SHA-1 and CBC are not.
        """
        self.listen()
        visit = self.visit(self.only(b"ECDHE-ECDSA-AES128-GCM-SHA256"))
        self.assertEqual(visit.ask(b"x"), b"x")
        self.assertEqual(visit.connection.get_cipher_name(), "ECDHE-ECDSA-AES128-GCM-SHA256")
        self.askers.clear()
        for suite in (b"ECDHE-ECDSA-AES128-SHA", b"ECDHE-ECDSA-AES256-SHA384"):
            self.assertRefused(
                self.only(suite), "it and lumina have no cipher suite in common (TLS alert 40)"
            )

    def test_no_tls(self) -> None:
        """
        Bytes that are no TLS end the connection, and reach nobody.
        """
        self.listen()
        transport = self.send(bytes.fromhex("0001 0000 0006 01 03 0000 0001"))
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.assertEqual(self.askers, [])
        self.clock.advance(LONGEST)


class PartialChainTests(SecureCase):
    def test_only_the_nearest_authority(self) -> None:
        """
        An authority that another one has signed for can be trusted alone: its clients are let in, those
        of the other are not.
        """
        plant = Authority("Plant CA", self.authority)
        Path(self.clients).write_bytes(plant.certificate.public_bytes(Encoding.PEM))
        self.listen()
        self.assertEqual(self.visit(Client(plant.issue("panel"))).ask(b"x"), b"x")
        self.askers.clear()
        self.assertRefused(Client(self.authority.issue("scada")), UNKNOWN)
        self.assertRefused(Client(Authority("Other CA", self.authority).issue("scada")), UNKNOWN)
