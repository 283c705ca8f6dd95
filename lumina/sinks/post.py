"""
Posts to an HTTP API, by treq: one request is one attempt, and has one verdict.

What is secret is in headers alone, and is struck out of whatever an API says.
"""

import base64
import html
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, DNSLookupError
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from lumina.sinks import courier
from lumina.sinks.courier import Fate, Verdict

#: Bytes of an answer that are read; the rest is cut off.
_LONGEST_ANSWER = 65536
#: Characters of it that are kept.
_SHOWN = 300


class Posting(NamedTuple):
    """
    Where to post, and how.

    @ivar url: without user and password.
    @ivar headers: what is sent beside lumina's own.
    @ivar secrets: what never stands in a sentence.
    @ivar timeout: seconds for a whole request, from the name's look-up to the end of the answer.
    """

    url: str
    headers: Sequence[tuple[str, str]] = ()
    secrets: Sequence[str] = ()
    timeout: float = 30.0


class Post:
    """Sends bodies to one URL."""

    def __init__(self, posting: Posting, client: Any, reactor: Any, wall: Callable[[], float]) -> None:
        """
        @param client: of treq, with its pool of connections.
        """
        self._posting = posting
        self._secrets = sorted({each for secret in posting.secrets for each in _written(secret)}, key=len)[
            ::-1
        ]
        self._client = client
        self._reactor = reactor
        self._wall = wall

    def send(self, key: str, body: bytes, members: str = "") -> "Deferred[Verdict]":
        """
        One attempt.

        @param key: the idempotency key; the same body has the same one for ever.
        @param members: of a batch: what its readings are called, whichever batch they are in.
        @return: fires with what was said, within the timeout; never fails.
        """
        attempt = Deferred.fromCoroutine(self._attempt(key, body, members))
        attempt.addTimeout(self._posting.timeout, self._reactor, self._too_late)
        return attempt.addErrback(self._excuse)

    async def _attempt(self, key: str, body: bytes, members: str) -> Verdict:
        headers = Headers({"Content-Type": ["application/json"], "Accept": ["application/json"]})
        for name, value in self._posting.headers:
            headers.setRawHeaders(name, [value])
        headers.setRawHeaders("Idempotency-Key", [key])
        if members:
            headers.setRawHeaders("Idempotency-Members", [members])
        response = await self._client.post(
            self._posting.url,
            headers=headers,
            data=body,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        said = await _body(response)
        named = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        wait = courier.wait(response.code, named, self._wall())
        return Verdict(
            courier.fate(response.code), response.code, self._sentence(response, named, said), wait
        )

    def _sentence(self, response: Any, headers: dict[str, str], said: bytes) -> str:
        phrase = getattr(response, "phrase", b"") or b""
        sentence = self._shown(f"{response.code} {phrase.decode('latin-1')}").strip()
        if 300 <= response.code < 400:
            moved = headers.get("location", "?").partition("?")[0]
            return f"{sentence}: the API has moved to {self._shown(moved)}"
        if response.code < 300:
            return sentence
        shown = self._shown(said.decode("utf-8", "replace"))
        return f"{sentence}: {shown}" if shown else sentence

    def _shown(self, text: str) -> str:
        """The beginning of what somebody else has said, on one line and without secrets."""
        text = self._without_secrets(text)
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SHOWN]

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _too_late(self, result: object, seconds: float) -> Verdict:
        return Verdict(Fate.LATER, sentence=f"no whole answer within {seconds:g} s", lost=True)

    def _excuse(self, failure: Failure) -> Verdict:
        was_reached = not failure.check(ConnectError, DNSLookupError)
        return Verdict(Fate.LATER, sentence=self._without_secrets(_reason(failure)), lost=was_reached)


def _written(secret: str) -> Iterator[str]:
    """How a secret may stand in what an API says: as it is, in JSON, in a URL, in HTML, in base64."""
    yield secret
    if not secret:
        return
    in_json = json.dumps(secret)[1:-1]
    yield from (in_json, in_json.replace("/", "\\/"), quote(secret, safe=""), quote_plus(secret))
    yield from (html.escape(secret), base64.b64encode(secret.encode()).decode().rstrip("="))


def _reason(failure: Failure) -> str:
    """Why there is no answer, in words for an operator."""
    error: Any = failure.value
    if isinstance(error, ResponseFailed):
        causes = [each for each in error.reasons if isinstance(each, Failure)]
        return _reason(causes[0]) if causes else "the connection ended before an answer came"
    if isinstance(error, ConnectionDone | ConnectionLost):
        return "the API closed the connection before it had answered"
    if isinstance(error, DNSLookupError):
        return f"the name of the API cannot be looked up: {error}"
    if isinstance(error, ConnectError):
        return f"cannot connect: {error}"
    details = error.args[0] if error.args else None
    if isinstance(details, list):  # what OpenSSL says: library, function, reason
        return f"TLS: {', '.join(str(each[-1]) for each in details) or 'it was ended'}"
    return f"{error}" or type(error).__name__


class _Answer(Protocol):
    """Gathers a body, up to a limit; the connection of one that is cancelled is given up."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._give_up())
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        self._data += data[: _LONGEST_ANSWER - len(self._data)]
        if len(self._data) >= _LONGEST_ANSWER:
            self._give_up()
            self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._finish()
        elif not self.done.called:
            self.done.errback(reason)

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(self._data)

    def _give_up(self) -> None:
        lose = getattr(self.transport, "loseConnection", None)
        if lose is not None:
            lose()


def _body(response: IResponse) -> Deferred[bytes]:
    answer = _Answer()
    response.deliverBody(answer)
    return answer.done


@implementer(IBodyProducer)
class Whole:
    """A body that is written at once; those of lumina are small."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass
