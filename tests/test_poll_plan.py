"""A plan of reads: what it costs, and when it changes."""

from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadRequest
from lumina.modbus.rtu import Line
from lumina.modbus.tables import COIL, HOLDING, INPUT
from lumina.modbus.values import Format
from lumina.poll.costs import Costs
from lumina.poll.limits import Limits, problems
from lumina.poll.plan import Plan, finished
from lumina.poll.spans import spans
from lumina.readings import Point
from tests.meters import LINKS, MAPS


def point(address: int, size: int = 1, table: str = HOLDING) -> Point:
    return Point(1, f"{table} {address}/{size}", table, address, Format("string", length=size))


def optimum(places: list[tuple[int, int]], request: float, register: float) -> float:
    """The least seconds, by the textbook: the last request begins at any value that is not too far away."""
    ends = sorted({(address, address + size) for address, size in places})
    best = [0.0]
    for last, (_, end) in enumerate(ends, 1):
        best.append(
            min(
                best[first] + request + register * (end - ends[first][0])
                for first in range(last)
                if end - ends[first][0] <= 125
            )
        )
    return best[-1]


class CostTests(SynchronousTestCase):
    def test_real_meters(self) -> None:
        """
        On register maps of real devices, on slow and fast links, the plan takes the least possible time.
        """
        for name, places in MAPS.items():
            for link, (request, register) in LINKS.items():
                plan = Plan([point(*place) for place in places], costs=Costs(request, register))
                best = optimum(places, request, register)
                self.assertLessEqual(plan.seconds(0.0), 1.001 * best, (name, link))
                self.assertGreaterEqual(plan.seconds(0.0), 0.999 * best, (name, link))

    def test_every_point_once(self) -> None:
        """
        Each point is in one block, whole, and no block is longer than it may be.
        """
        for name, places in MAPS.items():
            points = [point(*place) for place in places]
            blocks = Plan(points, Limits(max_registers=60)).agenda(0.0).blocks
            self.assertEqual(
                sorted(index for block in blocks for index in block.points), [*range(len(points))]
            )
            for block in blocks:
                self.assertLessEqual(block.count, 60)
                for index in block.points:
                    self.assertLessEqual(block.start, points[index].address, name)
                    self.assertLessEqual(points[index].address + points[index].size, block.end, name)

    def test_bits(self) -> None:
        """
        Bits cost a sixteenth of a register, and 2000 fit into a request.
        """
        plan = Plan(
            [point(address, table=COIL) for address in (0, 300, 1999, 2000)], costs=Costs(0.02, 0.001)
        )
        self.assertEqual(
            [(block.start, block.end) for block in plan.agenda(0.0).blocks], [(0, 301), (1999, 2001)]
        )
        self.assertAlmostEqual(plan.seconds(0.0), 2 * 0.02 + 303 * 0.001 / 16)

    def test_no_gaps(self) -> None:
        """
        Where gaps are forbidden nothing is read that nobody wants.
        """
        plan = Plan([point(0), point(1), point(3)], Limits(forbid_gaps=True))
        self.assertEqual([(block.start, block.end) for block in plan.agenda(0.0).blocks], [(0, 2), (3, 4)])

    def test_snapshot(self) -> None:
        """
        A snapshot is one request, however dear the gaps in it are.
        """
        points = [point(0), point(100), point(50)]
        plan = Plan(points, costs=Costs(0.001, 0.001), snapshots=[(0, 1)])
        self.assertEqual([(block.start, block.end) for block in plan.agenda(0.0).blocks], [(0, 101)])

    def test_problems(self) -> None:
        """
        What cannot be read is said, with the limit.
        """
        points = [point(0), point(130), point(5, table=INPUT), point(9, 60)]
        limits = Limits(max_registers=50)
        found = problems(points, limits, [(0, 1), (0, 2)])
        self.assertEqual(len(found), 3)
        for sentence, words in zip(
            found,
            ("60 registers, one request reads 50", "131 addresses from 0", "one table only"),
            strict=True,
        ):
            self.assertIn(words, sentence)
        self.assertRaises(BadRequest, Plan, points, limits)


class ChangeTests(SynchronousTestCase):
    def test_costs(self) -> None:
        """
        The plan stays while costs change a little, and is made anew when they change much.
        """
        plan = Plan([point(0), point(30)], costs=Costs(0.02, 0.001))
        first = plan.agenda(0.0)
        self.assertEqual(len(first.blocks), 2)
        for _ in range(3):
            plan.costs.learn(1, 0.022)
        self.assertIs(plan.agenda(1.0), first)
        for _ in range(100):
            plan.costs.learn(1, 0.06)
        self.assertEqual(len(plan.agenda(2.0).blocks), 1)

    def test_what_stays(self) -> None:
        """
        When something is learnt of one register, the requests for others stay the very same.
        """
        plan = Plan([point(address) for address in (0, 1, 1000, 2000)], costs=Costs(0.02, 0.001))
        before = plan.agenda(0.0).blocks
        (span,) = spans(plan.points, (0,))
        plan.knowledge.failed(span, "exception_02", "refused", 0.0, silent=False)
        after = plan.agenda(0.0).blocks
        self.assertEqual([block.start for block in after], [1, 1000, 2000, 0])
        for old, new in zip(before[1:], after[1:], strict=False):
            self.assertIs(old, new)

    def test_shared(self) -> None:
        """
        Of what is due together each request belongs to the most urgent that it reads for.
        """
        plan = Plan([point(address) for address in (0, 1, 1000, 2000)], costs=Costs(0.02, 0.001))
        often, seldom = finished(plan.together(0.0, ((1, 2), (0, 3))))
        self.assertEqual([block.points for block in often.blocks], [(0, 1), (2,)])
        self.assertEqual([block.points for block in seldom.blocks], [(3,)])
        self.assertEqual((often.shares, seldom.shares), ((0, 1), (1,)))

    def test_due(self) -> None:
        """
        Points of different intervals are planned together when they are due together.
        """
        plan = Plan([point(0), point(1), point(2)], costs=Costs(0.02, 0.001))
        self.assertEqual([block.points for block in plan.agenda(0.0, (0, 2)).blocks], [(0, 2)])
        self.assertEqual([block.points for block in plan.agenda(0.0).blocks], [(0, 1, 2)])


class LearningTests(SynchronousTestCase):
    def test_serial(self) -> None:
        """
        A serial line is known by its speed: eight bytes and five, and two for each register.
        """
        costs = Costs.serial(Line(9600), turnaround=0.02)
        self.assertAlmostEqual(costs.of(10), 0.02 + (13 + 20) * 10 / 9600 + 3.5 * 11 / 9600)

    def test_learns_both(self) -> None:
        """
        Exchanges of several sizes tell what a request costs, and what a register costs.
        """
        costs = Costs.network(0.02)
        for count in range(1, 126):
            costs.learn(count, 0.005 + 0.0003 * count)
        self.assertLess(abs(costs.request - 0.005), 0.001)
        self.assertLess(abs(costs.register - 0.0003), 0.00002)

    def test_one_size(self) -> None:
        """
        Exchanges of one size foretell others of that size, whatever was thought before.
        """
        costs = Costs.serial(Line(9600))
        for _ in range(100):
            costs.learn(10, 0.2)
        self.assertLess(abs(costs.of(10) - 0.2), 0.01)

    def test_outlier(self) -> None:
        """
        One exchange that took ten seconds does not turn the plan around.
        """
        costs = Costs.network(0.02)
        for _ in range(50):
            costs.learn(10, 0.02)
        costs.learn(10, 10.0)
        self.assertLess(costs.request, 0.03)
