"""What a sink that tells nothing of itself has taken, and what not."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import NotTaken
from lumina.readings import Reading
from lumina.sinks.counted import CountedSink
from lumina.status import SinkStatus
from tests.spools import reading


class Moody:
    """Takes readings, or does not, or raises."""

    error: Exception | None = None
    raises = False

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        if self.error is None:
            return succeed(None)
        if self.raises:
            raise self.error
        return fail(self.error)


class CountedTests(SynchronousTestCase):
    def test_counts(self) -> None:
        """
        It is `failing`, with the reason, from a reading that it does not take until one that it does.
        """
        moody = Moody()
        sink = CountedSink("mine", "moody", moody)
        self.assertEqual(sink.status(), SinkStatus("mine", "moody"))
        self.successResultOf(sink.put([reading(1), reading(2)]))
        self.assertEqual(sink.status(), SinkStatus("mine", "moody", taken=2, delivered=2))
        moody.error = NotTaken("the tape is full")
        self.failureResultOf(sink.put([reading(3)]), NotTaken)
        status = sink.status()
        self.assertEqual((status.state, status.missed, status.error), ("failing", 1, "the tape is full"))
        moody.error, moody.raises = ZeroDivisionError(), True
        self.failureResultOf(sink.put([reading(4)]), ZeroDivisionError)
        self.assertEqual(sink.status().error, "ZeroDivisionError")
        moody.error = None
        self.successResultOf(sink.put([reading(5)]))
        self.assertEqual(sink.status(), SinkStatus("mine", "moody", taken=3, delivered=3, missed=2))
