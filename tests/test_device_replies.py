"""Whose reply is it, and what follows from those that do not come."""

from twisted.internet.defer import Deferred

from lumina.bus.link import FIRST_PAUSE
from lumina.errors import (
    BadReply,
    NoReply,
    Suspended,
)
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, WriteRegister
from tests.device_case import GOOD, OTHER, WRITE, DeviceCase


class TransactionTests(DeviceCase):
    """L19 and L20 of what peers fail: whose reply is it?"""

    def test_duplicate_shifts_nothing(self) -> None:
        """
        A reply that comes twice answers one request; the next gets its own, and nothing is closed.
        """
        self.device()
        first = self.ask()
        (one,) = self.ids()
        self.answer(one)
        self.answer(one)
        self.assertEqual(self.successResultOf(first).registers, (42, 43))
        second = self.ask()
        (two,) = self.ids()
        self.answer(one)
        self.assertNoResult(second)
        self.answer(two, OTHER)
        self.assertEqual(self.successResultOf(second).registers, (99, 100))
        self.assertEqual(self.line.opened, 1)
        self.assertEqual(self.seen.exchanges[-1].foreign, (b"\x01" + GOOD,))
        self.assertEqual(self.seen.exchanges[-1].stale, mbap.HEADER + len(GOOD))

    def test_missing_reply_shifts_nothing(self) -> None:
        """
        A reply that is missing fails its own request alone, and when it comes late it is
        counted, and answers nobody.
        """
        self.device(timeout=0.5)
        first = self.ask()
        (one,) = self.ids()
        self.clock.pump([0.5, 0])
        self.failureResultOf(first, NoReply)
        second = self.ask()
        (two,) = self.ids()
        self.answer(one)
        self.assertNoResult(second)
        self.answer(two, OTHER)
        self.assertEqual(self.successResultOf(second).registers, (99, 100))
        self.assertEqual(self.seen.exchanges[-1].late, (b"\x01" + GOOD,))
        self.assertEqual(self.line.opened, 1)

    def test_write_is_sent_once(self) -> None:
        """
        A write without an answer is sent once, and its outcome is said to be unknown.
        """
        self.device(timeout=0.5, retries=3)
        done = self.ask(WRITE)
        self.clock.pump([0.5, 0] * 4)
        self.assertIn("outcome unknown", str(self.failureResultOf(done, NoReply).value))
        self.assertEqual(len(self.sent()), 1)

    def test_other_transaction(self) -> None:
        """
        A device that gives back the wrong transaction id, always the same for instance, is
        never believed, and that is said.
        """
        self.device(timeout=0.5)
        done = self.ask()
        self.answer(0)
        self.clock.pump([0.5, 0])
        sentence = str(self.failureResultOf(done, BadReply).value)
        self.assertEqual(sentence, "a reply to transaction 0 came, 1 fits")

    def test_misfits(self) -> None:
        """
        Unit, function and count of a reply must fit as on a serial line; the right reply may follow.
        """
        self.device(timeout=0.5)
        for unit, pdu, said in (
            (2, GOOD, "unit 2 replied instead of unit 1"),
            (1, bytes.fromhex("0404002A002B"), "function: 04 came, 03 fits"),
            (1, bytes.fromhex("0302002A"), "PDU length: 4 came, 6 fits"),
            (1, bytes.fromhex("0302002A002B"), "byte count: 2 came, 4 fits"),
            (1, bytes.fromhex("830201"), "function: 83 came, 03 fits"),
        ):
            done = self.ask()
            (one,) = self.ids()
            self.answer(one, pdu, unit)
            self.assertNoResult(done)
            self.clock.pump([0.5, 0])
            self.assertEqual(str(self.failureResultOf(done, BadReply).value), said)
            done = self.ask()
            (one,) = self.ids()
            self.answer(one, pdu, unit)
            self.answer(one)
            self.successResultOf(done)

    def test_write_confirmed_with_other_value(self) -> None:
        """
        A write is confirmed only by its own address and value.
        """
        self.device(timeout=0.5)
        done = self.ask(WRITE)
        self.answer(self.one(), WriteRegister(10, 1235).encode())
        self.clock.pump([0.5, 0])
        sentence = str(self.failureResultOf(done, BadReply).value)
        self.assertIn("value: 04 D3 came, 04 D2 fits", sentence)
        self.assertIn("outcome unknown", sentence)


class PipeliningTests(DeviceCase):
    def test_out_of_order(self) -> None:
        """
        Eight requests under way are answered in any order, each with its own.
        """
        self.device(pipelining=8)
        asked = [self.ask(ReadHoldingRegisters(0, 1), client=f"c{unit}", unit=unit) for unit in range(1, 10)]
        sent = self.sent()
        self.assertEqual([adu.unit for adu in sent], list(range(1, 9)))
        for adu in reversed(sent):
            self.answer(adu.transaction, bytes((3, 2, 0, adu.unit)), adu.unit)
        (last,) = self.sent()
        self.answer(last.transaction, b"\x03\x02\x00\x09", 9)
        self.assertEqual(
            [self.successResultOf(done).registers for done in asked], [(n,) for n in range(1, 10)]
        )

    def test_writes_travel_alone(self) -> None:
        """
        What is asked of a unit after a write is sent when the write is over; other units go on.
        """
        self.device(pipelining=8)
        self.ask()
        write, after, other = self.ask(WRITE), self.ask(), self.ask(unit=2, client="b")
        first, second = self.sent()
        self.assertEqual((first.unit, second.unit), (1, 2))
        self.answer(first.transaction)
        (third,) = self.sent()
        self.assertEqual(third.pdu, WRITE.encode())
        self.answer(third.transaction, WRITE.encode())
        self.successResultOf(write)
        (fourth,) = self.ids()
        self.answer(fourth)
        self.successResultOf(after)
        self.assertNoResult(other)

    def test_missed_together(self) -> None:
        """
        Requests that were under way together and are not answered are one miss of their unit.
        """
        self.device(pipelining=8, timeout=0.5, misses=2)
        asked = [self.ask(ReadHoldingRegisters(n, 2), client=str(n)) for n in range(8)]
        self.clock.pump([0.5, 0])
        for done in asked:
            self.failureResultOf(done, NoReply)
        self.assertEqual(self.bus.unit_states(), {1: "missing"})


class BreakerTests(DeviceCase):
    def test_dead_unit(self) -> None:
        """
        A unit that keeps silent is refused at once until it answers a try; other units are served.
        """
        self.device(timeout=0.5, misses=2)
        for _ in range(2):
            self.failureResultOf(self.late(self.ask()), NoReply)
        self.failureResultOf(self.ask(), Suspended)
        other = self.ask(unit=2)
        self.answer(self.ids()[-1], unit=2)
        self.successResultOf(other)
        self.clock.advance(30)
        again = self.ask()
        self.answer(self.one())
        self.successResultOf(again)
        self.assertEqual(self.bus.unit_states()[1], "ok")

    def test_late_reply_revives(self) -> None:
        """
        A reply that comes late, a refusal too, shows that a suspended unit lives; the connection stays.
        """
        for late in (GOOD, b"\x83\x0b"):
            self.device(timeout=0.5, misses=2)
            opened = self.line.opened
            for _ in range(2):
                self.failureResultOf(self.late(self.ask()), NoReply)
            self.failureResultOf(self.ask(), Suspended)
            self.answer(self.ids()[-1], late)
            self.assertEqual((self.bus.unit_states(), self.line.opened), ({1: "ok"}, opened))
            again = self.ask()
            self.answer(self.ids()[-1])
            self.successResultOf(again)

    def test_tried_when_reconnected(self) -> None:
        """
        A suspended unit may be tried as soon as the device is connected anew.
        """
        self.device(timeout=0.5, misses=2)
        for _ in range(2):
            self.failureResultOf(self.late(self.ask()), NoReply)
        self.failureResultOf(self.ask(), Suspended)
        self.line.unplug()
        self.clock.advance(FIRST_PAUSE)
        again = self.ask()
        self.answer(self.one())
        self.successResultOf(again)

    def late(self, done: "Deferred[Reply]") -> "Deferred[Reply]":
        self.clock.pump([0.5, 0])
        return done


class RetryTests(DeviceCase):
    def test_reads(self) -> None:
        """
        A read that failed is sent again where configured; the reply to either trial counts once.
        """
        self.device(retries=1, timeout=0.5)
        done = self.ask()
        self.clock.pump([0.5, 0])
        one, two = self.ids()
        self.answer(one)
        self.assertNoResult(done)
        self.answer(two)
        self.successResultOf(done)
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["timeout", "ok"])
        self.assertEqual(self.words(), ["ok"])
