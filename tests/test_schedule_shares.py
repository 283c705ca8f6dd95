"""How the clients and the classes of a port share its bus time."""

from collections import defaultdict
from itertools import count, cycle, islice

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.schedule import HIGH, LOW, NORMAL, Schedule
from tests.examples import tries
from tests.test_schedule import Job, carry, clients, filled

#: Rounding of sums of seconds.
TINY = 1e-6


class FairnessTests(SynchronousTestCase):
    @given(
        st.integers(2, 5),
        st.integers(1, 2),
        st.lists(st.floats(0.01, 1.0), min_size=30, max_size=60),
        st.lists(st.floats(0.1, 1.0), min_size=5, max_size=5),
    )
    def test_even_shares(self, number: int, depth: int, seconds: list[float], pace: list[float]) -> None:
        """
        Clients that always ask get the same bus time to within one exchange,
        however slow their units are, and whether they ask ahead or wait for
        each answer.
        """
        names = "abcde"[:number]
        schedule = filled(*(Job(name) for name in names * depth))
        charged = dict.fromkeys(names, 0.0)
        for second in seconds:
            job = schedule.next()
            assert job is not None
            spent = second * pace[names.index(job.client)]
            schedule.charge([job.client], spent, NORMAL)
            charged[job.client] += spent
            schedule.add(Job(job.client))
            self.assertLessEqual(max(charged.values()) - min(charged.values()), max(seconds) + TINY)

    def test_fifty_clients_in_closed_loops(self) -> None:
        """
        In half a minute at 115200 baud fifty clients that wait for each answer get the same bus time to
        within a twentieth, whether they ask for the same number of registers or for 1, 10 and 100.
        """
        for sizes in ((10,), (1, 10, 100)):
            costs = {
                str(number): 0.007 + (13 + 2 * size) * 11 / 115200
                for number, size in zip(range(50), cycle(sizes), strict=False)
            }
            schedule = filled(*map(Job, costs))
            held = dict.fromkeys(costs, 0.0)
            while sum(held.values()) < 30.0:
                job = schedule.next()
                assert job is not None
                schedule.charge([job.client], costs[job.client], NORMAL)
                held[job.client] += costs[job.client]
                schedule.add(Job(job.client))
            self.assertGreater(min(held.values()) / max(held.values()), 0.95)

    @given(
        st.lists(st.floats(0.05, 1.0), min_size=60, max_size=60),
        st.integers(0, 20),
        st.integers(0, 20),
        st.sampled_from("az"),
    )
    def test_return(self, seconds: list[float], leaves: int, away: int, returning: str) -> None:
        """
        A client that was away, or is new, gets an even share from then on:
        neither the time it missed nor a wait for what others had.
        """
        schedule = filled(Job("a"), Job("b"), Job("c"))
        charged: defaultdict[str, float] = defaultdict(float)
        for step, second in enumerate(seconds):
            if step == leaves + away:
                charged.clear()
                if returning not in [job.client for job in schedule]:
                    schedule.add(Job(returning))
            job = schedule.next()
            assert job is not None
            schedule.charge([job.client], second, NORMAL)
            charged[job.client] += second
            if job.client != returning or not leaves <= step < leaves + away:
                schedule.add(Job(job.client))
            if step >= leaves + away:
                shares = [charged[name] for name in {"b", "c", returning}]
                self.assertLessEqual(max(shares) - min(shares), 2 * max(seconds) + TINY)

    def test_idle_bus_forgets(self) -> None:
        """
        What a client used while nobody else wanted the bus is not held against it.
        """
        schedule = filled(Job("a"), Job("b"))
        carry(schedule, 9.0)
        carry(schedule, 1.0)
        for job in (Job("a"), Job("b")):
            schedule.add(job)
        self.assertEqual(carry(schedule).client, "a")

    def test_no_gain_by_withdrawing(self) -> None:
        """
        A client that has had much does not get ahead by asking anew.
        """
        again = Job("a")
        schedule = filled(Job("a"), again, *(Job("b") for _ in range(9)))
        carry(schedule, 6.0)
        schedule.remove(again)
        schedule.add(again)
        self.assertEqual(clients(carry(schedule) for _ in range(6)), "bbbbbb")

    def test_shared_exchange(self) -> None:
        """
        Clients that share an exchange pay an even part of it each.
        """
        schedule = filled(*(Job(client) for client in "abcabcabcc"))
        schedule.charge(["a", "b"], 2.0, NORMAL)
        self.assertEqual(clients(carry(schedule) for _ in range(4)), "cabc")

    def test_stream_of_newcomers(self) -> None:
        """
        Programs that connect anew for each request do not hold up one that
        stays, even after it had a long exchange.
        """
        schedule = filled(Job("patient"), Job("patient"), Job("x"), Job("y"))
        carry(schedule, 10.0)
        for number in range(40):
            if carry(schedule).client == "patient":
                return
            schedule.add(Job(f"new {number}"))
        self.fail("still waiting after 40 exchanges")


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "new"]), st.sampled_from([HIGH, NORMAL, LOW])),
    min_size=1,
    max_size=6,
)


class FloorTests(SynchronousTestCase):
    """Classes against each other."""

    @given(
        st.lists(st.floats(1.0, 3.0), min_size=50, max_size=120),
        st.sets(st.sampled_from([NORMAL, LOW]), min_size=1),
    )
    def test_floor(self, seconds: list[float], below: set[int]) -> None:
        """
        While high-priority work keeps the bus full, each lower class with work
        gets its tenth, to within one exchange, and no more.
        """
        schedule = filled(*(Job(priority=priority) for priority in {HIGH, *below}))
        used: defaultdict[int, float] = defaultdict(float)
        for second in seconds:
            job = carry(schedule, second)
            used[job.priority] += second
            schedule.add(Job(priority=job.priority))
            for priority in below:
                owed = 0.1 * sum(used.values()) - used[priority]
                self.assertLessEqual(abs(owed), 3.0 + TINY)

    @given(ARRIVALS, st.lists(st.floats(0.1, 9.0), min_size=1, max_size=9), st.integers(5, 40))
    def test_high_waits_for_one(
        self, arrivals: list[tuple[str, int]], seconds: list[float], when: int
    ) -> None:
        """
        The first high-priority request waits for at most one exchange of a lower class.
        """
        schedule: Schedule[Job] = Schedule(limit=50, floor=0.3)
        for step, (client, priority) in enumerate(islice(cycle(arrivals), when)):
            schedule.add(Job(client, priority=priority))
            if step % 2:
                carry(schedule, seconds[step % len(seconds)])
        schedule.add(Job("urgent", priority=HIGH))
        self.assertIn(HIGH, [carry(schedule).priority for _ in range(min(2, len(schedule)))])

    @tries(60)
    @given(ARRIVALS, st.lists(st.floats(1.0, 2.0), min_size=1, max_size=9))
    def test_nobody_starves(self, arrivals: list[tuple[str, int]], seconds: list[float]) -> None:
        """
        Even a low-priority request of a client that has just had a long
        exchange is sent in bounded time, whatever arrives and from however many
        clients: twice the queue's limit times the longest exchange, over the floor.
        """
        schedule: Schedule[Job] = Schedule(limit=8)
        victim = Job("patient", priority=LOW)
        for job in (Job("patient", priority=LOW), Job("x", priority=LOW), Job("y", priority=LOW)):
            schedule.add(job)
        carry(schedule, 8.0)
        schedule.add(victim)
        steps, numbers, elapsed = zip(cycle(arrivals), cycle(seconds), strict=False), count(), 0.0
        while victim in list(schedule):
            (client, priority), second = next(steps)
            while len(schedule) < 8:
                name = f"new {next(numbers)}" if client == "new" else client
                schedule.add(Job(name, priority=priority))
            carry(schedule, second)
            elapsed += second
            self.assertLess(elapsed, 2 * 8 * 8.0 / 0.1)

    def test_low_alone(self) -> None:
        """
        What the low class got while nobody else wanted the bus is not held against it.
        """
        schedule = filled(*(Job("l", priority=LOW) for _ in range(30)))
        for _ in range(20):
            carry(schedule)
        for _ in range(3):
            schedule.add(Job("h", priority=HIGH))
        self.assertEqual(clients(carry(schedule) for _ in range(3)), "hlh")

    def test_low_absent(self) -> None:
        """
        A low class that comes after a long time has no claim to the time that it did not want.
        """
        schedule = filled(*(Job("h", priority=HIGH) for _ in range(120)))
        for _ in range(100):
            carry(schedule)
        for _ in range(20):
            schedule.add(Job("l", priority=LOW))
        self.assertEqual(clients(carry(schedule) for _ in range(10)).count("l"), 1)
