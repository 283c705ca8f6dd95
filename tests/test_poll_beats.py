"""Beats of several intervals, and what of one device is due together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.interfaces import Terms
from lumina.modbus.pdu import Reply, Request
from lumina.modbus.tables import HOLDING
from lumina.poll.beat import Beat
from lumina.poll.costs import Costs
from lumina.poll.plan import Plan
from lumina.poll.poller import GRACE, Poller
from lumina.poll.rounds import Polled
from lumina.readings import Point
from lumina.testing import FakeBus, FakeSink, pass_time

#: Wall time at the start of each test: 2 s before a full minute.
START = 1_700_000_038.0

INTERVALS = (1.0, 2.0, 3.0, 5.0, 10.0, 60.0)

Beats = Mapping[float, tuple[int, ...]]


class SlowBus(FakeBus):
    """Each register holds its address; an answer takes so many seconds."""

    def __init__(self, clock: Clock, seconds: float = 0.0) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds
        self.times: list[float] = []

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        done = super().execute(unit, request, terms)
        self.times.append(self._clock.seconds())
        asked = self.asked[-1]

        def answer() -> None:
            if asked.done.called:  # it was withdrawn
                return
            now, (start, count) = self._clock.seconds(), place(request)
            pdu = request.answer(tuple(range(start, start + count)))  # type: ignore[attr-defined]
            # It began before it was asked for, as shared replies do: nothing is learnt of costs.
            asked.done.callback(Reply(request, pdu, now - 100.0, now))

        if self._seconds:
            self._clock.callLater(self._seconds, answer)
        else:
            answer()
        return done


def place(request: Request) -> tuple[int, int]:
    """The first register of a request, and how many it reads."""
    return request.address, request.count  # type: ignore[attr-defined]


def points(addresses: Sequence[int]) -> list[Point]:
    return [Point(1, f"r{address}", HOLDING, address) for address in addresses]


def multiples(interval: float, seconds: float) -> int:
    """How often the wall clock shows a multiple of it, after the start and so many seconds long."""
    return floor(Fraction(START + seconds) / Fraction(interval)) - floor(Fraction(START) / Fraction(interval))


class BeatCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.drift = 0.0

    def wall(self) -> float:
        return START + self.clock.seconds() * (1 + self.drift)


class BeatTests(BeatCase):
    def calls(self, *intervals: float, seconds: float) -> list[tuple[float, tuple[float, ...]]]:
        """When it was called, by the wall clock's seconds since the start, and with what."""
        found: list[tuple[float, tuple[float, ...]]] = []
        began = self.clock.seconds()
        beat = Beat(
            intervals,
            lambda come: found.append((round(self.wall() - START - began, 1), tuple(come))),
            self.clock,
            self.wall,
        )
        beat.start()
        pass_time(self.clock, seconds)
        beat.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return found

    def test_together(self) -> None:
        """
        Intervals whose multiples fall together are one call; at the start all are.
        """
        self.assertEqual(
            self.calls(20.0, 5.0, seconds=28),
            [(0, (5, 20)), (2, (5, 20)), (7, (5,)), (12, (5,)), (17, (5,)), (22, (5, 20)), (27, (5,))],
        )

    def test_inaccurate_timers(self) -> None:
        """
        Timers that go a little faster or slower than the wall clock do not part what falls together, and
        make nothing come twice.
        """
        for self.drift in (3e-4, -3e-4):
            self.clock = Clock()
            found = self.calls(10.0, 60.0, seconds=305)
            self.assertEqual([come for _, come in found if 60.0 in come], [(10.0, 60.0)] * 7)
            self.assertEqual(len(found), 32)

    def test_reactor_was_held(self) -> None:
        """
        What became due while something else held the reactor comes together, too.
        """
        found: list[Sequence[float]] = []
        beat = Beat((10.0, 60.0), found.append, self.clock, self.wall)
        beat.start()
        self.clock.advance(4.5)
        beat.stop()
        self.assertEqual(found, [[10.0, 60.0], [10.0, 60.0]])

    @given(st.sets(st.sampled_from(INTERVALS), min_size=1), st.floats(-3e-4, 3e-4))
    def test_once_for_each_multiple(self, intervals: set[float], drift: float) -> None:
        """
        Each interval comes once at the start, and once for each of its multiples.
        """
        self.clock, self.drift = Clock(), drift
        found = self.calls(*intervals, seconds=125.5)
        counts = Counter(interval for _, come in found for interval in come)
        self.assertEqual(counts, {each: 1 + multiples(each, 125.5) for each in intervals})
        self.assertEqual(len({at for at, _ in found}), len(found))


class TogetherTests(BeatCase):
    def setUp(self) -> None:
        super().setUp()
        self.sink = FakeSink()

    def poll(
        self, bus: SlowBus, addresses: Sequence[int], beats: Beats, seconds: float, spread: bool = False
    ) -> Poller:
        """Poll one device for so long."""
        plan = Plan(points(addresses), costs=Costs(0.02, 0.001))
        self.sink.taken.clear()
        poller = Poller(
            [Polled(1, bus, "bus", 1, plan, beats)], {"s": self.sink}, self.clock, self.wall, spread
        )
        poller.startService()
        pass_time(self.clock, seconds)
        return poller

    def stop(self, poller: Poller) -> None:
        poller.stopService()
        self.clock.advance(GRACE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_request(self) -> None:
        """
        Registers of one device that have different intervals are read in one request whenever they are due
        together, and each of them once.
        """
        for spread in (False, True):
            bus = SlowBus(self.clock)
            self.stop(self.poll(bus, (0, 1, 2), {10.0: (0, 2), 60.0: (1,)}, 119.9, spread))
            self.assertEqual([place(each.request) for each in bus.asked], [(0, 3)] * len(bus.asked))
            taken = Counter(reading.point.parameter for reading in self.sink.taken)
            self.assertEqual(taken, {"r0": 13, "r1": 3, "r2": 13})
            self.assertEqual(len(bus.asked), 13)

    def test_urgent_first(self) -> None:
        """
        Of what is due together, the requests with registers of the shortest interval come first.
        """
        bus = SlowBus(self.clock, 0.1)
        addresses = (0, 1000, 2000, 2001)
        self.stop(self.poll(bus, addresses, {60.0: (0, 1, 2), 5.0: (3,)}, 1.0))
        self.assertEqual([place(each.request)[0] for each in bus.asked], [2000, 0, 1000])

    def test_long_interval_holds_up_none(self) -> None:
        """
        Where reading everything takes longer than the shortest interval, its registers are read at each of
        their beats all the same, and those of the long interval in between.
        """
        bus = SlowBus(self.clock, 0.4)
        addresses = [1000 * place for place in range(12)]
        poller = self.poll(bus, addresses, {2.0: (0,), 60.0: tuple(range(1, 12))}, 61.5)
        self.stop(poller)
        times = [at for at, each in zip(bus.times, bus.asked, strict=True) if not place(each.request)[0]]
        self.assertEqual(len(times), 31)
        self.assertEqual(poller.cycles()[1].skipped, 0)

    def test_read_by_an_other(self) -> None:
        """
        What was to be read together with something else, and still is not, is not asked for again; its beat
        is skipped and counted like that.
        """
        bus = SlowBus(self.clock, 25.0)
        poller = self.poll(bus, (0, 1), {10.0: (0,), 20.0: (1,)}, 24.9)
        self.assertEqual([place(each.request) for each in bus.asked], [(0, 2)])
        # The beats two seconds after the start are not its fault.
        self.assertEqual(poller.cycles()[1].skipped, 3)
        self.stop(poller)

    @given(
        st.dictionaries(st.integers(0, 200), st.sampled_from(INTERVALS), min_size=1, max_size=12),
        st.booleans(),
        st.sampled_from((0.0, 0.0, 0.03, 0.3, 1.7, 4.0)),
    )
    def test_once_for_each_beat(self, wanted: dict[int, float], spread: bool, delay: float) -> None:
        """
        Each register is read once for each beat of its own that is not skipped, never for two at a time; and
        what is due together in no more requests than it takes.
        """
        self.clock = Clock()
        bus, addresses = SlowBus(self.clock, delay), [*wanted]
        beats = {
            interval: tuple(index for index, each in enumerate(addresses) if wanted[each] == interval)
            for interval in set(wanted.values())
        }
        poller = self.poll(bus, addresses, beats, 64.5, spread)
        skipped = poller.cycles()[1].skipped
        self.stop(poller)
        counts = Counter(reading.point.address for reading in self.sink.taken)
        missing = 0
        for interval, due in beats.items():
            found = {counts[addresses[index]] for index in due}
            self.assertLessEqual(max(found) - min(found), delay > 0)  # the last time may not be over
            missing += 1 + (64 if spread else multiples(interval, 64.5)) - max(found)
            if not delay and not spread:
                self.assertEqual(found, {1 + multiples(interval, 64.5)})
        if not spread:  # beats just after the start are not counted as skipped, and the last ones not read
            self.assertTrue(skipped <= missing <= skipped + 2 * len(beats), (skipped, missing))
        if not delay:
            self.assertEqual(skipped, 0)
            self.fewest(bus)

    def fewest(self, bus: SlowBus) -> None:
        """What was read at one time could not have been read in less time."""
        at_once: dict[float, list[Request]] = {}
        for at, asked in zip(bus.times, bus.asked, strict=True):
            at_once.setdefault(round(at, 3), []).append(asked.request)
        for at, requests in at_once.items():
            read = {
                reading.point.address for reading in self.sink.taken if abs(reading.at - START - at) < 0.001
            }
            best = Plan(points([*read]), costs=Costs(0.02, 0.001)).agenda(0.0).blocks
            self.assertEqual(sorted(map(place, requests)), [(block.start, block.count) for block in best])
