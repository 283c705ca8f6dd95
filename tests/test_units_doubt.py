"""Late replies: how long a unit may still owe one, and how long its replies take."""

from lumina.bus.unit import LEAST_BOUND, OTHERS, READS, WRITES, ReplyTimes
from lumina.bus.units import FULL_WAIT
from lumina.modbus.pdu import (
    ReadDeviceIdentification,
    ReadExceptionStatus,
    ReadHoldingRegisters,
    ReportServerId,
)
from tests.units_case import BAUDRATE, BOUND, HOLE, INPUT, LATE, LATE_INPUT, READ, UNKNOWN, WRITE, UnitsCase


class DoubtTests(UnitsCase):
    def test_unknown_unit(self) -> None:
        """
        A unit that was never asked may be asked anything at once.
        """
        self.assertEqual(self.waits(), 0.0)
        self.assertFalse(self.refused())
        self.assertEqual(self.units.view(self.now), [])

    def test_silence(self) -> None:
        """
        After a silence the same function waits, other functions and other units do not.
        """
        self.miss(waited=0.25)
        self.assertEqual(self.waits(), 0.75)
        self.assertEqual((self.waits(INPUT), self.waits(WRITE), self.waits(unit=8)), (0.0, 0.0, 0.0))
        self.assertEqual(self.seen().doubt, (3,))

    def test_another_block(self) -> None:
        """
        A read of other registers waits as well: its reply could not be told from the late one.
        """
        self.miss(waited=0.25)
        self.assertEqual(self.waits(HOLE), 0.75)

    def test_linger(self) -> None:
        """
        Doubt is over when the linger has passed since the request; what comes then is no late reply.
        """
        self.miss(waited=0.25)
        self.now += 0.75
        self.assertEqual((self.waits(), self.seen().doubt), (0.0, ()))
        self.assertFalse(self.units.heard(LATE, self.now))

    def test_linger_follows_the_slowest_reply(self) -> None:
        """
        The linger is twice the slowest reply of the unit, 1 s at least and 3 s at most.
        """
        for slowest, linger in ((0.1, 1.0), (0.7, 1.4), (2.0, 3.0)):
            self.setUp()
            self.answer(delay=slowest)
            self.answer(delay=0.01)
            self.miss(waited=0.25)
            self.assertAlmostEqual(self.waits(), linger - 0.25)

    def test_configured_linger(self) -> None:
        """
        A configured linger is taken as it is.
        """
        self.habits(linger=5.0)
        self.miss(waited=0.25)
        self.assertEqual(self.waits(), 4.75)

    def test_late_reply(self) -> None:
        """
        The late reply ends the doubt.
        """
        self.miss(waited=0.25)
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertEqual(self.waits(), 0.0)

    def test_late_exception(self) -> None:
        """
        A late exception ends the doubt of its function.
        """
        self.miss(waited=0.25)
        self.assertTrue(self.units.heard(b"\x07\x83\x02", self.now))
        self.assertEqual(self.waits(), 0.0)

    def test_frame_that_nobody_is_owed(self) -> None:
        """
        Frames of other units and functions settle nothing, and prove no unit alive.
        """
        self.miss(waited=0.25)
        for frame in (b"\x08" + LATE[1:], LATE_INPUT):
            self.assertFalse(self.units.heard(frame, self.now))
        self.assertEqual((self.waits(), self.seen().doubt), (0.75, (3,)))

    def test_frame_of_another_shape(self) -> None:
        """
        A frame that cannot be the reply that is owed leaves the doubt as it is.
        """
        self.miss(waited=0.25)
        self.assertFalse(self.units.heard(b"\x07\x03\x02\x00\x2a", self.now))
        self.assertEqual(self.waits(), 0.75)

    def test_repeated_read(self) -> None:
        """
        A read that was sent twice is owed two replies, and both are awaited.
        """
        self.miss(waited=0.25, times=2)
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertEqual(self.waits(), 0.75)
        self.now += 0.03
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertEqual(self.waits(), 0.0)
        self.now += 0.03
        self.assertFalse(self.units.heard(LATE, self.now))

    def test_copy_of_a_late_reply(self) -> None:
        """
        A late reply that comes twice answers one request: the reply to the other is awaited all the same.
        """
        self.miss(waited=0.25, times=2)
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertFalse(self.units.heard(LATE, self.now + 0.02))
        self.assertEqual(self.waits(), 0.75)

    def test_copy_of_a_reply(self) -> None:
        """
        The same of a reply that is taken for that to the second request.
        """
        self.miss(waited=0.25)
        self.now += 0.1
        self.units.answered(7, READ, 0.1, BAUDRATE, self.now, LATE[1:])
        self.assertFalse(self.units.heard(LATE, self.now))
        self.assertAlmostEqual(self.waits(), 0.9)

    def test_linger_of_repeated_read(self) -> None:
        """
        The linger counts from the last of the requests.
        """
        self.miss(waited=0.25, times=2)
        self.now += 0.7
        self.assertAlmostEqual(self.waits(), 0.05)

    def test_repeat_answered(self) -> None:
        """
        One reply to a read sent twice may be that to the first: the other one is awaited.
        """
        self.miss(waited=0.25)
        self.answer(delay=0.1)
        self.assertAlmostEqual(self.waits(), 0.9)
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertEqual(self.waits(), 0.0)

    def test_other_function_answered(self) -> None:
        """
        Units answer in turn: a reply to another function means that nothing older will come.
        """
        self.miss(waited=0.25, times=2)
        self.answer(request=INPUT)
        self.assertEqual((self.waits(), self.waits(INPUT)), (0.0, 0.0))

    def test_other_unit_answered(self) -> None:
        """
        What another unit replies settles nothing.
        """
        self.miss(waited=0.25)
        self.answer(8, INPUT, delay=0.25)
        self.assertEqual(self.waits(), 0.5)

    def test_late_reply_settles_only_what_is_older(self) -> None:
        """
        A late reply to the first of two functions leaves the second in doubt; one to the second ends both.
        """
        for frame, doubt in ((LATE, (4,)), (LATE_INPUT, ())):
            self.setUp()
            self.miss(waited=0.25)
            self.miss(request=INPUT, waited=0.25)
            self.assertEqual(self.seen().doubt, (3, 4))
            self.assertTrue(self.units.heard(frame, self.now))
            self.assertEqual(self.seen().doubt, doubt)

    def test_damaged(self) -> None:
        """
        A whole reply with a wrong CRC leaves no doubt.
        """
        self.units.damaged(7, READ, self.now)
        self.assertEqual(self.waits(), 0.0)

    def test_unclear(self) -> None:
        """
        Bytes that are no reply leave doubt.
        """
        self.units.unclear(7, READ, self.now, waited=0.25)
        self.assertEqual(self.waits(), 0.75)

    def test_slower_than_ever(self) -> None:
        """
        A late reply that took longer than any before makes what else is owed be awaited longer.
        """
        self.miss(waited=0.5)
        self.miss(waited=0.4)
        self.assertTrue(self.units.heard(LATE, self.now))
        self.assertAlmostEqual(self.waits(), 1.8 - 0.4)


class ReplyTimeTests(UnitsCase):
    def test_smoothed(self) -> None:
        """
        Mean and mean deviation follow the replies as TCP's do, by an eighth and a quarter.
        """
        times = ReplyTimes.first(0.04).after(0.12)
        self.assertAlmostEqual(times.mean, 0.05)
        self.assertAlmostEqual(times.deviation, 0.035)
        self.assertEqual(times.slowest, 0.12)
        self.assertEqual(times.after(0.01).slowest, 0.12)

    def test_bound(self) -> None:
        """
        The bound is mean, four deviations and slack; twice the mean and 30 ms at least.
        """
        self.assertAlmostEqual(ReplyTimes(0.1, 0.05, 0.2).bound(0.02), 0.32)
        self.assertAlmostEqual(ReplyTimes(0.1, 0.001, 0.2).bound(0.02), 0.2)
        self.assertAlmostEqual(ReplyTimes(0.001, 0.0, 0.2).bound(0.02), LEAST_BOUND)

    def test_kinds(self) -> None:
        """
        Reads, writes and other functions are learnt apart, and units too.
        """
        reads = READ, INPUT, ReportServerId(), ReadDeviceIdentification(1, 0)
        for kind, delay, requests in (
            (READS, 0.1, reads),
            (WRITES, 0.2, (WRITE,)),
            (OTHERS, 0.3, (UNKNOWN, ReadExceptionStatus())),
        ):
            for request in requests:
                self.answer(request=request, delay=delay)
            self.assertAlmostEqual(self.seen().times[kind].mean, delay)
        self.answer(8, delay=0.9)
        self.assertEqual(set(self.seen(8).times), {READS})
        self.assertAlmostEqual(self.seen().times[READS].slowest, 0.1)

    def test_late_reply_is_learnt(self) -> None:
        """
        A late reply took from the end of its own request until it was heard.
        """
        self.miss(waited=0.25)
        self.units.heard(LATE, self.now + 0.5)
        self.assertAlmostEqual(self.seen().times[READS].mean, 0.75)

    def test_first_late_reply_is_that_to_the_oldest(self) -> None:
        """
        Of two requests that are owed, the first is answered first.
        """
        self.miss(waited=0.25, times=2)
        self.units.heard(LATE, self.now)
        self.assertAlmostEqual(self.seen().times[READS].slowest, 0.5)

    def test_living_unit_is_not_hurried(self) -> None:
        """
        As long as a unit answers, the wait is what was stated.
        """
        self.answer()
        self.assertEqual(self.units.wait(7, READ, 5.0, self.now), 5.0)

    def test_missing_unit(self) -> None:
        """
        Once a unit is missing a read waits as long as its replies take, doubled at each miss; once it is
        suspended, twice as long.
        """
        self.answer()
        for factor in (2, 4, 2, 2):
            self.miss()
            self.assertAlmostEqual(self.units.wait(7, READ, 5.0, self.now), factor * BOUND)

    def test_strange_blocks(self) -> None:
        """
        Each strange block that was met with silence halves the wait for the
        next one, down to what the reply times allow; not for what it answers.
        """
        self.answer()
        waits = []
        for address in (100, 200, 300):
            block = ReadHoldingRegisters(address, 1)
            waits.append(self.units.wait(7, block, 1.0, self.now))
            self.assertEqual(self.units.wait(7, READ, 1.0, self.now), 1.0)
            self.miss(request=block, waited=waits[-1])
        self.assertEqual(waits, [1.0, 0.5, 0.25 if 4 * BOUND < 0.25 else 4 * BOUND])
        self.assertEqual(self.seen().state, "suspended")

    def test_never_longer_than_stated(self) -> None:
        """
        What was learnt shortens a wait, and never lengthens it.
        """
        self.answer()
        for _ in range(5):
            self.miss()
            self.assertEqual(self.units.wait(7, READ, 0.05, self.now), 0.05)

    def test_writes_and_unknown_functions_are_not_hurried(self) -> None:
        """
        A write, an unknown function and a rare one wait as long as was stated, whatever is missing.
        """
        requests = WRITE, UNKNOWN, ReadExceptionStatus()
        for request in requests:
            self.answer(request=request)
        self.suspend()
        self.assertEqual({self.units.wait(7, each, 5.0, self.now) for each in requests}, {5.0})

    def test_unit_that_never_replied(self) -> None:
        """
        A missing unit of which nothing is known gets its own timeout or the port's, or less if stated.
        """
        self.assertEqual(self.units.wait(7, READ, 5.0, self.now), 5.0)
        self.miss()
        self.assertEqual(self.units.wait(7, READ, 5.0, self.now), 1.0)
        self.assertEqual(self.units.wait(7, READ, 0.1, self.now), 0.1)
        self.habits(timeouts={7: 2.5})
        self.miss(waited=2.5)
        self.assertEqual(self.units.wait(7, READ, 5.0, self.now), 2.5)

    def test_unit_that_grew_slow(self) -> None:
        """
        A probe now and then waits as long as was stated, or a unit that has become slower than all that was
        learnt would stay suspended for ever.
        """
        self.suspend()
        waits = []
        for _ in range(FULL_WAIT):
            waits.append(self.units.wait(7, READ, 5.0, self.now))
            self.miss()
        self.assertEqual([round(wait, 9) for wait in waits], [2 * BOUND] * (FULL_WAIT - 1) + [5.0])

    def test_breaker_off(self) -> None:
        """
        Where no unit is ever suspended, a dead one is still not waited for in full; any number of misses does
        no harm.
        """
        self.habits(misses=0)
        self.answer()
        self.miss(times=2000)
        self.assertFalse(self.refused())
        self.assertEqual(self.seen().state, "missing")
        self.assertEqual(self.units.wait(7, READ, 5.0, self.now), 5.0)
        self.assertEqual(self.units.wait(7, READ, 60.0, self.now), 256 * BOUND)
