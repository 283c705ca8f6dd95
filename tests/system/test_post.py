"""Posting over real connections: kept open, behind TLS, with a private CA and certificates on both sides."""

from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from lumina.sinks.agent import Client, Trust
from lumina.sinks.courier import Fate, Verdict
from lumina.sinks.documents import document, encode
from lumina.sinks.post import Post, Posting
from tests.laravel import Readings
from tests.pki import Authority, Issued
from tests.spools import START, reading

reactor: Any = global_reactor
TOKEN = "a-token-that-nobody-sees"
BODY = encode(document(reading()))


class CountedSite(Site):
    """
    A server that counts who connects.

    @ivar connections: how many have.
    """

    connections = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        self.connections += 1
        return super().buildProtocol(addr)


class PostCase(TestCase):
    def setUp(self) -> None:
        self.api = Readings(lambda: START, token=TOKEN)
        self.site = CountedSite(self.api)
        self.site.noisy = False

    def listen(self, options: Any = None) -> str:
        """Serve the API, and say where."""
        if options is None:
            port = reactor.listenTCP(0, self.site, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, self.site, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        scheme = "http" if options is None else "https"
        return f"{scheme}://localhost:{port.getHost().port}/api/readings"

    def post(
        self, url: str, ca: str | None = None, own: tuple[str, str] | None = None, token: str = TOKEN
    ) -> Post:
        """What posts there."""
        certificate, key = own or (None, None)
        client = Client(reactor, Trust(ca, certificate, key), 4)
        self.addCleanup(client.close)
        posting = Posting(url, [("Authorization", f"Bearer {token}")], [token], 10.0)
        return Post(posting, client.http, reactor, lambda: START)


class PlainTests(PostCase):
    async def test_one_connection(self) -> None:
        """
        Requests that follow each other use one connection; some at once use some.
        """
        post = self.post(self.listen())
        for number in range(5):
            verdict = await post.send(f"k-{number}", BODY)
            self.assertEqual((verdict.fate, verdict.status), (Fate.ACCEPTED, 201))
        self.assertEqual(self.site.connections, 1)
        more: Deferred[list[Verdict]] = gatherResults([post.send(f"m-{number}", BODY) for number in range(4)])
        self.assertEqual({each.status for each in await more}, {201})
        self.assertEqual((self.site.connections, len(self.api.stored)), (4, 9))

    async def test_wrong_token(self) -> None:
        """
        Who is not let in is told so, without the token.
        """
        verdict = await self.post(self.listen(), token="wr0ng").send("k", BODY)
        self.assertEqual((verdict.fate, verdict.status), (Fate.BARRED, 401))
        self.assertNotIn("wr0ng", verdict.sentence)

    async def test_nobody_there(self) -> None:
        """
        Where nobody listens it is tried again later.
        """
        verdict = await self.post("http://127.0.0.1:9/api/readings").send("k", BODY)
        self.assertEqual((verdict.fate, verdict.status), (Fate.LATER, 0))
        self.assertIn("cannot connect", verdict.sentence)


class SecureTests(PostCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority()
        self.ca, _ = self.authority.save(self.folder, "ca")
        self.url = self.listen(self.options(self.authority.issue("api", server=True)))

    def options(self, server: Issued) -> Any:
        """A server that wants a certificate of the same authority."""
        certificate, key = server.save(self.folder, "server")
        pem = Path(certificate).read_bytes() + Path(key).read_bytes()
        return PrivateCertificate.loadPEM(pem).options(Certificate.loadPEM(Path(self.ca).read_bytes()))

    async def test_both_sides(self) -> None:
        """
        With the private CA and a certificate of one's own readings are accepted.
        """
        own = self.authority.issue("lumina").save(self.folder, "own")
        verdict = await self.post(self.url, self.ca, own).send("k", BODY)
        self.assertEqual((verdict.fate, verdict.status), (Fate.ACCEPTED, 201), verdict)

    async def test_no_certificate(self) -> None:
        """
        A server that wants a certificate, and gets none, takes nothing; it is tried again later.
        """
        verdict = await self.post(self.url, self.ca).send("k", BODY)
        self.assertEqual((verdict.fate, len(self.api.stored)), (Fate.LATER, 0))
        self.assertTrue(verdict.sentence.startswith("TLS: "), verdict.sentence)

    async def test_unknown_authority(self) -> None:
        """
        To a server of an authority that is not trusted nothing is sent.
        """
        other, _ = Authority("Others").save(self.folder, "other")
        verdict = await self.post(self.url, other).send("k", BODY)
        self.assertEqual((verdict.fate, len(self.api.stored)), (Fate.LATER, 0))
        self.assertIn("certificate verify failed", verdict.sentence)
        verdict = await self.post(self.url).send("k", BODY)  # the system's authorities
        self.assertIn("certificate verify failed", verdict.sentence)

    async def test_another_host(self) -> None:
        """
        A certificate for another host is none.
        """
        url = self.url.replace("localhost", "127.0.0.2")
        own = self.authority.issue("lumina").save(self.folder, "own")
        verdict = await self.post(url, self.ca, own).send("k", BODY)
        self.assertEqual(verdict.fate, Fate.LATER)
