"""Whatever a Modbus TCP device sends: the answer belongs to the question, and there is one."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.link import FIRST_PAUSE
from lumina.bus.settings import DeviceSettings
from lumina.bus.tcp import Device
from lumina.errors import LuminaError
from lumina.interfaces import Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, WriteRegister, parse
from lumina.testing import FakeLine, FakeWatcher
from tests.examples import tries

UNITS = 3
TIMEOUT = 0.5

#: Longer than any request may last: its patience, the other requests before it, and its own time.
LONG_ENOUGH = 120.0

Step = tuple[Any, ...]


@dataclass
class Asked:
    """A request of ours; `since` is how many messages had been sent before."""

    unit: int
    address: int
    write: bool
    since: int
    done: Deferred[Reply]


class World:
    """
    A device under test, and the far end of its connection.

    The value that the far end gives for a request is the number of the
    message that asked for it, so every answer tells which question it is to.
    """

    def __init__(self, pipelining: int, retries: int, misses: int) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()
        chosen = DeviceSettings(
            "d", "tcp:d:502", timeout=TIMEOUT, pipelining=pipelining, retries=retries, misses=misses
        )
        self.bus = Device(chosen, self.line, self.clock, [self.seen])
        self.bus.startService()
        self.asked: list[Asked] = []
        self.answers: list[tuple[Asked, object]] = []
        self.messages: list[mbap.ADU] = []

    def ask(self, unit: int, address: int, write: bool, client: int) -> None:
        request = WriteRegister(address, 1) if write else ReadHoldingRegisters(address, 1)
        terms = Terms(client=f"c{client}", patience=5.0)
        self.look()
        asked = Asked(unit, address, write, len(self.messages), self.bus.execute(unit, request, terms))
        self.asked.append(asked)
        asked.done.addBoth(lambda result: self.answers.append((asked, result)))

    def reply(self, back: int) -> bytes:
        """The right reply to the last message, or to one so many before; nothing, if there is none."""
        self.look()
        number = len(self.messages) - 1 - back
        if number < 0:
            return b""
        transaction, unit, pdu = self.messages[number]
        body = pdu if pdu[0] == 6 else b"\x03\x02" + number.to_bytes(2, "big")
        return mbap.encode(transaction, unit, body)

    def look(self) -> None:
        """Read what was sent."""
        if self.line.is_open:
            self.messages += mbap.Frames().received(self.line.sent())

    def receive(self, data: bytes, cuts: list[int]) -> None:
        """Let bytes come in pieces, as long as the connection lasts."""
        places = sorted({cut % (len(data) + 1) for cut in cuts})
        for start, stop in zip([0, *places], [*places, len(data)], strict=True):
            if data[start:stop] and self.line.is_open:
                self.line.receive(data[start:stop])

    def unplug(self) -> None:
        """The connection is lost; in a moment there is another."""
        self.line.unplug()
        self.clock.advance(FIRST_PAUSE)

    def close(self) -> None:
        """The end: nothing more comes."""
        for _ in range(int(LONG_ENOUGH / 0.5)):
            self.clock.advance(0.5)
            self.clock.advance(0)
            self.look()


def altered(reply: bytes, how: int, by: int) -> bytes:
    """A whole message that differs from a right reply in one field, and has a wrong value."""
    adu = mbap.Frames().received(reply)[0]
    if adu.pdu[0] == 3:
        adu = adu._replace(pdu=b"\x03\x02\xff\xff")
    if how == 0:
        return mbap.encode((adu.transaction + 1000 + by) % 0x10000, adu.unit, adu.pdu)
    if how == 1:
        return mbap.encode(adu.transaction, (adu.unit + 1 + by) % 256, adu.pdu)
    if how == 2:
        return mbap.encode(adu.transaction, adu.unit, bytes((adu.pdu[0] + 1,)) + adu.pdu[1:])
    if how == 3:
        return mbap.encode(adu.transaction, adu.unit, adu.pdu + bytes(1 + by))
    return reply[:2] + b"\x00\x07" + reply[4:]


BACK = st.sampled_from((0, 0, 0, 1, 1, 2, 5))
SMALL = st.integers(0, 40)
CUTS = st.lists(SMALL, max_size=2)
WRITE = st.sampled_from((False, False, False, True))
ASK = st.tuples(st.just("ask"), st.integers(1, UNITS), st.integers(0, 2), WRITE, st.integers(0, 2))
REPLY = st.tuples(st.just("reply"), BACK, CUTS)
TROUBLE = st.one_of(
    st.tuples(st.just("altered"), BACK, st.integers(0, 4), SMALL, CUTS),
    st.tuples(st.just("wait"), st.sampled_from((0.01, 0.2, TIMEOUT, 2.0))),
    st.tuples(st.just("half"), BACK, SMALL),
    st.tuples(st.just("lie"), st.integers(255, 0xFFFF)),
    st.tuples(st.just("unplug")),
)
STEPS = st.lists(st.one_of(ASK, ASK, REPLY, REPLY, TROUBLE), min_size=12, max_size=50)
SETTINGS = st.tuples(st.sampled_from((1, 8)), st.integers(0, 1), st.sampled_from((0, 2)))


def take(world: World, step: Step) -> None:
    """One thing that happens."""
    kind, *rest = step
    if kind == "ask":
        world.ask(*rest)
    elif kind == "reply":
        world.receive(world.reply(rest[0]), rest[1])
    elif kind == "altered":
        reply = world.reply(rest[0])
        world.receive(altered(reply, rest[1], rest[2]) if reply else b"", rest[3])
    elif kind == "wait":
        world.clock.pump([rest[0], 0])
    elif kind == "half":
        # Nothing follows the beginning of a message but its rest, or the end of the connection.
        reply = world.reply(rest[0])
        world.receive(reply[: rest[1] % (len(reply) + 1)], [])
        world.unplug()
    elif kind == "lie":
        world.receive(b"\x00\x01\x00\x00" + rest[0].to_bytes(2, "big") + b"\x01", [])
        world.clock.advance(FIRST_PAUSE)
    elif kind == "unplug":
        world.unplug()


class AnyDeviceTests(SynchronousTestCase):
    @tries(300)
    @given(SETTINGS, STEPS)
    def test_answers_belong_to_questions(self, chosen: tuple[int, int, int], steps: list[Step]) -> None:
        """
        However replies are delayed, doubled, lost, cut, altered or mixed: every request ends
        once, in bounded time, and a good end is the reply to a message that asked just that
        while it was asked. A write goes out once.
        """
        world = World(*chosen)
        for step in steps:
            take(world, step)
            world.look()
        world.close()
        self.assertEqual(len(world.answers), len(world.asked))
        self.assertEqual(len(world.seen.outcomes), len(world.asked))
        for asked, result in world.answers:
            if isinstance(result, Reply) and not asked.write:
                number = result.registers[0]
                self.assertIn(number, range(asked.since, len(world.messages)))
                message = world.messages[number]
                read = ReadHoldingRegisters(asked.address, 1)
                self.assertEqual((message.unit, message.pdu), (asked.unit, read.encode()))
            elif not isinstance(result, Reply):
                self.assertIsInstance(result.value, LuminaError)  # type: ignore[attr-defined]
        written = sum(parse(message.pdu).writes for message in world.messages)
        self.assertLessEqual(written, sum(asked.write for asked in world.asked))

    @tries(200)
    @given(SETTINGS, st.lists(st.integers(0, 3) | st.binary(max_size=40), min_size=5, max_size=30))
    def test_any_bytes(self, chosen: tuple[int, int, int], steps: list[bytes | int]) -> None:
        """
        Any bytes in any pieces raise nothing, and every request still ends once in bounded time.
        """
        world = World(*chosen)
        for step in steps:
            if isinstance(step, int):
                world.ask(1 + step % UNITS, step, step == 3, step)
                world.clock.pump([0.2, 0])
            else:
                world.receive(b"\x00\x01\x00\x00" + step, [])
        world.close()
        self.assertEqual(len(world.answers), len(world.asked))
        self.assertEqual(len(world.seen.outcomes), len(world.asked))
