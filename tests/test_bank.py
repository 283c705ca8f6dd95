"""Simulated units: tables of registers, as a Bus."""

import struct
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadRequest, ExceptionReply, NoReply
from lumina.interfaces import Terms
from lumina.modbus import pdu
from lumina.modbus.pdu import Reply, Request
from lumina.modbus.values import Format
from lumina.simulator.bank import Bank
from lumina.simulator.memory import Signal
from lumina.simulator.moment import Moment
from lumina.simulator.process import Constant, Counter, Ramp, Uniform
from lumina.simulator.tables import bits, registers
from lumina.simulator.traits import Traits
from lumina.simulator.unit import Unit
from lumina.testing import FakeWatcher

EVERYTHING: list[Request] = [
    pdu.ReadCoils(0, 8),
    pdu.ReadDiscreteInputs(0, 4),
    pdu.ReadHoldingRegisters(100, 10),
    pdu.ReadInputRegisters(0, 4),
]

TENTHS = Format("int16", scale=Decimal("0.1"))

#: Requests about the addresses that are there, and those beside them.
NEAR = st.builds(
    lambda function, address, count, rest: struct.pack(">BHH", function, address, count) + rest,
    st.integers(1, 24),
    st.integers(0, 10) | st.integers(98, 111),
    st.integers(0, 11),
    st.just(b"") | st.binary(max_size=1).map(lambda byte: byte and b"\x02\x00" + byte),
)


def unit() -> Unit:
    """Eight coils, four discrete inputs, ten holding registers from 100 on, four input registers."""
    return Unit(
        coils=bits(8, held={1: 1}),
        discrete_inputs=bits(4, held={0: 1, 2: 1}),
        holding_registers=registers(10, 100, held={100: 7, 101: 0x12}),
        input_registers=registers(4, held={3: 1008}),
    )


class BankTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.bank = Bank({1: unit(), 2: unit()}, self.clock.seconds)

    def ask(self, request: Request, address: int = 1) -> Reply:
        return self.successResultOf(self.bank.execute(address, request))

    def refused(self, request: Request) -> int:
        code: int = self.failureResultOf(self.bank.execute(1, request), ExceptionReply).value.code
        return code

    def everything(self) -> list[bytes]:
        return [self.ask(request, address).pdu for request in EVERYTHING for address in (1, 2)]


class ReadTests(BankTestCase):
    def test_four_tables(self) -> None:
        """
        Each of the four reads has its own table.
        """
        self.assertEqual(self.ask(pdu.ReadCoils(0, 3)).bits, (False, True, False))
        self.assertEqual(self.ask(pdu.ReadDiscreteInputs(0, 3)).bits, (True, False, True))
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 2)).registers, (7, 0x12))
        self.assertEqual(self.ask(pdu.ReadInputRegisters(3, 1)).pdu, bytes.fromhex("04 02 03 F0"))

    def test_edges(self) -> None:
        """
        The first and the last address answer; one beside them is exception 02.
        """
        self.assertEqual(len(self.ask(pdu.ReadHoldingRegisters(100, 10)).registers), 10)
        for address, count in ((99, 1), (99, 2), (100, 11), (109, 2), (110, 1)):
            self.assertEqual(self.refused(pdu.ReadHoldingRegisters(address, count)), 2)

    def test_empty_table(self) -> None:
        """
        A table that the unit does not have is exception 02 everywhere.
        """
        self.bank = Bank({1: Unit()}, self.clock.seconds)
        self.assertEqual(self.refused(pdu.ReadCoils(0, 1)), 2)

    def test_time_of_exchange(self) -> None:
        """
        A reply tells when it was made.
        """
        self.clock.advance(5)
        reply = self.ask(pdu.ReadCoils(0, 1))
        self.assertEqual((reply.began, reply.ended), (5, 5))

    def test_the_refusal_says_what_there_is(self) -> None:
        """
        Who reads the cause of an exception finds the address, and what there is.
        """
        error = self.assertRaises(BadRequest, registers(10, 100).place, 120, 2)
        self.assertEqual(str(error), "address: 120 with count 2, the table has 100 to 109")
        error = self.assertRaises(BadRequest, registers(0).place, 0, 1)
        self.assertEqual(str(error), "address: 0 with count 1, the table has none")


class WriteTests(BankTestCase):
    def test_coils(self) -> None:
        """
        Coils are written one by one and several at once, and read back.
        """
        self.assertEqual(self.ask(pdu.WriteCoil(0, True)).pdu, bytes.fromhex("05 00 00 FF 00"))
        self.ask(pdu.WriteCoil(1, False))
        self.ask(pdu.WriteCoils(6, (True, True)))
        self.assertEqual(self.ask(pdu.ReadCoils(0, 8)).pdu, b"\x01\x01\xc1")

    def test_registers(self) -> None:
        """
        Registers are written one by one and several at once, and read back.
        """
        self.assertEqual(self.ask(pdu.WriteRegister(105, 1234)).pdu, bytes.fromhex("06 00 69 04 D2"))
        self.assertEqual(self.ask(pdu.WriteRegisters(106, (1, 2))).pdu, bytes.fromhex("10 00 6A 00 02"))
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(105, 3)).registers, (1234, 1, 2))

    def test_mask(self) -> None:
        """
        A mask write clears and sets bits of what is there; the specification's example.
        """
        self.ask(pdu.MaskWriteRegister(101, 0xF2, 0x25))
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(101, 1)).registers, (0x17,))

    def test_write_then_read(self) -> None:
        """
        Function 23 reads what it has just written.
        """
        reply = self.ask(pdu.ReadWriteRegisters(100, 3, 101, (8, 9)))
        self.assertEqual(reply.registers, (7, 8, 9))

    def test_refused_request_changes_nothing(self) -> None:
        """
        A write that goes beyond the table, or of which any part is refused, leaves all as it was.
        """
        before = self.everything()
        for request in (
            pdu.WriteCoil(8, True),
            pdu.WriteCoils(7, (True, True)),
            pdu.WriteRegister(99, 1),
            pdu.WriteRegisters(109, (1, 2)),
            pdu.WriteRegisters(99, (1, 2)),
            pdu.MaskWriteRegister(110, 0, 1),
            pdu.ReadWriteRegisters(109, 2, 100, (1, 2)),
            pdu.ReadWriteRegisters(100, 1, 109, (1, 2)),
        ):
            self.assertEqual(self.refused(request), 2, request)
            self.assertEqual(self.everything(), before, request)

    def test_units_are_their_own(self) -> None:
        """
        What is written to one unit is not in another.
        """
        self.ask(pdu.WriteRegister(100, 99), 1)
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 1), 2).registers, (7,))


class OtherRequestTests(BankTestCase):
    def test_other_functions(self) -> None:
        """
        A function that the unit does not serve is exception 01, known to lumina or not.
        """
        simple = Unit(coils=bits(8), traits=Traits(functions=(1,)))
        self.bank = Bank({1: simple}, self.clock.seconds)
        self.assertEqual(self.ask(pdu.ReadCoils(0, 8)).pdu, b"\x01\x01\x00")
        for request in (pdu.Opaque(b"\x42\x01"), pdu.Diagnostics(0, 5), pdu.WriteCoil(0, True)):
            self.assertEqual(self.refused(request), 1)

    def test_any_address(self) -> None:
        """
        A unit that is everywhere answers at every address, 0 and 255 included, but for those of others.
        """
        self.bank = Bank({2: unit()}, self.clock.seconds, anywhere=Unit(holding_registers=registers(1)))
        self.ask(pdu.WriteRegister(0, 9), 7)
        for address in (0, 1, 247, 255):
            self.assertEqual(self.ask(pdu.ReadHoldingRegisters(0, 1), address).registers, (9,))
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 1), 2).registers, (7,))

    def test_watchers(self) -> None:
        """
        Every request ends in one outcome, with its asker and its word.
        """
        watcher = FakeWatcher()
        self.bank = Bank({1: unit()}, self.clock.seconds, name="plant", watchers=[watcher])
        terms = Terms("somebody")
        for address, request in (
            (1, pdu.ReadCoils(0, 1)),
            (1, pdu.ReadCoils(9, 1)),
            (5, pdu.ReadCoils(0, 1)),
        ):
            self.bank.execute(address, request, terms).addErrback(lambda _: None)
        self.assertEqual([each.word for each in watcher.outcomes], ["ok", "exception_02", "timeout"])
        self.assertEqual({(each.port, each.terms) for each in watcher.outcomes}, {("plant", terms)})

    def test_status(self) -> None:
        """
        A simulated bus is never closed, and known to give nothing back.
        """
        status = Bank({1: unit(), 2: unit()}, self.clock.seconds, name="plant").status()
        self.assertEqual(
            (status.name, status.device, status.line, status.state, status.echo),
            ("plant", "simulated", "2 devices", "idle", False),
        )

    def test_a_watcher_that_fails(self) -> None:
        """
        A watcher that raises is logged, and the client has its answer.
        """
        watcher = FakeWatcher()
        watcher.outcomes = None  # type: ignore[assignment]
        self.bank = Bank({1: unit()}, self.clock.seconds, watchers=[watcher])
        self.assertEqual(self.ask(pdu.ReadCoils(0, 1)).bits, (False,))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_unknown_unit(self) -> None:
        """
        Where no unit is, there is silence at once, as on a wire after its timeout.
        """
        self.failureResultOf(self.bank.execute(3, pdu.ReadCoils(0, 1)), NoReply)

    def test_broadcast(self) -> None:
        """
        A broadcast write reaches every unit, and nobody answers.
        """
        self.assertEqual(self.ask(pdu.WriteRegister(100, 55), 0).pdu, b"")
        for address in (1, 2):
            self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 1), address).registers, (55,))

    def test_broadcast_that_some_refuse(self) -> None:
        """
        A broadcast is carried out by the units that can, and refused in silence by the others.
        """
        self.bank = Bank({1: Unit(), 2: unit()}, self.clock.seconds)
        self.assertEqual(self.ask(pdu.WriteRegister(100, 55), 0).pdu, b"")
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 1), 2).registers, (55,))

    def test_broadcast_read(self) -> None:
        """
        Reading from all is answered by none.
        """
        self.assertEqual(self.ask(pdu.ReadCoils(0, 1), 0).pdu, b"")


class MovingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        table = registers(
            6,
            signals={
                0: Signal(Ramp(20, 30, 100), TENTHS),
                2: Signal(Counter(1.5, 1), Format("float32")),
                4: Signal(Constant(-4.25), TENTHS),
                5: Signal(Counter(0, 1)),
            },
        )
        flags = bits(1, signals={0: Signal(Uniform(0, 1, stream="s"))})
        self.bank = Bank({1: Unit(holding_registers=table, discrete_inputs=flags)}, self.clock.seconds)

    def registers(self, address: int, count: int) -> tuple[int, ...]:
        return self.successResultOf(self.bank.execute(1, pdu.ReadHoldingRegisters(address, count))).registers

    def float(self) -> float:
        value: float = struct.unpack(">f", struct.pack(">HH", *self.registers(2, 2)))[0]
        return value

    def test_moves_with_the_clock(self) -> None:
        """
        Values move with the time since the bank was made, scaled and encoded as declared.
        """
        self.assertEqual((self.registers(0, 1), self.float()), ((200,), 1.5))
        self.clock.advance(10)
        self.assertEqual((self.registers(0, 1), self.float()), ((210,), 11.5))

    def test_negative(self) -> None:
        """
        A signed value below zero is in two's complement.
        """
        self.assertEqual(self.registers(4, 1), (0x10000 - 42,))

    def test_out_of_range(self) -> None:
        """
        A value that a register cannot hold stays at its limit instead of coming out anew at the other end.
        """
        self.clock.advance(70_000)
        self.assertEqual(self.registers(5, 1), (0xFFFF,))
        self.assertEqual(Signal(Constant(-4e9), TENTHS).words(Moment(1, 0)), (0x8000,))

    def test_half_of_a_float(self) -> None:
        """
        Each register of a value in two can be read alone.
        """
        self.assertEqual(self.registers(2, 1) + self.registers(3, 1), self.registers(2, 2))

    def test_bits(self) -> None:
        """
        Discrete inputs move too.
        """
        seen = set()
        for _ in range(20):
            seen.add(self.successResultOf(self.bank.execute(1, pdu.ReadDiscreteInputs(0, 1))).bits)
            self.clock.advance(1)
        self.assertEqual(seen, {(True,), (False,)})

    def test_a_write_holds(self) -> None:
        """
        What is written to a moving value stays, whatever time goes by; the others move on.
        """
        self.successResultOf(self.bank.execute(1, pdu.WriteRegister(0, 777)))
        self.clock.advance(10)
        self.assertEqual((self.registers(0, 1), self.float()), ((777,), 11.5))

    def test_a_write_to_half_of_a_value(self) -> None:
        """
        Written in part, a value of two registers is held in both, the other as it was just then.
        """
        high = self.registers(2, 1)
        self.clock.advance(1000)
        now = struct.unpack(">HH", struct.pack(">f", 1001.5))[:1]
        self.assertNotEqual(high, now)
        self.successResultOf(self.bank.execute(1, pdu.WriteRegister(3, 5)))
        self.clock.advance(1000)
        self.assertEqual(self.registers(2, 2), (*now, 5))

    def test_a_refused_write_stops_nothing(self) -> None:
        """
        After a refused write the value moves on.
        """
        self.failureResultOf(self.bank.execute(1, pdu.WriteRegisters(5, (1, 2))), ExceptionReply)
        self.clock.advance(3)
        self.assertEqual(self.registers(5, 1), (3,))


class AnyRequestTests(SynchronousTestCase):
    @given(st.lists(st.binary(min_size=1, max_size=20) | NEAR, max_size=10))
    def test_any_requests(self, bodies: list[bytes]) -> None:
        """
        Whatever is asked, the answer fits the request, or is an exception that changed nothing.
        """
        clock = Clock()
        bank = Bank({1: unit()}, clock.seconds)
        for body in bodies:
            try:
                request = pdu.parse(body)
            except ExceptionReply:
                continue
            before = [self.successResultOf(bank.execute(1, every)).pdu for every in EVERYTHING]
            answer = bank.execute(1, request).addErrback(lambda failure: failure.trap(ExceptionReply))
            result = self.successResultOf(answer)
            if isinstance(result, Reply):
                request.check(result.pdu)
            else:
                after = [self.successResultOf(bank.execute(1, every)).pdu for every in EVERYTHING]
                self.assertEqual(before, after)
