"""What functions 20, 21 and 24 reach in a simulated unit: file records and FIFO queues."""

from collections.abc import Callable, Mapping, Sequence

from lumina.errors import BadRequest
from lumina.modbus.pdu import MAX_FIFO, ReadFIFOQueue, ReadFileRecord, WriteFileRecord
from lumina.modbus.request import ILLEGAL_ADDRESS, pack, refusal, unpack


class Files:
    """
    Files of registers, by number and record, as a unit holds them.

    @ivar changed: called after each write of a client.
    """

    def __init__(self, files: Mapping[int, Sequence[int]] | None = None) -> None:
        """@param files: the registers of each, from record 0 on, by its number, 1 to 65535."""
        self.data = {
            number: bytearray(pack("record", registers)) for number, registers in (files or {}).items()
        }
        self.changed: Callable[[], None] = lambda: None

    def read(self, request: ReadFileRecord) -> bytes:
        """@raise BadRequest: with exception 02, for a file or a record that is not there."""
        places = [self._place(group.file, group.record, group.count) for group in request.groups]
        return request.answer([unpack(bytes(self.data[file][where])) for file, where in places])

    def write(self, request: WriteFileRecord) -> bytes:
        """@raise BadRequest: as `read`; then nothing is written, not even the groups before."""
        places = [self._place(group.file, group.record, len(group.values)) for group in request.groups]
        for group, (file, where) in zip(request.groups, places, strict=True):
            self.data[file][where] = pack("record", group.values)
        self.changed()
        return request.answer()

    def _place(self, file: int, record: int, count: int) -> tuple[int, slice]:
        held = self.data.get(file, b"")
        if 2 * (record + count) > len(held):
            there = f"records 0 to {len(held) // 2 - 1}" if held else "none"
            raise refusal(
                f"record: {record} with count {count} of file {file}, there are {there}", ILLEGAL_ADDRESS
            )
        return file, slice(2 * record, 2 * (record + count))


class Queues:
    """FIFO queues, by the PDU address of their pointer."""

    def __init__(self, queues: Mapping[int, Sequence[int]] | None = None) -> None:
        """@param queues: what waits in each, oldest first."""
        self.data = {address: tuple(registers) for address, registers in (queues or {}).items()}

    def read(self, request: ReadFIFOQueue) -> bytes:
        """
        @raise BadRequest: with exception 02 where no queue is; with 03 for one
            of more than 31 registers (Application Protocol, 6.18).
        """
        queue = self.data.get(request.address)
        if queue is None:
            raise refusal(f"address: no queue is at {request.address}", ILLEGAL_ADDRESS)
        if len(queue) > MAX_FIFO:
            raise BadRequest(
                f"count: {len(queue)} registers wait at {request.address}, {MAX_FIFO} can be told"
            )
        return request.answer(queue)
