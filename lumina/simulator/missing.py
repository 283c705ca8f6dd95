"""What clients asked a simulator for and did not get: a map of the device that they expect."""

from collections.abc import Callable, Iterator

from lumina.modbus import pdu
from lumina.modbus.pdu import Request
from lumina.simulator.bank import Bank
from lumina.simulator.process import COILS, DISCRETE_INPUTS, HOLDING_REGISTERS, INPUT_REGISTERS

#: Tables of units that are kept; a client that tries all units shall not cost memory without end.
MOST_TABLES = 256

_ADDRESSES = 0x10000
_OF_FUNCTION = {
    0x01: COILS,
    0x02: DISCRETE_INPUTS,
    0x03: HOLDING_REGISTERS,
    0x04: INPUT_REGISTERS,
    0x05: COILS,
    0x06: HOLDING_REGISTERS,
    0x0F: COILS,
    0x10: HOLDING_REGISTERS,
    0x16: HOLDING_REGISTERS,
    0x17: HOLDING_REGISTERS,
}


class Missing:
    """
    The addresses that were asked for, and are not there.

    @ivar changed: called when there is one more.
    """

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.bank: Bank | None = None
        self._asked: dict[tuple[str, str], bytearray] = {}

    def missed(self, unit: int, request: Request) -> None:
        """Note what a request to a unit has asked for, but for what the unit has."""
        for address, count in _spans(request):
            self._note(unit, _OF_FUNCTION[request.function], address, count)

    def ranges(self) -> Iterator[tuple[str, str, int, int]]:
        """Unit, table, first address and how many, in order; a unit that is everywhere is `any`."""
        for (unit, table), asked in sorted(self._asked.items(), key=_order):
            end = 0
            while (start := asked.find(1, end)) >= 0:
                end = asked.find(0, start)
                end = _ADDRESSES if end < 0 else end
                yield unit, table, start, end - start

    def take(self, csv: bool) -> Callable[[], bytes]:
        """@return: makes the bytes of the map file, as CSV or as YAML."""
        ranges = list(self.ranges())
        return lambda: (_csv if csv else _yaml)(ranges).encode()

    def _note(self, unit: int, table: str, address: int, count: int) -> None:
        key, there = self._there(unit, table)
        asked = self._asked.get((key, table))
        if asked is None:
            if len(self._asked) >= MOST_TABLES:
                return
            asked = self._asked[key, table] = bytearray(_ADDRESSES)
        new = False
        for each in range(address, min(address + count, _ADDRESSES)):
            if not asked[each] and not there(each):
                asked[each] = new = True
        if new:
            self.changed()

    def _there(self, unit: int, table: str) -> tuple[str, Callable[[int], bool]]:
        """What the unit is called, and whether it has an address."""
        assert self.bank is not None
        key, device = self.bank.device(unit)
        return key, (lambda address: False) if device is None else device.table(table).has


def _spans(request: Request) -> list[tuple[int, int]]:
    match request:
        case pdu.ReadBits() | pdu.ReadRegisters():
            return [(request.address, request.count)]
        case pdu.WriteCoil() | pdu.WriteRegister() | pdu.MaskWriteRegister():
            return [(request.address, 1)]
        case pdu.WriteCoils() | pdu.WriteRegisters():
            return [(request.address, len(request.values))]
        case pdu.ReadWriteRegisters():
            return [
                (request.read_address, request.read_count),
                (request.write_address, len(request.values)),
            ]
    return []


def _order(item: tuple[tuple[str, str], bytearray]) -> tuple[int, str]:
    (unit, table), _ = item
    return (int(unit) if unit.isdigit() else -1), table


def _csv(ranges: list[tuple[str, str, int, int]]) -> str:
    rows = (f"{unit},{table},{address},{count}\n" for unit, table, address, count in ranges)
    return "unit,table,address,count\n" + "".join(rows)


def _yaml(ranges: list[tuple[str, str, int, int]]) -> str:
    lines = ["# What clients asked for and did not get, as a map with the value 0 at each address.\n"]
    last = ("", "")
    for unit, table, address, count in ranges:
        if unit != last[0]:
            lines.append(f"\n- units: {unit if unit == 'any' else f'[{unit}]'}\n")
        if (unit, table) != last:
            lines.append(f"  {table}:\n    at:\n")
        lines += [f"      {each}: 0\n" for each in range(address, address + count)]
        last = unit, table
    return "".join(lines)
