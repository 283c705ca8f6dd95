"""Units that are silent: when they are suspended, when they are tried again, and what that may cost."""

from lumina.bus.probes import CLAIM
from lumina.bus.unit import READS, ReplyTimes, UnitView
from lumina.bus.units import PROMISE
from lumina.modbus.pdu import ReadHoldingRegisters, WriteRegister
from tests.units_case import BAUDRATE, BOUND, HOLE, LATE, READ, UNKNOWN, WRITE, UnitsCase


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
        sentence = self.units.refusal(7, self.now + 0.25, False)
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
        self.habits(timeouts={7: 0.5})
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
        self.assertIn("silent for 3.0 s, 3 requests", str(self.units.refusal(7, self.now, False)))

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
        self.assertIn("a try is under way", str(self.units.refusal(7, self.now, False)))
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
