"""
A simulated device as a CSV file: a row for each address, or for `count` values that are alike.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from lumina.config.processes import made_format
from lumina.config.records import is_number
from lumina.config.simulated import unit_numbers
from lumina.plugins import nearest
from lumina.simulator.process import COILS, DISCRETE_INPUTS, HOLDING_REGISTERS, INPUT_REGISTERS, TABLES

COLUMNS = (
    "unit",
    "table",
    "address",
    "count",
    "type",
    "order",
    "scale",
    "value",
    "process",
    "name",
    "access",
)

#: What may stand for a table.
_ALSO = {
    "coil": COILS,
    "discrete": DISCRETE_INPUTS,
    "holding": HOLDING_REGISTERS,
    "input": INPUT_REGISTERS,
}


class Cells(NamedTuple):
    """What a row says: the entry that stands at each of the addresses of each of the units."""

    units: Sequence[int | Literal["any"]]
    table: str
    addresses: Sequence[int]
    entry: dict[str, Any]


def cells(given: dict[str, str]) -> Cells:
    """
    @param given: the columns of a row that are not empty.
    @raise ValueError: a column is missing or wrong.
    """
    for column in ("table", "address"):
        if column not in given:
            raise ValueError(f"{column}: it is required, and not here")
    table = _ALSO.get(given["table"], given["table"])
    if table not in TABLES:
        raise ValueError(f"table: no table is called '{table}'; {nearest(table, TABLES)}")
    units = _units(given.get("unit", "any"))
    first = _whole("address", given["address"], 0, 0xFFFF)
    entry = _entry(given)
    size = made_format(entry).registers
    if first + size > 0x10000:
        raise ValueError(f"address: at {first} there is no room for {size} registers")
    count = _whole("count", given.get("count", "1"), 1, (0x10000 - first) // size)
    return Cells(units, table, range(first, first + count * size, size), entry)


def _units(text: str) -> Sequence[int | Literal["any"]]:
    if text == "any":
        return ["any"]
    try:
        return unit_numbers(text)
    except ValueError as error:
        raise ValueError(f"unit: {error}") from None


def _entry(given: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {key: given[key] for key in ("type", "order", "name", "access") if key in given}
    value = given.get("value", "")
    if "scale" in given:
        entry["scale"] = _number("scale", given["scale"])
    if entry.get("type") == "string":
        return entry | {"value": value, "length": max(1, (len(value) + 1) // 2)}
    if "process" in given:
        entry["process"] = _process(given["process"])
    if value or "process" not in given:
        entry["value"] = _number("value", value or "0")
    return entry


def _process(text: str) -> dict[str, Any]:
    """Such as `sine middle=20 amplitude=5 period=60`."""
    kind, *settings = text.split()
    declared: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"process: '{setting}' is not of the form key=value")
        declared[key] = _number(key, value) if is_number(value) else {"true": True}.get(value, value)
    return declared


def _number(column: str, text: str) -> int | float:
    if not is_number(text):
        raise ValueError(f"{column}: '{text}' is not a number")
    return float(text) if set(text) & set(".eE") else int(text)


def _whole(column: str, text: str, lowest: int, highest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise ValueError(f"{column}: '{text}' is not a whole number from {lowest} to {highest}")
    return int(text)
