"""The rules of a bus, as whoever asks a port meets them: doubt, shared reads, suspended units, order."""

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings, UnitSettings
from lumina.errors import BadReply, Expired, NoReply, Suspended
from lumina.interfaces import Priority, Terms
from lumina.modbus.pdu import (
    ReadHoldingRegisters,
    ReadInputRegisters,
    Reply,
    Request,
    WriteRegister,
    WriteRegisters,
)
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeLine, FakeWatcher, pass_time

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
INPUTS = ReadInputRegisters(0, 1)
WRITE = WriteRegister(10, 1234)


class RulesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()
        self.said: list[str] = []
        hear = cast(ILogObserver, lambda event: self.said.append(formatEvent(event)))
        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def port(self, **changed: Any) -> Port:
        """A port in use; it has settled."""
        settings = PortSettings("bus", "cable", **{"line": Line(9600), "timeout": 0.2, **changed})
        self.bus = Port(settings, self.line, self.clock, [self.seen])
        self.bus.startService()
        pass_time(self.clock, 0.1)
        return self.bus

    def ask(self, request: Request = READ, unit: int = 1, **terms: Any) -> Deferred[Reply]:
        """Ask, and let the request leave, if it is its turn."""
        done = self.bus.execute(unit, request, Terms(**terms))
        pass_time(self.clock, 0.005)
        return done

    def receive(self, *frames: bytes) -> None:
        """The request in hand is over, and this comes."""
        pass_time(self.clock, 0.02)
        self.line.receive(b"".join(frames))
        pass_time(self.clock, 0.005)

    def answer(self, pdu: bytes = GOOD, unit: int = 1) -> None:
        self.receive(encode(unit, pdu))

    def lasting(self, done: Deferred[Reply]) -> Deferred[Reply]:
        """Until it has had its time."""
        pass_time(self.clock, 0.25)
        return done

    def sent(self, request: Request = READ, unit: int = 1) -> None:
        """Just this was sent since the last look."""
        self.assertEqual(self.line.sent().hex(" "), encode(unit, request.encode()).hex(" "))

    def nothing_sent(self) -> None:
        self.assertEqual(self.line.sent(), b"")

    def logged(self, words: str) -> int:
        return sum(words in each for each in self.said)


class DoubtTests(RulesCase):
    def miss(self, request: Request = READ) -> None:
        done = self.ask(request)
        self.line.sent()
        pass_time(self.clock, 0.25)
        self.failureResultOf(done, NoReply)

    def test_same_function_waits(self) -> None:
        """
        After a silence the next read of the function waits for the late reply,
        which is recorded as late, and answers nobody.
        """
        self.port()
        self.miss()
        done = self.ask(ReadHoldingRegisters(5, 2))
        self.nothing_sent()
        late = encode(1, bytes.fromhex("0304DEADBEEF"))
        self.receive(late)
        pass_time(self.clock, 0.03)
        self.sent(ReadHoldingRegisters(5, 2))
        self.answer()
        self.assertEqual(self.successResultOf(done).registers, (42, 43))
        exchange = self.seen.exchanges[-1]
        self.assertEqual((exchange.late, exchange.foreign), ((late,), ()))

    def test_linger(self) -> None:
        """
        Where no late reply comes, it waits as long as one may come, and no longer.
        """
        self.port(linger=1.5)
        self.miss()
        self.ask()
        pass_time(self.clock, 1.2)
        self.nothing_sent()
        pass_time(self.clock, 0.2)
        self.sent()

    def test_expired_in_doubt(self) -> None:
        """
        One whose time runs out meanwhile is told what it has waited for.
        """
        self.port(linger=1.5)
        self.miss()
        error = self.failureResultOf(self.lasting(self.ask(patience=0.2)), Expired)
        self.assertIn("while a late reply of unit 1 could have been taken for its own", str(error.value))

    def test_others_go_on(self) -> None:
        """
        Meanwhile another function of the unit, and another unit, are asked;
        a sound reply to the other function ends the wait.
        """
        self.port()
        self.miss()
        waiting = self.ask(client="a")
        other = self.ask(unit=2)
        self.sent(unit=2)
        self.answer(unit=2)
        self.successResultOf(other)
        inputs = self.ask(INPUTS)
        self.sent(INPUTS)
        self.answer(b"\x04\x02\x00\x01")
        self.successResultOf(inputs)
        pass_time(self.clock, 0.01)
        self.sent()
        self.answer()
        self.successResultOf(waiting)

    def test_behind_one_that_waits(self) -> None:
        """
        What the same client asks of the unit afterwards keeps its place; the
        port sleeps meanwhile, and does not look again and again.
        """
        self.port(linger=1.0)
        self.miss()
        self.ask()
        self.ask(INPUTS)
        for _ in range(5):
            self.clock.advance(0.1)
            self.nothing_sent()
        pass_time(self.clock, 0.3)
        self.sent()
        self.answer()
        self.sent(INPUTS)

    def test_late_while_another_is_asked(self) -> None:
        """
        A late reply that comes while another function is asked is not its
        reply; it is recorded as late in that exchange.
        """
        self.port()
        self.miss()
        inputs = self.ask(INPUTS)
        self.receive(encode(1, GOOD), encode(1, b"\x04\x02\x00\x01"))
        self.assertEqual(self.successResultOf(inputs).registers, (1,))
        exchange = self.seen.exchanges[-1]
        self.assertEqual((exchange.late, exchange.foreign), ((encode(1, GOOD),), ()))

    def test_damaged_reply(self) -> None:
        """
        A damaged but whole reply leaves no doubt: the next read goes at once.
        """
        self.port()
        done = self.ask()
        self.receive(encode(1, GOOD)[:-1] + b"\x00")
        pass_time(self.clock, 0.03)
        self.failureResultOf(done, BadReply)
        self.line.sent()
        self.ask()
        self.sent()


class SharingTests(RulesCase):
    def test_one_exchange(self) -> None:
        """
        Three clients that wait with the same read cost one exchange, and each is answered.
        """
        self.port()
        busy = self.ask(unit=2)
        asked = [self.ask(client=name) for name in "abc"]
        self.line.sent()
        self.answer(unit=2)
        self.successResultOf(busy)
        self.sent()
        self.answer()
        for done in asked:
            self.assertEqual(self.successResultOf(done).registers, (42, 43))
        self.assertEqual([exchange.served for exchange in self.seen.exchanges], [1, 3])
        pass_time(self.clock, 0.1)
        self.nothing_sent()

    def test_own_timeout(self) -> None:
        """
        An exchange waits for the most patient asker, and each is told by its own time.
        """
        self.port()
        self.ask(unit=2)
        asked = [self.ask(client=str(timeout), timeout=timeout) for timeout in (0.3, 2.0, 0.6)]
        self.answer(unit=2)
        for pause, over in ((0.25, 0), (0.1, 1), (0.3, 2)):
            pass_time(self.clock, pause)
            self.assertEqual([done.called for done in asked], [over > 0, False, over > 1])
        self.answer()
        self.successResultOf(asked[1])
        for done, timeout in ((asked[0], "0.3 s"), (asked[2], "0.6 s")):
            self.assertIn(timeout, str(self.failureResultOf(done, NoReply).value))

    def test_barrier(self) -> None:
        """
        A read asked after a write to the unit is not answered with what was read before it.
        """
        self.port()
        self.ask(unit=2)
        before = self.ask(client="a")
        write = self.ask(WriteRegisters(0, (1,)), client="b")
        after = self.ask(client="c")
        self.line.sent()
        self.answer(unit=2)
        self.sent()
        self.answer()
        self.successResultOf(before)
        self.assertNoResult(after)
        self.sent(WriteRegisters(0, (1,)))
        self.answer(bytes.fromhex("1000000001"))
        self.successResultOf(write)
        self.sent()
        self.answer(bytes.fromhex("0304000100 2B".replace(" ", "")))
        self.assertEqual(self.successResultOf(after).registers, (1, 43))

    def test_where_reading_clears(self) -> None:
        """
        A unit that is said not to be shared is read once for each asker, and so is one asked at two speeds.
        """
        self.port(units={1: UnitSettings(share=False)})
        self.ask(unit=2)
        for name in "ab":
            self.ask(client=name)
        for name, baudrate in (("a", 9600), ("b", 19200)):
            self.ask(unit=3, client=name, baudrate=baudrate)
        for unit in (2, 1, 1, 3, 3):
            self.answer(unit=unit)
        self.assertEqual([exchange.served for exchange in self.seen.exchanges], 5 * [1])


class RecentTests(RulesCase):
    def test_young_reply(self) -> None:
        """
        Within `max_age` the same read costs no exchange, and its reply says
        when it was read; later it is read anew.
        """
        self.port(max_age=1.0)
        first = self.ask()
        self.answer()
        self.line.sent()
        pass_time(self.clock, 0.9)
        second = self.ask(client="other")
        self.assertEqual(self.successResultOf(second), self.successResultOf(first))
        self.nothing_sent()
        ages = [outcome.age for outcome in self.seen.outcomes]
        self.assertEqual(ages[0], None)
        self.assertAlmostEqual(ages[1] or 0.0, 0.9, 1)
        pass_time(self.clock, 0.2)
        self.ask()
        self.sent()

    def test_never_across_a_write(self) -> None:
        """
        Once a write to the unit was asked, what was read before is no answer
        any more: not while it waits, and not afterwards, whatever came of it.
        """
        self.port(max_age=60.0, echo=False)
        for request in (READ, ReadHoldingRegisters(20, 2)):
            self.ask(request)
            self.answer()
        self.line.sent()
        write = self.ask(WRITE)
        meanwhile = self.ask(client="other")
        self.assertNoResult(meanwhile)
        self.sent(WRITE)
        pass_time(self.clock, 0.25)
        self.failureResultOf(write, NoReply)
        self.sent()
        self.answer(bytes.fromhex("03040001002B"))
        self.assertEqual(self.successResultOf(meanwhile).registers, (1, 43))
        self.ask(ReadHoldingRegisters(20, 2))
        self.sent(ReadHoldingRegisters(20, 2))

    def test_broadcast(self) -> None:
        """
        A broadcast may have changed every unit.
        """
        self.port(max_age=60.0, broadcast=True)
        self.ask()
        self.answer()
        self.ask(WRITE, unit=0)
        pass_time(self.clock, 0.2)
        self.line.sent()
        self.ask()
        self.sent()


class SuspendedTests(RulesCase):
    def suspend(self) -> Deferred[Reply]:
        """
        Unit 1 keeps silent until it is suspended; all that waits for it is told so then.

        @return: what another unit is asked, and has not replied yet.
        """
        self.port(linger=0.0)
        for _ in range(2):
            self.failureResultOf(self.lasting(self.ask()), NoReply)
        third = self.ask()
        refused = self.ask(WRITE, client="a"), self.ask(INPUTS, client="b")
        other = self.ask(unit=2, client="c")
        self.failureResultOf(self.lasting(third), NoReply)
        for done in refused:
            self.assertIn("unit 1 has been silent", str(self.failureResultOf(done, Suspended).value))
        self.line.sent()
        return other

    def test_refused_at_once(self) -> None:
        """
        The moment a unit is suspended, all that waits for it is told so, and
        so is whoever asks then; others are served.
        """
        other = self.suspend()
        self.failureResultOf(self.ask(), Suspended)
        self.assertEqual((self.bus.unit_states()[1], self.logged("unit 1 is suspended")), ("suspended", 1))
        self.answer(unit=2)
        self.successResultOf(other)

    def test_probe(self) -> None:
        """
        After a pause one real request goes as the probe; everybody else is
        still refused, and served again from its sound reply on.
        """
        self.suspend()
        self.answer(unit=2)
        pass_time(self.clock, 6)
        self.line.sent()
        probe = self.ask()
        self.sent()
        self.failureResultOf(self.ask(INPUTS), Suspended)
        self.answer()
        self.successResultOf(probe)
        self.assertEqual((self.bus.unit_states()[1], self.logged("unit 1 replies again")), ("ok", 1))
        self.ask(INPUTS)
        self.sent(INPUTS)

    def test_urgent(self) -> None:
        """
        A write, and what has high priority, goes through once a second has
        passed since the last attempt; others wait longer.
        """
        for request, priority in ((WRITE, Priority.NORMAL), (READ, Priority.HIGH)):
            self.setUp()
            self.suspend()
            self.answer(unit=2)
            pass_time(self.clock, 6)
            self.failureResultOf(self.lasting(self.ask()), NoReply)
            self.failureResultOf(self.ask(request, priority=priority), Suspended)
            pass_time(self.clock, 1)
            self.failureResultOf(self.ask(), Suspended)
            self.line.sent()
            self.ask(request, priority=priority)
            self.sent(request)

    def test_withdrawn_probe(self) -> None:
        """
        A probe that its asker withdraws before it was sent leaves its place to the next.
        """
        self.suspend()
        self.answer(unit=2)
        pass_time(self.clock, 6)
        self.ask(unit=3)
        probe = self.ask()
        probe.addErrback(lambda _: None)
        probe.cancel()
        self.line.sent()
        self.ask(client="next")
        self.answer(unit=3)
        self.sent()


class OrderTests(RulesCase):
    def test_classes(self) -> None:
        """
        What waits goes by class, whatever the order in which it was asked; at
        most one exchange that is owed to a lower class goes before.
        """
        for floor, order in ((0.0, (9, 3, 2, 1)), (0.1, (9, 1, 3, 2))):
            self.setUp()
            self.port(floor=floor)
            self.ask(unit=9)
            for unit, priority in ((1, Priority.LOW), (2, Priority.NORMAL), (3, Priority.HIGH)):
                self.ask(unit=unit, priority=priority, client=str(unit))
            for unit in order:
                self.sent(unit=unit)
                self.answer(unit=unit)

    def test_settings_of_units(self) -> None:
        """
        Each unit is asked at its own speed, parity and stop bits; a request's own speed wins.
        """
        slow = UnitSettings(baudrate=4800, parity="E", stopbits=2)
        self.port(units={7: slow})
        for unit, baudrate in ((7, None), (1, None), (7, 19200)):
            self.ask(unit=unit, baudrate=baudrate)
            pass_time(self.clock, 0.02)
            self.answer(unit=unit)
        self.assertEqual([str(line) for line in self.line.formats], ["4800 8E2", "9600 8N1", "19200 8E2"])
        self.assertEqual([exchange.baudrate for exchange in self.seen.exchanges], [4800, 9600, 19200])

    def test_own_speed_on_the_wire(self) -> None:
        """
        The time that a request takes to leave is computed at its own speed.
        """
        self.port(units={7: UnitSettings(baudrate=1200)})
        self.ask(unit=7)
        pass_time(self.clock, 0.15)
        self.answer(unit=7)
        (exchange,) = self.seen.exchanges
        self.assertAlmostEqual(exchange.ended - exchange.sent, 80 / 1200)

    def test_grouped_by_speed(self) -> None:
        """
        Two clients that ask at two speeds in turn do not switch each time, and neither waits for ever.
        """
        for group, fewest, most in ((0.25, 1, 4), (0.0, 9, 19)):
            self.setUp()
            self.port(group=group)
            for _ in range(10):
                for client, baudrate in (("a", 9600), ("b", 19200)):
                    self.ask(client=client, unit=baudrate // 9600, baudrate=baudrate)
            for _ in range(20):
                unit = self.line.sent()[0]
                self.answer(unit=unit)
            self.assertEqual([outcome.word for outcome in self.seen.outcomes], 20 * ["ok"])
            self.assertTrue(fewest <= len(self.line.formats) <= most, len(self.line.formats))
