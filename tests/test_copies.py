"""Units that answer more than once, as their port meets them."""

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.copies import ALERT, PRESUMED_PROOF, PROOF
from lumina.bus.unit import Habits
from lumina.bus.units import Units
from lumina.errors import BadReply, NoReply
from lumina.modbus.pdu import ReadHoldingRegisters, Request, WriteRegister
from lumina.modbus.rtu import encode
from lumina.simulator.faults import Echo
from lumina.testing import pass_time
from tests.field_case import FieldCase
from tests.test_port_rules import GOOD, INPUTS, READ, RulesCase

OTHER = bytes.fromhex("030400010002")
INPUTS_GOOD = bytes.fromhex("0404002A002B")
SLACK, LINGER = 0.02, 1.0


class CopiesTests(SynchronousTestCase):
    """One unit, 7, that never is late."""

    def setUp(self) -> None:
        self.now = 100.0
        self.units = Units(Habits(slack=SLACK))

    def replied(self, pdu: bytes = GOOD, request: Request = READ, after: float = 1.0) -> None:
        self.now += after
        self.units.answered(7, request, 0.01, 9600, self.now, pdu)

    def copy(self, delay: float, pdu: bytes = GOOD) -> None:
        self.assertFalse(self.units.heard(b"\x07" + pdu, self.now + delay), "it is taken for a late reply")

    def held(self, function: int = 3) -> float:
        """Seconds after the last reply for which nothing of the function goes to the unit."""
        return self.units.free_at(7, function, self.now) - self.now

    def test_none(self) -> None:
        """
        A unit that answers once is asked again at once.
        """
        self.replied()
        self.assertEqual(self.held(), 0)
        self.assertEqual(self.units.hold(7, self.now), 0)

    def test_copy(self) -> None:
        """
        Where a copy has come, the next may take twice as long, and the slack;
        requests of the function wait for that after each reply, others do not.
        """
        self.replied()
        self.copy(0.1)
        self.replied()
        self.assertAlmostEqual(self.held(), 0.22)
        self.assertEqual(self.held(4), 0)

    def test_slower_and_quicker_copies(self) -> None:
        """
        The slowest of the last four copies counts; none is looked out for longer than the linger.
        """
        for delay, held in ((0.1, 0.22), (0.3, 0.62), (0.01, 0.62), (0.9, LINGER)):
            self.replied()
            self.copy(delay)
            self.replied()
            self.assertAlmostEqual(self.held(), held)
        for _ in range(4):
            self.replied()
            self.copy(0.1)
        self.assertAlmostEqual(self.held(), 0.22)

    def test_answers_that_have_shifted(self) -> None:
        """
        A reply too many that is not the last one shows that a copy was taken
        for an answer: all that may still come is waited for.
        """
        self.replied()
        self.copy(0.03, OTHER)
        self.assertEqual(self.held(), LINGER)

    def test_an_accident(self) -> None:
        """
        So many replies without a copy outweigh one copy, and more of them several;
        only those of its function count.
        """
        for copies in (1, 2, 3):
            self.replied()
            self.copy(0.004)
            for _ in range(copies * PROOF):
                self.replied(after=0.1)
                self.assertAlmostEqual(self.held(), 0.028)
                self.replied(request=INPUTS, pdu=INPUTS_GOOD, after=0.1)
            self.replied()
            self.assertEqual(self.held(), 0)

    def test_a_stray_frame(self) -> None:
        """
        What only may have been a copy makes few requests wait for all of the linger.
        """
        self.replied()
        self.copy(0.03, OTHER)
        for _ in range(PRESUMED_PROOF):
            self.replied()
            self.assertEqual(self.held(), LINGER)
        self.replied()
        self.assertEqual(self.held(), 0)

    def test_shifted_answers_and_their_copies(self) -> None:
        """
        The first copy after all that may still come was waited for tells how
        long the next may take.
        """
        self.replied()
        self.copy(0.03, OTHER)
        self.replied()
        self.copy(0.1)
        self.replied()
        self.assertAlmostEqual(self.held(), 0.22)

    def test_of_another_shape(self) -> None:
        """
        What cannot be taken for the reply to what was asked last is no copy.
        """
        self.replied()
        self.copy(0.1, bytes.fromhex("03020001"))
        self.copy(0.1, bytes.fromhex("04020001"))
        self.copy(LINGER + 0.1)
        self.assertEqual(self.held(), 0)

    def test_copy_of_a_late_reply(self) -> None:
        """
        A late reply can come more than once, too.
        """
        self.units.missed(7, READ, 0.5, 9600, self.now)
        self.assertTrue(self.units.heard(b"\x07" + GOOD, self.now))
        self.copy(0.1)
        self.assertAlmostEqual(self.held(), 0.22)

    def test_second_reply_that_is_owed(self) -> None:
        """
        What may be the reply to a read that was sent twice is no copy.
        """
        self.units.missed(7, READ, 0.5, 9600, self.now)
        self.units.answered(7, READ, 0.01, 9600, self.now, GOOD)
        self.copy(0.01)
        self.assertEqual(self.units.hold(7, self.now), 0)

    def test_forgotten(self) -> None:
        """
        A unit that sends copies no more is asked as any other after ten minutes.
        """
        self.replied()
        self.copy(0.1)
        self.now += ALERT + 1
        self.replied()
        self.assertEqual(self.held(), 0)
        self.copy(0.02)
        self.assertAlmostEqual(self.held(), 0.06)


class PortTests(RulesCase):
    def test_copies_on_a_line(self) -> None:
        """
        A unit whose replies come twice, the second time after a pause, gives
        no client what another has asked; the log says what is the matter, once.
        """
        self.port()
        self.ask()
        self.answer()
        pass_time(self.clock, 0.1)
        self.answer()  # again, and nobody has asked
        pass_time(self.clock, 0.3)
        for number in range(1, 4):
            said = bytes([3, 4, 0, number, 0, number])
            done = self.ask(ReadHoldingRegisters(number, 2))
            self.answer(said)
            self.assertEqual(self.successResultOf(done).registers, (number, number))
            self.line.sent()
            waiting = self.ask(client="other")
            pass_time(self.clock, 0.1)
            self.answer(said)  # the copy
            self.nothing_sent()
            pass_time(self.clock, 0.3)
            self.sent()
            self.answer()
            self.assertEqual(self.successResultOf(waiting).registers, (42, 43))
            pass_time(self.clock, 0.3)
        self.assertEqual(self.logged("unit 1 sends replies too many"), 1)


class LateTests(RulesCase):
    def test_only_late_replies_of_others(self) -> None:
        """
        A unit that is silent while another's late reply comes did not reply; it is missed.
        """
        self.port()
        first = self.ask(unit=2)
        self.failureResultOf(self.lasting(first), NoReply)
        done = self.ask(INPUTS)
        self.answer(unit=2)
        self.assertIn("unit 1 did not reply", str(self.failureResultOf(self.lasting(done), NoReply).value))
        self.assertEqual(self.bus.unit_states()[1], "missing")
        self.assertEqual(self.seen.exchanges[-1].verdict, "timeout")
        self.assertEqual(len(self.seen.exchanges[-1].late), 1)

    def test_late_replies_and_others(self) -> None:
        """
        Where anything else came, it is a bad reply.
        """
        self.port()
        first = self.ask(unit=2)
        self.failureResultOf(self.lasting(first), NoReply)
        done = self.ask(INPUTS)
        self.receive(encode(2, GOOD), encode(9, GOOD))
        self.failureResultOf(self.lasting(done), BadReply)
        self.assertEqual(self.bus.unit_states()[1], "ok")


class EchoTests(FieldCase):
    def test_an_echo_that_appears(self) -> None:
        """
        The echo of a write and then its reply are no copies of one reply: when
        the echo is found out, nothing waits, and the log tells of nothing else.
        """
        self.start(Echo(after=5.0))
        with capturedLogs() as events:
            self.assertEqual(self.value(), 100)
            pass_time(self.clock, 6)
            took = [self.duration(WriteRegister(3, number)) for number in range(3)]
        self.assertEqual([formatEvent(event) for event in events], ["bus: the echo has appeared"])
        self.assertLess(took[-1], 0.04)

    def duration(self, request: Request) -> float:
        """Seconds that two such requests take, the second of which comes right behind the first."""
        began = self.clock.seconds()
        self.port.execute(1, request)
        last = self.port.execute(1, request)
        ended: list[float] = []
        last.addCallback(lambda _: ended.append(self.clock.seconds()))
        pass_time(self.clock, 1)
        return (ended[0] - began) / 2
