"""One attempt to post: what is sent, what is made of the answer, and that no secret is told."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from lumina.sinks.courier import Fate, Verdict
from lumina.sinks.post import Post, Posting
from tests.spools import START

URL = "https://api.example/api/readings?site=1"
SECRET = "s3cr3t-t0k3n"


class Server(Resource):
    """Answers as the test says, and remembers what came."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[dict[bytes, Sequence[bytes]], bytes]] = []
        self.status = 201
        self.answer: bytes | int = b"{}"
        self.headers: dict[str, str] = {}

    def render_POST(self, request: Request) -> bytes | int:
        assert request.content is not None
        self.requests.append((dict(request.requestHeaders.getAllRawHeaders()), request.content.read()))
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        if self.answer == NOT_DONE_YET:
            request.write(b"the beginning")
        return self.answer


class PostTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.server = Server()
        self.stub: Any = StubTreq(self.server)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def send(self, client: Any = None, members: str = "", secret: str = SECRET) -> Deferred[Verdict]:
        posting = Posting(URL, [("Authorization", f"Bearer {secret}"), ("X-Site", "a")], [secret], 10.0)
        post = Post(posting, client or self.stub, self.clock, lambda: START)
        return post.send("name-17", b'{"value":1}', members)

    def verdict(self, client: Any = None, secret: str = SECRET) -> Verdict:
        done = self.send(client, secret=secret)
        self.stub.flush()
        return self.successResultOf(done)

    def failing(self, error: Exception) -> Any:
        """A client that comes to nothing."""

        class Client:
            def post(self, url: str, **arguments: Any) -> Deferred[Any]:
                return fail(error)

        return Client()

    def test_request(self) -> None:
        """
        The body goes as it is, as JSON, with its key and the headers that are configured.
        """
        self.assertEqual(self.verdict(), Verdict(Fate.ACCEPTED, 201, "201 Created"))
        ((headers, body),) = self.server.requests
        self.assertEqual(body, b'{"value":1}')
        for name, value in {
            b"Content-Type": b"application/json",
            b"Idempotency-Key": b"name-17",
            b"Authorization": b"Bearer s3cr3t-t0k3n",
            b"X-Site": b"a",
        }.items():
            self.assertEqual(headers[name], [value])
        self.assertNotIn(b"Idempotency-Members", headers)

    def test_members(self) -> None:
        """
        A batch tells what its readings are called.
        """
        self.send(members="name; 17-19,24")
        ((headers, _),) = self.server.requests
        self.assertEqual(headers[b"Idempotency-Members"], [b"name; 17-19,24"])

    def test_refused(self) -> None:
        """
        A refusal has what the API said, on one line, cut short, without the secrets that it may repeat.
        """
        self.server.status = 422
        self.server.answer = f'{{"errors":\n "{SECRET}\x1b[31m"}}'.encode() + b"x" * 1000
        verdict = self.verdict()
        self.assertEqual((verdict.fate, verdict.status), (Fate.REFUSED, 422))
        self.assertNotIn(SECRET, verdict.sentence)
        self.assertIn('{"errors": "*** [31m"}xxx', verdict.sentence)
        self.assertTrue(verdict.sentence.isprintable() and len(verdict.sentence) < 350)

    def test_written_otherwise(self) -> None:
        """
        Nor as JSON, a URL, HTML or base64 have it, nor in the address to which the API has moved.
        """
        self.server.status, self.server.headers = 302, {"Location": f"/new/{SECRET}/"}
        self.assertIn("has moved to /new/***/", self.verdict().sentence)
        secret = 'a/b+c<d>"e'
        self.server.status = 422
        for written in (
            json.dumps(secret),
            json.dumps(secret).replace("/", "\\/"),
            "a%2Fb%2Bc%3Cd%3E%22e",
            "a/b+c&lt;d&gt;&quot;e",
            base64.b64encode(secret.encode()).decode(),
        ):
            self.server.answer = f"you said {written}".encode()
            sentence = self.verdict(secret=secret).sentence
            self.assertIn("you said", sentence)
            self.assertNotIn(written.strip('"='), sentence)

    def test_told_to_wait(self) -> None:
        """
        How long the API asks to wait is part of what it says.
        """
        self.server.status, self.server.headers = 429, {"Retry-After": "17"}
        verdict = self.verdict()
        self.assertEqual((verdict.fate, verdict.wait), (Fate.LATER, 17.0))

    def test_redirect(self) -> None:
        """
        A redirection is not followed: readings go where they were sent, or nowhere.
        """
        self.server.status, self.server.headers = 302, {"Location": "https://elsewhere/x?token=1"}
        verdict = self.verdict()
        self.assertIs(verdict.fate, Fate.BARRED)
        self.assertTrue(
            verdict.sentence.endswith("the API has moved to https://elsewhere/x"), verdict.sentence
        )
        self.assertEqual(len(self.server.requests), 1)

    def test_no_answer(self) -> None:
        """
        An API that does not answer, or not to the end, has its time, and then it is tried again later.
        """
        self.server.answer = NOT_DONE_YET
        done = self.send()
        self.stub.flush()
        self.clock.advance(9.9)
        self.assertNoResult(done)
        self.clock.advance(0.2)
        verdict = self.successResultOf(done)
        self.assertEqual(verdict, Verdict(Fate.LATER, sentence="no whole answer within 10 s", lost=True))

    def test_withdrawn(self) -> None:
        """
        An attempt that is given up ends at once.
        """
        self.server.answer = NOT_DONE_YET
        done = self.send()
        self.stub.flush()
        done.cancel()
        self.assertIs(self.successResultOf(done).fate, Fate.LATER)

    def test_no_connection(self) -> None:
        """
        Whatever keeps the request from being answered is said in words, and it is tried again later.
        """
        for error, words in (
            (ConnectionRefusedError(), "cannot connect"),
            (DNSLookupError("no such name"), "cannot be looked up"),
            (
                ResponseNeverReceived([Failure(ConnectionDone())]),
                "the API closed the connection before it had answered",
            ),
            (RuntimeError(f"about {SECRET}"), "about ***"),
        ):
            verdict = self.verdict(self.failing(error))
            self.assertEqual((verdict.fate, verdict.status), (Fate.LATER, 0))
            self.assertIn(words, verdict.sentence)

    def test_long_answer(self) -> None:
        """
        An answer without an end is read up to a limit, and means what its status says.
        """
        self.server.answer = b"x" * 1_000_000
        self.assertIs(self.verdict().fate, Fate.ACCEPTED)
