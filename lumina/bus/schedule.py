"""
Who is next: pure, without clock or wire.

Clients take turns, and the requests of one client keep their order. Both the
whole queue and each client's part of it are bounded, so that one that floods
is refused while the others wait no longer than their turn.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

from lumina.errors import QueueFull

Job = TypeVar("Job")


class Schedule(Generic[Job]):
    """The requests that wait for one port."""

    def __init__(self, limit: int = 1000, limit_per_client: int = 200) -> None:
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, client: str, job: Job) -> None:
        """
        Put a job at the end of its client's queue; a client that had nothing
        waiting comes last in the turn.

        @raise QueueFull: nothing was added.
        """
        queue = self._queues.get(client)
        if queue is not None and len(queue) >= self._limit_per_client:
            raise QueueFull(f"{len(queue)} requests of this client wait already, the limit")
        if self._waiting >= self._limit:
            raise QueueFull(f"{self._waiting} requests wait for this port already, the limit")
        if queue is None:
            queue = self._queues[client] = deque()
        queue.append(job)
        self._waiting += 1

    def next(self) -> Job | None:
        """Take the first job of the client whose turn it is; `None` when none waits."""
        if not self._queues:
            return None
        client, queue = self._queues.popitem(last=False)
        job = queue.popleft()
        self._waiting -= 1
        if queue:
            self._queues[client] = queue
        return job

    def remove(self, client: str, job: Job) -> bool:
        """
        Withdraw a job.

        @return: whether it was waiting.
        """
        queue = self._queues.get(client)
        if queue is None or job not in queue:
            return False
        queue.remove(job)
        self._waiting -= 1
        if not queue:
            del self._queues[client]
        return True

    def drain(self) -> list[Job]:
        """Take all jobs, in the order in which they would have gone."""
        jobs = []
        while (job := self.next()) is not None:
            jobs.append(job)
        return jobs
