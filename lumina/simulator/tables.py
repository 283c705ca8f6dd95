"""
The four tables of a simulated unit: windows onto its memory.

Several tables may show the same memory: input registers that are the holding
registers, or coils that are the bits of registers.
"""

from collections.abc import Mapping

from lumina.errors import BadRequest
from lumina.modbus.request import ILLEGAL_ADDRESS, pack, refusal
from lumina.simulator.memory import Memory, Signal

_LAST = 0xFFFF
_BITS = 16
#: A byte's bits, the lowest first, as a byte each.
_SPREAD = [bytes(number >> place & 1 for place in range(8)) for number in range(256)]


class Table:
    """
    A part of a memory, or all of it, by PDU address.

    What is read and written are bytes: registers of two, the high one first,
    or bits of a byte each, 0 or 1. `elapsed` is always the seconds since the
    simulation began.

    @ivar start: the first address.
    @ivar shift: how much more than its address the place in the memory is.
    """

    __slots__ = ("_end", "memory", "shift", "start")

    def __init__(self, memory: Memory, start: int = 0, size: int | None = None, first: int = 0) -> None:
        """
        @param size: how many there are; `None`: all that follow in the memory.
        @param first: the place in the memory of the first.
        """
        self.memory = memory
        self.start = start
        self._end = start + (len(memory) - first if size is None else size)
        self.shift = first - start

    def __len__(self) -> int:
        return self._end - self.start

    def place(self, address: int, count: int) -> int:
        """
        Where they begin in the memory.

        @raise BadRequest: with exception 02, unless all of them are there.
        """
        if not self.start <= address <= address + count <= self._end:
            raise absent(address, count, self.start, self._end)
        return address + self.shift

    def has(self, address: int) -> bool:
        """Whether a client may read or write it."""
        if not self.start <= address < self._end:
            return False
        place = address + self.shift
        return self.memory.readable(place, 1) or self.memory.writable(place, 1)

    def check_readable(self, address: int, count: int) -> None:
        """@raise BadRequest: with exception 02, unless all are there and may be read."""
        if not self.memory.readable(self.place(address, count), count):
            raise refusal(f"address: {address} with count {count}, some cannot be read", ILLEGAL_ADDRESS)

    def check_writable(self, address: int, count: int) -> None:
        """@raise BadRequest: with exception 02, unless all are there and may be written."""
        if not self.memory.writable(self.place(address, count), count):
            raise refusal(f"address: {address} with count {count}, some cannot be written", ILLEGAL_ADDRESS)

    def read(self, address: int, count: int, elapsed: float) -> bytes:
        """@raise BadRequest: as `check_readable`."""
        memory = self.memory
        if memory.plain and self.start <= address and address + count <= self._end:
            first = (address + self.shift) * memory.width
            return bytes(memory.data[first : first + count * memory.width])
        self.check_readable(address, count)
        return memory.read(address + self.shift, count, elapsed)

    def write(self, address: int, data: bytes, elapsed: float) -> None:
        """@raise BadRequest: as `check_writable`; then nothing is written."""
        self.check_writable(address, len(data) // self.memory.width)
        self.memory.write(address + self.shift, data, elapsed)

    def show(self, address: int, count: int, elapsed: float) -> bytes:
        """What is there, whether a client may read it or not. @raise BadRequest: it is not there."""
        return self.memory.read(self.place(address, count), count, elapsed)


class BitsOf:
    """
    Coils or discrete inputs that are the bits of registers: the first is the
    lowest bit of the first register, the seventeenth that of the second. Else
    as `Table`.
    """

    __slots__ = ("_registers", "memory", "start")

    def __init__(self, registers: Table, start: int = 0) -> None:
        """@param start: the PDU address of the first bit."""
        self._registers = registers
        self.memory = registers.memory
        self.start = start

    def __len__(self) -> int:
        return min(len(self._registers) * _BITS, _LAST + 1 - self.start)

    def has(self, address: int) -> bool:
        first = address - self.start
        return 0 <= first < len(self) and self._registers.has(self._registers.start + first // _BITS)

    def check_readable(self, address: int, count: int) -> None:
        self._registers.check_readable(*self._registers_of(address, count))

    def check_writable(self, address: int, count: int) -> None:
        self._registers.check_writable(*self._registers_of(address, count))

    def read(self, address: int, count: int, elapsed: float) -> bytes:
        self.check_readable(address, count)
        return self.show(address, count, elapsed)

    def write(self, address: int, data: bytes, elapsed: float) -> None:
        self.check_writable(address, len(data))
        registers = self._registers_of(address, len(data))
        bits = bytearray(_spread(self._registers.show(*registers, elapsed)))
        first = (address - self.start) % _BITS
        bits[first : first + len(data)] = data
        self._registers.write(registers[0], _gather(bits), elapsed)

    def show(self, address: int, count: int, elapsed: float) -> bytes:
        bits = _spread(self._registers.show(*self._registers_of(address, count), elapsed))
        first = (address - self.start) % _BITS
        return bits[first : first + count]

    def _registers_of(self, address: int, count: int) -> tuple[int, int]:
        """Address and count of the registers that hold these bits."""
        end = self.start + len(self)
        if not self.start <= address <= address + count <= end:
            raise absent(address, count, self.start, end)
        first, last = address - self.start, address - self.start + max(count - 1, 0)
        return self._registers.start + first // _BITS, last // _BITS - first // _BITS + 1


AnyTable = Table | BitsOf


def registers(
    size: int,
    start: int = 0,
    held: Mapping[int, int] | None = None,
    signals: Mapping[int, Signal] | None = None,
) -> Table:
    """
    A table of registers with a memory of its own.

    @param size: how many there are; 0 without any.
    @param start: the first PDU address.
    @param held: values by address; 0 where nothing is said.
    @param signals: what moves, by its first address.
    @raise BadRequest: something is beyond the table.
    """
    return _filled(Table(Memory(size, 2), start), held or {}, signals or {})


def bits(
    size: int,
    start: int = 0,
    held: Mapping[int, int] | None = None,
    signals: Mapping[int, Signal] | None = None,
) -> Table:
    """As `registers`, of coils or discrete inputs: on where the value is not 0."""
    return _filled(Table(Memory(size, 1), start), held or {}, signals or {})


def absent(address: int, count: int, start: int, end: int) -> BadRequest:
    """What to say of addresses that are not within `start` and before `end`."""
    there = f"{start} to {end - 1}" if end > start else "none"
    return refusal(f"address: {address} with count {count}, the table has {there}", ILLEGAL_ADDRESS)


def _filled(table: Table, held: Mapping[int, int], signals: Mapping[int, Signal]) -> Table:
    for address, value in held.items():
        word = pack("value", (value,)) if table.memory.width == 2 else bytes((bool(value),))
        table.memory.store(table.place(address, 1), word)
    for address, signal in signals.items():
        table.memory.put(table.place(address, signal.size), signal)
    return table


def _spread(data: bytes) -> bytes:
    """Registers as their bits, the lowest of the first register first."""
    swapped = bytearray(data)
    swapped[::2], swapped[1::2] = data[1::2], data[::2]
    return b"".join([_SPREAD[byte] for byte in swapped])


def _gather(spread: bytearray) -> bytes:
    """Bits as registers again, a multiple of sixteen of them."""
    words = len(spread) // _BITS
    numbers = (spread[_BITS * place : _BITS * (place + 1)] for place in range(words))
    return pack("value", [sum(bit << place for place, bit in enumerate(number)) for number in numbers])
