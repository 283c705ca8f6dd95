"""The values of simulated units as text, in the manner of the documents' server."""

from collections.abc import Iterator

from lumina.modbus.request import unpack
from lumina.simulator.bank import Bank
from lumina.simulator.tables import AnyTable, BitsOf
from lumina.simulator.unit import Unit

#: Values of a table that are shown where none of them moves.
SOME = 10

_TITLES = {
    "holding_registers": "Holding Register",
    "coils": "Coil",
    "input_registers": "Input Register",
    "discrete_inputs": "Discrete Input",
}


def lines(bank: Bank) -> Iterator[str]:
    """What moves, and its value now; of a unit in which nothing does, the beginning of each table."""
    elapsed = bank.elapsed
    devices = bank.devices
    for name, unit in devices.items():
        yield "======================"
        yield "Modbus Table" if len(devices) == 1 else f"Modbus Table of unit {name}"
        moving = {table: list(_moving(unit.table(table))) for table in _TITLES}
        for table, title in _TITLES.items():
            ranges = moving[table] if any(moving.values()) else _beginning(unit, table)
            if ranges:
                yield f"{title} "
                yield from (_line(unit.table(table), first, count, elapsed) for first, count in ranges)


def _moving(table: AnyTable) -> Iterator[tuple[int, int]]:
    """The first address of each run that moves, and how long it is."""
    if isinstance(table, BitsOf):  # they are shown as the registers that they are of
        return
    first = end = -1
    for start, stop in table.memory.moving():
        if start > end:
            if end > first:
                yield first - table.shift, end - first
            first = start
        end = stop
    if end > first:
        yield first - table.shift, end - first


def _beginning(unit: Unit, name: str) -> list[tuple[int, int]]:
    table = unit.table(name)
    return [(table.start, min(SOME, len(table)))] if len(table) else []


def _line(table: AnyTable, first: int, count: int, elapsed: float) -> str:
    data = table.show(first, count, elapsed)
    values = unpack(data) if len(data) == 2 * count else data
    return f" R{first}: {list(values)}"
