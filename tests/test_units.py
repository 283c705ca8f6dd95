"""What is known of each unit on a port."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.unit import LEAST_BOUND, OTHERS, READS, WRITES, Habits, ReplyTimes, UnitView
from lumina.bus.units import CLAIM, FULL_WAIT, PROMISE, STRANGE, Units
from lumina.modbus.pdu import (
    Opaque,
    ReadDeviceIdentification,
    ReadExceptionStatus,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReportServerId,
    Request,
    WriteRegister,
)
from lumina.modbus.rtu import Line, encode
from tests.examples import tries

READ = ReadHoldingRegisters(0, 2)
HOLE = ReadHoldingRegisters(5000, 2)
INPUT = ReadInputRegisters(0, 2)
WRITE = WriteRegister(10, 1)
UNKNOWN = Opaque(b"\x41\x01")
LATE = encode(7, bytes.fromhex("0304002A002B"))
LATE_INPUT = encode(7, bytes.fromhex("0404002A002B"))
BAUDRATE = 9600

#: Bound of a unit whose one reply took 20 ms: 20 + 4 * 10 + 20 ms of slack.
BOUND = 0.08


class UnitsCase(SynchronousTestCase):
    """A port whose time is `self.now`."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.units = Units(Habits())

    def habits(self, **changed: Any) -> None:
        self.units = Units(replace(Habits(), **changed))

    def answer(
        self, unit: int = 7, request: Request = READ, delay: float = 0.02, baudrate: int = BAUDRATE
    ) -> None:
        self.now += delay
        self.units.answered(unit, request, delay, baudrate, self.now)

    def miss(
        self,
        unit: int = 7,
        request: Request = READ,
        waited: float = 1.0,
        baudrate: int = BAUDRATE,
        times: int = 1,
    ) -> None:
        for _ in range(times):
            self.now += waited
            self.units.missed(unit, request, waited, baudrate, self.now)

    def suspend(self, unit: int = 7, learnt: bool = True, waited: float = 1.0) -> None:
        if learnt:
            self.answer(unit)
        self.miss(unit, waited=waited, times=3)

    def refused(self, unit: int = 7, urgent: bool = False, after: float = 0.0, **asked: Any) -> bool:
        return self.units.suspended(unit, self.now + after, urgent, **asked) is not None

    def probe(self, unit: int = 7, waited: float | None = None) -> None:
        """One probe, unanswered."""
        self.assertFalse(self.refused(unit))
        self.units.probing(unit, self.now)
        self.miss(unit, waited=self.units.wait(unit, READ, 1.0, self.now) if waited is None else waited)

    def price(self, waited: float) -> float:
        """Seconds without probes after one that waited so long."""
        line = Line(BAUDRATE)
        return (line.duration(8) + line.gap + waited) / 0.05

    def waits(self, request: Request = READ, unit: int = 7) -> float:
        """Until a request may be sent, in seconds."""
        return self.units.free_at(unit, request.function, self.now) - self.now

    def seen(self, unit: int = 7) -> UnitView:
        return next(view for view in self.units.view(self.now) if view.unit == unit)

    def next_try(self, unit: int = 7) -> float:
        """In how many seconds."""
        when = self.seen(unit).next_try
        assert when is not None
        return when - self.now


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
        self.assertTrue(self.units.heard(encode(7, b"\x83\x02"), self.now))
        self.assertEqual(self.waits(), 0.0)

    def test_frame_that_nobody_is_owed(self) -> None:
        """
        Frames of other units and functions settle nothing, and prove no unit alive.
        """
        self.miss(waited=0.25)
        for frame in (encode(8, LATE[1:-2]), LATE_INPUT):
            self.assertFalse(self.units.heard(frame, self.now))
        self.assertEqual((self.waits(), self.seen().doubt), (0.75, (3,)))

    def test_frame_of_another_shape(self) -> None:
        """
        A frame that cannot be the reply that is owed leaves the doubt as it is.
        """
        self.miss(waited=0.25)
        self.assertFalse(self.units.heard(encode(7, b"\x03\x02\x00\x2a"), self.now))
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
        self.units.answered(7, READ, 0.1, BAUDRATE, self.now, LATE[1:-2])
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
        self.units.set_timeout(7, 2.5)
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


class MissTests(UnitsCase):
    def test_misses_in_a_row_suspend(self) -> None:
        """
        A unit is missing from the first silence on, and suspended after as many as configured.
        """
        self.answer()
        states = [self.seen().state]
        for _ in range(3):
            self.miss()
            states.append(self.seen().state)
        self.assertEqual(states, ["ok", "missing", "missing", "suspended"])
        self.assertTrue(self.refused())
        self.assertFalse(self.refused(8))

    def test_configured_misses(self) -> None:
        """
        One miss can be enough.
        """
        self.habits(misses=1)
        self.miss()
        self.assertTrue(self.refused())

    def test_refusal_explains_itself(self) -> None:
        """
        The refused learn since when the unit is silent, how often it was asked, and when it is tried again.
        """
        self.suspend()
        sentence = self.units.suspended(7, self.now + 0.25, False)
        self.assertEqual(
            sentence,
            "unit 7 has been silent for 3.2 s, 3 requests in a row; the next try may go in 0.8 s",
        )
        self.assertEqual(self.seen().since, self.now - 3.0)

    def test_any_reply_begins_the_count_anew(self) -> None:
        """
        A reply, a late one or a damaged one breaks the row.
        """
        for sign in (
            lambda: self.answer(),
            lambda: self.units.heard(LATE, self.now),
            lambda: self.units.damaged(7, READ, self.now),
        ):
            self.setUp()
            self.answer()
            self.miss(waited=0.4, times=2)
            sign()
            self.assertEqual((self.seen().misses, self.seen().since), (0, None))
            self.miss(waited=0.4, times=2)
            self.assertFalse(self.refused())

    def test_unclear_is_no_miss(self) -> None:
        """
        Bytes that are no reply do not suspend a unit, and do not break the row either.
        """
        self.answer()
        self.miss(times=2)
        for _ in range(9):
            self.units.unclear(7, READ, self.now)
        self.assertFalse(self.refused())
        self.miss()
        self.assertTrue(self.refused())

    def test_impatient_client(self) -> None:
        """
        A client that waits shorter than the unit's replies take does not suspend it, however often it asks.
        """
        self.answer()
        self.miss(waited=BOUND - 0.001, times=50)
        self.assertEqual(self.seen().state, "ok")
        self.miss(waited=BOUND)
        self.assertEqual(self.seen().state, "missing")

    def test_impatient_client_and_unknown_unit(self) -> None:
        """
        Of a unit that never replied only a silence of its own timeout tells anything.
        """
        self.miss(waited=0.9, times=50)
        self.assertEqual(self.seen().misses, 0)
        self.units.set_timeout(7, 0.5)
        self.miss(waited=0.5, times=3)
        self.assertTrue(self.refused())

    def test_own_timeout_is_enough(self) -> None:
        """
        A silence of the timeout is a miss even if the unit has been slower than that.
        """
        self.answer(delay=1.5)
        self.miss()
        self.assertEqual(self.seen().misses, 1)

    def test_block_that_is_ignored(self) -> None:
        """
        A unit that answers one block and ignores another is not suspended for the other.
        """
        self.answer()
        self.miss(request=HOLE, times=50)
        self.miss(request=ReadHoldingRegisters(0, 3), times=50)
        self.assertEqual(self.seen().state, "ok")

    def test_only_strange_blocks(self) -> None:
        """
        A unit that is silent to several blocks, none of which it ever answered, is
        suspended if nothing has come from it since: it is not the blocks.
        """
        self.answer()
        for address in (100, 200, 300):
            self.assertEqual(self.seen().state, "ok")
            self.miss(request=ReadHoldingRegisters(address, 1))
        self.assertEqual(self.seen().state, "suspended")
        self.assertTrue(self.refused(request=ReadHoldingRegisters(400, 1)))
        self.assertIn("silent for 3.0 s, 3 requests", str(self.units.suspended(7, self.now, False)))

    def test_strange_blocks_of_a_healthy_unit(self) -> None:
        """
        One client's wrong blocks suspend no unit that says anything in between.
        """
        self.answer()
        for address in range(100, 160):
            self.miss(request=ReadHoldingRegisters(address, 1))
            if address % 2:
                self.answer()
        self.assertEqual(self.seen().state, "ok")

    def test_what_others_ask_of_it_goes_through(self) -> None:
        """
        Where only strange blocks were asked, what the unit has answered before
        is let through at once, and tells: a reply ends it, a silence confirms it.
        """
        for lives in (True, False):
            self.setUp()
            self.answer()
            for address in (100, 200, 300):
                self.miss(request=ReadHoldingRegisters(address, 1))
            self.assertFalse(self.refused(request=READ, baudrate=BAUDRATE))
            self.units.probing(7, self.now)
            if lives:
                self.answer()
            else:
                self.miss()
            self.assertEqual(self.seen().state, "ok" if lives else "suspended")
            self.assertEqual(self.refused(request=READ, baudrate=BAUDRATE), not lives)

    def test_strange_blocks_of_a_noisy_line(self) -> None:
        """
        Bytes that are no reply may be the unit's: the count of strange blocks begins anew.
        """
        self.answer()
        for address in (100, 200, 300, 400):
            self.miss(request=ReadHoldingRegisters(address, 1))
            self.units.unclear(7, READ, self.now)
        self.assertEqual(self.seen().state, "ok")

    def test_exception_is_an_answer(self) -> None:
        """
        A block that was refused may be expected to be refused again; silence to it is a miss.
        """
        self.answer(request=HOLE)
        self.miss(request=HOLE, times=3)
        self.assertTrue(self.refused())

    def test_wrong_speed(self) -> None:
        """
        Silence at another speed than that at which the unit replied says nothing about it.
        """
        self.answer()
        self.miss(baudrate=19200, times=50)
        self.assertEqual(self.seen().state, "ok")
        self.answer(baudrate=19200)
        self.miss(baudrate=19200, times=3)
        self.assertTrue(self.refused())

    def test_unit_that_never_replied(self) -> None:
        """
        A unit that never answered anything is missed whatever is asked, at any speed.
        """
        self.miss()
        self.miss(request=WRITE, baudrate=19200)
        self.miss(request=UNKNOWN)
        self.assertTrue(self.refused())

    def test_only_writes(self) -> None:
        """
        A relay that only ever gets writes is missed by function and address, whatever is written.
        """
        self.answer(request=WriteRegister(10, 0))
        self.miss(request=WriteRegister(10, 55), times=2)
        self.miss(request=WriteRegister(11, 0), times=5)
        self.assertEqual(self.seen().misses, 2)
        self.miss(request=WriteRegister(10, 56))
        self.assertTrue(self.refused())

    def test_memory_is_bounded(self) -> None:
        """
        Of what a unit has answered the latest is remembered, and what is asked often is not forgotten.
        """
        for address in range(2000):
            self.answer(request=ReadHoldingRegisters(address, 1))
            self.answer()
        self.miss(request=ReadHoldingRegisters(0, 1))
        self.assertEqual(self.seen().misses, 0)
        self.miss(request=ReadHoldingRegisters(1999, 1))
        self.miss()
        self.assertEqual(self.seen().misses, 2)


class SuspendedTests(UnitsCase):
    def test_pauses_grow(self) -> None:
        """
        Probes of one unit pause 1, 2, 4 and 8 s, and 10 s from then on.
        """
        self.habits(share=1.0)
        self.suspend()
        pauses = []
        for _ in range(6):
            pauses.append(round(self.next_try(), 6))
            self.assertTrue(self.refused(after=self.next_try() - 0.001))
            self.now += self.next_try()
            self.probe()
        self.assertEqual(pauses, [1, 2, 4, 8, 10, 10])

    def test_one_probe_at_a_time(self) -> None:
        """
        While a probe is under way nobody else is let through, the urgent neither.
        """
        self.suspend()
        self.now += 1.0
        self.assertFalse(self.refused())
        self.units.probing(7, self.now)
        self.assertIn("a try is under way", str(self.units.suspended(7, self.now, False)))
        self.assertTrue(self.refused(after=60.0))
        self.assertTrue(self.refused(urgent=True, after=60.0))
        self.assertIsNone(self.seen().next_try)

    def test_withdrawn_probe(self) -> None:
        """
        A probe that was withdrawn costs nothing: the next request may go.
        """
        self.suspend()
        self.now += 1.0
        self.units.probing(7, self.now)
        self.units.probe_over(7, self.now)
        self.assertFalse(self.refused())

    def test_healthy_unit_is_not_probed(self) -> None:
        """
        A request to a unit that is not suspended holds up no other.
        """
        self.answer()
        self.units.probing(7, self.now)
        self.units.probe_over(8, self.now)
        self.assertFalse(self.refused())

    def test_reply_ends_it(self) -> None:
        """
        Any sound reply ends the suspension at once, a late one too.
        """
        for sign in (lambda: self.answer(), lambda: self.units.heard(LATE, self.now)):
            self.setUp()
            self.suspend()
            self.now += 1.0
            self.units.probing(7, self.now)
            self.miss(waited=0.1)
            sign()
            self.assertEqual((self.seen().state, self.seen().next_try), ("ok", None))
            self.assertFalse(self.refused())

    def test_pauses_begin_anew(self) -> None:
        """
        A unit that was back and goes again is tried after 1 s again.
        """
        self.suspend()
        for _ in range(3):
            self.now += self.next_try()
            self.probe()
        self.answer()
        self.now += 60.0
        self.miss(times=3)
        self.assertAlmostEqual(self.next_try(), 1.0)

    def test_damaged_reply_does_not_end_it(self) -> None:
        """
        A damaged reply is no sound one; the probe is over, and the pauses do not grow.
        """
        for end in (self.units.damaged, self.units.unclear):
            self.setUp()
            end = getattr(self.units, end.__name__)
            self.suspend()
            for _ in range(3):
                self.now += 1.0
                self.assertFalse(self.refused())
                self.units.probing(7, self.now)
                end(7, READ, self.now)
                self.assertEqual(self.seen().state, "suspended")
                self.assertAlmostEqual(self.next_try(), 1.0)

    def test_urgent(self) -> None:
        """
        An urgent request is let through once 1 s has passed since the last attempt, whatever the pauses.
        """
        self.suspend()
        for _ in range(4):
            self.now += self.next_try()
            self.probe()
        self.assertTrue(self.refused(after=1.0))
        self.assertTrue(self.refused(urgent=True, after=0.999))
        self.assertFalse(self.refused(urgent=True, after=1.0))

    def test_urgent_is_not_stopped_by_the_budget(self) -> None:
        """
        What other probes have cost does not hold up an urgent request.
        """
        self.suspend(8, learnt=False)
        self.suspend(7)
        self.now += 1.0
        self.probe(8)
        self.assertTrue(self.refused(7))
        self.assertFalse(self.refused(7, urgent=True))

    def test_probe_that_tells_nothing(self) -> None:
        """
        A probe that proves nothing, being hasty or for a block that the unit ignores, makes no pause grow.
        """
        self.suspend()
        for waited, request in ((0.01, READ), (0.1, HOLE)):
            self.now += max(self.next_try(), 1.0)
            self.units.probing(7, self.now)
            self.miss(request=request, waited=waited)
            self.assertEqual(self.seen().misses, 3)
        self.now += 60.0
        self.probe()
        self.assertAlmostEqual(self.next_try(), max(2.0, self.price(0.16)))

    def test_better_probes_go_first(self) -> None:
        """
        Who asks in vain, at a wrong speed or for a block that the unit ignores, does not take the probes of
        those whom it answered; alone, or with something urgent, it is let through.
        """
        self.suspend()
        self.assertTrue(self.refused(request=READ, baudrate=BAUDRATE))
        self.now += 1.0
        self.assertTrue(self.refused(request=HOLE, baudrate=BAUDRATE))
        self.assertTrue(self.refused(request=READ, baudrate=19200))
        self.assertFalse(self.refused(request=HOLE, baudrate=BAUDRATE, urgent=True))
        self.assertFalse(self.refused(request=HOLE, baudrate=BAUDRATE, after=PROMISE - 1.0))
        self.assertFalse(self.refused(request=READ, baudrate=BAUDRATE))


class ShareTests(UnitsCase):
    def test_budget(self) -> None:
        """
        After a probe the port sends no other, to whatever unit, until it is paid for at 5 % of the time.
        """
        self.suspend(7)
        self.suspend(8)
        self.now += 1.0
        self.probe(7, waited=0.1)
        self.assertTrue(self.refused(8))
        self.assertTrue(self.refused(8, after=self.price(0.1) - 0.001))
        self.assertFalse(self.refused(8, after=self.price(0.1)))

    def test_probe_under_way_holds_others(self) -> None:
        """
        What a probe costs is known when it is over; until then no other goes. One that was withdrawn leaves
        its unit the first right, for as long as somebody may still want it.
        """
        self.suspend(7)
        self.suspend(8)
        self.now += 1.0
        self.assertFalse(self.refused(7))
        self.units.probing(7, self.now)
        self.assertTrue(self.refused(8))
        self.units.probe_over(7, self.now)
        self.assertTrue(self.refused(8))
        self.assertFalse(self.refused(8, after=CLAIM))

    def test_longest_overdue_first(self) -> None:
        """
        When the budget allows a probe the unit that has waited longest is the first, though another is asked
        more often.
        """
        for unit in (6, 7, 8):
            self.suspend(unit)
        self.now += 1.0
        self.assertFalse(self.refused(6))
        self.probe(6)
        self.now += self.next_try(8) - 0.5
        self.assertTrue(self.refused(7))
        self.assertTrue(self.refused(8))
        self.now += 0.5
        self.assertTrue(self.refused(8))
        self.assertFalse(self.refused(7))
        self.probe(7)
        self.assertTrue(self.refused(8))

    def test_claim_lapses(self) -> None:
        """
        A unit that nobody asks holds up no other.
        """
        self.suspend(7, waited=BOUND)
        self.suspend(8, waited=BOUND)
        self.assertTrue(self.refused(7))
        self.now += 1.0
        self.assertTrue(self.refused(8))
        self.assertTrue(self.refused(8, after=CLAIM - 1.001))
        self.assertFalse(self.refused(8, after=CLAIM - 1.0))

    def test_seldom_asked(self) -> None:
        """
        A unit that is asked every 9 s gets its turn within two of these, though clients that never pause ask
        for four other dead ones.
        """
        for unit in range(1, 6):
            self.suspend(unit)
        waits: list[float] = []
        since = asking = self.now
        for _ in range(15_000):
            self.now += 0.02
            for unit in (1, 2, 3, 4):
                if not self.refused(unit):
                    self.probe(unit)
            if self.now >= asking:
                asking += 9.0
                if not self.refused(5):
                    self.probe(5)
                    waits.append(self.now - since)
                    since = self.now
        self.assertGreater(len(waits), 12)
        self.assertLess(max(waits), 2 * 9.0 + 1.0)

    def test_turns_of_five(self) -> None:
        """
        Of five dead units whose reply times are known each is tried within 15 s, slow as they are.
        """
        for unit in range(1, 6):
            self.answer(unit, delay=0.3)
            self.miss(unit, times=3)
        tried = dict.fromkeys(range(1, 6), self.now)
        longest, end = 0.0, self.now + 300.0
        while self.now < end:
            self.now += 0.05
            for unit in range(5, 0, -1):
                if not self.refused(unit):
                    longest = max(longest, self.now - tried[unit])
                    tried[unit] = self.now
                    self.probe(unit)
        self.assertLess(longest, 15.0 + 1.0)

    def test_hammered_writes_leave_the_turns_of_others(self) -> None:
        """
        A dead unit that gets urgent writes without end does not keep another from being tried.
        """
        self.suspend(7)
        self.suspend(8)
        tried, longest, end = self.now, 0.0, self.now + 200.0
        while self.now < end:
            self.now += 0.05
            if not self.refused(7, urgent=True):
                self.units.probing(7, self.now)
                self.miss(7, WRITE)
            if not self.refused(8):
                longest = max(longest, self.now - tried)
                self.probe(8)
                tried = self.now
        self.assertLess(longest, 15.0)


class ViewTests(UnitsCase):
    def test_view(self) -> None:
        """
        What is known of each unit is shown in the order of their numbers.
        """
        self.answer(9)
        self.miss(7, times=3)
        views = self.units.view(self.now)
        self.assertEqual([view.unit for view in views], [7, 9])
        self.assertEqual(
            views[0],
            UnitView(7, "suspended", 3, self.now - 3.0, (), {}, self.now + 1.0),
        )
        self.assertEqual(
            views[1], UnitView(9, "ok", 0, None, (), {READS: ReplyTimes(0.02, 0.01, 0.02)}, None)
        )


REQUESTS = st.sampled_from([READ, HOLE, INPUT, WRITE, UNKNOWN])
ENDS = st.sampled_from(["answered", "missed", "damaged", "unclear", "late", "pause"])
STEPS = st.tuples(ENDS, REQUESTS, st.floats(0.001, 3.0), st.sampled_from([9600, 19200]))


class HistoryTests(UnitsCase):
    @tries(300)
    @given(st.lists(STEPS, max_size=40), st.integers(1, 4))
    def test_suspension(self, history: list[tuple[str, Request, float, int]], misses: int) -> None:
        """
        A unit is suspended only after enough misses in a row, each at least the shorter of timeout and least
        bound, at its speed, to something that it answers, or to so many things that it never answered; and it
        is never refused while it replies.
        """
        self.setUp()
        self.habits(misses=misses)
        row, speed = 0, None
        known: set[tuple[int, Request]] = set()
        strange: set[Request] = set()
        for end, request, seconds, baudrate in history:
            expected = speed in (None, baudrate) and (not known or (request.function, request) in known)
            self.now += seconds
            if end == "answered":
                self.units.answered(7, request, seconds, baudrate, self.now)
                speed, row = baudrate, 0
                strange.clear()
                known.add((request.function, request))
            elif end == "missed":
                self.units.missed(7, request, seconds, baudrate, self.now)
                row += expected and seconds >= LEAST_BOUND
                strange.add(request)
            elif end == "damaged":
                self.units.damaged(7, request, self.now)
            elif end == "unclear":
                self.units.unclear(7, request, self.now)
            elif end == "late":
                late = encode(7, bytes((request.function | 0x80, 2)))
                if self.units.heard(late, self.now):
                    row = 0
                    strange.clear()
            if row < misses and len(strange) < max(misses, STRANGE):
                self.assertFalse(self.refused())

    @tries(300)
    @given(st.lists(STEPS, max_size=40), st.sampled_from([None, 0.5, 2.0]))
    def test_doubt(self, history: list[tuple[str, Request, float, int]], linger: float | None) -> None:
        """
        A request waits while a reply of its function is owed, and never beyond the linger after the last of
        these requests.
        """
        self.setUp()
        self.habits(linger=linger, misses=0)
        least, most = (1.0, 3.0) if linger is None else (linger, linger)
        last: dict[int, float] = {}
        owed: dict[int, int] = {}
        for end, request, seconds, baudrate in history:
            function = request.function
            if end == "answered":
                self.now += seconds
                self.units.answered(7, request, seconds, baudrate, self.now)
                again = owed.get(function, 0) if self.now - seconds < last.get(function, 0.0) + least else 0
                owed = {function: again}
                last[function] = self.now - seconds
            elif end in ("missed", "unclear"):
                if self.now >= last.get(function, 0.0) + most:
                    owed[function] = 0
                last[function] = self.now
                self.now += seconds
                if end == "missed":
                    self.units.missed(7, request, seconds, baudrate, self.now)
                else:
                    self.units.unclear(7, request, self.now, seconds)
                owed[function] = owed.get(function, 0) + 1
            elif end == "late":
                if self.units.heard(encode(7, bytes((function, 0))), self.now):
                    self.assertGreater(owed[function], 0)
                    owed = {each: count for each, count in owed.items() if last[each] > last[function]} | {
                        function: owed[function] - 1
                    }
            else:
                self.now += seconds
            for each in (1, 3, 4, 6, 0x41):
                free = self.units.free_at(7, each, self.now)
                self.assertGreaterEqual(free, self.now)
                self.assertLessEqual(free, max(self.now, last.get(each, 0.0) + most + 1e-6))
                if owed.get(each) and end in ("missed", "unclear") and each == function:
                    self.assertGreaterEqual(free, min(last[each] + least, free + 1) - 1e-6)

    @tries(60)
    @given(
        dead=st.lists(st.floats(0.005, 0.02), min_size=1, max_size=8),
        learnt=st.booleans(),
        pauses=st.lists(st.floats(0.01, 20.0), min_size=1, max_size=30),
        share=st.sampled_from([0.02, 0.05, 0.2]),
    )
    def test_share(self, dead: list[float], learnt: bool, pauses: list[float], share: float) -> None:
        """
        Over any long run the probes take their share of the bus and no more, but for the first one of each
        unit; whoever asks, and how often.
        """
        self.setUp()
        self.habits(share=share)
        for unit, delay in enumerate(dead, 1):
            if learnt:
                self.answer(unit, delay=delay)
            self.miss(unit, times=3)
        began, spent, dearest = self.now, 0.0, 0.0
        for turn in range(400):
            self.now += pauses[turn % len(pauses)]
            unit = 1 + turn % len(dead)
            if not self.refused(unit):
                before = self.now
                self.probe(unit, waited=self.units.wait(unit, READ, 0.2, self.now))
                self.now += Line(BAUDRATE).duration(8) + Line(BAUDRATE).gap
                spent += self.now - before
                dearest = max(dearest, self.now - before)
        forced = 5 * dearest / 14 if learnt and len(dead) <= 5 else 0.0
        self.assertLessEqual(spent, max(share, forced) * (self.now - began) + (len(dead) + 1) * dearest)
