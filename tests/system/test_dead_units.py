"""
What dead units cost the living, counted request by request.

Ten clients in closed loops on the real Port, Wire and Cable, in virtual time,
with simulated units of which some fall silent.
"""

from collections import Counter
from collections.abc import Callable, Collection
from itertools import product

from twisted.application.internet import ClientService
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings
from lumina.frontends.slave import Slave
from lumina.interfaces import Outcome, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Request
from lumina.modbus.rtu import Line
from lumina.poll.costs import Costs
from lumina.poll.plan import Plan
from lumina.poll.poller import Poller
from lumina.poll.rounds import Polled
from lumina.readings import HOLDING, Point
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Effect, Fault, Faults, When
from lumina.simulator.tables import registers
from lumina.simulator.unit import Unit
from lumina.testing import Cable, FakeSink, FakeWatcher, pass_time

LINE = Line(9600)
UNITS = range(1, 11)

#: Seconds that all units answer, until it counts what the death of some costs, and for which it counts.
LEARNING, ADJUSTING, COUNTING = 5.0, 10.0, 30.0

#: Seconds between cycles of the poller: more than the breaker's longest pause.
INTERVAL = 40.0

#: Seconds that a client rests after a request that was refused at once.
REST = 0.1


def polling(number: int) -> Request:
    """A client asks for the same four blocks again and again."""
    return ReadHoldingRegisters(20 * (number % 4), 10)


def wandering(number: int) -> Request:
    """A client never asks the same twice."""
    return ReadHoldingRegisters(number % 60000, 10)


class DeadUnitsTests(SynchronousTestCase):
    def start(self, *dead: int, after: float = LEARNING, misses: int = 3) -> None:
        """
        @param dead: units that fall silent after so many seconds: at the end of the learning time.
        @param misses: silences after which a unit is suspended.
        """
        self.clock, self.seen = Clock(), FakeWatcher()
        cable = Cable(self.clock, LINE)
        silent = Fault(When(units=frozenset(dead), after=after), Effect(lost="request"))
        faults = Faults([silent] if dead else [], self.clock.seconds)
        bank = Bank({unit: Unit(holding_registers=registers(65536)) for unit in UNITS}, self.clock.seconds)
        factory = Factory.forProtocol(lambda: Slave(bank, LINE, self.clock, faults=faults))
        slave = ClientService(cable.slaves, factory, clock=self.clock)
        slave.startService()
        self.port = Port(
            PortSettings("bus", "cable", line=LINE, misses=misses), cable, self.clock, [self.seen]
        )
        self.port.startService()

        def stop() -> None:
            stopped = self.port.stopService()
            pass_time(self.clock, 5)
            self.successResultOf(stopped)

        self.addCleanup(slave.stopService)
        self.addCleanup(stop)
        pass_time(self.clock, 0.1)

    def loop(self, unit: int, request: Callable[[int], Request], number: int = 0) -> None:
        """One client asks one unit without end."""
        if self.clock.seconds() < self.until:
            done = self.port.execute(unit, request(number), Terms(client=str(unit), id=str(number)))
            done.addErrback(lambda _: None)
            self.clock.callLater(0, lambda: done.addBoth(lambda _: self.rest(unit, request, number)))

    def rest(self, unit: int, request: Callable[[int], Request], number: int) -> None:
        refused = self.seen.outcomes[-1].word == "suspended"
        self.clock.callLater(REST if refused else 0, self.loop, unit, request, number + 1)

    def run_loops(self, asked: Collection[int], request: Callable[[int], Request] = polling) -> None:
        """@param asked: units, one client to each."""
        self.until = LEARNING + ADJUSTING + COUNTING
        for unit in asked:
            self.loop(unit, request)
        pass_time(self.clock, self.until)

    def answered(self, units: Collection[int]) -> list[Outcome]:
        """Requests to these units that were answered while it counts."""
        since = LEARNING + ADJUSTING
        return [
            outcome
            for outcome in self.seen.outcomes
            if outcome.unit in units and outcome.word == "ok" and outcome.answered > since
        ]

    def throughput(self, dead: int, request: Callable[[int], Request]) -> float:
        """Of the living, over what it is when the dead are not asked."""
        living, gone = UNITS[: 10 - dead], UNITS[10 - dead :]
        self.start(*gone)
        self.run_loops(living, request)
        alone = len(self.answered(living))
        self.doCleanups()
        self.start(*gone)
        self.run_loops(UNITS, request)
        return len(self.answered(living)) / alone

    def test_nobody_waits_for_the_dead_twice(self) -> None:
        """
        No request to a living unit waits for the same dead unit more than once.
        """
        for dead in (1, 5):
            self.start(*UNITS[10 - dead :])
            self.run_loops(UNITS)
            since = LEARNING + ADJUSTING
            tries = [each for each in self.seen.exchanges if each.verdict == "timeout" and each.sent > since]
            self.assertGreater(len(tries), dead)
            for outcome in self.answered(UNITS[: 10 - dead]):
                assert outcome.sent is not None
                waited = Counter(each.unit for each in tries if outcome.asked <= each.sent < outcome.sent)
                self.assertLessEqual(max(waited.values(), default=0), 1, (outcome, waited))
            self.doCleanups()

    def test_what_one_dead_unit_costs(self) -> None:
        """
        With one of ten units dead the others keep nine tenths of their
        throughput, with five dead eight tenths.
        """
        self.assertGreater(self.throughput(1, polling), 0.9)
        self.assertGreater(self.throughput(5, polling), 0.8)

    def test_what_a_dead_unit_costs_that_is_polled(self) -> None:
        """
        A dead unit costs the poller one silent request in each cycle, or none while it is suspended, from its
        third cycle on, whether the bus suspends units or not; the values of the others are all read.
        """
        for dies, misses in product((0.0, LEARNING), (0, 3)):
            self.start(10, after=dies, misses=misses)
            sink = FakeSink()
            devices = [self.polled(unit) for unit in (1, 10)]
            poller = Poller(devices, {"sink": sink}, self.clock, self.clock.seconds)
            poller.startService()
            pass_time(self.clock, dies + 3 * INTERVAL)
            self.seen.exchanges.clear()
            pass_time(self.clock, 5 * INTERVAL)
            stopped = poller.stopService()
            pass_time(self.clock, 1)
            self.successResultOf(stopped)
            silent = [each for each in self.seen.exchanges if each.verdict == "timeout"]
            self.assertIn(len(silent), range(1, 6))
            self.assertEqual({each.quality for each in sink.taken if each.point.device == 1}, {"good"})
            self.doCleanups()

    def polled(self, unit: int) -> Polled:
        """A unit with four blocks of ten values."""
        points = [
            Point(unit, f"r{address}", HOLDING, address)
            for block in range(4)
            for address in range(1000 * block, 1000 * block + 10)
        ]
        plan = Plan(points, costs=Costs.serial(LINE))
        return Polled(unit, self.port, "bus", unit, plan, {INTERVAL: tuple(range(len(points)))})

    def test_what_dead_units_cost_that_are_asked_for_something_new(self) -> None:
        """
        It is the same where nobody asks for what the unit has answered before.
        """
        self.assertGreater(self.throughput(1, wandering), 0.9)
        self.assertGreater(self.throughput(5, wandering), 0.8)
