"""
The answer belongs to the question, whatever goes wrong on the line.

Random faults, clients, cancellations and unplugging, in virtual time, against
the real Port, Wire and Transaction. `LUMINA_EXAMPLES=5000` in the environment
runs more of them.

Two replies that are the same in unit, function and shape cannot be told apart
by their bytes. So after a silence nothing of that function goes to the unit
until its late reply has come, or could only come after the linger; and what
came before a request is sent is never its reply. A unit that speaks without
being asked, in the form of the reply that is just awaited, is beyond what
serial Modbus can tell, and is not among the faults here.
"""

import os
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings
from lumina.errors import LuminaError
from lumina.interfaces import Outcome, Priority, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, ReadInputRegisters, Reply, Request, WriteRegister
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeWatcher, pass_time
from tests.oracle import ALIEN, Fate, Units

LINGER = 2.0
LINE = Line(19200)

noise = st.sampled_from([b"\x00", b"\xff", b"\x00\xff\x55", b"\x01", b"\x01\x03", b"\x02\x04\x02", bytes(30)])
delays = st.sampled_from([0.0, 0.002, 0.02, 0.05])
kinds = st.sampled_from(
    "silent crc cut unit function count before after inside twice pieces exception".split(" ")  # noqa: SIM905
)
fates = st.one_of(
    st.builds(Fate, st.just("good"), delays),
    st.builds(Fate, st.just("late"), st.sampled_from([0.05, 0.2, 0.5, 1.0, LINGER - 0.1])),
    st.builds(Fate, kinds, delays, st.integers(1, 12), noise),
)


@dataclass(frozen=True)
class Ask:
    """A client asks."""

    client: str
    unit: int
    what: str
    address: int
    timeout: float
    patience: float
    priority: Priority
    baudrate: int | None


asks = st.builds(
    Ask,
    st.sampled_from("abcd"),
    st.sampled_from([1, 1, 1, 2, 3]),
    st.sampled_from(["holding", "holding", "input", "write"]),
    st.integers(0, 2),
    st.sampled_from([0.03, 0.1, 0.3, 1.0]),
    st.sampled_from([0.2, 8.0, 8.0]),
    st.sampled_from(list(Priority)),
    st.sampled_from([None, None, None, 9600]),
)
steps = st.one_of(
    asks,
    asks,
    asks,
    st.sampled_from([0.005, 0.05, 0.2, 1.0]).map(lambda seconds: ("wait", seconds)),
    st.integers(0, 30).map(lambda number: ("cancel", number)),
    st.sampled_from([("unplug", 0.0), ("babble", 0.7), ("babble", 0.05)]),
)


@dataclass
class Asked:
    """A request, and all that came of it."""

    ask: Ask
    request: Request
    at: float
    done: "Deferred[Any]"
    results: list[Any]
    cancelled: bool = False


class Conversation:
    """One run, and its judgement."""

    def __init__(
        self, test: SynchronousTestCase, echo: bool, known: bool, retries: int, max_age: float
    ) -> None:
        self.test = test
        self.clock = Clock()
        self.line = Units(self.clock, LINE, echo)
        self.seen = FakeWatcher()
        self.asked: list[Asked] = []
        self.retries = retries
        self.port = Port(
            PortSettings(
                "bus",
                "/dev/ttyS0",
                line=LINE,
                timeout=0.3,
                echo=echo if known else None,
                retries=retries,
                max_age=max_age,
                linger=LINGER,
                longest_pause=3.0,
            ),
            self.line,
            self.clock,
            [self.seen],
        )
        self.port.startService()
        pass_time(self.clock, 0.1)

    def step(self, step: Any) -> None:
        if isinstance(step, Ask):
            self.ask(step)
            return
        what, value = step
        if what == "wait":
            pass_time(self.clock, value)
        elif what == "cancel" and value < len(self.asked):
            asked = self.asked[value]
            asked.cancelled = asked.cancelled or not asked.results
            asked.done.cancel()
        elif what == "unplug":
            self.line.unplug()
        elif what == "babble":
            self.line.babble(value)

    def ask(self, ask: Ask) -> Asked:
        number = len(self.asked)
        request: Request = WriteRegister(1000 + number, number)
        if ask.what != "write":
            kind = ReadHoldingRegisters if ask.what == "holding" else ReadInputRegisters
            request = kind(ask.address, 2)
        terms = Terms(
            client=ask.client,
            id=str(number),
            priority=ask.priority,
            patience=ask.patience,
            timeout=ask.timeout,
            baudrate=ask.baudrate,
        )
        asked = Asked(ask, request, self.clock.seconds(), Deferred(), [])
        self.asked.append(asked)
        asked.done = self.port.execute(ask.unit, request, terms).addBoth(asked.results.append)
        return asked

    def finish(self) -> None:
        """The faults are over: within bounded time all is answered, and every unit can be asked again."""
        pass_time(self.clock, 20)
        self.line.fates.clear()
        pass_time(self.clock, 10)
        for asked in self.asked:
            self.test.assertEqual(len(asked.results), 1, asked)
        for unit in (1, 2, 3):
            for _ in range(20):
                good = self.ask(Ask("z", unit, "holding", 0, 1.0, 8.0, Priority.NORMAL, None))
                pass_time(self.clock, 1)
                if isinstance(good.results[0], Reply):
                    break
            else:
                self.test.fail(f"unit {unit} is never served again: {good.results}")
        self.judge()
        stopped = self.port.stopService()
        pass_time(self.clock, 4)
        self.test.assertTrue(stopped.called)
        self.test.assertEqual(self.clock.getDelayedCalls(), [])

    def judge(self) -> None:
        self.test.assertEqual(self.line.early, [])
        ended: dict[str, Outcome] = {}
        for outcome in self.seen.outcomes:
            self.test.assertNotIn(outcome.terms.id, ended)
            ended[outcome.terms.id] = outcome
        self.test.assertEqual(len(ended), len(self.asked))
        for number, asked in enumerate(self.asked):
            result, frame = asked.results[0], encode(asked.ask.unit, asked.request.encode())
            sent = [heard for heard in self.line.heard if heard.frame == frame]
            if asked.request.writes:
                self.test.assertLessEqual(len(sent), 1, asked)
            if isinstance(result, Failure):
                allowed = (CancelledError,) if asked.cancelled else ()
                self.test.assertTrue(result.check(LuminaError, *allowed), result)
                self.test.assertNotEqual(getattr(result.value, "word", ""), "error", result)
            else:
                self._judge_reply(asked, ended[str(number)].sent, result)

    def _judge_reply(self, asked: Asked, sent: float | None, reply: Reply) -> None:
        """
        It is what the unit said to this request: to an exchange that began
        when the request was sent, or that was young enough where it is allowed.
        """
        since = asked.at - self.port._settings.max_age if sent is None else sent
        frame = encode(asked.ask.unit, asked.request.encode())
        said = [
            heard
            for heard in self.line.heard
            if heard.frame == frame
            and heard.began >= since - 1e-6
            and encode(heard.unit, reply.pdu) in heard.replies
        ]
        self.test.assertTrue(said, (asked, reply, self.line.heard))
        if not asked.request.writes:
            self.test.assertNotIn(ALIEN, reply.registers)


#: How hard to try.
thoroughly = settings(
    deadline=None,
    max_examples=int(os.environ.get("LUMINA_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
)

#: Haste, and units that take their time: what makes late replies.
hasty = st.builds(
    Ask,
    st.sampled_from("abc"),
    st.sampled_from([1, 1, 2]),
    st.sampled_from(["holding", "holding", "input"]),
    st.integers(0, 2),
    st.sampled_from([0.03, 0.3, 1.0]),
    st.just(8.0),
    st.just(Priority.NORMAL),
    st.none(),
)
writing = st.builds(
    Ask,
    st.sampled_from("abc"),
    st.sampled_from([1, 2]),
    st.just("write"),
    st.just(0),
    st.sampled_from([0.1, 0.3]),
    st.just(8.0),
    st.just(Priority.NORMAL),
    st.none(),
)
slow = st.builds(
    Fate, st.sampled_from(["late", "late", "silent"]), st.sampled_from([0.05, 0.1, 0.4, 1.0, 1.9])
)


class ConversationTests(SynchronousTestCase):
    @thoroughly
    @given(
        st.lists(steps, min_size=3, max_size=30),
        st.lists(fates, max_size=30),
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.0, 0.5]),
    )
    def test_any_conversation(
        self, history: list[Any], faults: list[Fate], echo: bool, known: bool, retries: int, max_age: float
    ) -> None:
        """
        No request is answered with what the unit did not say to it, no write
        goes out twice, every request has one answer in bounded time, and the
        bus is usable when the faults are over.
        """
        conversation = Conversation(self, echo, known, retries, max_age)
        conversation.line.fates = list(faults)
        for step in history:
            conversation.step(step)
        conversation.finish()

    @thoroughly
    @given(
        st.lists(st.one_of(hasty, hasty, st.just(("wait", 0.05))), min_size=4, max_size=20),
        st.lists(slow, min_size=2, max_size=20),
        st.integers(0, 2),
    )
    def test_late_replies(self, history: list[Any], faults: list[Fate], retries: int) -> None:
        """
        A reply that is late by anything up to the linger is never taken for the
        reply to another request.
        """
        conversation = Conversation(self, False, True, retries, 0.0)
        conversation.line.fates = list(faults)
        for step in history:
            conversation.step(step)
        conversation.finish()

    @thoroughly
    @given(
        st.lists(st.one_of(writing, writing, hasty, st.just(("wait", 0.2))), min_size=3, max_size=15),
        st.lists(st.builds(Fate, st.sampled_from(["silent", "silent", "good", "crc"])), max_size=15),
        st.booleans(),
        st.booleans(),
    )
    def test_writes(self, history: list[Any], faults: list[Fate], echo: bool, known: bool) -> None:
        """
        A write that the unit has not confirmed is never reported as done,
        whether the line echoes, and whether that is known.
        """
        conversation = Conversation(self, echo, known, 1, 0.0)
        conversation.line.fates = list(faults)
        for step in history:
            conversation.step(step)
        conversation.finish()
