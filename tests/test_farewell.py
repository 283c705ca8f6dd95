"""The end of a service while the API is asked: nothing of it is a riddle in the log."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.sinks.delivery import Delivery
from lumina.sinks.documents import document
from lumina.sinks.post import Post, Posting
from lumina.sinks.records import Limits
from lumina.sinks.sender import Sender
from lumina.sinks.sink import SpoolingSink
from lumina.sinks.spool import Spool
from lumina.testing import pass_time
from tests.spools import START, Thread, directory, reading


class Hanging:
    """treq's client, before an API that never answers, or that fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[Deferred[Any]] = []
        self._failure = failure

    def post(self, url: str, **arguments: Any) -> Deferred[Any]:
        self.asked.append(Deferred())
        if self._failure is not None:
            self.asked[-1].errback(self._failure)
        return self.asked[-1]


class FarewellTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []

        @implementer(ILogObserver)
        def observer(event: Any) -> None:
            if event["log_namespace"].startswith("lumina"):
                self.said.append(formatEvent(event))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def stopped(self, client: Hanging) -> SpoolingSink:
        """A sink with readings of three devices, which is stopped after a while."""
        spool = Spool("api", directory(self) / "api.spool", Limits(), lambda: START, Thread())
        post = Post(Posting("http://api.example/"), client, self.clock, lambda: START)
        sender = Sender(spool, post, Delivery(concurrency=2), document, self.clock)
        sink = SpoolingSink(spool, sender, "post", lambda: START)
        sink.startService()
        self.successResultOf(sink.put([reading(n, n) for n in range(3)]))
        pass_time(self.clock, 10.0)
        self.assertTrue(client.asked)
        self.said.clear()
        done = sink.stopService()
        pass_time(self.clock, 4.0)
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return sink

    def test_hangs(self) -> None:
        """
        Requests without an answer are waited for, and then it is said how many and what comes of them.
        """
        sink = self.stopped(Hanging())
        sentence = "api: lumina stops, requests without an answer: 2; they are sent again at the start"
        self.assertEqual((self.said, sink.status().queued), ([sentence], 3))

    def test_pauses(self) -> None:
        """
        During the pause before the next attempt there is nothing to say.
        """
        sink = self.stopped(Hanging(ConnectionRefusedError("nobody is there")))
        self.assertEqual((self.said, sink.status().queued), ([], 3))
