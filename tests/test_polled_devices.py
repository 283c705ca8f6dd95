"""Device states: what is known of polled devices."""

import re

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadRequest
from lumina.readings import Point, Reading
from lumina.status import Change, Cycles
from lumina.watch.devices import KEPT, DeviceStates

VOLTS = Point(1, "V", unit="V")
AMPERES = Point(1, "A", unit="A")
FLOW = Point("pump", "Flow")


class StateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now, self.step = 1000.0, 0.0
        wall = lambda: self.now + self.step  # noqa: E731
        self.states = DeviceStates(wall, lambda: self.now, lambda: {1: Cycles(3, 1)})
        self.states.expect(1, "plant", 7, [VOLTS, AMPERES])
        self.states.expect("pump", "plant", 8, [FLOW])

    def read(self, *readings: Reading) -> None:
        self.successResultOf(self.states.put(readings))

    def test_before_the_first_reading(self) -> None:
        """
        A device that was not read yet is neither online nor offline, and has its values, which are empty.
        """
        first, second = self.states.devices()
        self.assertEqual((first.id, first.bus, first.unit, first.online), (1, "plant", 7, None))
        self.assertEqual((first.age, first.good, first.bad, first.cycles), (None, 0, 0, Cycles(3, 1)))
        self.assertEqual((second.id, second.cycles), ("pump", Cycles()))
        (whole,) = self.states.devices("1")
        self.assertEqual(
            [(each.parameter, each.reading) for each in whole.points], [("V", None), ("A", None)]
        )

    def test_last_value(self) -> None:
        """
        The last reading of each value is known, with its age.
        """
        self.read(Reading(VOLTS, 230.1, 1000.0), Reading(AMPERES, 2.5, 1000.0))
        self.now = 1004.0
        (device,) = self.states.devices("1")
        self.assertEqual((device.online, device.since, device.good, device.age), (True, 4.0, 2, 4.0))
        self.assertEqual(
            [(each.reading.value, each.age) for each in device.points if each.reading],
            [(230.1, 4.0), (2.5, 4.0)],
        )

    def test_failed_read(self) -> None:
        """
        A read that failed leaves no old value behind.
        """
        self.read(Reading(VOLTS, 230.1, 1000.0))
        self.read(Reading(VOLTS, None, 1001.0, "timeout", "no answer within 1 s"))
        (device,) = self.states.devices("1")
        reading = device.points[0].reading
        assert reading is not None
        self.assertEqual((reading.value, reading.quality), (None, "timeout"))
        self.assertEqual((device.good, device.bad), (0, 1))

    def test_offline(self) -> None:
        """
        A device that does not answer is offline, with the reason and the time; one answer and it is back.
        """
        self.read(Reading(VOLTS, 1, 1000.0))
        for at in (1010.0, 1020.0):
            self.read(Reading(VOLTS, None, at, "timeout", "no answer"), Reading(AMPERES, None, at, "timeout"))
        self.now = 1030.0
        device = self.states.devices()[0]
        self.assertEqual((device.online, device.since, device.reason), (False, 20.0, "no answer"))
        self.read(Reading(VOLTS, None, 1031.0, "timeout"), Reading(AMPERES, 2, 1031.0))
        device = self.states.devices()[0]
        self.assertEqual((device.online, device.reason), (True, ""))

    def test_refusal_is_an_answer(self) -> None:
        """
        A device that refuses is there; but not one that a gateway could not reach.
        """
        for quality, online in (
            ("exception_02", True),
            ("absent", True),
            ("invalid", True),
            ("exception_0B", False),
            ("serial_error", False),
        ):
            self.read(Reading(FLOW, None, 1000.0, quality))
            self.assertEqual(self.states.devices()[1].online, online, quality)

    def test_our_own_faults(self) -> None:
        """
        That lumina itself did not ask says nothing about the device.
        """
        self.read(Reading(FLOW, 1, 1000.0))
        self.read(Reading(FLOW, None, 1001.0, "shutting_down"))
        self.assertTrue(self.states.devices()[1].online)

    def test_changes(self) -> None:
        """
        The last changes of each value are kept, newest first; a value that stays is none.
        """
        for number in range(KEPT + 5):
            for _ in range(2):
                self.read(Reading(VOLTS, number, 1000.0 + number))
        (device,) = self.states.devices("1")
        changes = device.points[0].changes
        self.assertEqual(len(changes), KEPT)
        newest = changes[0]
        assert newest.before is not None
        self.assertEqual((newest.before.value, newest.after.value), (KEPT + 3, KEPT + 4))

    def test_watching(self) -> None:
        """
        Whoever watches sees each change, until they leave; one that raises harms nobody.
        """
        seen: list[Change] = []

        def broken(change: Change) -> None:
            raise ZeroDivisionError

        self.states.watch(broken)
        end = self.states.watch(seen.append)
        self.read(Reading(VOLTS, 1, 1000.0), Reading(VOLTS, 1, 1001.0), Reading(VOLTS, 2, 1002.0))
        self.assertEqual([change.after.value for change in seen], [1, 2])
        end()
        end()
        self.read(Reading(VOLTS, 3, 1003.0))
        self.assertEqual(len(seen), 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_clock_is_set(self) -> None:
        """
        When the wall clock is set, as on a machine that wakes up in 1970, no age is wrong for that.
        """
        self.read(Reading(VOLTS, 1, 1000.0))
        self.step = 1.7e9
        self.now = 1010.0
        (device,) = self.states.devices("1")
        self.assertEqual((device.since, device.age, device.points[0].age), (10.0, 10.0, 10.0))
        self.read(Reading(VOLTS, 2, 1.7e9 + 1008.0))
        (device,) = self.states.devices("1")
        self.assertEqual((device.since, device.age, device.points[0].age), (10.0, 2.0, 2.0))

    def test_flapping(self) -> None:
        """
        A device that comes and goes is told of ten times, then once a minute; how it stands is said at last.
        """
        with capturedLogs() as events:
            for second in range(600):
                self.now = 2000.0 + second
                well = second % 2 or second >= 500
                self.read(Reading(FLOW, 1 if well else None, self.now, "good" if well else "timeout", "gone"))
        said = [text for event in events if (text := formatEvent(event)).startswith("device pump is")]
        self.assertLess(len(said), 25)
        self.assertEqual(said[:2], ["device pump is offline: gone", "device pump is online again"])
        self.assertRegex(said[-1], r"^device pump is online again, after \d+ changes$")
        told = [re.search(r"after (\d+)", each) for each in said]
        self.assertEqual(sum(int(each[1]) if each else 1 for each in told), 500)

    def test_unknown(self) -> None:
        """
        A device that is not polled is named, with those that are; readings of others are passed over.
        """
        error = self.assertRaises(BadRequest, self.states.devices, "x")
        self.assertEqual(str(error), "'x' is not a device that is polled; there are: 1, pump")
        self.read(Reading(Point(99, "V"), 1, 1000.0), Reading(Point(1, "new"), 1, 1000.0))
        self.assertEqual(self.states.devices()[0].age, None)
