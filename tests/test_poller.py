"""The poller: beats by the wall clock, buses side by side, and a stop."""

from itertools import pairwise

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from lumina.errors import NoReply
from lumina.modbus.rtu import Line
from lumina.poll.costs import Costs
from lumina.poll.plan import Plan
from lumina.poll.poller import GRACE, Poller
from lumina.poll.rounds import Polled, bus_shares
from lumina.testing import FakeBus, FakeSink, pass_time
from tests.poller_case import START, PollerCase, PromptBus, answer, points


class BeatTests(PollerCase):
    def test_at_once_and_by_the_wall_clock(self) -> None:
        """
        Everything is read at the start, and then whenever the wall clock shows a multiple of the interval.
        """
        self.poller(self.device(PromptBus(self.clock), every=10))
        pass_time(self.clock, 33)
        self.assertEqual(self.times(), [0, 2, 12, 22, 32])

    def test_half_hour(self) -> None:
        """
        The documents' half hour begins at full and half hours.
        """
        self.poller(self.device(PromptBus(self.clock), every=1800))
        pass_time(self.clock, 3700)
        self.assertEqual([(START + each) % 1800 for each in self.times()[1:]], [0, 0])

    def test_clock_is_set(self) -> None:
        """
        Where the wall clock is set, forward or back, the beat finds its way back to it within an interval,
        and nothing is read twice for one time.
        """
        for step in (3.0, -3.0, 3601.0, -7205.0):
            self.sink.taken.clear()
            bus = PromptBus(self.clock)
            poller = self.poller(self.device(bus, every=10))
            pass_time(self.clock, 15)
            self.step += step
            before = len(bus.asked)
            pass_time(self.clock, 100)
            self.assertIn(len(bus.asked) - before, (9, 10, 11))
            for reading in self.sink.taken[-5:]:
                self.assertAlmostEqual(reading.at % 10, 0)
            poller.stopService()
            self.clock.advance(GRACE)

    def test_early_timer(self) -> None:
        """
        A timer that fires a little early does not make the beat come twice.
        """
        bus = PromptBus(self.clock)
        drift = 0.0

        def wall() -> float:
            return START + self.clock.seconds() * 0.9999 + drift

        poller = Poller([self.device(bus, every=10)], {}, self.clock, wall)
        poller.startService()
        pass_time(self.clock, 101)
        self.assertEqual(len(bus.asked), 11)
        poller.stopService()

    def test_several_intervals(self) -> None:
        """
        Registers of one device can have intervals of their own.
        """
        plan = Plan(points(1, 0, 100))
        bus = PromptBus(self.clock)
        self.poller(Polled(1, bus, "bus", 1, plan, {1.0: (0,), 10.0: (1,)}))
        pass_time(self.clock, 20.5)
        taken = [reading.point.parameter for reading in self.sink.taken]
        self.assertEqual((taken.count("r0"), taken.count("r100")), (21, 3))

    def test_together(self) -> None:
        """
        Devices on different buses are asked at the same time, those on one bus one after the other.
        """
        alone, shared = FakeBus(), FakeBus()
        self.poller(self.device(alone, 1), self.device(shared, 2), self.device(shared, 3))
        self.assertEqual((len(alone.asked), len(shared.asked)), (1, 1))
        shared.asked[0].reply(answer(1, shared.asked[0].request))
        self.assertEqual(len(shared.asked), 2)

    def test_spread(self) -> None:
        """
        Spread devices have phases of their own, the same after each start; the first reading is at the start.
        """
        found = []
        for _ in range(2):
            self.sink.taken.clear()
            buses = [PromptBus(self.clock) for _ in range(20)]
            devices = [self.device(bus, index, every=60) for index, bus in enumerate(buses)]
            poller = self.poller(*devices, spread=True)
            self.assertEqual(len(self.sink.taken), 20)
            self.sink.taken.clear()
            pass_time(self.clock, 60)
            phases = {reading.point.device: round(reading.at % 60, 6) for reading in self.sink.taken}
            found.append(phases)
            self.assertEqual((len(phases), len(self.sink.taken)), (20, 20))
            self.assertGreater(len(set(phases.values())), 15)
            poller.stopService()
            self.clock.advance(GRACE)
        self.assertEqual(found[0], found[1])

    def test_urgent_first(self) -> None:
        """
        On one bus, what is due again sooner goes first, even where something else has begun.
        """
        bus = FakeBus()
        self.poller(
            self.device(bus, "slow", 3600, (0, 500, 1000)),
            self.device(bus, "fast", 5, (0,)),
            sinks={"s": self.sink},
        )

        def answer_next() -> None:
            waiting = next(each for each in bus.asked if not each.done.called)
            waiting.reply(answer(1, waiting.request))

        answer_next()
        self.clock.advance(5)
        for _ in range(4):
            answer_next()
        self.assertEqual([each.terms.id for each in bus.asked], ["fast", "slow", "fast", "slow", "slow"])


class Busy(Clock):
    """A clock that goes on while somebody works: a tenth of a millisecond for each look at it."""

    def seconds(self) -> float:
        self.rightNow += 0.0001
        return super().seconds()


class PlanningTests(PollerCase):
    def test_others_get_their_turn(self) -> None:
        """
        While the plans of large devices are being made, others get their turn every millisecond.
        """
        self.clock = Busy()
        buses = [FakeBus() for _ in range(5)]
        devices = [self.device(bus, index, addresses=range(0, 2000, 40)) for index, bus in enumerate(buses)]
        poller = Poller(devices, {}, self.clock, self.wall)
        turns: list[float] = []

        def turn() -> None:
            turns.append(self.clock.rightNow)
            if len(turns) < 1000 and not all(bus.asked for bus in buses):
                self.clock.callLater(0, turn)

        turn()
        poller.startService()
        self.clock.advance(0)
        self.assertLess(max(after - before for before, after in pairwise(turns)), 0.003)
        self.assertTrue(all(bus.asked for bus in buses))
        self.assertGreater(turns[-1] - turns[0], 0.01)
        poller.stopService()


class OverrunTests(PollerCase):
    def test_never_overlapping(self) -> None:
        """
        A device that is still being read is not asked again: its beat is skipped and counted.
        """
        bus = FakeBus()
        poller = self.poller(self.device(bus, every=10))
        pass_time(self.clock, 35)
        self.assertEqual(len(bus.asked), 1)
        # The beat that comes two seconds after the start is not its fault.
        self.assertEqual(poller.cycles()[1].skipped, 3)
        bus.asked[0].reply(answer(1, bus.asked[0].request))
        pass_time(self.clock, 8)
        self.assertEqual(len(bus.asked), 2)
        self.assertEqual((poller.cycles()[1].count, poller.cycles()[1].longest), (1, 35.0))

    def test_silent_one_goes_last(self) -> None:
        """
        On a bus of several devices one that was silent is asked after the others, until it answers again.
        """
        bus, well = FakeBus(), 30.0
        self.poller(*(self.device(bus, id, every=10) for id in (1, 2, 3)))
        order: list[list[str]] = [[]]
        for _ in range(60):
            for each in bus.asked:
                if not each.done.called:
                    order[-1].append(each.terms.id)
                    if each.terms.id == "1" and self.clock.seconds() < well:
                        each.fail(NoReply("silence"))
                    else:
                        each.reply(answer(1, each.request))
            if all(each.done.called for each in bus.asked):
                pass_time(self.clock, 1)
                if order[-1]:
                    order.append([])
        self.assertEqual(order[0][0], "1")
        self.assertEqual([each for each in order[1] if each != "1"], ["2", "3"])
        self.assertEqual(order[1][:2], ["2", "3"])
        self.assertEqual(order[-2], ["1", "2", "3"])

    def test_no_second_timeout_before_others(self) -> None:
        """
        On a bus of several devices no one waits for a second timeout of another one, whether that is dead or
        silent to some of what it is asked.
        """
        bus = FakeBus()
        intervals = {1: 10.0, 2: 10.0, 3: 1800.0}
        self.poller(*(self.device(bus, id, every, range(0, 9000, 1000)) for id, every in intervals.items()))
        order = []
        while waiting := [each for each in bus.asked if not each.done.called]:
            (each,) = waiting
            order.append(each.terms.id)
            start = getattr(each.request, "address", 0)
            if each.terms.id == "3" or (each.terms.id == "2" and start == 0):
                each.reply(answer(1, each.request))
            else:
                each.fail(NoReply("silence"))
        self.assertEqual(order[:12], ["1", "2", "2", *["3"] * 9])
        self.assertEqual(order[12:16], ["1", "2", "1", "2"])
        pass_time(self.clock, 0.1)
        self.assertEqual(len(self.sink.taken), 27)

    def test_late_now_and_then(self) -> None:
        """
        A device that is late every other time is spoken of once, and again when it has kept ten beats.
        """
        bus = FakeBus()
        self.poller(self.device(bus, every=10))
        began: dict[int, float] = {}
        with capturedLogs() as events:
            for second in range(480):
                pass_time(self.clock, 1)
                for number, each in enumerate(bus.asked):
                    since = began.setdefault(number, self.clock.seconds())
                    if not each.done.called and self.clock.seconds() - since >= (15 if second < 200 else 1):
                        each.reply(answer(1, each.request))
        said = [text[:40] for event in events if (text := formatEvent(event)).startswith("polling: ")]
        self.assertEqual(
            said, ["polling: 1 of 1 devices take longer than", "polling: all 1 devices keep their beat o"]
        )

    def test_others_go_on(self) -> None:
        """
        One device that is late or dead costs devices on other buses nothing.
        """
        late, well = FakeBus(), PromptBus(self.clock)
        self.poller(self.device(late, 1), self.device(well, 2))
        pass_time(self.clock, 60)
        self.assertEqual((len(late.asked), len(well.asked)), (1, 7))


class LoadTests(PollerCase):
    def test_share(self) -> None:
        """
        The load of a bus is the time that its devices need, over the time they have.
        """
        line = Line(9600)
        plans = [Plan(points(id, 0, 1), costs=Costs.serial(line, turnaround=0.01)) for id in (1, 2)]
        needed = line.duration(8 + 5 + 4) + line.gap + 0.01
        shares = bus_shares(("line", each, {0.1: (0, 1)}) for each in plans)
        self.assertAlmostEqual(shares["line"], 2 * needed / 0.1)

    def test_several_intervals(self) -> None:
        """
        What is read together with something else is reckoned so, where each interval is a multiple of the
        next shorter one.
        """
        costs = Costs(0.02, 0.001)
        beats: tuple[dict[float, tuple[int, ...]], ...] = (
            {1.0: (0, 2), 10.0: (1,)},
            {2.0: (0, 2), 3.0: (1,)},
        )
        shares = [bus_shares([("line", Plan(points(1, 0, 1, 2), costs=costs), each)]) for each in beats]
        self.assertAlmostEqual(shares[0]["line"], 0.023)
        self.assertAlmostEqual(shares[1]["line"], 0.023 / 2 + 0.021 / 3)


class StopTests(PollerCase):
    def test_stop(self) -> None:
        """
        At the end what waits is withdrawn, and what was read is still handed over.
        """
        bus = FakeBus()
        poller = self.poller(self.device(bus, addresses=(0, 500)))
        bus.asked[0].reply(answer(1, bus.asked[0].request))
        done = poller.stopService()
        self.assertEqual(len(bus.withdrawn), 1)
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual([each.point.parameter for each in self.sink.taken], ["r0"])
        self.clock.advance(60)
        self.assertEqual(len(bus.asked), 2)

    def test_sink_that_never_answers(self) -> None:
        """
        A sink that hangs does not hold up the end for ever.
        """
        self.sink = FakeSink(slow=True)
        poller = self.poller(self.device(PromptBus(self.clock)))
        done = poller.stopService()
        self.assertNoResult(done)
        self.clock.advance(GRACE)
        self.successResultOf(done)
