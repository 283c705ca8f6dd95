"""How the reactor waits: awake where that is of use, asleep otherwise."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.reactor import AWAKE, MOST_SLEEPS, Events, Lookout

EVENT = [(7, 1)]
OTHER = [(8, 1)]

#: Seconds that a look takes.
LOOK = AWAKE / 8

#: Seconds until something comes: at once, while one stays awake, later.
GAPS = st.sampled_from([0.0, AWAKE / 2, 3 * AWAKE, 1.0])


class System:
    """
    The system's side of waiting.

    @ivar now: the time; a look in vain takes some of it.
    @ivar due: when the next event comes.
    @ivar slept: the timeouts with which it was asked to wait asleep.
    @ivar awake: seconds spent on looks that found nothing.
    """

    def __init__(self) -> None:
        self.events: Events = EVENT
        self.now = self.due = 0.0
        self.slept: list[float] = []
        self.awake = 0.0
        self._lookout = Lookout(self.poll, lambda: self.now)

    def wait(self, timeout: float = -1, gap: float | None = None, events: Events = EVENT) -> Events:
        """@param gap: seconds until the next events come; `None`: none do."""
        self.due = float("inf") if gap is None else self.now + gap
        self.events = events
        return self._lookout.wait(timeout, 5)

    def poll(self, timeout: float, most: int) -> Events:
        assert most == 5
        if timeout:
            self.slept.append(timeout)
            self.now = max(self.now, self.due if timeout < 0 else min(self.due, self.now + timeout))
        if self.now >= self.due:
            return self.events
        if not timeout:
            self.now += LOOK
            self.awake += LOOK
        return []


class LookoutTests(SynchronousTestCase):
    def setUp(self) -> None:
        """One has been heard, and heard again."""
        self.system = System()
        for _ in range(2):
            self.system.wait(gap=1.0)
        self.system.slept.clear()

    def test_at_once(self) -> None:
        """
        What is there already is taken without sleep.
        """
        self.assertEqual(self.system.wait(gap=0), EVENT)
        self.assertEqual((self.system.slept, self.system.awake), ([], 0))

    def test_soon(self) -> None:
        """
        What comes soon, again and again, is met awake each time.
        """
        for _ in range(1000):
            self.assertEqual(self.system.wait(gap=AWAKE / 2), EVENT)
        self.assertEqual(self.system.slept, [])

    def test_many(self) -> None:
        """
        Where one after the other is heard, or some at once, all are slept for.
        """
        for events in (OTHER, EVENT, OTHER, EVENT + OTHER, EVENT + OTHER, EVENT):
            self.system.wait(gap=AWAKE / 2, events=events)
        self.assertEqual(len(self.system.slept), 5)  # the first was met awake
        self.system.wait(gap=AWAKE / 2)
        self.system.wait(gap=AWAKE / 2)
        self.assertEqual(len(self.system.slept), 6)

    def test_late(self) -> None:
        """
        What comes later is slept for, as long as the caller allows.
        """
        self.assertEqual(self.system.wait(5.0, gap=2.0), EVENT)
        self.assertEqual(self.system.wait(5.0), [])
        self.assertEqual(len(self.system.slept), 2)

    def test_no_time(self) -> None:
        """
        Whoever has no time to wait gets an answer at once; a shorter time than
        to stay awake is left to the system.
        """
        self.assertEqual(self.system.wait(0), [])
        self.assertEqual(self.system.slept, [])
        self.assertEqual(self.system.wait(AWAKE / 2), [])
        self.assertEqual(self.system.slept, [AWAKE / 2])

    def test_in_vain(self) -> None:
        """
        Where all comes late, staying awake is given up, but for one time in many.
        """
        for _ in range(20 * MOST_SLEEPS):
            self.system.wait(gap=3 * AWAKE)
        self.assertEqual(len(self.system.slept), 20 * MOST_SLEEPS)
        self.assertLess(self.system.awake, 30 * (AWAKE + 2 * LOOK))

    def test_by_turns(self) -> None:
        """
        It is given up as well where something comes soon only every other time, as on a slow
        line: its reply late, and the next request soon after that.
        """
        for _ in range(20 * MOST_SLEEPS):
            self.system.wait(gap=0.01)
            self.system.wait(gap=AWAKE / 2)
        self.assertLess(self.system.awake, 20 * MOST_SLEEPS * AWAKE / 20)

    def test_mostly_of_use(self) -> None:
        """
        It is not given up where it is in vain one time in ten.
        """
        for _ in range(MOST_SLEEPS):
            self.system.wait(gap=0.01)
            for _ in range(9):
                self.system.wait(gap=AWAKE / 2)
        self.assertLess(len(self.system.slept), 3 * MOST_SLEEPS)

    def test_of_use_again(self) -> None:
        """
        It is found out when staying awake is of use again, after not too long.
        """
        for _ in range(20 * MOST_SLEEPS):
            self.system.wait(gap=1.0)
        self.system.slept.clear()
        for _ in range(20 * MOST_SLEEPS):
            self.system.wait(gap=AWAKE / 2)
        self.assertLessEqual(len(self.system.slept), MOST_SLEEPS)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([-1, 0, AWAKE / 3, 2.0]),
                st.none() | GAPS,
                st.sampled_from([EVENT, EVENT, EVENT, OTHER, EVENT + OTHER]),
            )
        )
    )
    def test_any(self, waits: Sequence[tuple[float, float | None, Events]]) -> None:
        """
        Whatever comes when: no event is missed, none is made up, nobody waits longer than he allows,
        or is awake for longer than he may.
        """
        system = System()
        for timeout, gap, events in waits:
            if timeout < 0 and gap is None:
                continue  # that would be for ever
            began, awake = system.now, system.awake
            found = system.wait(timeout, gap, events)
            took = system.now - began
            self.assertLess(system.awake - awake, AWAKE + 3 * LOOK)
            self.assertEqual(found, events if system.now >= system.due else [])
            if found:
                self.assertLess(took, (gap or 0) + 2 * LOOK)
            else:
                self.assertLess(abs(took - timeout), 4 * LOOK)
