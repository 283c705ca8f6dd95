"""One bus, as the poller sees it: visits that wait for it, and the one request on its way."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import LuminaError
from lumina.interfaces import Bus, Terms
from lumina.modbus.pdu import Reply
from lumina.poll.block import Block
from lumina.poll.cycle import Cycle
from lumina.readings import Reading

#: Seconds of work after which others get their turn.
TURN = 0.001


class Visit:
    """
    A device, being read once.

    @ivar terms: how its requests are to be carried.
    @ivar began: when its beat was, in monotonic seconds.
    @ivar readings: what is settled by now.
    """

    __slots__ = ("began", "cycle", "deadline", "done", "readings", "terms", "unit")

    def __init__(
        self,
        unit: int,
        terms: Terms,
        cycle: Cycle,
        began: float,
        deadline: float,
        done: Callable[["Visit"], None],
    ) -> None:
        """
        @param deadline: when the next one is due; the most urgent goes first.
        @param done: called when all is settled.
        """
        self.unit, self.terms, self.cycle = unit, terms, cycle
        self.began, self.deadline, self.done = began, deadline, done
        self.readings: list[Reading] = []


class Lane:
    """
    Carries out visits on one bus: one request at a time, the most urgent visit first.

    What a visit cannot read is settled with the error that says why.
    """

    _log = Logger()

    def __init__(self, bus: Bus, reactor: Any, wall: Callable[[], float]) -> None:
        """
        @param wall: seconds since 1970.
        """
        self._bus = bus
        self._reactor = reactor
        self._seconds: Callable[[], float] = reactor.seconds
        self._wall = wall
        self._visits: list[tuple[float, int, Visit]] = []
        self._entered = 0
        self._visit: Visit | None = None
        self._block: Block | None = None
        self._asked = 0.0
        self._waiting: Deferred[Any] | None = None
        self._turning = False
        self._later: IDelayedCall | None = None

    def enter(self, visit: Visit) -> None:
        """One more visit; it begins as soon as the bus is free for it."""
        self._line_up(visit)
        if self._block is None and self._later is None and not self._turning:
            self._turn(self._seconds())

    def stop(self) -> list[Visit]:
        """
        Begin nothing more, and withdraw what waits.

        @return: the visits that are not over.
        """
        visits, self._visits = [each for _, _, each in self._visits], []
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._waiting is not None:
            self._block = None
            self._waiting.cancel()
        return visits

    def _line_up(self, visit: Visit) -> None:
        self._entered += 1
        heappush(self._visits, (visit.deadline, self._entered, visit))

    def _step_back(self, visit: Visit) -> None:
        """Nothing came from a device: more of its timeouts need not be what the others wait for."""
        visit.deadline = max(deadline for deadline, _, _ in self._visits)
        self._leave(visit)
        self._line_up(visit)

    def _leave(self, visit: Visit) -> None:
        self._visits = [each for each in self._visits if each[2] is not visit]
        heapify(self._visits)

    def _go_on(self) -> None:
        self._later = None
        self._turn(self._seconds())

    def _turn(self, now: float) -> None:
        """Ask, until an answer is being waited for, or others want to get their turn."""
        self._turning = True
        until = now + TURN
        while self._visits and self._block is None:
            if now >= until:
                self._later = self._reactor.callLater(0, self._go_on)
                break
            self._step(self._visits[0][2], now)
            if self._block is None:
                now = self._seconds()
        self._turning = False

    def _step(self, visit: Visit, now: float) -> None:
        """The next request of a visit, or its end."""
        try:
            block = visit.cycle.next(now)
            if block is not None:
                self._ask(visit, block, now)
                return
            heappop(self._visits)
            visit.readings += visit.cycle.close(now, self._wall())
            visit.done(visit)
        except Exception:  # a fault of ours; the bus has to be polled nevertheless
            self._log.failure("polling unit {unit}", unit=visit.unit)
            self._leave(visit)

    def _ask(self, visit: Visit, block: Block, now: float) -> None:
        self._visit, self._block, self._asked = visit, block, now
        try:
            reply = self._bus.execute(visit.unit, block.request, visit.terms)
        except Exception:
            self._landed(Failure())
            return
        self._waiting = reply
        reply.addBoth(self._landed)

    def _landed(self, result: Reply | Failure) -> None:
        """The request on its way is over; nothing is done if nobody waits for it any more."""
        visit, block = self._visit, self._block
        self._visit = self._block = self._waiting = None
        if visit is None or block is None:
            return
        now = self._seconds()
        try:
            if isinstance(result, Failure):
                error = self._error(visit, result)
                silences = visit.cycle.silences
                visit.readings += visit.cycle.failed(block, error, now, self._wall())
                if visit.cycle.silences > silences and len(self._visits) > 1:
                    self._step_back(visit)
            else:
                visit.readings += self._read(visit, block, result, now)
        except Exception:  # a fault of ours; the bus has to be polled nevertheless
            self._log.failure("reading what unit {unit} has answered", unit=visit.unit)
        if not self._turning:
            self._turn(now)

    def _read(self, visit: Visit, block: Block, reply: Reply, now: float) -> list[Reading]:
        """What a reply says; one that was shared or remembered began before it was asked for."""
        _, pdu, began, ended = reply
        seconds = ended - began if began >= self._asked else None
        return visit.cycle.answered(block, pdu, now, self._wall() - (now - ended), seconds)

    def _error(self, visit: Visit, failure: Failure) -> LuminaError:
        """Why there is no reply."""
        error = failure.value
        if isinstance(error, LuminaError):
            return error
        self._log.failure("asking unit {unit}", failure, unit=visit.unit)
        return LuminaError(f"{type(error).__name__}: {error}")
