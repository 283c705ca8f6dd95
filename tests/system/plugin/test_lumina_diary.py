"""The sink by itself."""

from pathlib import Path

from lumina_diary import DiarySettings, Kind
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from lumina.interfaces import NotTaken, Point, Reading
from lumina.plugins import ISink
from lumina.testing import outlet


class DiaryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.sink = Kind().sink(DiarySettings(file="diary"), outlet(self.directory))
        self.reading = Reading(Point(1, "Voltage"), 230.0, 0.0)

    def test_sink(self) -> None:
        """
        lumina finds all that it asks of a sink.
        """
        self.assertTrue(verifyObject(ISink, Kind()))

    def test_sentence(self) -> None:
        """
        A reading is a sentence.
        """
        self.directory.mkdir()
        self.assertIsNone(self.successResultOf(self.sink.put([self.reading])))
        self.assertEqual((self.directory / "diary").read_text(), "Dear diary, Voltage: it was 230.0.\n")

    def test_no_paper(self) -> None:
        """
        What cannot be written is not taken.
        """
        self.failureResultOf(self.sink.put([self.reading]), NotTaken)
