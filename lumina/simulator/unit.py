"""
A simulated device: its tables, and the functions that it serves.

Each function is checked whole before any of it is carried out, in the order
of the specification's figures: a refused request changes nothing. What is
wrong with a request as such is refused before it comes here (`pdu.parse`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from lumina.errors import BadRequest, ExceptionReply
from lumina.modbus import pdu
from lumina.modbus.pdu import Diagnostics, Opaque, Request
from lumina.modbus.request import ILLEGAL_FUNCTION, pack, refusal, unpack
from lumina.simulator.communication import SETTLED, Communication
from lumina.simulator.files import Files, Queues
from lumina.simulator.memory import Memory
from lumina.simulator.moment import Moment
from lumina.simulator.process import TABLES
from lumina.simulator.tables import AnyTable, Table, bits, registers
from lumina.simulator.traits import Traits

_HOLDING_HEADS = [bytes((0x03, 2 * count)) for count in range(126)]
_INPUT_HEADS = [bytes((0x04, 2 * count)) for count in range(126)]


class Unit:
    """
    A simulated device.

    @ivar communication: what it counts of its line.
    """

    def __init__(
        self,
        coils: AnyTable | None = None,
        discrete_inputs: AnyTable | None = None,
        holding_registers: Table | None = None,
        input_registers: Table | None = None,
        files: Files | None = None,
        queues: Queues | None = None,
        traits: Traits = Traits(),  # noqa: B008
    ) -> None:
        """A table that it does not have is empty: each address in it is refused."""
        self.coils = bits(0) if coils is None else coils
        self.discrete_inputs = bits(0) if discrete_inputs is None else discrete_inputs
        self.holding_registers = registers(0) if holding_registers is None else holding_registers
        self.input_registers = registers(0) if input_registers is None else input_registers
        self.files = files or Files()
        self.queues = queues or Queues()
        self.traits = traits
        self.communication = Communication(traits.register)
        self._served: dict[type[Request], Callable[[Any, float], bytes]] = {
            kind: serve.__get__(self)
            for kind, serve in _SERVED.items()
            if traits.functions is None or kind.function in traits.functions
        }

    def begin(self, seed: int) -> None:
        """The simulation begins now, with this seed."""
        for name in TABLES:
            self.table(name).memory.begin(seed, self)

    def moment(self, elapsed: float) -> Moment:
        """@param elapsed: seconds since the simulation began."""
        return self.holding_registers.memory.moment(elapsed)

    def table(self, name: str) -> AnyTable:
        """@param name: one of `TABLES`."""
        table: AnyTable = getattr(self, name)
        return table

    def held(self, table: str, address: int, count: int, elapsed: float) -> Sequence[int]:
        """What followed registers held at a time."""
        memory, place = self._place(table, address, count)
        return memory.past(place, count, elapsed)

    def changed(self, table: str, address: int, count: int, since: float) -> Sequence[float] | None:
        """When followed registers were written after a time; `None`: they move."""
        memory, place = self._place(table, address, count)
        return memory.changes(place, count, since)

    def _place(self, name: str, address: int, count: int) -> tuple[Memory, int]:
        table = self.table(name)
        assert isinstance(table, Table)
        return table.memory, table.place(address, count)

    def answer(self, request: Request, elapsed: float) -> bytes:
        """
        Carry a request out, and count it.

        @param elapsed: seconds since the simulation began.
        @return: the reply PDU; empty: this unit is silent.
        @raise ExceptionReply: 01 for a function that it does not serve, 02 for
            addresses that it does not have; nothing has changed.
        """
        communication = self.communication
        communication.addressed += 1
        if communication.listen_only:
            return self._listen(request)
        serve = self._served.get(type(request))
        if serve is None:
            return self._answer_other(request, elapsed)
        try:
            reply = serve(request, elapsed)
        except BadRequest as error:
            communication.refused(error.code)
            raise ExceptionReply(request.function, error.code) from error
        except ExceptionReply as error:
            communication.refused(error.code)
            raise
        if type(request) not in _COUNT_THEMSELVES:
            communication.answered()
        return reply

    def refuse(self, code: int) -> bool:
        """
        Count a message that was no valid request.

        @param code: the exception that is due.
        @return: whether this unit says so; one that only listens does not.
        """
        communication = self.communication
        communication.addressed += 1
        if communication.listen_only:
            communication.unanswered(False)
        else:
            communication.refused(code)
        return not communication.listen_only

    def obey(self, request: Request, elapsed: float) -> None:
        """Carry a broadcast out, if it can be, and say nothing."""
        communication = self.communication
        communication.addressed += 1
        if communication.listen_only:
            self._listen(request)
            return
        code = 0
        try:
            serve = self._served.get(type(request))
            if serve is None or not request.writes:
                raise refusal(f"function: {request.function:02X} is not for a broadcast", ILLEGAL_FUNCTION)
            if isinstance(request, Diagnostics):
                communication.diagnose(request)
                if request.subfunction in SETTLED:
                    return
            else:
                serve(request, elapsed)
        except (BadRequest, ExceptionReply) as error:
            code = error.code
        communication.unanswered(True, code)

    def _listen(self, request: Request) -> bytes:
        if isinstance(request, Diagnostics) and request.subfunction == 1:
            return self.communication.diagnose(request)
        self.communication.unanswered(False)
        return b""

    def _answer_other(self, request: Request, elapsed: float) -> bytes:
        """What came as it was is read here; all else is a function that is not served."""
        if isinstance(request, Opaque):
            try:
                known = pdu.parse(request.pdu)
            except ExceptionReply as error:
                self.communication.refused(error.code)
                raise
            if type(known) in self._served:
                self.communication.addressed -= 1
                return self.answer(known, elapsed)
        self.communication.refused(ILLEGAL_FUNCTION)
        raise ExceptionReply(request.function, ILLEGAL_FUNCTION)

    def _read_coils(self, request: pdu.ReadCoils, elapsed: float) -> bytes:
        return _bits(0x01, self.coils.read(request.address, request.count, elapsed))

    def _read_discrete_inputs(self, request: pdu.ReadDiscreteInputs, elapsed: float) -> bytes:
        return _bits(0x02, self.discrete_inputs.read(request.address, request.count, elapsed))

    def _read_holding_registers(self, request: pdu.ReadHoldingRegisters, elapsed: float) -> bytes:
        count = request.count
        return _HOLDING_HEADS[count] + self.holding_registers.read(request.address, count, elapsed)

    def _read_input_registers(self, request: pdu.ReadInputRegisters, elapsed: float) -> bytes:
        count = request.count
        return _INPUT_HEADS[count] + self.input_registers.read(request.address, count, elapsed)

    def _write_coil(self, request: pdu.WriteCoil, elapsed: float) -> bytes:
        self.coils.write(request.address, bytes((request.value,)), elapsed)
        return request.answer()

    def _write_register(self, request: pdu.WriteRegister, elapsed: float) -> bytes:
        self.holding_registers.write(request.address, request.value.to_bytes(2, "big"), elapsed)
        return request.answer()

    def _write_coils(self, request: pdu.WriteCoils, elapsed: float) -> bytes:
        self.coils.write(request.address, bytes(request.values), elapsed)
        return request.answer()

    def _write_registers(self, request: pdu.WriteRegisters, elapsed: float) -> bytes:
        self.holding_registers.write(request.address, pack("values", request.values), elapsed)
        return request.answer()

    def _mask_write_register(self, request: pdu.MaskWriteRegister, elapsed: float) -> bytes:
        table = self.holding_registers
        table.check_writable(request.address, 1)
        (word,) = unpack(table.show(request.address, 1, elapsed))
        table.write(request.address, request.applied(word).to_bytes(2, "big"), elapsed)
        return request.answer()

    def _read_write_registers(self, request: pdu.ReadWriteRegisters, elapsed: float) -> bytes:
        table = self.holding_registers
        table.check_readable(request.read_address, request.read_count)
        table.write(request.write_address, pack("values", request.values), elapsed)
        data = table.read(request.read_address, request.read_count, elapsed)
        return bytes((request.function, len(data))) + data

    def _read_fifo_queue(self, request: pdu.ReadFIFOQueue, elapsed: float) -> bytes:
        return self.queues.read(request)

    def _read_file_record(self, request: pdu.ReadFileRecord, elapsed: float) -> bytes:
        return self.files.read(request)

    def _write_file_record(self, request: pdu.WriteFileRecord, elapsed: float) -> bytes:
        return self.files.write(request)

    def _read_exception_status(self, request: pdu.ReadExceptionStatus, elapsed: float) -> bytes:
        return request.answer(self.traits.exception_status)

    def _diagnose(self, request: Diagnostics, elapsed: float) -> bytes:
        reply = self.communication.diagnose(request)
        if request.subfunction not in SETTLED:
            self.communication.answered()
        return reply

    def _read_event_counter(self, request: pdu.ReadCommEventCounter, elapsed: float) -> bytes:
        reply = request.answer(self.communication.event_counter())
        self.communication.answered(counted=False)
        return reply

    def _read_event_log(self, request: pdu.ReadCommEventLog, elapsed: float) -> bytes:
        reply = request.answer(self.communication.event_log())
        self.communication.answered(counted=False)
        return reply

    def _report_server_id(self, request: pdu.ReportServerId, elapsed: float) -> bytes:
        return request.answer(self.traits.server_id)

    def _read_identification(self, request: pdu.ReadDeviceIdentification, elapsed: float) -> bytes:
        return request.answer(self.traits.identity)


#: Functions that say of themselves whether they are an event.
_COUNT_THEMSELVES = frozenset((Diagnostics, pdu.ReadCommEventCounter, pdu.ReadCommEventLog))

_SERVED: dict[type[Request], Any] = {
    pdu.ReadCoils: Unit._read_coils,
    pdu.ReadDiscreteInputs: Unit._read_discrete_inputs,
    pdu.ReadHoldingRegisters: Unit._read_holding_registers,
    pdu.ReadInputRegisters: Unit._read_input_registers,
    pdu.WriteCoil: Unit._write_coil,
    pdu.WriteRegister: Unit._write_register,
    pdu.ReadExceptionStatus: Unit._read_exception_status,
    pdu.Diagnostics: Unit._diagnose,
    pdu.ReadCommEventCounter: Unit._read_event_counter,
    pdu.ReadCommEventLog: Unit._read_event_log,
    pdu.WriteCoils: Unit._write_coils,
    pdu.WriteRegisters: Unit._write_registers,
    pdu.ReportServerId: Unit._report_server_id,
    pdu.ReadFileRecord: Unit._read_file_record,
    pdu.WriteFileRecord: Unit._write_file_record,
    pdu.MaskWriteRegister: Unit._mask_write_register,
    pdu.ReadWriteRegisters: Unit._read_write_registers,
    pdu.ReadFIFOQueue: Unit._read_fifo_queue,
    pdu.ReadDeviceIdentification: Unit._read_identification,
}


def _bits(function: int, states: bytes) -> bytes:
    """The reply with these, a byte of 0 or 1 each, packed as the wire has them."""
    size = (len(states) + 7) // 8
    digits = states[::-1].translate(_DIGITS)
    return bytes((function, size)) + int(digits, 2).to_bytes(size, "little")


_DIGITS = bytes(ord("1") if number else ord("0") for number in range(256))
