"""A cycle of reads, whatever the device answers."""

import struct
from collections.abc import Collection, Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import ExceptionReply, NoReply, PortDown
from lumina.modbus.tables import HOLDING
from lumina.modbus.values import Format
from lumina.poll.block import Block
from lumina.poll.costs import Costs
from lumina.poll.cycle import Cycle
from lumina.poll.knowledge import BAN, LONGEST_BAN
from lumina.poll.limits import Limits
from lumina.poll.plan import Plan
from lumina.readings import Point, Reading

WORD = Format("uint16")
WALL = 1.7e9


def point(address: int, size: int = 1) -> Point:
    format = {1: WORD, 2: Format("uint32"), 4: Format("uint64")}[size]
    return Point(1, f"at {address}" + (f", {size}" if size > 1 else ""), HOLDING, address, format)


class Device:
    """
    Registers that hold their own address.

    @ivar missing: registers that it refuses.
    @ivar failing: registers at which it fails.
    @ivar mute: registers that it does not answer to.
    @ivar quiet_above: it answers nothing to requests for more registers.
    @ivar dead: it answers nothing.
    @ivar gateway: it lies behind a gateway, which says so when nothing comes.
    @ivar longest: registers that it gives at once.
    @ivar asked: the requests that came, as start and end.
    """

    def __init__(self, missing: Collection[int] = (), mute: Collection[int] = (), longest: int = 125) -> None:
        self.missing, self.mute, self.longest = set(missing), set(mute), longest
        self.failing: set[int] = set()
        self.dead = self.gateway = False
        self.quiet_above = 125
        self.asked: list[tuple[int, int]] = []

    def answer(self, block: Block) -> bytes:
        self.asked.append((block.start, block.end))
        addresses = range(block.start, block.end)
        if self.dead or len(addresses) > self.quiet_above or self.mute.intersection(addresses):
            raise ExceptionReply(block.request.function, 11) if self.gateway else NoReply("nothing came")
        if self.failing.intersection(addresses):
            raise ExceptionReply(block.request.function, 4)
        if self.missing.intersection(addresses) or len(addresses) > self.longest:
            raise ExceptionReply(block.request.function, 2)
        return bytes((3, 2 * len(addresses))) + struct.pack(f">{len(addresses)}H", *addresses)


def run(plan: Plan, device: Device, now: float = 0.0) -> dict[str, Reading]:
    """One cycle; the readings by parameter, each of which comes once."""
    device.asked.clear()
    cycle, found = Cycle(plan, now), []
    while block := cycle.next(now):
        try:
            pdu = device.answer(block)
        except (NoReply, ExceptionReply) as error:
            found += cycle.failed(block, error, now, WALL)
        else:
            found += cycle.answered(block, pdu, now, WALL)
    found += cycle.close(now, WALL)
    readings = {reading.point.parameter: reading for reading in found}
    assert len(readings) == len(found) == len(plan.points), found
    return readings


def whole(point: Point) -> int:
    """What a point is when it is read from the device in one piece."""
    addresses = range(point.address, point.address + point.size)
    return int.from_bytes(struct.pack(f">{point.size}H", *addresses), "big")


def good(readings: dict[str, Reading]) -> set[int]:
    """Addresses that were read."""
    return {reading.point.address for reading in readings.values() if reading.quality == "good"}


def plan_of(places: Sequence[tuple[int, int]], ratio: float = 40.0, limits: Limits = Limits()) -> Plan:  # noqa: B008
    points = [point(address, size) for address, size in places]
    return Plan(points, limits, costs=Costs(ratio / 1000, 0.001))


class CycleTests(SynchronousTestCase):
    def test_all_well(self) -> None:
        """
        One request reads what lies close together, gaps included.
        """
        plan, device = plan_of([(0, 1), (4, 2), (10, 1)]), Device()
        readings = run(plan, device)
        self.assertEqual(device.asked, [(0, 11)])
        self.assertEqual([reading.value for reading in readings.values()], [0, 4 << 16 | 5, 10])
        self.assertEqual({reading.at for reading in readings.values()}, {WALL})

    def test_one_bad_register(self) -> None:
        """
        One bad register of 125 costs 15 requests at most, and the others are read in the same cycle.
        """
        for bad in (0, 1, 62, 77, 124):
            plan, device = plan_of([(place, 1) for place in range(125)]), Device({bad})
            readings = run(plan, device)
            self.assertEqual(good(readings), set(range(125)) - {bad})
            self.assertLessEqual(len(device.asked), 15)
            self.assertEqual(readings[f"at {bad}"].value, None)
            self.assertEqual(readings[f"at {bad}"].quality, "exception_02")
            self.assertIn("illegal data address", readings[f"at {bad}"].reason)

    def test_within_another(self) -> None:
        """
        A value that lies within another is read although the other one is refused.
        """
        plan, device = plan_of([(0, 4), (1, 1)]), Device({3})
        self.assertEqual(good(run(plan, device)), {1})
        self.assertEqual(device.asked, [(0, 4), (1, 2)])

    def test_ban_ends(self) -> None:
        """
        A register that is refused twice is left out, and asked again later, each time after a longer while;
        when it answers, all is forgotten.
        """
        plan, device = plan_of([(place, 1) for place in range(10)]), Device({5})
        now = 0.0
        for _ in range(2):
            run(plan, device, now)
            self.assertIn((5, 6), device.asked)
            now += 1
        for pause in (BAN, 2 * BAN, 4 * BAN):
            readings = run(plan, device, now)
            self.assertNotIn((5, 6), device.asked)
            self.assertEqual(readings["at 5"].quality, "exception_02")
            now += pause
            run(plan, device, now)
            self.assertIn((5, 6), device.asked)
        device.missing.clear()
        now += LONGEST_BAN
        self.assertEqual(good(run(plan, device, now)), set(range(10)))
        run(plan, device, now)
        self.assertEqual(device.asked, [(0, 10)])

    def test_answered_once(self) -> None:
        """
        A register that ever answered is never left out, only asked alone while it is refused.
        """
        plan, device = plan_of([(place, 1) for place in range(10)]), Device()
        run(plan, device)
        device.missing.add(5)
        for cycle in range(10):
            run(plan, device, float(cycle))
            self.assertIn((5, 6), device.asked)
        self.assertEqual(len(device.asked), 3)
        plan = Plan(plan.points, knowledge=plan.knowledge)
        run(plan, device, 11.0)
        self.assertIn((5, 6), device.asked)
        device.missing.clear()
        self.assertEqual(good(run(plan, device, 20.0)), set(range(10)))

    def test_single_failure(self) -> None:
        """
        A block that was read before, and is refused once, is asked as before: it may have been noise.
        """
        plan, device = plan_of([(place, 1) for place in range(0, 10, 2)]), Device()
        run(plan, device)
        for trouble in (device.missing, device.mute):
            cycle, found = Cycle(plan, 1.0), []
            while block := cycle.next(1.0):
                trouble.update({5} if block.count == 9 else ())
                try:
                    found += cycle.answered(block, device.answer(block), 1.0, WALL)
                except (ExceptionReply, NoReply) as error:
                    found += cycle.failed(block, error, 1.0, WALL)
                    trouble.clear()
            found += cycle.close(1.0, WALL)
            self.assertEqual(len(found), 5)
            run(plan, device, 2.0)
            self.assertEqual(device.asked, [(0, 9)])

    def test_one_silent_probe(self) -> None:
        """
        Of registers that were left out for silence one at a time is asked again, for each may cost a timeout.
        """
        places = [(place, 1) for place in range(8)]
        plan, device = plan_of([*places, (500, 1)]), Device(mute={2, 5})
        now = 0.0
        for _ in range(4):
            run(plan, device, now)
            now += 1
        self.assertEqual(good(run(plan, device, now)), {0, 1, 3, 4, 6, 7, 500})
        self.assertEqual(len(device.asked), 4)
        run(plan, device, now + BAN)
        self.assertEqual(len(device.asked), 5)

    def test_registers_fall_silent_for_good(self) -> None:
        """
        Of registers that were read before, and have been silent for long, one in each cycle is asked, in
        turn; when they are back all of them are read in that cycle.
        """
        gone = {3, 7, 8, 15}
        plan, device = plan_of([(place, 1) for place in range(20)]), Device()
        run(plan, device)
        device.mute.update(gone)
        for cycle in range(12):
            readings = run(plan, device, 60.0 * cycle)
        self.assertEqual(readings["at 3"].quality, "timeout")
        asked = []
        for cycle in range(12, 20):
            readings = run(plan, device, 60.0 * cycle)
            self.assertEqual(good(readings), {*range(20)} - gone)
            self.assertEqual({readings[f"at {place}"].quality for place in gone}, {"timeout"})
            asked += [start for start, end in device.asked if gone.intersection(range(start, end))]
        self.assertEqual(len(asked), 8)
        self.assertEqual(set(asked[:4]), gone)
        self.assertIn("asked in turn with others", readings[f"at {asked[0]}"].reason)
        device.mute.clear()
        self.assertEqual(good(run(plan, device, 1200.0)), {*range(20)})

    def test_failing_beside_silent_ones(self) -> None:
        """
        A block at which the device fails is taken apart in a cycle in which silent registers are spared, too.
        """
        places = [
            *((place, 1) for place in (0, 2, *range(23, 28))),
            (28, 2),
            (50, 4),
            (74, 4),
            (98, 4),
            (122, 4),
        ]
        plan, device = plan_of(places, 21.0), Device()
        run(plan, device)
        device.failing.add(1)
        device.mute.update((24, 25))
        found = [good(run(plan, device, float(cycle))) for cycle in range(12)]
        self.assertEqual(found[1:], [{place for place, _ in places} - {24, 25}] * 11)

    def test_silent_gap(self) -> None:
        """
        A block with gaps that the device is silent to is split at its gaps. Each gap is tried once more by
        itself; the bad one then is not read across until its ban is over.
        """
        plan, device = plan_of([(0, 1), (5, 1), (9, 1)]), Device(mute={3})
        trials: list[list[tuple[int, int]]] = [
            [(0, 10), (0, 1), (5, 6), (9, 10)],
            [(0, 6), (9, 10), (0, 1), (5, 6)],
            [(0, 1), (5, 10)],
            [(0, 1), (5, 10)],
        ]
        for cycle, asked in enumerate(trials):
            self.assertEqual(good(run(plan, device, float(cycle))), {0, 5, 9})
            self.assertEqual(device.asked, asked)
        run(plan, device, 1 + BAN)
        self.assertIn((0, 10), device.asked)

    def test_failing(self) -> None:
        """
        Device failure, exception 04, may be the fault of a gap, or of a register; that is tried with a few
        requests in each cycle.
        """
        for places, asked in (((0, 9), 3), ((0, 1), 3), (range(125), 7)):
            plan = plan_of([(place, 1) for place in places])
            for _ in range(3):
                cycle, readings = Cycle(plan, 0.0), []
                while block := cycle.next(0.0):
                    readings += cycle.failed(block, ExceptionReply(3, 4), 0.0, WALL)
                readings += cycle.close(0.0, WALL)
                self.assertEqual([each.quality for each in readings], ["exception_04"] * len(places))
                self.assertEqual(cycle.asked, asked)

    def test_failing_register(self) -> None:
        """
        A register at which the device fails is found, and the others are read in the same cycle; one that was
        read before is asked alone until it is well.
        """
        plan, device = plan_of([(place, 1) for place in range(60)]), Device()
        device.failing.add(20)
        self.assertEqual(good(run(plan, device)), {*range(60)} - {20})
        plan = plan_of([(place, 1) for place in range(60)])
        device.failing.clear()
        run(plan, device)
        device.failing.add(20)
        found = [len(good(run(plan, device, float(cycle)))) for cycle in range(5)]
        self.assertEqual(found, [0, 59, 59, 59, 59])
        self.assertEqual(len(device.asked), 3)
        device.failing.clear()
        run(plan, device, 5.0)
        run(plan, device, 6.0)
        self.assertEqual(device.asked, [(0, 60)])

    def test_one_trial_for_the_device(self) -> None:
        """
        After one gap has met with silence, other gaps of the device are not tried in the same cycle.
        """
        plan, device = plan_of([(0, 1), (5, 1), (500, 1), (505, 1)]), Device(mute={3, 503})
        self.assertEqual(good(run(plan, device)), {0, 5, 500, 505})
        self.assertEqual(device.asked, [(0, 6), (500, 501), (505, 506), (0, 1), (5, 6)])

    def test_mute_register(self) -> None:
        """
        A register to which the device is silent is found by halves, and the others are read in the same
        cycle.
        """
        plan, device = plan_of([(place, 1) for place in range(8)] + [(500, 1)]), Device(mute={5})
        readings = run(plan, device)
        self.assertEqual(good(readings), {0, 1, 2, 3, 4, 6, 7, 500})
        self.assertEqual(readings["at 5"].quality, "timeout")
        for cycle in range(3):
            run(plan, device, float(cycle))
        self.assertEqual(good(run(plan, device, 4.0)), {0, 1, 2, 3, 4, 6, 7, 500})
        self.assertNotIn((5, 6), device.asked)

    def test_gap_that_falls_silent(self) -> None:
        """
        A gap that was read before, and then is met with silence, costs the first three cycles and no more,
        whether the device answers something else or nothing.
        """
        for others in ([], [(1000, 1)]):
            plan, device = plan_of([(0, 1), (2, 1), *others]), Device()
            run(plan, device)
            device.mute.add(1)
            device.missing.add(1000)
            found = [len(good(run(plan, device, 60.0 * cycle))) for cycle in range(50)]
            self.assertEqual(found[3:], [2] * 47)
            self.assertEqual(len(device.asked), 2 + len(others))

    def test_long_requests_fall_silent(self) -> None:
        """
        A device that answered long requests, and comes to be silent to all of them, is read again within
        some cycles, by short ones.
        """
        plan, device = plan_of([(address, 1) for address in range(0, 36, 7)], 6.0, Limits(8)), Device()
        run(plan, device)
        device.quiet_above = 7
        found = [len(good(run(plan, device, 60.0 * cycle))) for cycle in range(30)]
        self.assertEqual(found[8:], [6] * 22)

    def test_first_in_each_block_falls_silent(self) -> None:
        """
        A device that comes to be silent to a register in each block is read again within some cycles: not
        always the same block is taken apart.
        """
        plan, device = plan_of([(0, 1), (112, 1), (113, 1)], 1.0), Device()
        run(plan, device)
        device.mute.update((0, 112))
        found = [good(run(plan, device, 60.0 * cycle)) for cycle in range(30)]
        self.assertEqual(found[8:], [{113}] * 22)

    def test_trials_that_meet(self) -> None:
        """
        Where a gap and registers that were all met with silence are tried again in one cycle, what the device
        gives is read in that cycle, too.
        """
        plan, device = plan_of([(32, 1), (32, 2), (123, 2), (39, 1)], 209.0), Device(mute={87, 137, 32})
        device.quiet_above = 7
        for cycle in range(16):
            run(plan, device, 60.0 * cycle)
        for cycle in range(30):
            self.assertEqual(good(run(plan, device, 960 + cycle * BAN / 3)), {39, 123})

    def test_hardly_anything(self) -> None:
        """
        Of a device that is silent to almost everything the one register that it has is found, by one that is
        asked alone in each cycle, within as many cycles as there are.
        """
        places = [(place, 1) for place in (*range(20), *range(200, 220), *range(400, 420), *range(600, 620))]
        plan = plan_of(places)
        device = Device(mute={address for address, _ in places} - {405})
        found = []
        for cycle in range(80):
            found.append(good(run(plan, device, 60.0 * cycle)))
            self.assertLessEqual(len(device.asked), 400 if found[-1] else 1 if cycle > 1 else 4)
        self.assertEqual(found[-3:], [{405}] * 3)

    def test_silent_limit(self) -> None:
        """
        A device that is silent to requests that are too long for it is read in the first cycle all the same,
        and so is one that comes to dislike a register.
        """
        plan, device = plan_of([(place, 1) for place in range(60)]), Device()
        device.quiet_above = 20
        self.assertEqual(len(good(run(plan, device))), 60)
        plan, device = plan_of([(place, 1) for place in range(60)]), Device()
        run(plan, device)
        device.mute.add(30)
        found = [len(good(run(plan, device, float(cycle)))) for cycle in range(6)]
        self.assertEqual(found, [59] * 6)

    def test_dead_device(self) -> None:
        """
        A device that is dead costs four timeouts in its first silent cycle, three in the second, and then one
        in each, whether it was read before or never; nothing is learnt from that.
        """
        for before in (True, False):
            plan, device = plan_of([(1000 * place, 2) for place in range(10)]), Device()
            if before:
                run(plan, device)
            device.dead = True
            for cycle, timeouts in enumerate((4, 3, *[1] * 20)):
                readings = run(plan, device, float(cycle))
                self.assertEqual(len(device.asked), timeouts)
                self.assertEqual({reading.quality for reading in readings.values()}, {"timeout"})
            device.dead = False
            self.assertEqual(len(good(run(plan, device, 30.0))), 10)
            self.assertEqual(len(device.asked), 10)

    def test_sign_of_life(self) -> None:
        """
        The value that was asked alone costs one request more when a dead device is back, and what it was read
        then is given if it is not read with the others.
        """
        plan, device = plan_of([(place, 1) for place in range(60)]), Device()
        device.dead = True
        for number in range(3):
            run(plan, device, float(number))
        device.dead = False
        readings = run(plan, device, 3.0)
        alone, together = device.asked
        self.assertEqual((len(good(readings)), alone[1] - alone[0], together), (60, 1, (0, 60)))
        device.dead = True
        run(plan, device, 4.0)
        cycle, found = Cycle(plan, 5.0), []
        for reply in (device, ExceptionReply(3, 6)):
            device.dead = False
            block = cycle.next(5.0)
            assert block is not None
            if isinstance(reply, Device):
                found += cycle.answered(block, reply.answer(block), 5.0, WALL)
            else:
                found += cycle.failed(block, reply, 5.0, WALL)
        found += cycle.close(5.0, WALL)
        self.assertEqual(sorted(each.quality for each in found), ["exception_06"] * 59 + ["good"])

    def test_lost_reply(self) -> None:
        """
        A reply that is lost, be it the first, the last or the only one, costs no value: the request is asked
        again in parts, once it is known that the device lives; the next cycle is as ever.
        """
        for blocks, lost in ((1, 0), (2, 0), (2, 1), (3, 1), (3, 2)):
            places = [(100 * block + place, 1) for block in range(blocks) for place in range(9)]
            plan, device = plan_of(places), Device()
            run(plan, device)
            cycle, found = Cycle(plan, 1.0), []
            while block := cycle.next(1.0):
                if cycle.asked == lost + 1:
                    found += cycle.failed(block, NoReply("lost"), 1.0, WALL)
                else:
                    found += cycle.answered(block, device.answer(block), 1.0, WALL)
            found += cycle.close(1.0, WALL)
            self.assertEqual({each.quality for each in found}, {"good"})
            self.assertLessEqual(cycle.asked, blocks + 3)
            run(plan, device, 2.0)
            self.assertEqual(len(device.asked), blocks)

    def test_sign_of_life_in_vain(self) -> None:
        """
        A device that falls silent to just the values that are asked first for a sign of life is read in the
        next cycle.
        """
        places = [(place, 1) for place in range(60)]
        plan, device = plan_of(places), Device()
        run(plan, device)
        device.dead = True
        run(plan, device, 1.0)
        asked = {start for start, end in device.asked if end - start == 1}
        plan, device = plan_of(places), Device()
        run(plan, device)
        device.mute = asked
        self.assertEqual(good(run(plan, device, 1.0)), set())
        self.assertEqual(good(run(plan, device, 2.0)), {*range(60)} - asked)

    def test_silent_in_an_interval_of_its_own(self) -> None:
        """
        Of a value that is read alone, since its interval is another one, and is met with silence, it is found
        out that the device lives, by what it gave before; then the value is left out for a while.
        """
        plan, device = plan_of([(0, 1), (1, 1), (50, 1)]), Device(mute={50})
        run(plan, device)
        for asked in (2, 2, 0, 0):
            cycle, readings = Cycle(plan, 10.0, plan.agenda(10.0, (2,))), []
            while block := cycle.next(10.0):
                try:
                    readings += cycle.answered(block, device.answer(block), 10.0, WALL)
                except NoReply as error:
                    readings += cycle.failed(block, error, 10.0, WALL)
            readings += cycle.close(10.0, WALL)
            self.assertEqual([(each.point.address, each.quality) for each in readings], [(50, "timeout")])
            self.assertEqual(cycle.asked, asked)
        self.assertEqual(good(run(plan, device, 20.0)), {0, 1})

    def test_dead_behind_a_gateway(self) -> None:
        """
        A gateway that says that the device was silent is no answer of the device.
        """
        plan, device = plan_of([(1000 * place, 2) for place in range(10)]), Device()
        run(plan, device)
        device.gateway = True
        device.dead = True
        for cycle, timeouts in enumerate((4, 3, 1, 1)):
            readings = run(plan, device, float(cycle))
            self.assertEqual(len(device.asked), timeouts)
            self.assertEqual({reading.quality for reading in readings.values()}, {"exception_0B"})

    def test_give_up(self) -> None:
        """
        Whoever asks may stop: what is left says why.
        """
        plan = plan_of([(0, 1), (1000, 1), (2000, 1)])
        cycle = Cycle(plan, 0.0)
        block = cycle.next(0.0)
        assert block is not None
        error = PortDown("the port is unplugged")
        readings = cycle.failed(block, error, 0.0, WALL) + cycle.close(0.0, WALL, error)
        self.assertEqual([reading.quality for reading in readings], ["serial_error"] * 3)
        self.assertEqual({reading.reason for reading in readings}, {"the port is unplugged"})

    def test_longest(self) -> None:
        """
        How much a device gives at once is found out in a few cycles, be it silent to more or not.
        """
        for device in (Device(longest=60), Device()):
            device.quiet_above = 60
            plan = plan_of([(place, 1) for place in range(100)])
            for cycle in range(9):
                self.assertEqual(len(good(run(plan, device, float(cycle)))), 100)
            self.assertEqual(device.asked, [(0, 40), (40, 100)])

    @given(
        st.lists(
            st.tuples(st.integers(0, 120), st.sampled_from((1, 2, 4))), min_size=1, max_size=30, unique=True
        ),
        st.sets(st.integers(0, 124), max_size=6),
        st.sets(st.integers(0, 124), max_size=4),
        st.floats(1, 300),
        st.integers(4, 125),
    )
    def test_any_device(
        self, places: list[tuple[int, int]], missing: set[int], mute: set[int], ratio: float, longest: int
    ) -> None:
        """
        Whatever a device refuses: all that can be read is read in the same cycle, nothing is torn, and it
        takes a bounded number of requests.
        """
        mute = mute - missing
        plan = plan_of(places, ratio, Limits(max_registers=longest))
        device = Device(missing, mute)
        readable = {
            address
            for address, size in places
            if not (missing | mute).intersection(range(address, address + size))
        }
        first = run(plan, device)
        if not mute:
            self.assertLessEqual(readable, good(first))
        self.assertLessEqual(len(device.asked), 4 * len(places) + 2)
        self.assertLessEqual(max(end - start for start, end in device.asked), longest)
        for reading in first.values():
            self.assertEqual(reading.value, whole(reading.point) if reading.quality == "good" else None)
        again = run(plan, device, 1.0)
        if not mute:
            self.assertLessEqual(readable, good(again))
