"""
Who is next on a port: pure, without clock or wire.

Three classes go in strict order, but a floor of the bus time is owed to each
class below the highest while it has work. Within a class the clients share the
bus by time, not by count: whoever was charged least goes first. Within a
client and class the requests to one unit keep their order.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from math import inf
from typing import Generic

from lumina.bus.turns import Job, Turns, always, first_of
from lumina.errors import QueueFull
from lumina.modbus.pdu import BROADCAST

#: The classes, in the order in which they go.
HIGH, NORMAL, LOW = PRIORITIES = (0, 1, 2)


class Schedule(Generic[Job]):
    """
    The jobs that wait for one port.

    @ivar waiting: all of them, in order of arrival, and the number of each.
    """

    def __init__(self, limit: int = 1000, limit_per_client: int = 200, floor: float = 0.1) -> None:
        """
        @param floor: the part of the bus time that the normal and the low class
            each get at least while they have work, 0 to 0.5.
        """
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._floor = floor
        self.waiting: dict[Job, int] = {}
        self._barriers: dict[Job, int] = {}
        self._classes: tuple[Turns[Job], ...] = tuple(Turns(limit) for _ in PRIORITIES)
        self._owed = [0.0 for _ in PRIORITIES]
        self._repaying = False
        self._arrivals = 0
        self._taken = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def __iter__(self) -> Iterator[Job]:
        """All that wait, in order of arrival."""
        return iter(self.waiting)

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
        self.waiting[job] = self._arrivals
        if job.barrier:
            self._barriers[job] = self._arrivals
        self._classes[job.priority].add(job, self._arrivals)

    def next(self, ready: Callable[[Job], bool] = always, line: Hashable | None = None) -> Job | None:
        """
        Take the job whose turn it is among those that are ready.

        One that is not ready holds back what its client asks of the same unit
        after it, in its class; a broadcast belongs to every unit. Exchanges
        owed to lower classes are never given two in a row.

        @param line: choose among the jobs that need these line settings, if
            the class whose turn it is has a ready one.
        @return: `None` when nothing that waits is ready.
        """
        job, self._repaying = self._turn(ready, line)
        if job is not None:
            self._taken = self.waiting[job]
            self.remove(job)
        return job

    def turn(self, ready: Callable[[Job], bool] = always, line: Hashable | None = None) -> Job | None:
        """The job that `next` would take; it stays."""
        return self._turn(ready, line)[0]

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
        walls = [number for wall, number in self._barriers.items() if wall.unit in (BROADCAST, job.unit)]
        after = max((number for number in walls if number < self._taken), default=0)
        before = min((number for number in walls if number > self._taken), default=self._arrivals + 1)
        found: dict[str, Job] = {}
        for turns in self._classes:
            for head in turns.heads(job.unit):
                alike = head.key == job.key and head.client != job.client
                if alike and after < self.waiting[head] < before:
                    found.setdefault(head.client, head)
        shared = sorted(found.values(), key=self.waiting.__getitem__)
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
        if self.waiting.pop(job, None) is None:
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

    def _turn(self, ready: Callable[[Job], bool], line: Hashable | None) -> tuple[Job | None, bool]:
        """The job whose turn it is, and whether it is because its class is owed bus time."""
        job = self._first(PRIORITIES, ready, line)
        if job is None:
            return None, self._repaying
        owed = None if self._repaying else self._first(self._owed_below(job.priority), ready, line)
        return owed or job, owed is not None

    def _first(
        self, priorities: Iterable[int], ready: Callable[[Job], bool], line: Hashable | None
    ) -> Job | None:
        """The job whose turn it is in the first of these classes that has a ready one."""
        return first_of(self._classes[priority].turn(ready, line) for priority in priorities)

    def _owed_below(self, priority: int) -> list[int]:
        """The classes below this one that are owed bus time, most first."""
        owed = [below for below in PRIORITIES[priority + 1 :] if self._owed[below] > 0]
        return sorted(owed, key=lambda below: -self._owed[below])
