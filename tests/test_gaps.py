"""Records of what was lost, delivered where they are wanted."""

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.delivery import Courier
from lumina.sinks.gaps import GapSender, ToFiles
from lumina.sinks.lines import LinesSink
from lumina.sinks.records import Limits
from lumina.sinks.spool import Spool
from lumina.testing import pass_time
from tests.spools import START, FakeCourier, Thread, directory


class GapTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.courier = FakeCourier()
        self.directory = directory(self)
        self.spool = Spool("api", self.directory / "api.spool", Limits(), lambda: START, Thread())
        self.can_send = True
        self.begin(self.courier)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(lambda: self.gaps.stopService())

    def begin(self, courier: Courier) -> None:
        """Start what delivers gaps."""
        self.gaps = GapSender(self.spool, courier, self.clock, lambda: self.can_send)
        self.gaps.startService()

    def lose(self, device: int, count: int) -> None:
        self.successResultOf(
            self.spool.do(lambda store: store.miss([(device, START, START + 60, count)], "the disk was full"))
        )

    def test_delivered(self) -> None:
        """
        Each gap is sent once, with its device, its time, its count and its cause.
        """
        self.courier.answers = lambda _: 201
        self.lose(1, 42)
        self.lose(2, 7)
        pass_time(self.clock, 100.0)
        first, second = (each.documents[0] for each in self.courier.sent)
        self.assertEqual((first["device_id"], first["count"], first["cause"]), (1, 42, "the disk was full"))
        self.assertEqual(
            (first["gap_from"], first["gap_to"]), ("2025-07-08T16:00:00Z", "2025-07-08T16:01:00Z")
        )
        self.assertEqual(second["count"], 7)
        self.assertEqual(
            [each.key for each in self.courier.sent], [f"{self.spool.name}-g{n}" for n in ("1-42", "2-7")]
        )

    def test_again(self) -> None:
        """
        One that is not accepted yet is sent again, with the same key; one that is refused is not.
        """
        self.lose(1, 42)
        pass_time(self.clock, 31.0)
        self.courier.sent[0].lose()
        pass_time(self.clock, 30.0)
        first, second = self.courier.sent
        self.assertEqual((first.key, first.body), (second.key, second.body))
        second.answer(422)
        pass_time(self.clock, 300.0)
        self.assertEqual(len(self.courier.sent), 2)

    def test_grown(self) -> None:
        """
        A gap that has grown on its way is sent again, with what it is now.
        """
        self.lose(1, 1)
        pass_time(self.clock, 31.0)
        self.lose(1, 1)
        self.courier.answers = lambda _: 201
        self.courier.sent[0].answer(201)
        self.assertEqual([each.documents[0]["count"] for each in self.courier.sent], [1, 2])

    def test_while_nothing_can_be_sent(self) -> None:
        """
        While the API takes no readings, it is not asked to take gaps.
        """
        self.lose(1, 42)
        self.can_send = False
        pass_time(self.clock, 300.0)
        self.assertEqual(self.courier.sent, [])

    def test_files(self) -> None:
        """
        Where the API does not want them, gaps go to the files of other sinks, once there is room.
        """
        self.gaps.stopService()
        file = LinesSink("file", "/dev/full", lambda: START, Thread())
        self.begin(ToFiles([file]))
        self.lose(1, 42)
        pass_time(self.clock, 31.0)
        file._path = str(self.directory / "readings.jsonl")
        pass_time(self.clock, 300.0)
        (line,) = (self.directory / "readings.jsonl").read_text().splitlines()
        self.assertEqual(json.loads(line)["count"], 42)
