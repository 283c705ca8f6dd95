"""
A conversation of clients with a bus on which things go wrong, and its judgement.

It drives the real Port, Wire and Transaction in virtual time. What it objects
to is what somebody would suffer from, so that it knows no rule of the bus by
name: a bus that breaks one is found out by what becomes of its requests.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lumina.bus.port import JAM_TRIAL, Port
from lumina.bus.settings import PortSettings, UnitSettings
from lumina.bus.wire import PATIENCE
from lumina.errors import LuminaError
from lumina.interfaces import Outcome, Priority, Terms
from lumina.modbus.pdu import (
    BROADCAST,
    ReadHoldingRegisters,
    ReadInputRegisters,
    Reply,
    Request,
    WriteRegister,
)
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeWatcher, pass_time
from tests.oracle import Fate, Heard, Units

LINGER = 2.0
LINE = Line(19200)
SLACK, TURNAROUND, TIMEOUT = 0.02, 0.1, 0.3

#: A unit that needs more silence than the others before it is asked, and how much.
SLOW_UNIT, SLOW_GAP = 3, 0.04

#: A moment, where two things happen at the same time.
_SAME = 1e-6

_KINDS: dict[str, type[ReadHoldingRegisters] | type[ReadInputRegisters]] = {
    "holding": ReadHoldingRegisters,
    "input": ReadInputRegisters,
}


class Wrong(AssertionError):
    """The bus has done what it must not."""


def require(holds: object, complaint: str, *evidence: object) -> None:
    """@raise Wrong: it does not hold."""
    if not holds:
        raise Wrong(f"{complaint}: {evidence}")


@dataclass(frozen=True)
class Ask:
    """
    A client asks.

    @ivar what: `holding`, `input`, `write`, or `own`, a read that nobody else asks for.
    """

    client: str
    unit: int
    what: str
    address: int = 0
    timeout: float = 1.0
    patience: float = 8.0
    priority: Priority = Priority.NORMAL
    baudrate: int | None = None

    def request(self, number: int) -> Request:
        """Each write is another one, so that it is known on the line."""
        if self.what == "write":
            return WriteRegister(1000 + number, number)
        if self.what == "own":
            return ReadHoldingRegisters(2000 + number, 2)
        return _KINDS[self.what](self.address, 2)


@dataclass(frozen=True)
class Event:
    """
    Something else happens.

    @ivar what: `wait`, `cancel`, `unplug` or `babble`.
    @ivar value: seconds, or how many have been asked since the one that is withdrawn.
    """

    what: str
    value: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """What is asked, what goes wrong, and how the port is set up; `known`: whether it is told of the echo."""

    history: Sequence[Ask | Event]
    fates: Sequence[Fate]
    echo: bool = False
    known: bool = True
    retries: int = 0
    max_age: float = 0.0


@dataclass
class Asked:
    """A request, and all that came of it."""

    number: int
    ask: Ask
    request: Request
    at: float
    results: list[Any] = field(default_factory=list)
    done: "Deferred[Any]" = field(default_factory=Deferred)
    cancelled: bool = False

    @property
    def frame(self) -> bytes:
        return encode(self.ask.unit, self.request.encode())

    @property
    def alone(self) -> bool:
        """Whether nothing else looks like it on the line."""
        return self.ask.what in ("write", "own")

    def concerns(self, unit: int) -> bool:
        """Whether it is for this unit, or for every one."""
        return self.ask.unit in (BROADCAST, unit)


class Conversation:
    """
    One run.

    @ivar asked: all requests, in order.
    """

    def __init__(self, scenario: Scenario, build: Callable[[Port], Port] = lambda port: port) -> None:
        """@param build: may exchange parts of the port before it starts."""
        self.clock = Clock()
        self.line = Units(self.clock, LINE, scenario.echo)
        self.line.fates = list(scenario.fates)
        self.seen = FakeWatcher()
        self.asked: list[Asked] = []
        self.scenario = scenario
        self._settings = PortSettings(
            "bus",
            "/dev/ttyS0",
            line=LINE,
            timeout=TIMEOUT,
            turnaround=TURNAROUND,
            slack=SLACK,
            echo=scenario.echo if scenario.known else None,
            broadcast=True,
            retries=scenario.retries,
            max_age=scenario.max_age,
            linger=LINGER,
            longest_pause=3.0,
            units={SLOW_UNIT: UnitSettings(gap=SLOW_GAP)},
        )
        self.port = build(Port(self._settings, self.line, self.clock, [self.seen]))

    def run(self) -> None:
        """@raise Wrong: somebody would have suffered."""
        self.port.startService()
        pass_time(self.clock, 0.1)
        for step in self.scenario.history:
            self._step(step)
        self._recover()
        Judgement(self).give()
        stopped = self.port.stopService()
        pass_time(self.clock, 4)
        require(stopped.called, "it does not stop")
        require(not self.clock.getDelayedCalls(), "timers are left", self.clock.getDelayedCalls())

    def ask(self, ask: Ask) -> Asked:
        number = len(self.asked)
        asked = Asked(number, ask, ask.request(number), self.clock.seconds())
        terms = Terms(
            client=ask.client,
            id=str(number),
            priority=ask.priority,
            patience=ask.patience,
            timeout=ask.timeout,
            baudrate=ask.baudrate,
        )
        self.asked.append(asked)
        asked.done = self.port.execute(ask.unit, asked.request, terms).addBoth(asked.results.append)
        return asked

    def _step(self, step: Ask | Event) -> None:
        if isinstance(step, Ask):
            self.ask(step)
        elif step.what == "wait":
            pass_time(self.clock, step.value)
        elif step.what == "cancel":
            for asked in self.asked[-1 - int(step.value) :][:1]:
                asked.cancelled = asked.cancelled or not asked.results
                asked.done.cancel()
        elif step.what == "unplug":
            self.line.unplug()
            pass_time(self.clock, 0)
            open_ended = [asked for asked in self.asked if not asked.results]
            require(not open_ended, "a port is lost, and its requests are not told", open_ended)
        else:
            self.line.babble(step.value)

    def _recover(self) -> None:
        """The faults are over: within bounded time all is answered, and every unit can be asked again."""
        pass_time(self.clock, 5)
        self.ask(Ask("z", 1, "holding"))  # soon, whatever comes of it
        pass_time(self.clock, 15)
        self.line.fates.clear()
        pass_time(self.clock, 10)
        for asked in self.asked:
            require(len(asked.results) == 1, "not answered once", asked)
        for unit in (1, 2, 3):
            self._await_service(unit)

    def _await_service(self, unit: int) -> None:
        for _ in range(20):
            good = self.ask(Ask("z", unit, "holding"))
            pass_time(self.clock, 1)
            if good.results and isinstance(good.results[0], Reply):
                return
        require(False, "never served again", unit, good.results)


class Judgement:
    """What is to be said of a conversation that is over."""

    def __init__(self, conversation: Conversation) -> None:
        self._asked = conversation.asked
        self._line = conversation.line
        self._seen = conversation.seen
        self._max_age = conversation.scenario.max_age
        self._outcomes: dict[int, Outcome] = {}

    def give(self) -> None:
        """@raise Wrong: with the first objection."""
        self._answered_once()
        self._silence_kept()
        for asked in self._asked:
            outcome = self._outcomes[asked.number]
            self._sent_as_asked(asked, outcome)
            result = asked.results[0]
            if isinstance(result, Failure):
                self._failure(asked, result)
            else:
                self._reply(asked, outcome, result)
        self._in_order()
        self._shared()

    def _answered_once(self) -> None:
        for outcome in self._seen.outcomes:
            number = int(outcome.terms.id)
            require(number not in self._outcomes, "ended twice", outcome)
            self._outcomes[number] = outcome
        require(len(self._outcomes) == len(self._asked), "outcomes are missing")

    def _silence_kept(self) -> None:
        """Before each request, and longer where somebody may still be speaking."""
        for heard, exchange in zip(self._line.heard, self._seen.exchanges, strict=True):
            require(heard.frame == exchange.outgoing, "an exchange that was not", exchange)
            gap = SLOW_GAP if heard.unit == SLOW_UNIT else heard.line.gap
            require(heard.quiet > gap - _SAME, "sent without the gap", heard)
            cut = heard.broken and heard.quiet < SLACK - _SAME
            require(not cut, "sent into another's reply", heard)
        for before, after in pairwise(self._line.heard):
            if before.unit == BROADCAST:
                since = after.began - before.ended
                require(since > TURNAROUND - _SAME, "sent while all are busy with a broadcast", before, after)

    def _sent_as_asked(self, asked: Asked, outcome: Outcome) -> None:
        """As often, as late and as fast as is right."""
        on_line = [heard for heard in self._line.heard if heard.frame == asked.frame]
        if asked.request.writes:
            require(len(on_line) <= 1, "a write was sent twice", asked, on_line)
        if asked.alone and outcome.sent is None:
            require(not on_line, f"{outcome.word}, and sent all the same", asked, on_line)
        waited = (outcome.answered if outcome.sent is None else outcome.sent) - asked.at
        require(waited < asked.ask.patience + _SAME, "its time passed, and it was not told", asked, outcome)
        if asked.alone:
            speeds = {heard.line.baudrate for heard in on_line}
            require(speeds <= {asked.ask.baudrate or LINE.baudrate}, "sent at another speed", asked, speeds)

    def _failure(self, asked: Asked, result: Failure) -> None:
        allowed = (CancelledError,) if asked.cancelled else ()
        require(result.check(LuminaError, *allowed), "an error that is none of ours", asked, result)
        require(getattr(result.value, "word", "") != "error", "a fault in lumina itself", asked, result)
        if "never quiet" in str(result.value):
            # A trial begins a second after the last one, waits for silence, and takes its time.
            latest = self._line.noisy + JAM_TRIAL + PATIENCE + asked.ask.timeout + 1.0
            require(asked.at < latest, "a quiet line is still refused", asked, self._line.noisy)

    def _reply(self, asked: Asked, outcome: Outcome, reply: Reply) -> None:
        """
        It is what the unit said to this request: to an exchange that began
        when the request was sent, or that was young enough where it is allowed.
        """
        since = outcome.sent
        if since is None:  # its age counts from its end
            since = asked.at - self._max_age - (reply.ended - reply.began)
        said = [
            heard
            for heard in self._line.heard
            if heard.frame == asked.frame
            and heard.began > since - _SAME
            and (not heard.unit or encode(heard.unit, reply.pdu) in heard.replies)
        ]
        require(said, "answered with what the unit did not say to it", asked, reply)
        if outcome.sent is None:
            self._cached(asked, said[-1])

    def _cached(self, asked: Asked, exchange: Heard) -> None:
        for write in self._writes(asked.ask.unit):
            written = [heard for heard in self._line.heard if heard.frame == write.frame]
            if write.number < asked.number and written and written[0].began > exchange.began:
                require(False, "answered with a value from before a write", asked, write)

    def _in_order(self) -> None:
        last: dict[tuple[str, int, int], float] = defaultdict(float)
        for asked in self._asked:
            sent = self._outcomes[asked.number].sent
            if sent is not None:
                ask = asked.ask
                queue = (ask.client, ask.unit, ask.priority)
                require(sent > last[queue] - _SAME, "sent before what its client asked before", asked)
                last[queue] = sent

    def _shared(self) -> None:
        """Reads on both sides of a write that waited with them have exchanges of their own."""
        for party in self._parties():
            first, last, sent = party[0], party[-1], self._outcomes[party[0].number].sent
            assert sent is not None
            for write in self._writes(first.ask.unit):
                if first.number < write.number < last.number:
                    outcome = self._outcomes[write.number]
                    over = outcome.answered if outcome.sent is None else outcome.sent
                    require(
                        over < sent + _SAME, "one exchange for what was asked around a write", write, party
                    )

    def _parties(self) -> Iterator[list[Asked]]:
        """Those that were sent at the same time, which is with the same exchange."""
        sent = [(self._outcomes[asked.number].sent, asked) for asked in self._asked]
        counts = Counter(when for when, _ in sent if when is not None)
        for when, number in counts.items():
            if number > 1:
                yield [asked for at, asked in sent if at == when]

    def _writes(self, unit: int) -> Iterator[Asked]:
        return (asked for asked in self._asked if asked.request.writes and asked.concerns(unit))
