"""
What is known of one unit: pure, without clock or wire.

What it owes, what it has answered, how long it takes, and how long it has been
silent; what follows from that for the other units of its port is in `units`.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from lumina.bus.copies import Copies
from lumina.bus.owed import Owed
from lumina.modbus.pdu import Opaque, Request

#: Kinds of requests whose reply times are learnt apart.
READS, WRITES, OTHERS = "reads", "writes", "others"

#: Least bound that reply times can give, in seconds.
LEAST_BOUND = 0.03

#: Seconds before the first probe of a unit, and between urgent ones.
FIRST_PAUSE = 1.0

_ANSWERED = 256
_OWED = 64
_FUNCTION = 0x7F


@dataclass(frozen=True, slots=True)
class Habits:
    """
    How patient one port is with its units. Times are in seconds.

    @ivar timeout: until a reply begins, where a unit has no own.
    @ivar timeouts: those of units that have one.
    @ivar misses: in a row, that suspend a unit; 0: none ever is.
    @ivar linger: how long a reply may be late; `None`: twice the slowest of
        the unit, 1 to 3 s.
    @ivar longest_pause: between probes of one unit.
    @ivar share: of the bus, above 0, for all probes together.
    @ivar slack: that bytes may be held up on their way to us.
    """

    timeout: float = 1.0
    timeouts: Mapping[int, float] = field(default_factory=dict)
    misses: int = 3
    linger: float | None = None
    longest_pause: float = 10.0
    share: float = 0.05
    slack: float = 0.02


class ReplyTimes(NamedTuple):  # a new one for each reply: a tuple is made in a third of the time
    """
    Seconds from the end of a request to the first byte of its reply, smoothed
    as TCP does (RFC 6298, 2).
    """

    mean: float
    deviation: float
    slowest: float

    @classmethod
    def first(cls, delay: float) -> Self:
        return cls(delay, delay / 2, delay)

    def after(self, delay: float) -> "ReplyTimes":
        """What is known once one more reply has come."""
        mean, deviation, slowest = self
        off = delay - mean
        return ReplyTimes(
            mean + off / 8, deviation + (abs(off) - deviation) / 4, delay if delay > slowest else slowest
        )

    def bound(self, slack: float) -> float:
        """By when a reply should have begun."""
        return max(self.mean + 4 * self.deviation + slack, 2 * self.mean, LEAST_BOUND)


@dataclass(frozen=True, slots=True)
class UnitView:
    """
    A unit as it is now.

    @ivar state: `ok`, `missing` or `suspended`.
    @ivar misses: in a row.
    @ivar since: when its silence began; `None`: it is not silent.
    @ivar doubt: functions whose late replies may still come.
    @ivar times: by kind: `reads`, `writes`, `others`.
    @ivar next_try: when a request may go as a probe; `None`: it is not
        suspended, or a probe is under way.
    """

    unit: int
    state: str
    misses: int
    since: float | None
    doubt: tuple[int, ...]
    times: Mapping[str, ReplyTimes]
    next_try: float | None


@dataclass(eq=False, slots=True)
class Unit:
    """
    One unit.

    @ivar copies: those that it sends of its replies.
    @ivar owed: replies that may still come, in the order of their requests.
    @ivar answered: what it is known to answer; the latest last.
    @ivar strange: what it was silent to without having ever answered it, and
        since when, as long as nothing at all comes from it.
    @ivar guessed: it is suspended only because of those.
    @ivar silent: when its silence began.
    @ivar probes: how many it has not answered.
    @ivar probing: one is under way; `paced`: it counts against the budget.
    @ivar cost: seconds of the bus that the last attempt took.
    @ivar tried: when that ended; `due`: when the pause after it is over.
    @ivar asked: when somebody last wanted what it is known to answer.
    @ivar latest: what it has answered last.
    """

    copies: Copies
    owed: deque[Owed] = field(default_factory=lambda: deque(maxlen=_OWED))
    answered: dict[bytes, None] = field(default_factory=dict)
    times: dict[str, ReplyTimes] = field(default_factory=dict)
    strange: dict[bytes, float] = field(default_factory=dict)
    guessed: bool = False
    baudrate: int | None = None
    misses: int = 0
    silent: float = 0.0
    suspended: bool = False
    probes: int = 0
    probing: bool = False
    paced: bool = False
    cost: float = 0.0
    tried: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    asked: float = -math.inf
    latest: Request | None = None

    def owe(self, request: Request, ended: float) -> None:
        self.owed.append(Owed(request, ended))

    def settle(self, fits: Callable[[Owed], bool]) -> Owed | None:
        """
        A reply came. Units answer in turn, so it is that to the oldest request
        that it fits, and what was asked before that is answered no more.
        """
        if not any(map(fits, self.owed)):
            return None
        while not fits(oldest := self.owed.popleft()):
            pass
        return oldest

    def doubt(self, linger: float) -> dict[int, float]:
        """Until when a reply of each function may still come."""
        return {owed.function: owed.ended + linger for owed in self.owed}

    def forgive(self, linger: float, now: float) -> None:
        """What can come no more is not owed."""
        doubt = self.doubt(linger)
        for owed in [owed for owed in self.owed if doubt[owed.function] <= now]:
            self.owed.remove(owed)

    def remember(self, request: Request, baudrate: int) -> None:
        self.baudrate = baudrate
        if request is self.latest:  # a poller asks the same again and again
            return
        self.latest = request
        key = _key(request)
        self.answered.pop(key, None)
        self.answered[key] = None
        if len(self.answered) > _ANSWERED:
            del self.answered[next(iter(self.answered))]

    def expects(self, request: Request, baudrate: int | None) -> bool:
        """Whether the unit, if it lives, must be expected to answer this."""
        return self.listens(baudrate) and (not self.answered or _key(request) in self.answered)

    def listens(self, baudrate: int | None) -> bool:
        """Whether it can have understood what was sent at this speed; `None`: as at any."""
        return self.baudrate in (None, baudrate) or baudrate is None

    def telling(self, request: Request, timeout: float, slack: float) -> float:
        """How long a silence must be to be the unit's, and not its asker's haste."""
        times = self.times.get(kind_of(request))
        return timeout if times is None else min(timeout, times.bound(slack))

    def learn(self, kind: str, delay: float) -> None:
        delay = max(delay, 0.0)
        times = self.times.get(kind)
        self.times[kind] = ReplyTimes.first(delay) if times is None else times.after(delay)

    def lives(self) -> None:
        self.misses = 0
        if self.strange:
            self.strange.clear()
        self.suspended = self.guessed = self.probing = self.paced = False

    def missed(self, since: float) -> None:
        if not self.misses:
            self.silent = since
        self.misses += 1

    def missed_strange(self, request: Request, since: float) -> None:
        """It was silent to what it has never answered; the first time counts."""
        self.strange.setdefault(_key(request), since)

    def presumed(self, limit: int) -> bool:
        """Whether so many strange silences are one of the unit: then it is missing."""
        if len(self.strange) < limit:
            return False
        if not self.misses:
            self.silent = min(self.strange.values())
        self.misses = max(self.misses, len(self.strange))
        self.guessed = True
        return True

    def suspend(self, cost: float, now: float, pause: float) -> None:
        self.suspended, self.probes = True, 0
        self.cost, self.tried, self.pause, self.due = cost, now, pause, now + pause

    def tried_in_vain(self, cost: float, now: float, longest: float | None) -> None:
        """@param longest: the limit of the pauses; `None`: it told nothing, and they do not grow."""
        self.cost, self.tried, self.probes = cost, now, self.probes + 1
        if longest is None:
            self.due = max(self.due, now + min(FIRST_PAUSE, self.pause))
        else:
            self.pause = min(2 * self.pause, longest)
            self.due = now + self.pause

    def view(self, unit: int, linger: float, next_try: float | None, now: float) -> UnitView:
        """As it is now, for others to look at."""
        return UnitView(
            unit=unit,
            state="suspended" if self.suspended else "missing" if self.misses else "ok",
            misses=self.misses,
            since=self.silent if self.misses else None,
            doubt=tuple(sorted(function for function, until in self.doubt(linger).items() if until > now)),
            times=dict(self.times),
            next_try=next_try,
        )

    def silence(self, unit: int, now: float) -> str:
        return f"unit {unit} has been silent for {now - self.silent:.1f} s, {self.misses} requests in a row"


def kind_of(request: Request) -> str:
    """Which of the kinds it is."""
    if isinstance(request, Opaque):
        return OTHERS
    if request.writes:
        return WRITES
    return READS if request.repeatable else OTHERS


def _key(request: Request) -> bytes:
    """What a unit answers or not, whatever the values: a write by function and address, others as a whole."""
    return request.encode()[:3] if kind_of(request) == WRITES else request.encode()
