"""A poller under test, with buses that answer at once or when the test says so, and a wall clock."""

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.interfaces import Sink, Terms
from lumina.modbus.pdu import Reply, Request
from lumina.modbus.tables import HOLDING
from lumina.poll.plan import Plan
from lumina.poll.poller import GRACE, Poller
from lumina.poll.rounds import Polled
from lumina.readings import Point
from lumina.testing import FakeBus, FakeSink

#: Wall time at the start of each test: 2 s before a full minute.
START = 1_700_000_038.0


def points(device: int | str, *addresses: int) -> list[Point]:
    return [Point(device, f"r{address}", HOLDING, address) for address in addresses]


def answer(unit: int, request: Request) -> bytes:
    """Each register holds its own address."""
    start, count = getattr(request, "address", 0), getattr(request, "count", 0)
    return request.answer(tuple(range(start, start + count)))  # type: ignore[attr-defined, no-any-return]


class PromptBus(FakeBus):
    """Answers at once, with the time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        done = super().execute(unit, request, terms)
        now = self._clock.seconds()
        self.asked[-1].done.callback(Reply(request, answer(unit, request), now, now))
        return done


class PollerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sink = FakeSink()
        self.step = 0.0

    def wall(self) -> float:
        return START + self.clock.seconds() + self.step

    def device(
        self,
        bus: FakeBus,
        id: int | str = 1,
        every: float = 10.0,
        addresses: Sequence[int] = (0,),
        **more: object,
    ) -> Polled:
        plan = Plan(points(id, *addresses))
        return Polled(id, bus, f"bus of {id}", 1, plan, {every: tuple(range(len(addresses)))}, **more)  # type: ignore[arg-type]

    def poller(
        self, *devices: Polled, sinks: Mapping[str, Sink] | None = None, spread: bool = False
    ) -> Poller:
        poller = Poller(
            devices, {"sink": self.sink} if sinks is None else sinks, self.clock, self.wall, spread
        )
        poller.startService()
        self.clock.advance(0)
        self.addCleanup(self.stop, poller)
        return poller

    def stop(self, poller: Poller) -> None:
        if poller.running:
            poller.stopService()
        self.clock.advance(GRACE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def times(self) -> list[float]:
        """When what was taken had been read, in seconds since the start."""
        return [reading.at - START for reading in self.sink.taken]
