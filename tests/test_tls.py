"""The `mbaps:` endpoint: who gets in, and what becomes of new certificates; all of it in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina import tls
from lumina.certificates import Files
from lumina.frontends.askers import asker_of
from lumina.interfaces import Asker
from tests.pki import Authority, Issued, utf8

PEER = IPv4Address("TCP", "192.0.2.7", 50412)

NOT_ITS_OWN = "it could not prove that the certificate is its own (TLS alert 51)"
UNKNOWN = "its certificate is signed by nobody in `clients` (TLS alert 48)"


class Echo(Protocol):
    """Says who sent something, and sends it back."""

    def __init__(self, seen: list[Asker]) -> None:
        self._seen = seen

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self._seen.append(asker_of("tls", self.transport))
        self.transport.write(data)


@implementer(IStreamServerEndpoint)
class Outer:
    """What is listened on; the test is who connects."""

    factory: Factory

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        protocolFactory.doStart()
        self.factory = cast(Factory, protocolFactory)
        return succeed(cast(IListeningPort, self))


@implementer(IOpenSSLClientConnectionCreator)
class Client:
    """How a client does TLS."""

    def __init__(
        self, issued: Issued | None = None, prepare: Callable[[SSL.Context], object] = lambda context: None
    ) -> None:
        """@param prepare: changes its settings."""
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        prepare(self._context)
        if issued:
            self._context.use_certificate(issued.certificate)
            self._context.use_privatekey(issued.key)
            for each in issued.chain:
                self._context.add_extra_chain_cert(each)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        return connection


class Visit:
    """
    A connection of a client.

    @ivar said: all that came back.
    @ivar reason: why it ended; `None`: it has not.
    """

    def __init__(self, server: Any, client: Client, clock: Clock) -> None:
        self._clock = clock
        self.said = b""
        self.reason: Failure | None = None
        visit = self

        class Inside(Protocol):
            def dataReceived(self, data: bytes) -> None:
                visit.said += data

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                visit.reason = reason

        self.tls = TLSMemoryBIOFactory(client, True, Factory.forProtocol(Inside), clock).buildProtocol(PEER)
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        self._pump: IOPump = connect(
            server,
            FakeTransport(server, isServer=True, peerAddress=PEER),
            self.tls,
            FakeTransport(self.tls, isServer=False),
        )
        self.flush()

    def flush(self) -> None:
        """Carry everything to and fro."""
        for _ in range(5):
            self._clock.advance(0)
            self._pump.flush()

    def ask(self, data: bytes) -> bytes:
        """@return: what came back since the last time; nothing if not let in."""
        self.said = b""
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        self.tls.write(data)
        self.flush()
        return self.said

    @property
    def connection(self) -> SSL.Connection:
        assert isinstance(self.tls, TLSMemoryBIOProtocol)
        return cast(SSL.Connection, self.tls.getHandle())


class SecureCase(SynchronousTestCase):
    """A listener in a test, its authority, and its log."""

    def setUp(self) -> None:
        self.clock, self.authority, self.askers = Clock(), Authority(), list[Asker]()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = self.authority.issue("lumina", server=True)
        self.certificate, self.key = self.server.save(self.folder, "server")
        self.clients, _ = self.authority.save(self.folder, "clients")
        self.said: list[str] = []

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            self.said.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def listen(self, clients: bool = True, revoked: str = "") -> None:
        files = Files(self.certificate, self.key, self.clients if clients else "", revoked)
        self.outer = Outer()
        inside = Factory.forProtocol(lambda: Echo(self.askers))
        credentials = tls.Credentials("mbaps:802", files, self.clock)
        self.secured = tls.Secured(credentials, self.outer, self.clock)
        self.successResultOf(self.secured.listen(inside))
        self.addCleanup(self.assertQuiet)

    def assertQuiet(self) -> None:
        """No timer is left once nobody listens and all handshakes are over."""
        self.outer.factory.doStop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def visit(self, client: Client) -> Visit:
        return Visit(self.outer.factory.buildProtocol(PEER), client, self.clock)

    def send(self, data: bytes) -> StringTransport:
        """Let raw bytes come from a new client."""
        server, transport = self.outer.factory.buildProtocol(PEER), StringTransport(peerAddress=PEER)
        assert server is not None
        server.makeConnection(transport)
        server.dataReceived(data)
        return transport

    def assertRefused(self, client: Client, why: str) -> None:
        """It gets no answer, its connection ends, and the log says why."""
        visit = self.visit(client)
        self.assertEqual(visit.ask(b"x"), b"")
        self.assertIsNotNone(visit.reason)
        self.assertEqual(self.askers, [])
        self.assertEqual(
            [line for line in self.said if "not let in" in line][-1:],
            [f"mbaps:802: 192.0.2.7 is not let in: {why}"],
        )


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
        self.assertRefused(Client(young), "its certificate is bad (TLS alert 42)")

    def test_certificate_of_a_server(self) -> None:
        """
        The certificate of a server is none of a client.
        """
        self.listen()
        self.assertRefused(
            Client(self.authority.issue("other", server=True)),
            "its certificate is of a kind that is not supported (TLS alert 43)",
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
        self.clock.advance(tls.HANDSHAKE - 0.1)
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
        self.clock.advance(tls.HANDSHAKE)


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
        self.clock.advance(tls.HANDSHAKE)


class ReloadTests(SecureCase):
    def shown(self, visit: Visit) -> str:
        certificate = visit.connection.get_peer_certificate()
        assert certificate is not None
        return str(certificate.get_subject().CN)

    def test_new_files(self) -> None:
        """
        New connections have the new certificate and the new authority; old ones go on as they are.
        """
        self.listen()
        old = self.visit(Client(self.authority.issue("scada")))
        other = Authority("Other CA")
        other.save(self.folder, "clients")
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        self.clock.advance(tls.LOOK)
        new = self.visit(Client(other.issue("panel")))
        self.assertEqual((self.shown(old), self.shown(new)), ("lumina", "renewed"))
        self.assertEqual((old.ask(b"old"), new.ask(b"new")), (b"old", b"new"))
        self.assertIn("mbaps:802: new certificates, for new connections", self.said)
        self.askers.clear()
        self.assertRefused(
            Client(self.authority.issue("scada")),
            UNKNOWN,
        )

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
        old, _ = self.authority.issue("old", first_day=-9, last_day=-2, server=True).save(self.folder, "old")
        late = self.authority.revoke(self.folder, last_day=-1)
        nothing = "it has nothing of the kind in PEM"
        for name, path, said in (
            ("key", stranger, "it does not belong to the certificate"),
            ("key", self.clients, nothing),
            ("clients", self.key, nothing),
            ("certificate", self.key, nothing),
            ("certificate", "/dev/zero", "it is no plain file of a size that certificates have"),
            ("certificate", old, "it has expired, on "),
            ("clients", old, "it has expired, on "),
            ("revoked", self.key, "it has no list of revoked certificates in PEM"),
            ("revoked", late, "a list in it was to be renewed by "),
        ):
            self.assertIn(f"{name} '{path}' cannot be used: {said}", self.refused(**{name: path}))

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
