"""
The poller: devices read on their beats, and handed to the sinks.

Each bus is a lane of its own: one request at a time, the most urgent device
first; the lanes know nothing of each other, so that a dead device costs none
but its own bus. What is read of a device in one cycle goes to the sinks
together, good or not.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from lumina.interfaces import Sink
from lumina.poll.beat import Beat
from lumina.poll.cycle import Cycle
from lumina.poll.feed import Feed
from lumina.poll.lane import TURN, Lane, Visit
from lumina.poll.overruns import Overruns
from lumina.poll.plan import Agenda
from lumina.poll.rounds import Polled, Round, Summary, Tally, together
from lumina.readings import GOOD
from lumina.status import Cycles

#: Seconds that the sinks get to take the last readings when lumina stops.
GRACE = 5.0

_OVER = object()


class Poller(Service):
    """
    Reads devices on their beats.

    @ivar devices: which.
    """

    _log = Logger()

    def __init__(
        self,
        devices: Sequence[Polled],
        sinks: Mapping[str, Sink],
        reactor: Any,
        wall: Callable[[], float],
        spread: bool = False,
    ) -> None:
        """
        @param sinks: who gets the readings, by name.
        @param reactor: monotonic time and timers.
        @param wall: seconds since 1970, for stamps and to align beats.
        @param spread: whether each device has a phase of its own, always the
            same, instead of all being read at the same time.
        """
        self.devices = devices
        self._reactor = reactor
        self._wall = wall
        self._feeds = [Feed(name, sink, reactor) for name, sink in sinks.items()]
        self._lanes = {id(device.bus): Lane(device.bus, reactor, wall) for device in devices}
        self._tallies = {device.id: Tally() for device in devices}
        self._whole = [self._round(device, float("inf"), None) for device in devices]
        self._beats = [
            Beat(rounds, self._beat(rounds), reactor, wall, phase)
            for phase, rounds in self._grouped(devices, spread).items()
        ]
        self._starting: deque[Iterator[None]] = deque()
        self._later: IDelayedCall | None = None

    def startService(self) -> None:
        """Read everything, and then on the beats."""
        super().startService()
        for beat in self._beats:
            beat.start()

    def stopService(self) -> Deferred[Any]:
        """@return: fires when the sinks have taken what was read, `GRACE` seconds later at the most."""
        super().stopService()
        for beat in self._beats:
            beat.stop()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._starting.clear()
        for lane in self._lanes.values():
            for visit in lane.stop():
                self._hand_over(visit)
        return self.drained().addTimeout(GRACE, self._reactor).addErrback(lambda _: None)

    def once(self, progress: Callable[[int, int], None] = lambda done, all: None) -> Deferred[Summary]:
        """
        Read everything once, without any beat.

        @param progress: called with the number of devices that are read, and of all.
        @return: fires when the sinks have taken it, too.
        """
        over: Deferred[Summary] = Deferred()
        count, all = Summary(), len(self._whole)

        def ended(visit: Visit, bad: int) -> None:
            nonlocal count
            count = count.plus(len(visit.readings), bad)
            progress(count.devices, all)
            if count.devices == all:
                self.drained().addCallback(lambda _: over.callback(count))

        if not self._whole:
            over.callback(Summary())
        self._begin([(each,) for each in self._whole], ended)
        return over

    def drained(self) -> Deferred[Any]:
        """Fires when the sinks have taken all that was read."""
        return DeferredList([feed.drained() for feed in self._feeds], consumeErrors=True)

    def cycles(self) -> Mapping[int | str, Cycles]:
        """How the polling of each device goes."""
        return {device: tally.cycles for device, tally in self._tallies.items()}

    @property
    def lost(self) -> Mapping[str, int]:
        """How many readings each sink did not take."""
        return {feed.name: feed.lost for feed in self._feeds}

    def _round(self, device: Polled, interval: float, due: tuple[int, ...] | None) -> Round:
        return Round(device, interval, due, self._lanes[id(device.bus)], self._tallies[device.id])

    def _grouped(self, devices: Iterable[Polled], spread: bool) -> dict[float, dict[float, list[Round]]]:
        """Rounds by phase and interval."""
        found: dict[float, dict[float, list[Round]]] = {}
        for device in devices:
            longest = max(device.beats, default=0.0)
            phase = longest * crc32(str(device.id).encode()) / 2**32 if spread else 0.0
            for interval, due in device.beats.items():
                rounds = found.setdefault(phase, {}).setdefault(interval, [])
                rounds.append(self._round(device, interval, due))
        return found

    def _beat(self, rounds: Mapping[float, Sequence[Round]]) -> Callable[[Sequence[float]], None]:
        """What a beat does: begin each round that is over."""
        overruns = {interval: Overruns(each, interval) for interval, each in rounds.items()}

        def beat(intervals: Sequence[float]) -> None:
            now = self._reactor.seconds()
            due = together(round for each in intervals for round in overruns[each].ready(now))
            # Who was silent lately goes after the others: its timeouts delay nobody but itself.
            self._begin(sorted(due, key=lambda several: several[0].device.plan.knowledge.silent))

        return beat

    def _begin(
        self, rounds: Iterable[Sequence[Round]], then: Callable[[Visit, int], None] | None = None
    ) -> None:
        """
        @param rounds: those of each device, the shortest interval first.
        @param then: called with each visit that is over, and how many of its readings are bad.
        """
        self._starting.append(self._starts(rounds, self._reactor.seconds(), then))
        if len(self._starting) == 1:
            self._start_some()

    def _start_some(self) -> None:
        """Begin rounds, until others want to get their turn."""
        self._later = None
        until = self._reactor.seconds() + TURN
        while self._starting:
            over = next(self._starting[0], _OVER) is _OVER
            if not self._starting:  # the poller was stopped meanwhile
                return
            if over:
                self._starting.popleft()
            elif self._reactor.seconds() >= until:
                self._later = self._reactor.callLater(0, self._start_some)
                return

    def _starts(
        self, rounds: Iterable[Sequence[Round]], began: float, then: Callable[[Visit, int], None] | None
    ) -> Iterator[None]:
        """Begin rounds, in steps that are short."""
        for several in rounds:
            ready = [each for each in several if not each.visits]  # others were begun in the meantime
            try:
                if ready:
                    plan, now = ready[0].device.plan, self._reactor.seconds()
                    dues = tuple([each.due for each in ready])
                    agendas = plan.kept(now, dues)
                    if agendas is None:
                        agendas = yield from plan.together(now, dues)
                    self._start(ready, agendas, now, began, then)
            except Exception:  # a fault of ours; the others have to be polled nevertheless
                self._log.failure("beginning to poll {device}", device=several[0].device.id)
            yield

    def _start(
        self,
        ready: Sequence[Round],
        agendas: Sequence[Agenda],
        now: float,
        began: float,
        then: Callable[[Visit, int], None] | None,
    ) -> None:
        """
        Begin the rounds of one device: what they read together belongs to the
        most urgent one, and is a visit that the others wait for, too.
        """
        visits = [
            self._visit(
                own,
                [ready[place] for place in agenda.shares],
                Cycle(own.device.plan, now, agenda),
                began,
                then,
            )
            for own, agenda in zip(ready, agendas, strict=True)
            if agenda.shares
        ]
        for visit in visits:
            ready[0].lane.enter(visit)

    def _visit(
        self,
        own: Round,
        shared: Sequence[Round],
        cycle: Cycle,
        began: float,
        then: Callable[[Visit, int], None] | None,
    ) -> Visit:
        def done(visit: Visit) -> None:
            for each in shared:
                each.visits -= 1
            bad = len([reading for reading in visit.readings if reading.quality != GOOD])
            own.tally.ended(self._reactor.seconds() - began, bad > 0)
            self._hand_over(visit)
            if then is not None:
                then(visit, bad)

        for each in shared:
            each.visits += 1
            each.began = began
        patience = own.interval * (2 if own.device.plan.knowledge.silent else 1)
        return Visit(own.device.unit, own.terms, cycle, began, began + patience, done)

    def _hand_over(self, visit: Visit) -> None:
        if visit.readings:
            for feed in self._feeds:
                feed.put(visit.readings)
