"""
Who is next on a port: pure, without clock or wire.

Three classes go in strict order, but a floor of the bus time is owed to each
class below the highest while it has work. Within a class the clients share the
bus by time, not by count: whoever was charged least goes first. Within a
client and class the requests to one unit keep their order.

The shares are start-time fair. The level of a class is what the client whose
turn it is has been charged. A client that returns goes on from its own charge
if that is beyond the level; any other begins at the even share, to which each
second charged adds its part for one client. So who was away is neither
rewarded nor punished, and a stream of newcomers cannot hold up those who wait:
each comes in further behind.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from math import inf
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from lumina.errors import QueueFull

#: The classes, in the order in which they go.
HIGH, NORMAL, LOW = PRIORITIES = (0, 1, 2)

_BROADCAST = 0


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


def _always(_: object) -> bool:
    return True


def _found(jobs: Iterable[Job | None]) -> Job | None:
    return next((job for job in jobs if job is not None), None)


class Schedule(Generic[Job]):
    """The jobs that wait for one port."""

    def __init__(self, limit: int = 1000, limit_per_client: int = 200, floor: float = 0.1) -> None:
        """
        @param floor: the part of the bus time that the normal and the low class
            each get at least while they have work, 0 to 0.5.
        """
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._floor = floor
        self._waiting: dict[Job, int] = {}
        self._barriers: dict[Job, int] = {}
        self._classes: tuple[_Turns[Job], ...] = tuple(_Turns(limit) for _ in PRIORITIES)
        self._owed = [0.0 for _ in PRIORITIES]
        self._repaying = False
        self._arrivals = 0
        self._taken = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Job]:
        """All that wait, in order of arrival."""
        return iter(self._waiting)

    def add(self, job: Job) -> None:
        """
        Let a job wait for its turn.

        @raise QueueFull: nothing was added.
        """
        of_client = sum(turns.waiting(job.client) for turns in self._classes)
        if of_client >= self._limit_per_client:
            raise QueueFull(f"{of_client} requests of this client wait already, the limit")
        if len(self) >= self._limit:
            raise QueueFull(f"{len(self)} requests wait for this port already, the limit")
        self._arrivals += 1
        self._waiting[job] = self._arrivals
        if job.barrier:
            self._barriers[job] = self._arrivals
        self._classes[job.priority].add(job, self._arrivals)

    def next(self, ready: Callable[[Job], bool] = _always, line: Hashable | None = None) -> Job | None:
        """
        Take the job whose turn it is among those that are ready.

        One that is not ready holds back what its client asks of the same unit
        after it, in its class; a broadcast belongs to every unit. Exchanges
        owed to lower classes are never given two in a row.

        @param line: choose among the jobs that need these line settings, if
            the class whose turn it is has a ready one.
        @return: `None` when nothing that waits is ready.
        """
        job = self._first(PRIORITIES, ready, line)
        if job is None:
            return None
        owed = None if self._repaying else self._first(self._owed_below(job.priority), ready, line)
        self._repaying = owed is not None
        job = owed or job
        self._taken = self._waiting[job]
        self.remove(job)
        return job

    def sharers(self, job: Job) -> list[Job]:
        """
        Take the jobs of other clients that the exchange of `job` answers too.

        They have its key and unit and are the first that their client asks of
        the unit in their class, one to a client; and no barrier to the unit
        that arrived between them and `job` still waits.

        @param job: what `next` gave last.
        @return: in order of arrival.
        """
        if job.key is None:
            return []
        walls = [number for wall, number in self._barriers.items() if wall.unit in (_BROADCAST, job.unit)]
        after = max((number for number in walls if number < self._taken), default=0)
        before = min((number for number in walls if number > self._taken), default=self._arrivals + 1)
        found: dict[str, Job] = {}
        for turns in self._classes:
            for head in turns.heads(job.unit):
                alike = head.key == job.key and head.client != job.client
                if alike and after < self._waiting[head] < before:
                    found.setdefault(head.client, head)
        shared = sorted(found.values(), key=self._waiting.__getitem__)
        for sharer in shared:
            self.remove(sharer)
        return shared

    def charge(self, clients: Collection[str], seconds: float, priority: int) -> None:
        """
        Account for the exchange of the job that `next` gave last.

        @param clients: who shared it, each once; each pays an even part.
        @param seconds: of bus time.
        @param priority: the class in which it was carried.
        """
        self._classes[priority].charge(clients, seconds)
        for below in (NORMAL, LOW):
            owed = self._owed[below] + self._floor * seconds
            if below == priority:
                # What a class gets in its regular turn counts, but is no advance.
                owed = max(owed - seconds, -inf if self._repaying else min(owed, 0.0))
            self._owed[below] = owed if self._classes[below] else min(owed, 0.0)

    def remove(self, job: Job) -> bool:
        """
        Withdraw a job.

        @return: whether it was waiting.
        """
        if self._waiting.pop(job, None) is None:
            return False
        self._barriers.pop(job, None)
        self._classes[job.priority].remove(job)
        return True

    def drain(self) -> list[Job]:
        """Take all jobs, in order of arrival."""
        jobs = list(self)
        for job in jobs:
            self.remove(job)
        return jobs

    def _first(
        self, priorities: Iterable[int], ready: Callable[[Job], bool], line: Hashable | None
    ) -> Job | None:
        """The job whose turn it is in the first of these classes that has a ready one."""
        return _found(self._classes[priority].turn(ready, line) for priority in priorities)

    def _owed_below(self, priority: int) -> list[int]:
        """The classes below this one that are owed bus time, most first."""
        owed = [below for below in PRIORITIES[priority + 1 :] if self._owed[below] > 0]
        return sorted(owed, key=lambda below: -self._owed[below])


class _Queue(Generic[Job]):
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
            behind = held and (unit in held or unit == _BROADCAST or _BROADCAST in held)
            if not behind and ready(job):
                return job
            held.add(unit)
        return None


class _Turns(Generic[Job]):
    """The clients of one class, and whose turn it is."""

    def __init__(self, remembered: int) -> None:
        """
        @param remembered: how many clients that have nothing waiting are kept
            in mind; the latest, the others are even before long.
        """
        self._remembered = remembered
        self._queues: dict[str, _Queue[Job]] = {}
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
            queue = self._queues[job.client] = _Queue(charged, arrival)
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
        return _found(other.first(lambda job: job.line == line and ready(job)) for other in queues) or job

    def heads(self, unit: int) -> Iterator[Job]:
        """The first job of each client that concerns a unit."""
        for queue in self._queues.values():
            for job in queue.jobs:
                if job.unit in (_BROADCAST, unit):
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
