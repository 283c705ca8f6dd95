"""
The reactor that lumina runs on where nobody has chosen another.

Twisted's own makes a context around each event, from which its former log
learns whose message is whose. Nothing here has a use for that, and it costs as much
as all else that the reactor does about a small request.

A client that is answered often asks on at once, and then it takes longer, and
more of the processor, to fall asleep and be woken than to stay awake until it does.
Where there are many, one of them has mostly asked already.
"""

import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from twisted.internet.main import installReactor
from twisted.logger import Logger

#: Seconds to stay awake for what may come: about what it takes to be woken, there and back.
AWAKE = 0.00007

#: How often at most to sleep at once, after staying awake was in vain.
MOST_SLEEPS = 256

#: What is left of that, each time that staying awake is of use.
OF_USE = 7 / 8

#: Descriptors that are ready, each with what it is ready for.
Events = Sequence[tuple[int, int]]


class Lookout:
    """
    Waits for events; first awake, as long as that is of use, then asleep.

    It stays awake for one who was the only one to be heard, twice running. Each time
    that this is in vain, it sleeps at once twice as often before it tries that anew, and
    it takes five times of use to make up for that: so clients that take their time, and
    slow lines, cost next to nothing.
    """

    def __init__(
        self, poll: Callable[[float, int], Events], seconds: Callable[[], float] = perf_counter
    ) -> None:
        """
        @param poll: waits asleep, as `select.epoll.poll` does: for so many seconds,
            endlessly if they are negative, for so many events at the most.
        """
        self._poll = poll
        self._seconds = seconds
        self._sleeps = 0
        self._next_sleeps = 1.0
        self._heard: int | None = None
        self._is_one = False

    def wait(self, timeout: float, most: int) -> Events:
        """@return: what there is as soon as there is something, or nothing after `timeout` seconds."""
        if self._sleeps:
            self._sleeps -= 1
            return self._poll(timeout, most)
        events = self._look_out(timeout, most) if self._is_one else self._poll(timeout, most)
        heard = events[0][0] if len(events) == 1 else None
        self._is_one = heard is not None and heard == self._heard
        self._heard = heard
        return events

    def _look_out(self, timeout: float, most: int) -> Events:
        poll = self._poll
        if 0 <= timeout <= AWAKE:
            return poll(timeout, most)
        return poll(0, most) or self._watch(most) or poll(timeout if timeout < 0 else timeout - AWAKE, most)

    def _watch(self, most: int) -> Events:
        """@return: what comes while it stays awake."""
        poll, seconds = self._poll, self._seconds
        until = seconds() + AWAKE
        while seconds() < until:
            events = poll(0, most)
            if events:
                self._next_sleeps = max(1.0, self._next_sleeps * OF_USE)
                return events
            os.sched_yield()  # to who is waited for, if he is to run on the same core
        self._sleeps = int(self._next_sleeps)
        self._next_sleeps = min(2 * self._next_sleeps, MOST_SLEEPS)
        return ()


if sys.platform == "linux":
    from twisted.internet.epollreactor import EPollReactor

    class PromptReactor(EPollReactor):
        """Calls those who are ready, and does nothing around it."""

        _log = Logger()

        def __init__(self) -> None:
            super().__init__()
            self._wait = Lookout(self._poller.poll).wait

        def doPoll(self, timeout: float | None) -> None:
            """@param timeout: seconds to wait if nobody is ready; `None`: until somebody is."""
            ready = self._wait(-1 if timeout is None else timeout, len(self._selectables))
            for descriptor, event in ready:
                selectable = self._selectables.get(descriptor)
                if selectable is None:  # one before it has closed it
                    continue
                try:
                    self._doReadOrWrite(selectable, descriptor, event)
                except Exception:
                    self._log.failure("{selectable} failed as it ended", selectable=selectable)

        doIteration = doPoll


def install() -> None:
    """Make it the reactor of this process, unless there is one already, or the system has no epoll(7)."""
    if sys.platform == "linux" and "twisted.internet.reactor" not in sys.modules:
        installReactor(PromptReactor())
