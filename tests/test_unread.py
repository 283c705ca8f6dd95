"""Values that a device does not give: what the log tells of them."""

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.readings import Point, Reading
from lumina.watch.devices import TOLD, DeviceStates

POINTS = [Point(1, f"r{number}") for number in range(8)]
REFUSED = "function 03 was refused with exception 02, illegal data address"


class UnreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.states = DeviceStates(lambda: self.now, lambda: self.now)
        self.states.expect(1, "plant", 7, POINTS)

    def told(self, *qualities: str, reason: str = REFUSED) -> list[str]:
        """What the log says, above debugging, when its first values are read with these qualities."""
        readings = [
            Reading(point, 1.0 if quality == "good" else None, self.now, quality, reason)
            for point, quality in zip(POINTS, qualities, strict=False)
        ]
        with capturedLogs() as events:
            self.successResultOf(self.states.put(readings))
        return [formatEvent(event) for event in events if event["log_level"].name in ("info", "warn")]

    def test_told_once(self) -> None:
        """
        A value that the device refuses is told of once, with the reason, and once more when it is there.
        """
        self.assertEqual(self.told("good", "exception_02"), [f"device 1: r1 has no value: {REFUSED}"])
        self.assertEqual(self.told("good", "exception_02", reason=f"{REFUSED}; 2 times in a row"), [])
        self.assertEqual(self.told("good", "good"), ["device 1: r1 has a value again"])
        self.assertEqual(self.told("good", "good"), [])

    def test_together(self) -> None:
        """
        Values with one reason are one line, with a few names.
        """
        self.assertEqual(
            self.told("good", "invalid", "timeout", "timeout", reason="so it is"),
            ["device 1: r1 has no value: so it is", "device 1: r2 and r3 have no value: so it is"],
        )
        self.assertEqual(
            self.told("good", *["good"] * 3, *["exception_02"] * 4),
            [
                "device 1: r1, r2 and r3 have a value again",
                f"device 1: r4, r5, r6 and 1 more have no value: {REFUSED}",
            ],
        )

    def test_offline(self) -> None:
        """
        Of a device that answers nothing nothing else is said.
        """
        self.assertEqual(self.told("timeout", "timeout", reason="silent"), ["device 1 is offline: silent"])
        self.assertEqual(self.told("shutting_down"), [])

    def test_known_silence(self) -> None:
        """
        A device is not offline because a value is silent, read alone, that was so while it answered others.
        """
        self.told("good", "timeout", "exception_02")
        timeout = Reading(POINTS[1], None, self.now, "timeout", "silent")
        self.successResultOf(self.states.put([timeout]))
        self.assertIs(self.states.devices()[0].online, True)
        for dead in (POINTS[0], POINTS[2]):
            self.successResultOf(
                self.states.put([timeout, Reading(dead, None, self.now, "timeout", "silent")])
            )
            self.assertIs(self.states.devices()[0].online, False)
            self.told("good", "timeout", "exception_02")

    def test_now_and_then(self) -> None:
        """
        Values that come and go do not fill the log.
        """
        count = sum(len(self.told("good", quality)) for quality in ("good", "bad_reply") * 100)
        self.assertLessEqual(count, 2 * TOLD)
