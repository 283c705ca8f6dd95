"""Devices of every sort of obstinacy, over many cycles, beside what they could have told."""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import ExceptionReply, LuminaError, NoReply
from lumina.modbus.tables import HOLDING
from lumina.modbus.values import Format
from lumina.poll.block import Block
from lumina.poll.costs import Costs
from lumina.poll.cycle import Cycle
from lumina.poll.knowledge import BAN, LONGEST_BAN
from lumina.poll.limits import Limits
from lumina.poll.plan import Plan
from lumina.readings import Point, Reading
from tests.examples import tries

WALL = 1.7e9

FORMATS = {1: Format("uint16"), 2: Format("uint32"), 4: Format("uint64")}

#: Cycles until a device that stays as it is has been found out; if it hardly answers anything, as
#: many more as it has points.
FOUND_OUT = 12


@dataclass
class Device:
    """
    Registers that hold their own address, and what is wrong with them.

    @ivar refused: what it answers with an exception to requests that touch a register.
    @ivar mute: registers that it is silent to.
    @ivar longest: registers that it gives at once; more are refused, or met with silence.
    @ivar silent_to_long: which of both.
    @ivar dead: it answers nothing.
    @ivar lost: requests from now on, by number, of which the reply is lost.
    """

    refused: dict[int, int] = field(default_factory=dict)
    mute: frozenset[int] = frozenset()
    longest: int = 125
    silent_to_long: bool = False
    dead: bool = False
    lost: Collection[int] = ()
    asked: list[tuple[int, int]] = field(default_factory=list)

    def answer(self, block: Block) -> bytes:
        self.asked.append((block.start, block.end))
        addresses = range(block.start, block.end)
        fault = self.fault(addresses)
        if len(self.asked) in self.lost:
            fault = NoReply("lost")
        if fault is not None:
            raise fault
        return bytes((3, 2 * len(addresses))) + struct.pack(f">{len(addresses)}H", *addresses)

    def fault(self, addresses: range) -> LuminaError | None:
        """Why it does not give these registers in one request."""
        if self.dead or self.mute.intersection(addresses):
            return NoReply("nothing came")
        if len(addresses) > self.longest:
            return NoReply("nothing came") if self.silent_to_long else ExceptionReply(3, 3)
        codes = [self.refused[address] for address in addresses if address in self.refused]
        return ExceptionReply(3, codes[0]) if codes else None

    def gives(self, point: Point) -> bool:
        """Whether it would give a value if it were asked for that alone."""
        return self.fault(range(point.address, point.address + point.size)) is None


def points(places: Sequence[tuple[int, int]]) -> list[Point]:
    return [Point(1, f"{address}/{size}", HOLDING, address, FORMATS[size]) for address, size in places]


def cycle(plan: Plan, device: Device, now: float, due: tuple[int, ...] | None = None) -> dict[Point, Reading]:
    """One cycle: a reading of each point that is due, which is right or says that there is none."""
    device.asked.clear()
    reading, found = Cycle(plan, now, plan.agenda(now, due)), []
    while block := reading.next(now):
        try:
            pdu = device.answer(block)
        except LuminaError as error:
            found += reading.failed(block, error, now, WALL)
        else:
            found += reading.answered(block, pdu, now, WALL)
    found += reading.close(now, WALL)
    for each in found:
        addresses = range(each.point.address, each.point.address + each.point.size)
        value = int.from_bytes(struct.pack(f">{len(addresses)}H", *addresses), "big")
        assert each.value == (value if each.quality == "good" else None), each
    wanted = plan.points if due is None else [plan.points[place] for place in due]
    assert sorted(each.point.parameter for each in found) == sorted(each.parameter for each in wanted)
    assert len(device.asked) <= 4 * len(plan.points) + 4, device.asked
    return {each.point: each for each in found}


def lost(device: Device, readings: dict[Point, Reading]) -> list[Point]:
    """What the device would have given, and was not read."""
    return [each for each, reading in readings.items() if device.gives(each) and reading.quality != "good"]


places = st.lists(
    st.tuples(st.integers(0, 150), st.sampled_from((1, 1, 2, 4))), min_size=1, max_size=25, unique=True
)
addresses = st.sets(st.integers(0, 153), max_size=5)
devices = st.builds(
    Device,
    st.dictionaries(st.integers(0, 153), st.sampled_from((2, 2, 3, 4)), max_size=5),
    st.frozensets(st.integers(0, 153), max_size=3),
    st.sampled_from((125, 125, 60, 20, 7)),
    st.booleans(),
)
plans = st.builds(
    lambda places, ratio, limit, gaps: Plan(
        points(places), Limits(limit, forbid_gaps=gaps), costs=Costs(ratio / 1000, 0.001)
    ),
    places,
    st.floats(1, 300),
    st.integers(4, 125),
    st.sampled_from((False, False, True)),
)


def in_turn(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places that do not overlap, so far from each other."""
    found, end = [], 0
    for distance, size in gaps:
        found.append((end + distance, size))
        end += distance + size
    return found


separate = st.lists(st.tuples(st.sampled_from((0, 0, 1, 3, 20)), st.sampled_from((1, 2, 4))), min_size=1).map(
    in_turn
)


class OracleTests(SynchronousTestCase):
    @tries(150)
    @given(plans, devices)
    def test_steady(self, plan: Plan, device: Device) -> None:
        """
        What a device can give is read in each cycle after the first ones, for days, whatever else it
        refuses or is silent to, and whatever of that is tried again. That costs three timeouts at most, but
        where all long requests are tried again.
        """
        now = 0.0
        for _ in range(FOUND_OUT + len(plan.points)):
            cycle(plan, device, now)
            now += 60
        for _ in range(30):
            self.assertEqual(lost(device, cycle(plan, device, now)), [])
            silences = [each for each in device.asked if isinstance(device.fault(range(*each)), NoReply)]
            if not device.silent_to_long:
                self.assertLessEqual(len(silences), 3)
            now += BAN / 3

    @tries(100)
    @given(plans, devices, st.data())
    def test_intervals(self, plan: Plan, device: Device, data: st.DataObject) -> None:
        """
        It is the same where some of the values are due more often than the others.
        """
        often = tuple(sorted(data.draw(st.sets(st.sampled_from(range(len(plan.points)))))))
        for number in range(5 * (FOUND_OUT + len(plan.points))):
            cycle(plan, device, 60.0 * number, often if number % 4 else None)
        now = 60.0 * number
        for number in range(30):
            readings = cycle(plan, device, now + BAN / 3 * number, often if number % 4 else None)
            self.assertEqual(lost(device, readings), [])

    @tries(150)
    @given(
        plans,
        st.lists(st.tuples(devices, st.booleans(), st.integers(1, 6)), min_size=1, max_size=4),
        st.data(),
    )
    def test_fickle(self, plan: Plan, phases: list[tuple[Device, bool, int]], data: st.DataObject) -> None:
        """
        Whatever a device did before, and however many replies were lost, nothing that it gives is missing
        when the longest ban is over.
        """
        now, device = 0.0, Device()
        for device, dead, cycles in phases:
            device.dead = dead
            device.lost = data.draw(st.sets(st.integers(1, 12), max_size=3))
            for _ in range(cycles):
                cycle(plan, device, now)
                now += 60
        device.dead, device.lost = False, ()
        now += LONGEST_BAN
        for _ in range(FOUND_OUT + 8 * len(plan.points)):
            cycle(plan, device, now)
            now += 60
        for _ in range(5):
            self.assertEqual(lost(device, cycle(plan, device, now)), [])
            now += BAN

    @tries(150)
    @given(plans, st.booleans())
    def test_dead(self, plan: Plan, before: bool) -> None:
        """
        A device that is dead costs four timeouts, three, and then one in each cycle; each value is asked
        alone once in as many cycles as there are values.
        """
        if before:
            cycle(plan, Device(), 0.0)
        device, alone = Device(dead=True), set()
        for number in range(len(plan.points) + 2):
            cycle(plan, device, 60.0 + number)
            self.assertLessEqual(len(device.asked), (4, 3, 1)[min(number, 2)])
            alone.update(device.asked)
        self.assertLessEqual({(each.address, each.address + each.size) for each in plan.points}, alone)

    @tries(150)
    @given(separate, st.floats(1, 300), devices, st.data())
    def test_change(
        self, places: list[tuple[int, int]], ratio: float, device: Device, data: st.DataObject
    ) -> None:
        """
        A device that was read, and then falls silent to two registers, to long requests, or refuses some: all
        that it still gives is read from the next cycle on.
        """
        plan = Plan(points(places), costs=Costs(ratio / 1000, 0.001))
        for number in range(data.draw(st.integers(1, 4))):
            cycle(plan, Device(), 60.0 * number)
        taken = [address for start, size in places for address in range(start, start + size)]
        device.mute = frozenset(data.draw(st.sets(st.sampled_from(taken), max_size=2)))
        cycle(plan, device, 300.0)
        for number in range(6):
            self.assertEqual(lost(device, cycle(plan, device, 360.0 + number)), [])
