"""Readings as JSON, as the API documents it."""

import json
import math

from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.documents import (
    document,
    encode,
    full_document,
    gap_document,
    is_good,
    lines,
    timestamp,
)
from lumina.sinks.records import Gap
from tests.spools import START, reading


class DocumentTests(SynchronousTestCase):
    def test_as_documented(self) -> None:
        """
        A reading has the eight documented keys in their order, and the documented values.
        """
        self.assertEqual(
            encode(document(reading())),
            b'{"device_id":1,"parameter":"Voltage (L-N)","value":228.6,"unit":"V",'
            b'"timestamp":"2025-07-08T16:00:00Z","register_address":40001,"data_type":"float",'
            b'"description":"Line to Neutral Voltage"}',
        )

    def test_time(self) -> None:
        """
        Time is UTC in whole seconds, the second that had begun.
        """
        self.assertEqual(timestamp(START + 0.749), "2025-07-08T16:00:00Z")
        self.assertEqual(timestamp(0.0), "1970-01-01T00:00:00Z")

    def test_values(self) -> None:
        """
        Truth, numbers and words stay what they are.
        """
        values = (True, 0, -7, 2**64 - 1, 0.1, "open", "°C")
        for value in values:
            found = json.loads(encode(document(reading(value))))["value"]
            self.assertEqual((type(found), found), (type(value), value))

    def test_no_value(self) -> None:
        """
        A reading without a value is null and says why, and so is a number that JSON cannot say.
        """
        bad = full_document(reading(None))
        self.assertEqual((bad["value"], bad["quality"]), (None, "timeout"))
        self.assertEqual(bad["reason"], "unit 1 did not answer")
        for value in (math.nan, math.inf, -math.inf):
            self.assertFalse(is_good(reading(value)))
            found = full_document(reading(value))
            self.assertEqual((found["value"], found["quality"]), (None, "not_finite"))
            self.assertIn(str(value), str(found["reason"]))
        self.assertEqual(full_document(reading())["quality"], "good")

    def test_gap(self) -> None:
        """
        A gap says whose readings are lost, from when to when, how many, and why.
        """
        self.assertEqual(
            gap_document(Gap(3, "pump 1", START, START + 60, 42, "the spool was full")),
            {
                "device_id": "pump 1",
                "gap_from": "2025-07-08T16:00:00Z",
                "gap_to": "2025-07-08T16:01:00Z",
                "count": 42,
                "cause": "the spool was full",
            },
        )

    def test_lines(self) -> None:
        """
        Every line is a document by itself, whatever is in it.
        """
        data = lines([document(reading("a\nb")), document(reading("\u2028"))])
        self.assertEqual([json.loads(line)["value"] for line in data.splitlines()], ["a\nb", "\u2028"])
