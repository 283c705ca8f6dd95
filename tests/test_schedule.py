"""Who is next on a port."""

import pickle
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import count, islice

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.schedule import HIGH, LOW, NORMAL, Schedule
from lumina.errors import QueueFull
from tests.examples import tries


@dataclass(eq=False)
class Job:
    """What a test asks for."""

    client: str = "a"
    unit: int = 1
    priority: int = NORMAL
    key: Hashable | None = None
    line: str = "9600"
    barrier: bool = False

    def concerns(self, other: "Job") -> bool:
        """Whether the order of the two matters to their client."""
        same = (self.client, self.priority) == (other.client, other.priority)
        return same and (self.unit == other.unit or 0 in (self.unit, other.unit))


def filled(*jobs: Job, floor: float = 0.1) -> Schedule[Job]:
    """A schedule in which these jobs wait."""
    schedule: Schedule[Job] = Schedule(floor=floor)
    for job in jobs:
        schedule.add(job)
    return schedule


def carry(schedule: Schedule[Job], seconds: float = 1.0) -> Job:
    """One exchange of so many seconds."""
    job = schedule.next()
    assert job is not None
    schedule.charge([job.client], seconds, job.priority)
    return job


def clients(jobs: Iterable[Job]) -> str:
    return "".join(job.client for job in jobs)


class BoundsTests(SynchronousTestCase):
    def test_nothing_waits(self) -> None:
        """
        A port that nobody asks has nothing to send.
        """
        self.assertIsNone(filled().next())

    def test_port_is_bounded(self) -> None:
        """
        What is one too many for the port is refused with the limit, and nothing else is lost.
        """
        schedule: Schedule[Job] = Schedule(limit=2)
        first, second = Job("a"), Job("b")
        schedule.add(first)
        schedule.add(second)
        error = self.assertRaises(QueueFull, schedule.add, Job("c"))
        self.assertIn("2 requests wait for this port", str(error))
        self.assertEqual(list(schedule), [first, second])

    def test_each_client_is_bounded(self) -> None:
        """
        A client that floods is refused, whatever the classes of its requests; the others are not.
        """
        schedule: Schedule[Job] = Schedule(limit_per_client=2)
        schedule.add(Job("a", priority=HIGH))
        schedule.add(Job("a", priority=LOW))
        error = self.assertRaises(QueueFull, schedule.add, Job("a"))
        self.assertIn("2 requests of this client", str(error))
        schedule.add(Job("b"))
        self.assertEqual(len(schedule), 3)

    def test_withdrawn(self) -> None:
        """
        A request that was withdrawn is never sent, and cannot be withdrawn twice.
        """
        gone, stays = Job(), Job()
        schedule = filled(gone, stays)
        self.assertTrue(schedule.remove(gone))
        self.assertFalse(schedule.remove(gone))
        self.assertEqual((schedule.next(), schedule.next()), (stays, None))

    def test_drained(self) -> None:
        """
        When the port is lost, all that wait are answered, oldest first.
        """
        jobs = [Job("a", priority=LOW), Job("b", priority=HIGH), Job("a")]
        schedule = filled(*jobs)
        self.assertEqual((schedule.drain(), len(schedule), schedule.next()), (jobs, 0, None))

    def test_clients_that_left(self) -> None:
        """
        A service that clients connect to for one request each does not grow for ever.
        """
        schedule: Schedule[Job] = Schedule(limit=20)
        names = (f"{number:06}" for number in count())
        sizes = []
        for _ in range(2):
            for name in islice(names, 1000):
                schedule.add(Job(name, unit=1))
                if len(schedule) > 3:
                    carry(schedule)
            sizes.append(len(pickle.dumps(schedule)))
        self.assertLess(abs(sizes[1] - sizes[0]), 100)
        self.assertLess(sizes[1], 2500)


class OrderTests(SynchronousTestCase):
    def test_classes(self) -> None:
        """
        High priority goes before normal, and normal before low, whatever came first.
        """
        schedule = filled(Job("l", priority=LOW), Job("n"), Job("h", priority=HIGH), Job("h", priority=HIGH))
        self.assertEqual(clients(filter(None, (schedule.next() for _ in range(4)))), "hhnl")

    def test_one_among_many(self) -> None:
        """
        One that asks once waits for one request of each other, not for all of a flood.
        """
        schedule = filled(Job("a"), Job("a"), Job("a"), Job("b"))
        self.assertEqual(clients(carry(schedule) for _ in range(4)), "abaa")

    def test_time_counts(self) -> None:
        """
        A client of a slow unit does not get as many turns as one of a quick unit.
        """
        schedule = filled(*(Job(client) for client in "ab" * 5))
        taken = []
        for _ in range(6):
            job = schedule.next()
            assert job is not None
            schedule.charge([job.client], 4.0 if job.client == "a" else 1.0, NORMAL)
            taken.append(job)
        self.assertEqual(clients(taken), "abbbba")

    def test_doubtful_unit(self) -> None:
        """
        While a unit is in doubt, its requests wait in order; their client's other units, and others, go on.
        """
        first, second, other = Job(unit=3, key=1), Job(unit=3, key=2), Job(unit=4)
        schedule = filled(first, second, other)
        self.assertIs(schedule.next(lambda job: job.key != 1), other)
        self.assertIsNone(schedule.next(lambda job: job.key != 1))
        self.assertIs(schedule.next(), first)

    def test_broadcast_keeps_its_place(self) -> None:
        """
        What a client reads after its own broadcast was sent after it, whichever unit is in doubt.
        """
        schedule = filled(Job(unit=3), Job(unit=0), Job(unit=4))
        self.assertIsNone(schedule.next(lambda job: job.unit != 3))

    def test_blocked_client_has_no_credit(self) -> None:
        """
        A client that waited long for a unit in doubt is next when it may go, but gets no burst.
        """
        schedule = filled(*(Job("a", unit=3) for _ in range(5)), *(Job("b") for _ in range(9)))
        for _ in range(5):
            schedule.next(lambda job: job.unit != 3)
            schedule.charge(["b"], 1.0, NORMAL)
        order = clients(carry(schedule) for _ in range(6))
        self.assertTrue(order.startswith("a"))
        self.assertGreaterEqual(order.count("b"), 2)

    def test_line_settings(self) -> None:
        """
        Requests that need the line as it is go together; others go when there are none.
        """
        schedule = filled(Job("a", line="9600"), Job("b", line="19200"), Job("c", line="9600"))
        order = [schedule.next(line="19200") for _ in range(2)] + [schedule.next(line="9600")]
        self.assertEqual(clients(filter(None, order)), "bac")

    def test_line_settings_yield_to_class(self) -> None:
        """
        A high-priority request at another speed does not wait for the group.
        """
        schedule = filled(Job("n"), Job("h", priority=HIGH, line="19200"))
        job = schedule.next(line="9600")
        assert job is not None
        self.assertEqual(job.client, "h")


class SharingTests(SynchronousTestCase):
    """Identical reads that wait at the same time."""

    def shared(self, *jobs: Job) -> list[int]:
        """Which of these jobs are answered by the exchange of the first that goes."""
        schedule = filled(*jobs)
        job = schedule.next()
        assert job is not None
        shared = schedule.sharers(job)
        self.assertEqual(len(schedule), len(jobs) - 1 - len(shared))
        return [jobs.index(job) for job in shared]

    def test_same_read(self) -> None:
        """
        Clients that ask the same, in whatever class, are answered by one exchange, oldest first.
        """
        jobs = [Job("a", key="k"), Job("b", key="k", priority=LOW), Job("c", key="k"), Job("a", key="k")]
        self.assertEqual(self.shared(*jobs), [1, 2])

    def test_not_the_same(self) -> None:
        """
        Another read, another unit, and what may not be shared get an exchange of their own.
        """
        self.assertEqual(self.shared(Job("a", key="k"), Job("b", key="l"), Job("c", key="k", unit=2)), [])
        self.assertEqual(self.shared(Job("a"), Job("b")), [])

    def test_write_between(self) -> None:
        """
        A read that was asked after a write is never answered with what was read before it.
        """
        read, later = Job("a", key="k"), Job("b", key="k")
        for unit, expected in ((1, []), (0, []), (2, [2])):
            write = Job("c", unit=unit, barrier=True, priority=LOW)
            self.assertEqual(self.shared(read, write, later), expected)

    def test_write_withdrawn(self) -> None:
        """
        A write that will never be sent separates nothing.
        """
        read, write, later = Job("a", key="k"), Job("c", barrier=True), Job("b", key="k")
        schedule = filled(read, write, later)
        schedule.remove(write)
        self.assertIs(schedule.next(), read)
        self.assertEqual(schedule.sharers(read), [later])

    def test_own_order(self) -> None:
        """
        A client's read does not overtake what it asked of the unit, or of all units, before.
        """
        for unit, expected in ((1, []), (0, []), (2, [2])):
            earlier = Job("b", unit=unit, barrier=True, priority=LOW)
            self.assertEqual(
                self.shared(earlier, Job("a", key="k", priority=HIGH), Job("b", key="k", priority=LOW)),
                expected,
            )


READS, WRITES = (
    st.builds(
        Job,
        client=st.sampled_from("abc"),
        unit=st.integers(barrier ^ 1, 2),
        priority=st.sampled_from([HIGH, NORMAL, LOW]),
        key=st.sampled_from([None] if barrier else [None, "k", "l"]),
        line=st.sampled_from(["9600", "19200"]),
        barrier=st.just(barrier),
    )
    for barrier in (False, True)
)
TAKE = st.tuples(st.sets(st.integers(0, 2)), st.sampled_from([None, "9600", "19200"]), st.floats(0.1, 5.0))


class HistoryTests(SynchronousTestCase):
    """Any history, against rules written as plainly as can be."""

    @tries(300)
    @given(st.lists(st.one_of(READS, READS, WRITES, TAKE, TAKE, st.integers(0, 20)), max_size=60))
    def test_any_history(self, history: list[Job | tuple[set[int], str | None, float] | int]) -> None:
        """
        Whatever is asked, sent, shared and withdrawn: nothing is lost or sent
        twice, queues are bounded, no client's order is broken, and a higher
        class yields to one exchange at a time.
        """
        self.schedule: Schedule[Job] = Schedule(limit=15, limit_per_client=7, floor=0.3)
        self.waiting: list[Job] = []
        self.yielded = False
        for step in history:
            if isinstance(step, Job):
                self.add(step)
            elif isinstance(step, int):
                if step < len(self.waiting):
                    self.assertTrue(self.schedule.remove(self.waiting.pop(step)))
            else:
                self.take(*step)
            self.assertEqual(list(self.schedule), self.waiting)
        self.assertEqual(self.schedule.drain(), self.waiting)

    def add(self, job: Job) -> None:
        if len(self.waiting) >= 15 or clients(self.waiting).count(job.client) >= 7:
            self.assertRaises(QueueFull, self.schedule.add, job)
        else:
            self.schedule.add(job)
            self.waiting.append(job)

    def heads(self) -> list[Job]:
        """Those that wait for nothing of their own client."""
        return [
            job
            for place, job in enumerate(self.waiting)
            if not any(job.concerns(earlier) for earlier in self.waiting[:place])
        ]

    def take(self, doubtful: set[int], line: str | None, seconds: float) -> None:
        possible = [job for job in self.heads() if job.unit not in doubtful]
        job = self.schedule.next(lambda job: job.unit not in doubtful, line)
        if job is None:
            self.assertEqual(possible, [])
            return
        self.assertIn(job, possible)
        yields = job.priority > min(other.priority for other in possible)
        self.assertFalse(yields and self.yielded)
        self.yielded = yields
        if line in {other.line for other in possible if other.priority == job.priority}:
            self.assertEqual(job.line, line)
        expected = self.sharers(job)
        self.assertEqual(self.schedule.sharers(job), expected)
        self.waiting = [other for other in self.waiting if other is not job and other not in expected]
        self.schedule.charge([job.client, *(other.client for other in expected)], seconds, job.priority)

    def sharers(self, job: Job) -> list[Job]:
        found: dict[str, Job] = {}
        for other in sorted(self.heads(), key=lambda job: job.priority):
            alike = job.key is not None and (other.key, other.unit) == (job.key, job.unit)
            if alike and other.client != job.client and not self.walled(job, other):
                found.setdefault(other.client, other)
        return sorted(found.values(), key=self.waiting.index)

    def walled(self, one: Job, other: Job) -> bool:
        """Whether a barrier lies between two that wait."""
        low, high = sorted(map(self.waiting.index, (one, other)))
        return any(job.barrier and job.unit in (0, one.unit) for job in self.waiting[low + 1 : high])
