"""A refused request changes nothing, whatever its function and whatever is wrong with it."""

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import ExceptionReply
from lumina.modbus import pdu
from lumina.modbus.pdu import RecordData, RecordRange, Reply, Request
from lumina.simulator.bank import Bank
from lumina.simulator.files import Files, Queues
from lumina.simulator.memory import Signal
from lumina.simulator.process import Ramp
from lumina.simulator.tables import BitsOf, Table, bits, registers
from lumina.simulator.traits import Traits
from lumina.simulator.unit import Unit
from tests.examples import tries

#: Addresses within the tables, at their edges, in their holes, and beyond.
NEAR = st.integers(0, 14) | st.integers(96, 115) | st.sampled_from((65534, 65535))
COUNTS = st.integers(0, 20) | st.sampled_from((123, 124, 125, 126, 1968, 1969, 2000, 2001, 65535))
WORDS = st.integers(0, 0xFFFF)


def device() -> Unit:
    """Tables with a hole, what is fixed, what moves, and what is shown twice; files and queues."""
    coils = bits(12, held={1: 1, 5: 1})
    coils.memory.restrict(4, 2, False, False)
    holding = registers(12, 100, held={address: address for address in range(100, 112)})
    holding.memory.restrict(3, 1, readable=True, writable=False)
    holding.memory.restrict(7, 1, readable=False, writable=True)
    holding.memory.put(10, Signal(Ramp(0, 1000, 100)))
    files = Files({1: range(10), 2: range(5)})
    queues = Queues({100: range(5), 101: range(40)})
    return Unit(coils, BitsOf(holding), holding, Table(holding.memory, first=2), files, queues, Traits())


def state(unit: Unit) -> list[bytes]:
    """All that a request could change, bit for bit."""
    memories = [unit.table(name).memory for name in ("coils", "holding_registers")]
    moving = [repr(list(memory.moving())).encode() for memory in memories]
    files = [bytes(held) for held in unit.files.data.values()]
    return [bytes(memory.data) for memory in memories] + moving + files + [repr(unit.queues.data).encode()]


def word(value: int) -> bytes:
    return value.to_bytes(2, "big")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A request of any function, near what is there, often with a wrong count, length or value."""
    function = draw(st.sampled_from([*pdu.KINDS, 0x09, 0x2A, 0x64]))
    address, count = word(draw(NEAR)), draw(COUNTS)
    data = draw(st.binary(max_size=40))
    match function:
        case 0x0F | 0x10:
            size = draw(st.sampled_from(((count + 7) // 8, 2 * count, len(data)))) & 0xFF
            rest = address + word(count) + bytes((size,)) + draw(st.binary(min_size=size, max_size=size))
        case 0x16:
            rest = address + word(draw(WORDS)) + word(draw(WORDS))
        case 0x17:
            written = draw(st.integers(0, 5))
            head = word(draw(NEAR)) + word(written) + bytes((2 * written,))
            rest = address + word(count) + head + draw(st.binary(min_size=2 * written, max_size=2 * written))
        case 0x14 | 0x15:
            groups = b"".join(draw(st.lists(_groups(function == 0x15), max_size=3)))
            rest = bytes((len(groups) & 0xFF,)) + groups
        case 0x18:
            rest = address
        case 0x2B:
            rest = bytes((14, draw(st.integers(0, 5)), draw(st.integers(0, 255))))
        case _:
            rest = address + word(draw(st.sampled_from((0, 1, 2, 0xFF00, count))))
    return bytes((function,)) + rest[: draw(st.sampled_from((252, 252, 252, 1)))]


@st.composite
def _groups(draw: st.DrawFn, writes: bool) -> bytes:
    count = draw(st.integers(0, 6))
    kind = draw(st.sampled_from((6, 6, 6, 5)))
    head = bytes((kind,)) + word(draw(st.integers(0, 3))) + word(draw(st.integers(0, 11))) + word(count)
    return head + (draw(st.binary(min_size=2 * count, max_size=2 * count)) if writes else b"")


#: What each kind of refusal looks like, for each function that writes.
REFUSED: list[tuple[Request, int]] = [
    (pdu.WriteCoil(12, True), 2),
    (pdu.WriteCoil(4, True), 2),
    (pdu.WriteCoils(10, (True, True, True)), 2),
    (pdu.WriteCoils(3, (True, True)), 2),
    (pdu.WriteRegister(112, 1), 2),
    (pdu.WriteRegister(103, 1), 2),
    (pdu.WriteRegisters(99, (1, 2)), 2),
    (pdu.WriteRegisters(111, (1, 2)), 2),
    (pdu.WriteRegisters(102, (1, 2)), 2),
    (pdu.WriteRegisters(109, (1, 2, 3, 4)), 2),
    (pdu.MaskWriteRegister(112, 0, 0xFFFF), 2),
    (pdu.MaskWriteRegister(103, 0, 0xFFFF), 2),
    (pdu.ReadWriteRegisters(111, 2, 100, (9, 9)), 2),
    (pdu.ReadWriteRegisters(107, 1, 100, (9, 9)), 2),
    (pdu.ReadWriteRegisters(100, 1, 102, (9, 9)), 2),
    (pdu.ReadWriteRegisters(100, 1, 111, (9, 9)), 2),
    (pdu.WriteFileRecord((RecordData(1, 0, (9,)), RecordData(3, 0, (9,)))), 2),
    (pdu.WriteFileRecord((RecordData(2, 4, (9, 9)),)), 2),
    (pdu.ReadFileRecord((RecordRange(2, 5, 1),)), 2),
    (pdu.ReadFIFOQueue(101), 3),
    (pdu.ReadFIFOQueue(99), 2),
    (pdu.Opaque(b"\x64\x00\x01"), 1),
    (pdu.Opaque(bytes.fromhex("10 0064 0002 03 0009 00")), 3),
    (pdu.Opaque(bytes.fromhex("05 0000 1234")), 3),
]


class RefusalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.unit = device()
        self.clock = Clock()
        self.bank = Bank({1: self.unit}, self.clock.seconds)

    def test_each(self) -> None:
        """
        Every function, refused for every reason that it has, leaves each table, file and queue bit for bit.
        """
        self.clock.advance(5)
        before = state(self.unit)
        for request, code in REFUSED:
            failure = self.failureResultOf(self.bank.execute(1, request), ExceptionReply)
            self.assertEqual((failure.value.code, state(self.unit)), (code, before), request)

    def test_broadcast(self) -> None:
        """
        A broadcast that is refused changes nothing either.
        """
        before = state(self.unit)
        for request, _ in REFUSED:
            self.successResultOf(self.bank.execute(0, request))
            self.assertEqual(state(self.unit), before, request)

    @tries(300)
    @given(st.lists(bodies(), max_size=8))
    @example([bytes.fromhex("17 0064 0001 0000 0001 02 0009")])
    def test_any(self, asked: list[bytes]) -> None:
        """
        Whatever is asked in whatever order, only what is answered without an exception changes anything.
        """
        unit = device()
        bank = Bank({1: unit}, Clock().seconds)
        for body in asked:
            before = state(unit)
            done = bank.execute(1, pdu.Opaque(body)).addErrback(lambda failure: failure.value)
            result = self.successResultOf(done)
            if isinstance(result, Reply):
                pdu.parse(body).check(result.pdu)
            elif isinstance(result, ExceptionReply):
                self.assertEqual(state(unit), before, body)
                self.assertIn(result.code, (1, 2, 3))
