"""
Requests and replies: the single door to all functions.

`parse` reads a request as a server must, `Request.check` judges a reply as a
client must. Limits, layouts and the order of checks are those of the Modbus
Application Protocol V1.1b3, 6; where its figures and its text differ, the
order is function (01), then counts and values (03), then addresses (02).
"""

from typing import Any, NamedTuple

from lumina.errors import BadRequest, ExceptionReply
from lumina.modbus.bits import (
    MAX_READ_BITS,
    MAX_WRITE_BITS,
    ReadBits,
    ReadCoils,
    ReadDiscreteInputs,
    WriteCoil,
    WriteCoils,
)
from lumina.modbus.diagnostics import (
    CommEventCounter,
    CommEventLog,
    Diagnostics,
    ReadCommEventCounter,
    ReadCommEventLog,
    ReadExceptionStatus,
)
from lumina.modbus.files import ReadFileRecord, RecordData, RecordRange, WriteFileRecord
from lumina.modbus.identity import ReadDeviceIdentification, ReportServerId
from lumina.modbus.registers import (
    MAX_FIFO,
    MAX_READ_REGISTERS,
    MAX_READ_WRITE_REGISTERS,
    MAX_WRITE_REGISTERS,
    MaskWriteRegister,
    ReadFIFOQueue,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadRegisters,
    ReadWriteRegisters,
    WriteRegister,
    WriteRegisters,
)
from lumina.modbus.request import BROADCAST, MAX_PDU, Opaque, Request
from lumina.modbus.sizes import EXCEPTION, reply_size, request_size

__all__ = [
    "BROADCAST",
    "EXCEPTION",
    "KINDS",
    "MAX_FIFO",
    "MAX_PDU",
    "MAX_READ_BITS",
    "MAX_READ_REGISTERS",
    "MAX_READ_WRITE_REGISTERS",
    "MAX_WRITE_BITS",
    "MAX_WRITE_REGISTERS",
    "CommEventCounter",
    "CommEventLog",
    "Diagnostics",
    "MaskWriteRegister",
    "Opaque",
    "ReadBits",
    "ReadCoils",
    "ReadCommEventCounter",
    "ReadCommEventLog",
    "ReadDeviceIdentification",
    "ReadDiscreteInputs",
    "ReadExceptionStatus",
    "ReadFIFOQueue",
    "ReadFileRecord",
    "ReadHoldingRegisters",
    "ReadInputRegisters",
    "ReadRegisters",
    "ReadWriteRegisters",
    "RecordData",
    "RecordRange",
    "Reply",
    "ReportServerId",
    "Request",
    "WriteCoil",
    "WriteCoils",
    "WriteFileRecord",
    "WriteRegister",
    "WriteRegisters",
    "parse",
    "reply_size",
    "request_size",
]

#: The functions that lumina knows, by code.
KINDS: dict[int, type[Request]] = {
    kind.function: kind
    for kind in (
        ReadCoils,
        ReadDiscreteInputs,
        ReadHoldingRegisters,
        ReadInputRegisters,
        WriteCoil,
        WriteRegister,
        ReadExceptionStatus,
        Diagnostics,
        ReadCommEventCounter,
        ReadCommEventLog,
        WriteCoils,
        WriteRegisters,
        ReportServerId,
        ReadFileRecord,
        WriteFileRecord,
        MaskWriteRegister,
        ReadWriteRegisters,
        ReadFIFOQueue,
        ReadDeviceIdentification,
    )
}


def parse(pdu: bytes) -> Request:
    """
    Read a request PDU, as a server does.

    @return: `Opaque` for a function that is none of ours; to refuse it with
        01 is the server's to decide.
    @raise ExceptionReply: what to answer. 01 for function 00 and from 80h on;
        the request as such is wrong, whatever the server holds.
    """
    function = pdu[0] if pdu else 0
    try:
        return KINDS.get(function, Opaque).parse(pdu)
    except BadRequest as error:
        raise ExceptionReply(function, error.code) from error


class Reply(NamedTuple):
    """
    A reply that `request.check` has accepted, and the time of its exchange.

    @ivar pdu: empty for a broadcast, which nobody answers.
    @ivar began: monotonic seconds when sending began.
    @ivar ended: monotonic seconds when the last byte had come; 0: nobody knows.
    """

    request: Request
    pdu: bytes
    began: float = 0.0
    ended: float = 0.0

    @property
    def values(self) -> Any:
        """What the request's `decode` gives; `None` for a broadcast."""
        return self.request.decode(self.pdu) if self.pdu else None

    @property
    def registers(self) -> tuple[int, ...]:
        """
        The registers that functions 03, 04, 23 and 24 have read.

        @raise TypeError: another function was asked.
        """
        if not isinstance(self.request, (ReadRegisters, ReadWriteRegisters, ReadFIFOQueue)):
            raise TypeError(f"function {self.request.function:02X} reads no registers")
        return self.request.decode(self.pdu)

    @property
    def bits(self) -> tuple[bool, ...]:
        """
        The states that functions 01 and 02 have read.

        @raise TypeError: another function was asked.
        """
        if not isinstance(self.request, ReadBits):
            raise TypeError(f"function {self.request.function:02X} reads no bits")
        return self.request.decode(self.pdu)
