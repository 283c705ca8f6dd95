"""What is polled when, and how that goes."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from lumina.interfaces import Asker, Bus, Priority, Terms
from lumina.poll.lane import Lane
from lumina.poll.plan import Plan
from lumina.status import Cycles

#: Who asks, for access rules, the audit log, and other clients of the bus.
NAME = "poll"


@dataclass(frozen=True, slots=True)
class Polled:
    """
    A device that is read on beats.

    @ivar id: its id in readings.
    @ivar bus: what carries its requests. Devices with the same one take turns.
    @ivar bus_name: what that is called.
    @ivar unit: its number there.
    @ivar plan: its points, and how to read them.
    @ivar beats: seconds between readings, and the points that are read then, by their place in the plan.
    @ivar timeout: seconds for a reply; `None`: as the bus has it.
    """

    id: int | str
    bus: Bus
    bus_name: str
    unit: int
    plan: Plan
    beats: Mapping[float, tuple[int, ...]]
    timeout: float | None = None


class Summary(NamedTuple):
    """
    How one reading of everything went.

    @ivar devices: that were read.
    @ivar failed: of them, those of which something could not be read.
    @ivar readings: in all.
    @ivar bad: of them, those that are not good.
    """

    devices: int = 0
    failed: int = 0
    readings: int = 0
    bad: int = 0

    def plus(self, readings: int, bad: int) -> "Summary":
        """With one device more, of which so many readings came."""
        return Summary(self.devices + 1, self.failed + (bad > 0), self.readings + readings, self.bad + bad)


class Tally:
    """Counts the cycles of a device."""

    __slots__ = ("count", "failed", "last", "longest", "skipped")

    def __init__(self) -> None:
        self.count = self.failed = self.skipped = 0
        self.last = self.longest = 0.0

    def ended(self, seconds: float, failed: bool) -> None:
        self.count += 1
        self.failed += failed
        self.last, self.longest = seconds, max(self.longest, seconds)

    @property
    def cycles(self) -> Cycles:
        return Cycles(self.count, self.failed, self.skipped, self.last, self.longest)


class Round:
    """
    A device on one of its beats.

    @ivar began: the last time, in monotonic seconds.
    @ivar visits: that read points of it and are not over.
    """

    __slots__ = ("began", "device", "due", "interval", "lane", "tally", "terms", "visits")

    def __init__(
        self, device: Polled, interval: float, due: tuple[int, ...] | None, lane: Lane, tally: Tally
    ) -> None:
        self.device, self.interval, self.due, self.lane, self.tally = device, interval, due, lane, tally
        self.terms = terms(device)
        self.began = 0.0
        self.visits = 0


def together(rounds: Iterable[Round]) -> Collection[Sequence[Round]]:
    """Rounds that begin at the same time, those of one device together."""
    found: dict[int, list[Round]] = {}
    for round in rounds:
        found.setdefault(id(round.device), []).append(round)
    return found.values()


def terms(device: Polled) -> Terms:
    """How the requests to a device are to be carried."""
    return Terms(
        client=NAME,
        id=str(device.id),
        type=NAME,
        priority=Priority.NORMAL,
        timeout=device.timeout,
        asker=Asker(NAME),
    )


def bus_shares(
    devices: Iterable[tuple[str, Plan, Mapping[float, tuple[int, ...]]]], now: float = 0.0
) -> Mapping[str, float]:
    """
    The share of its time that each bus needs for all beats, by its name; beyond 1 it cannot be done.

    @param devices: the name of the bus, the plan and the beats of each.
    @param now: monotonic seconds.
    """
    shares: dict[str, float] = {}
    for name, plan, beats in devices:
        shares[name] = shares.get(name, 0.0) + _share(plan, beats, now)
    return shares


def _share(plan: Plan, beats: Mapping[float, tuple[int, ...]], now: float) -> float:
    """
    The share of its time that a bus needs for a device.

    Where each interval is a multiple of the one before it, whatever is due less
    often is read together with all that is due more often. Else that is left
    out of account: intervals that do not fit seldom meet.
    """
    intervals = sorted(beats)
    dues = tuple(beats[interval] for interval in intervals)
    if not all(math.isclose(round(long / short) * short, long) for short, long in pairwise(intervals)):
        return sum(plan.seconds(now, (due,)) / interval for interval, due in beats.items())
    rates = [*(1 / interval for interval in intervals), 0.0]
    return sum(
        (rates[place] - rates[place + 1]) * plan.seconds(now, dues[: place + 1]) for place in range(len(dues))
    )
