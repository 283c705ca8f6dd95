"""What the poller has read: values, failures, and what becomes of them at sinks, fast and slow."""

from collections.abc import Sequence

from lumina.errors import ExceptionReply, LuminaError, NoReply, PortDown
from lumina.modbus.pdu import Reply, Request
from lumina.poll.feed import LIMIT, Feed
from lumina.poll.plan import Plan
from lumina.poll.poller import Poller
from lumina.poll.rounds import Polled, Summary
from lumina.readings import Point, Reading
from lumina.testing import FakeBus, FakeSink, pass_time
from tests.poller_case import START, PollerCase, PromptBus, answer, points


class ReadingTests(PollerCase):
    def one(self, error: LuminaError) -> list[Reading]:
        """What is taken of a device of which every question ends so."""

        def refuse(unit: int, request: Request) -> bytes:
            raise error

        self.poller(self.device(FakeBus(refuse), addresses=(0, 1)))
        return self.sink.taken

    def test_values(self) -> None:
        """
        What was read is handed over, with the time of the read.
        """
        bus = FakeBus()
        self.poller(self.device(bus, addresses=(5, 6)))
        self.clock.advance(1.5)
        request = bus.asked[0].request
        bus.asked[0].done.callback(Reply(request, answer(1, request), 0.0, 1.25))
        self.clock.advance(0)
        self.assertEqual(
            [(each.point.parameter, each.value, each.at, each.quality) for each in self.sink.taken],
            [("r5", 5, START + 1.25, "good"), ("r6", 6, START + 1.25, "good")],
        )

    def test_failed(self) -> None:
        """
        A failed read is a reading without a value, with the word and the sentence of what went wrong.
        """
        taken = self.one(PortDown("the device is unplugged"))
        self.assertEqual(
            [(each.value, each.quality, each.reason) for each in taken],
            [(None, "serial_error", "the device is unplugged")] * 2,
        )

    def test_silent(self) -> None:
        """
        Silence is one, too.
        """
        self.assertEqual({each.quality for each in self.one(NoReply("no reply within 1 s"))}, {"timeout"})

    def test_one_bad_register(self) -> None:
        """
        A register that is refused does not cost the others their values, in the same cycle.
        """

        def refuse(unit: int, request: Request) -> bytes:
            start, count = getattr(request, "address", 0), getattr(request, "count", 0)
            if start <= 3 < start + count:
                raise ExceptionReply(3, 2)
            return answer(unit, request)

        self.poller(self.device(FakeBus(refuse), addresses=range(8)))
        self.assertEqual(
            {each.point.parameter: each.quality for each in self.sink.taken},
            {f"r{index}": "exception_02" if index == 3 else "good" for index in range(8)},
        )

    def test_fault_of_a_bus(self) -> None:
        """
        A bus that breaks its word costs its devices this reading, and nothing else.
        """

        def broken(unit: int, request: Request) -> bytes:
            raise ZeroDivisionError("oh")

        poller = self.poller(self.device(FakeBus(broken), 1), self.device(PromptBus(self.clock), 2))
        pass_time(self.clock, 10)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual([each.quality for each in self.sink.taken if each.point.device == 1], ["error"] * 2)
        self.assertEqual(poller.cycles()[2].count, 2)

    def test_statistics(self) -> None:
        """
        Cycles are counted, with those that failed and how long they took.
        """
        bus = FakeBus()
        poller = self.poller(self.device(bus))
        self.clock.advance(0.5)
        bus.asked[0].fail(NoReply())
        self.clock.advance(0)
        cycles = poller.cycles()[1]
        self.assertEqual((cycles.count, cycles.failed, cycles.last), (1, 1, 0.5))

    def test_terms(self) -> None:
        """
        The bus is told who asks, for which device, and how long to wait.
        """
        bus = FakeBus()
        self.poller(self.device(bus, "pump", timeout=2.5))
        terms = bus.asked[0].terms
        self.assertEqual(
            (terms.client, terms.id, terms.timeout, terms.asker.listener), ("poll", "pump", 2.5, "poll")
        )


class OnceTests(PollerCase):
    def test_everything(self) -> None:
        """
        Once, everything is read, whatever its interval, and counted.
        """

        def refuse(unit: int, request: Request) -> bytes:
            raise NoReply()

        shown: list[tuple[int, int]] = []
        good = Polled(1, PromptBus(self.clock), "a", 1, Plan(points(1, 0, 1, 9)), {1.0: (0,), 9.0: (1, 2)})
        poller = Poller(
            [good, self.device(FakeBus(refuse), 2)], {"s": self.sink}, self.clock, self.wall, spread=True
        )
        done = poller.once(lambda done, all: shown.append((done, all)))
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(done), Summary(2, 1, 4, 1))
        self.assertEqual((len(self.sink.taken), shown), (4, [(1, 2), (2, 2)]))

    def test_waits_for_sinks(self) -> None:
        """
        It is over only when the sinks have taken what was read.
        """
        self.sink = FakeSink(slow=True)
        done = Poller([self.device(PromptBus(self.clock))], {"s": self.sink}, self.clock, self.wall).once()
        self.clock.advance(0)
        self.assertNoResult(done)
        self.sink.pending[0].callback(None)
        self.successResultOf(done)

    def test_nothing(self) -> None:
        """
        Without devices it is over at once.
        """
        self.assertEqual(self.successResultOf(Poller([], {}, self.clock, self.wall).once()), Summary())


class SinkTests(PollerCase):
    def test_failing_sink(self) -> None:
        """
        A sink that fails costs the others nothing; what it did not take is counted.
        """
        other = FakeSink()
        other.fault = LuminaError("the disk is full")
        poller = self.poller(self.device(PromptBus(self.clock)), sinks={"good": self.sink, "bad": other})
        self.assertEqual((len(self.sink.taken), poller.lost), (1, {"good": 0, "bad": 1}))
        other.fault = None
        pass_time(self.clock, 10)
        self.assertEqual((len(other.taken), poller.lost["bad"]), (1, 1))

    def test_slow_sink(self) -> None:
        """
        What comes while a sink is busy is handed over together, in order.
        """
        self.sink = FakeSink(slow=True)
        self.poller(self.device(PromptBus(self.clock), every=1))
        pass_time(self.clock, 5)
        self.assertEqual(self.times(), [0])
        self.sink.pending[0].callback(None)
        pass_time(self.clock, 0.5)
        self.assertEqual(self.times(), [0, 1, 2, 3, 4, 5])
        self.sink.pending[1].callback(None)
        self.assertEqual(len(self.sink.pending), 2)

    def test_bounded(self) -> None:
        """
        A sink that never answers cannot fill the memory.
        """
        sink = FakeSink(slow=True)
        feed = Feed("s", sink, self.clock)
        many = [Reading(Point(1, "a"), 0, 0.0)] * 1000
        for _ in range(LIMIT // 1000 + 10):
            feed.put(many)
        self.clock.advance(0)
        self.assertEqual(feed.lost, 10_000)

    def test_raising_sink(self) -> None:
        """
        One that raises is one that fails.
        """

        class Raising:
            def put(self, readings: Sequence[Reading]) -> object:
                raise ZeroDivisionError("oh")

        poller = self.poller(self.device(PromptBus(self.clock)), sinks={"bad": Raising(), "good": self.sink})  # type: ignore[dict-item]
        self.assertEqual((len(self.sink.taken), poller.lost["bad"]), (1, 1))
