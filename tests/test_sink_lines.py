"""Readings as lines of JSON in a file."""

import json

from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import NotTaken
from lumina.sinks.lines import LinesSink
from tests.spools import START, Thread, directory, reading


class LinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = directory(self)
        self.now = START
        self.thread = Thread()

    def sink(self, name: str = "readings.jsonl", bad: bool = True) -> LinesSink:
        return LinesSink("file", str(self.directory / name), lambda: self.now, self.thread, bad)

    def values(self, name: str = "readings.jsonl") -> list[object]:
        return [json.loads(line)["value"] for line in (self.directory / name).read_text().splitlines()]

    def test_written(self) -> None:
        """
        Each reading is a line: the documented keys, its quality and the reason. That is its delivery.
        """
        sink = self.sink()
        self.successResultOf(sink.put([reading(1.5), reading(None)]))
        first, second = map(json.loads, (self.directory / "readings.jsonl").read_text().splitlines())
        self.assertEqual(list(first)[-3:], ["description", "quality", "reason"])
        self.assertEqual((first["value"], first["quality"]), (1.5, "good"))
        self.assertEqual((second["value"], second["quality"]), (None, "timeout"))
        status = sink.status()
        self.assertEqual((status.taken, status.delivered, status.queued), (2, 2, 0))

    def test_good_ones_only(self) -> None:
        """
        It may be told to leave out readings without a value; they are counted.
        """
        sink = self.sink(bad=False)
        self.successResultOf(sink.put([reading(None), reading(2)]))
        self.assertEqual((self.values(), sink.status().declined), ([2], 1))

    def test_rotated(self) -> None:
        """
        A file that was renamed is followed by a new one, and with a date in its name there is one each day.
        """
        sink = self.sink()
        self.successResultOf(sink.put([reading(1)]))
        (self.directory / "readings.jsonl").rename(self.directory / "old")
        self.successResultOf(sink.put([reading(2)]))
        self.assertEqual((self.values("old"), self.values()), ([1], [2]))
        daily = self.sink("%Y/%m-%d.jsonl")
        self.successResultOf(daily.put([reading(3)]))
        self.now += 86_400
        self.successResultOf(daily.put([reading(4)]))
        self.assertEqual((self.values("2025/07-08.jsonl"), self.values("2025/07-09.jsonl")), ([3], [4]))

    def test_no_room(self) -> None:
        """
        What cannot be written is not taken, which is said once, and counted; later readings are.
        """
        full = LinesSink("file", "/dev/full", lambda: self.now, self.thread)
        for _ in range(2):
            error = self.failureResultOf(full.put([reading(1)]), NotTaken)
            self.assertEqual(str(error.value), "file: /dev/full: No space left on device")
        status = full.status()
        self.assertEqual((status.state, status.taken, status.missed), ("failing", 0, 2))
        full._path = str(self.directory / "x")
        self.successResultOf(full.put([reading(1)]))
        self.assertEqual((full.status().state, full.status().taken), ("idle", 1))

    def test_stopped(self) -> None:
        """
        It stops when what was begun is written.
        """
        self.thread.waits = True
        sink = self.sink()
        sink.startService()
        done, stopped = sink.put([reading(1)]), sink.stopService()
        self.assertNoResult(stopped)
        self.thread.work()
        self.successResultOf(done)
        self.successResultOf(stopped)
        self.assertTrue(self.thread.stopped)
