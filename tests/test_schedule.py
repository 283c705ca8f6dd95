"""Who is next on a port."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.schedule import Schedule
from lumina.errors import QueueFull

Entry = tuple[str, int]


def order(*clients: str) -> list[Entry]:
    """What the schedule makes of jobs that arrive from these clients, numbered in order of arrival."""
    schedule: Schedule[Entry] = Schedule()
    for number, client in enumerate(clients):
        schedule.add(client, (client, number))
    return schedule.drain()


class ScheduleTests(SynchronousTestCase):
    def test_clients_take_turns(self) -> None:
        """
        One that asks once waits for one request of each other, not for all of a flood.
        """
        self.assertEqual(order("a", "a", "a", "b"), [("a", 0), ("b", 3), ("a", 1), ("a", 2)])

    def test_nothing_waits(self) -> None:
        """
        An empty schedule has no next job.
        """
        self.assertIsNone(Schedule[Entry]().next())

    def test_whole_queue_is_bounded(self) -> None:
        """
        What is one too many for the port is refused with the limit, and nothing else is lost.
        """
        schedule: Schedule[int] = Schedule(limit=2)
        schedule.add("a", 1)
        schedule.add("b", 2)
        error = self.assertRaises(QueueFull, schedule.add, "c", 3)
        self.assertIn("2 requests wait", str(error))
        self.assertEqual(schedule.drain(), [1, 2])

    def test_each_client_is_bounded(self) -> None:
        """
        A client that floods is refused; the others are not.
        """
        schedule: Schedule[int] = Schedule(limit_per_client=1)
        schedule.add("a", 1)
        error = self.assertRaises(QueueFull, schedule.add, "a", 2)
        self.assertIn("1 requests of this client", str(error))
        schedule.add("b", 3)
        self.assertEqual(schedule.drain(), [1, 3])

    def test_withdrawn(self) -> None:
        """
        A job that was withdrawn is never given out; the same one cannot be withdrawn twice.
        """
        schedule: Schedule[int] = Schedule()
        schedule.add("a", 1)
        schedule.add("a", 2)
        self.assertTrue(schedule.remove("a", 1))
        self.assertFalse(schedule.remove("a", 1))
        self.assertEqual((len(schedule), schedule.drain()), (1, [2]))

    @settings(deadline=None)
    @given(st.lists(st.one_of(st.sampled_from("abcd"), st.just("next"), st.integers(0, 40)), max_size=60))
    def test_any_history(self, history: list[str | int]) -> None:
        """
        Whatever is added, taken and withdrawn: nothing is lost or doubled, each
        client's requests keep their order, and nobody with work is passed over
        twice by the same other client.
        """
        schedule: Schedule[Entry] = Schedule(limit=20, limit_per_client=8)
        waiting: list[Entry] = []
        passed: defaultdict[tuple[str, str], int] = defaultdict(int)
        for number, step in enumerate(history):
            if isinstance(step, int):
                if step < len(waiting):
                    entry = waiting.pop(step)
                    self.assertTrue(schedule.remove(entry[0], entry))
                    for pair in [pair for pair in passed if entry[0] in pair]:
                        del passed[pair]
            elif step == "next":
                self._take(schedule, waiting, passed)
            else:
                entry = (step, number)
                full = len(waiting) >= 20 or sum(client == step for client, _ in waiting) >= 8
                if full:
                    self.assertRaises(QueueFull, schedule.add, step, entry)
                else:
                    schedule.add(step, entry)
                    waiting.append(entry)
            self.assertEqual(len(schedule), len(waiting))
        self.assertEqual(sorted(schedule.drain()), sorted(waiting))

    def _take(
        self, schedule: Schedule[Entry], waiting: list[Entry], passed: defaultdict[tuple[str, str], int]
    ) -> None:
        taken = schedule.next()
        if taken is None:
            self.assertEqual(waiting, [])
            return
        client = taken[0]
        self.assertEqual(taken, next(entry for entry in waiting if entry[0] == client))
        waiting.remove(taken)
        for other in {entry[0] for entry in waiting} - {client}:
            passed[other, client] += 1
            self.assertLessEqual(passed[other, client], 1)
        for pair in [pair for pair in passed if pair[0] == client]:
            del passed[pair]
