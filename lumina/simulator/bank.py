"""
Tables of registers, as a Bus: simulated units that answer at once.

A unit has the four tables of the specification (Application Protocol V1.1b3,
4.3). What is in them is held, or moved by a process. A refused request
changes nothing, whatever its function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from lumina.errors import BadRequest, ExceptionReply, NoReply
from lumina.interfaces import Terms
from lumina.modbus.pdu import (
    MaskWriteRegister,
    ReadCoils,
    ReadDiscreteInputs,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadWriteRegisters,
    Reply,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from lumina.modbus.request import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, refusal
from lumina.modbus.values import Format
from lumina.simulator.process import Moment, Process

_BROADCAST = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """A process, and how a device puts its value into registers."""

    process: Process
    format: Format = Format()  # noqa: RUF009

    @property
    def size(self) -> int:
        """How many registers it takes."""
        return self.format.registers

    def words(self, moment: Moment) -> tuple[int, ...]:
        """The registers at a moment. A value that does not fit stays at the nearest that does."""
        lowest, highest = self.format.limits
        return self.format.encode(min(max(self.process.value(moment), float(lowest)), float(highest)))


class Table:
    """
    Registers or bits, from one address on.

    A write holds: what is written to a moving value stays, and moves no more.
    Of a value in two registers both are held then.
    """

    def __init__(
        self,
        size: int,
        start: int = 0,
        held: Mapping[int, int] | None = None,
        signals: Mapping[int, Signal] | None = None,
    ) -> None:
        """
        @param size: how many there are; 0 without any.
        @param start: the first PDU address.
        @param held: values by address; 0 where nothing is said.
        @param signals: what moves, by its first address.
        """
        self._start = start
        self._words = [0] * size
        self._signals: dict[int, Signal] = {}
        for address, word in (held or {}).items():
            self._words[self._place(address, 1)] = [word]
        for address, signal in (signals or {}).items():
            self._place(address, signal.size)
            self._signals[address] = signal

    def check(self, address: int, count: int) -> None:
        """@raise BadRequest: with exception 02, unless the table has all of them."""
        self._place(address, count)

    def read(self, address: int, count: int, moment: Moment) -> list[int]:
        """@raise BadRequest: as `check`."""
        place = self._place(address, count)
        for first in self._moving(address, count):
            signal = self._signals[first]
            self._words[self._place(first, signal.size)] = signal.words(moment)
        return self._words[place]

    def write(self, address: int, words: Sequence[int], moment: Moment) -> None:
        """@raise BadRequest: as `check`; then nothing is written."""
        self.read(address, len(words), moment)
        for first in self._moving(address, len(words)):
            del self._signals[first]
        self._words[self._place(address, len(words))] = words

    def _moving(self, address: int, count: int) -> list[int]:
        """The first addresses of the signals that lie there, even in part."""
        return [
            first
            for first, signal in self._signals.items()
            if first < address + count and address < first + signal.size
        ]

    def _place(self, address: int, count: int) -> slice:
        first = address - self._start
        if not 0 <= first <= first + count <= len(self._words):
            there = f"{self._start} to {self._start + len(self._words) - 1}" if self._words else "none"
            raise refusal(f"address: {address} with count {count}, the table has {there}", ILLEGAL_ADDRESS)
        return slice(first, first + count)


def _nothing() -> Table:
    return Table(0)


@dataclass(frozen=True, slots=True)
class Unit:
    """A simulated device; a table that it does not have is empty."""

    coils: Table = field(default_factory=_nothing)
    discrete_inputs: Table = field(default_factory=_nothing)
    holding_registers: Table = field(default_factory=_nothing)
    input_registers: Table = field(default_factory=_nothing)

    def answer(self, request: Request, moment: Moment) -> bytes:
        """
        Carry a request out.

        @return: the reply PDU.
        @raise ExceptionReply: 01 for a function that it does not serve, 02 for
            addresses that it does not have; nothing has changed.
        """
        serve = _SERVED.get(type(request))
        if serve is None:
            raise ExceptionReply(request.function, ILLEGAL_FUNCTION)
        try:
            return serve(self, request, moment)
        except BadRequest as error:
            raise ExceptionReply(request.function, error.code) from error


class Bank:
    """
    The units of a simulated bus. A serial bus has silence for a unit that is
    not there, and so has this: `NoReply`, at once.
    """

    def __init__(self, units: Mapping[int, Unit], seconds: Callable[[], float], seed: int = 1) -> None:
        """
        @param units: by address, 1 to 247.
        @param seconds: monotonic; the simulation begins now.
        @param seed: the same seed gives the same values after the same time.
        """
        self._units = dict(units)
        self._seconds = seconds
        self._seed = seed
        self._began = seconds()

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        now = self._seconds()
        moment = Moment(self._seed, now - self._began)
        if unit == _BROADCAST:
            self._broadcast(request, moment)
            return succeed(Reply(request, b"", now, now))
        if unit not in self._units:
            return fail(NoReply(f"there is no unit {unit} among the simulated {sorted(self._units)}"))
        try:
            return succeed(Reply(request, self._units[unit].answer(request, moment), now, now))
        except ExceptionReply as refused:
            return fail(refused)

    def _broadcast(self, request: Request, moment: Moment) -> None:
        """Every unit obeys, or refuses, for itself, and nobody says so."""
        for unit in self._units.values():
            try:
                unit.answer(request, moment)
            except ExceptionReply:
                continue


def _read_coils(unit: Unit, request: ReadCoils, moment: Moment) -> bytes:
    return request.answer([bool(bit) for bit in unit.coils.read(request.address, request.count, moment)])


def _read_discrete_inputs(unit: Unit, request: ReadDiscreteInputs, moment: Moment) -> bytes:
    bits = unit.discrete_inputs.read(request.address, request.count, moment)
    return request.answer([bool(bit) for bit in bits])


def _read_holding_registers(unit: Unit, request: ReadHoldingRegisters, moment: Moment) -> bytes:
    return request.answer(unit.holding_registers.read(request.address, request.count, moment))


def _read_input_registers(unit: Unit, request: ReadInputRegisters, moment: Moment) -> bytes:
    return request.answer(unit.input_registers.read(request.address, request.count, moment))


def _write_coil(unit: Unit, request: WriteCoil, moment: Moment) -> bytes:
    unit.coils.write(request.address, [request.value], moment)
    return request.answer()


def _write_register(unit: Unit, request: WriteRegister, moment: Moment) -> bytes:
    unit.holding_registers.write(request.address, [request.value], moment)
    return request.answer()


def _write_coils(unit: Unit, request: WriteCoils, moment: Moment) -> bytes:
    unit.coils.write(request.address, request.values, moment)
    return request.answer()


def _write_registers(unit: Unit, request: WriteRegisters, moment: Moment) -> bytes:
    unit.holding_registers.write(request.address, request.values, moment)
    return request.answer()


def _mask_write_register(unit: Unit, request: MaskWriteRegister, moment: Moment) -> bytes:
    (word,) = unit.holding_registers.read(request.address, 1, moment)
    unit.holding_registers.write(request.address, [request.applied(word)], moment)
    return request.answer()


def _read_write_registers(unit: Unit, request: ReadWriteRegisters, moment: Moment) -> bytes:
    table = unit.holding_registers
    table.check(request.read_address, request.read_count)
    table.write(request.write_address, request.values, moment)
    return request.answer(table.read(request.read_address, request.read_count, moment))


_SERVED: dict[type[Request], Callable[[Unit, Any, Moment], bytes]] = {
    ReadCoils: _read_coils,
    ReadDiscreteInputs: _read_discrete_inputs,
    ReadHoldingRegisters: _read_holding_registers,
    ReadInputRegisters: _read_input_registers,
    WriteCoil: _write_coil,
    WriteRegister: _write_register,
    WriteCoils: _write_coils,
    WriteRegisters: _write_registers,
    MaskWriteRegister: _mask_write_register,
    ReadWriteRegisters: _read_write_registers,
}
