"""
Whose turn it is among the clients of one class: pure, without clock or wire.

The shares are start-time fair. The level of a class is what the client whose
turn it is has been charged. A client that returns goes on from its own charge
if that is beyond the level; any other begins at the even share, to which each
second charged adds its part for one client. So who was away is neither
rewarded nor punished, and a stream of newcomers cannot hold up those who wait:
each comes in further behind.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from lumina.modbus.pdu import BROADCAST


class Entry(Protocol):
    """
    What the schedule needs to know of a job. None of it changes while the job
    waits; jobs are told apart by identity.
    """

    @property
    def client(self) -> str:
        """Who asks: a connection."""

    @property
    def unit(self) -> int:
        """The unit asked; 0 is every unit."""

    @property
    def priority(self) -> int:
        """Its class: 0 high, 1 normal, 2 low."""

    @property
    def key(self) -> Hashable | None:
        """Jobs to one unit with equal keys may share an exchange; `None`: never. A barrier has none."""

    @property
    def line(self) -> Hashable:
        """The line settings that it needs."""

    @property
    def barrier(self) -> bool:
        """Whether reads after it may differ from those before: it is not known to read only."""


Job = TypeVar("Job", bound=Entry)


def always(_: object) -> bool:
    """Any job will do."""
    return True


def first_of(jobs: Iterable[Job | None]) -> Job | None:
    """The first that there is."""
    return next((job for job in jobs if job is not None), None)


class Queue(Generic[Job]):
    """
    The jobs of one client in one class.

    @ivar charged: its virtual bus time in seconds.
    @ivar since: the arrival of its first job.
    """

    def __init__(self, charged: float, since: int) -> None:
        self.charged = charged
        self.since = since
        self.jobs: dict[Job, int] = {}

    def remove(self, job: Job) -> None:
        del self.jobs[job]
        self.since = next(iter(self.jobs.values()), 0)

    def first(self, ready: Callable[[Job], bool]) -> Job | None:
        """The first ready job that none before it holds back."""
        held: set[int] = set()
        for job in self.jobs:
            unit = job.unit
            behind = held and (unit in held or unit == BROADCAST or BROADCAST in held)
            if not behind and ready(job):
                return job
            held.add(unit)
        return None


class Turns(Generic[Job]):
    """The clients of one class, and whose turn it is."""

    def __init__(self, remembered: int) -> None:
        """
        @param remembered: how many clients that have nothing waiting are kept
            in mind; the latest, the others are even before long.
        """
        self._remembered = remembered
        self._queues: dict[str, Queue[Job]] = {}
        self._away: dict[str, float] = {}
        self._level = 0.0
        self._even = 0.0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def waiting(self, client: str) -> int:
        """How many jobs of a client wait."""
        return len(self._queues[client].jobs) if client in self._queues else 0

    def add(self, job: Job, arrival: int) -> None:
        queue = self._queues.get(job.client)
        if queue is None:
            charged = self._away.pop(job.client, self._level)
            if charged <= self._level:
                charged = self._even
            queue = self._queues[job.client] = Queue(charged, arrival)
        queue.jobs[job] = arrival

    def remove(self, job: Job) -> None:
        queue = self._queues[job.client]
        queue.remove(job)
        if not queue.jobs:
            del self._queues[job.client]
            self._remember(job.client, queue.charged)

    def turn(self, ready: Callable[[Job], bool], line: Hashable | None) -> Job | None:
        """
        The job whose turn it is; it stays.

        Clients that have nothing ready lose the turns that they cannot use.
        """
        queues = sorted(self._queues.values(), key=attrgetter("charged", "since"))
        stuck = []
        for queue in queues:
            job = queue.first(ready)
            if job is not None:
                break
            stuck.append(queue)
        else:
            return None
        self._level = max(self._level, queue.charged)
        self._even = max(self._even, self._level)
        for other in stuck:
            other.charged = queue.charged
        if line is None or job.line == line:
            return job
        return first_of(other.first(lambda job: job.line == line and ready(job)) for other in queues) or job

    def heads(self, unit: int) -> Iterator[Job]:
        """The first job of each client that concerns a unit."""
        for queue in self._queues.values():
            for job in queue.jobs:
                if job.unit in (BROADCAST, unit):
                    yield job
                    break

    def charge(self, clients: Collection[str], seconds: float) -> None:
        for client in clients:
            if client in self._queues:
                self._queues[client].charged += seconds / len(clients)
            else:
                charged = max(self._away.pop(client, self._level), self._level)
                self._remember(client, charged + seconds / len(clients))
        self._even += seconds / len(self._queues.keys() | clients)
        if not self._queues:
            self._away.clear()
            self._level = self._even = 0.0

    def _remember(self, client: str, charged: float) -> None:
        self._away[client] = charged
        if len(self._away) > self._remembered:
            del self._away[next(iter(self._away))]
