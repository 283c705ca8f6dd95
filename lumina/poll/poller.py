"""
The poller: devices read on their beats, and handed to the sinks.

Each bus is a lane of its own: one request at a time, the most urgent device
first; the lanes know nothing of each other, so that a dead device costs none
but its own bus. What is read of a device in one cycle goes to the sinks
together, good or not.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
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
from lumina.poll.rounds import Polled, Round, Summary, Tally
from lumina.readings import GOOD
from lumina.status import Cycles

#: Beats without a late device after which that is said: who is late now and then is spoken of once.
CALM = 10

#: Seconds that the sinks get to take the last readings when lumina stops.
GRACE = 5.0


class _Start(NamedTuple):
    """Rounds that are to begin, since when, and what to do with each that is over."""

    rounds: Iterator[Round]
    began: float
    then: Callable[[Visit, int], None] | None


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
            Beat(interval, self._beat(rounds, interval), reactor, wall, phase)
            for (interval, phase), rounds in self._grouped(devices, spread).items()
        ]
        self._starting: deque[_Start] = deque()
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
        self._begin(self._whole, ended)
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

    def _grouped(self, devices: Iterable[Polled], spread: bool) -> dict[tuple[float, float], list[Round]]:
        """Rounds that begin together, by interval and phase."""
        found: dict[tuple[float, float], list[Round]] = {}
        for device in devices:
            for interval, due in device.beats.items():
                phase = interval * crc32(str(device.id).encode()) / 2**32 if spread else 0.0
                found.setdefault((interval, phase), []).append(self._round(device, interval, due))
        return found

    def _beat(self, rounds: Sequence[Round], interval: float) -> Callable[[], None]:
        """What one beat does: begin each round that is over, count those that are not."""
        said = calm = 0  # how many were late when that was said, and beats since then without any

        def beat() -> None:
            nonlocal said, calm
            now = self._reactor.seconds()
            late = [each for each in rounds if each.visit is not None]
            # What began less than an interval ago was begun at the start, or before the clock was set.
            over = [each for each in late if each.visit and now - each.visit.began > 0.9 * interval]
            for each in over:
                each.tally.skipped += 1
            calm = 0 if over else calm + 1
            if len(over) > 2 * said or (said and calm == CALM):
                said = len(over)
                self._say(over, len(rounds), interval)
            self._begin([each for each in rounds if each.visit is None])

        return beat

    def _say(self, late: Sequence[Round], all: int, interval: float) -> None:
        if not late:
            self._log.info(
                "polling: all {all} devices keep their beat of {interval:g} s", all=all, interval=interval
            )
            return
        self._log.warn(
            "polling: {count} of {all} devices take longer than their beat of {interval:g} s "
            "and skip one, such as {device} on {bus}",
            count=len(late),
            all=all,
            interval=interval,
            device=late[0].device.id,
            bus=late[0].device.bus_name,
        )

    def _begin(self, rounds: Sequence[Round], then: Callable[[Visit, int], None] | None = None) -> None:
        """@param then: called with each visit that is over, and how many of its readings are bad."""
        self._starting.append(_Start(iter(rounds), self._reactor.seconds(), then))
        if self._later is None:
            self._start_some()

    def _start_some(self) -> None:
        """Begin rounds, until others want to get their turn."""
        self._later = None
        until = self._reactor.seconds() + TURN
        while self._starting:
            start = self._starting[0]
            for round in start.rounds:
                self._start(round, start)
                if self._reactor.seconds() >= until:
                    self._later = self._reactor.callLater(0, self._start_some)
                    return
            self._starting.popleft()

    def _start(self, round: Round, start: _Start) -> None:
        if round.visit is not None:  # begun by a beat that came while others were being begun
            return
        device = round.device

        def done(visit: Visit) -> None:
            round.visit = None
            bad = len([reading for reading in visit.readings if reading.quality != GOOD])
            round.tally.ended(self._reactor.seconds() - visit.began, bad > 0)
            self._hand_over(visit)
            if start.then is not None:
                start.then(visit, bad)

        cycle = Cycle(device.plan, self._reactor.seconds(), round.due)
        round.visit = Visit(device.unit, round.terms, cycle, start.began, start.began + round.interval, done)
        round.lane.enter(round.visit)

    def _hand_over(self, visit: Visit) -> None:
        if visit.readings:
            for feed in self._feeds:
                feed.put(visit.readings)
