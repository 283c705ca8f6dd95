"""
Simulated devices, as a file declares them: tables, what is in them, and what they say of themselves.

`docs/simulator.md` says what each key means.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from lumina.config.processes import FORMAT_KEYS, REFERENCES, Process, made_format
from lumina.errors import BadRequest
from lumina.modbus.identity import OBJECT_NAMES, Identity, ServerId
from lumina.modbus.values import Format
from lumina.plugins import Settings, nearest
from lumina.simulator.process import TABLES

Address = Annotated[int, Field(ge=0, le=0xFFFF)]
Word = Annotated[int, Field(ge=0, le=0xFFFF)]


class Entry(Settings):
    """What is at one address of a table."""

    value: bool | int | float | str | None = None
    of: str | None = None
    process: Process | None = None
    type: str | None = None
    order: str | None = None
    scale: float | None = None
    offset: float | None = None
    length: int | None = None
    padding: str | None = None
    every: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    overwrites: bool = False
    name: str | None = None
    access: Literal["rw", "r", "w", "none"] = "rw"

    @model_validator(mode="after")
    def _makes_sense(self) -> "Entry":
        if sum(each is not None for each in (self.value, self.of, self.process)) > 1:
            raise ValueError("it is one of value, of and process, not several")
        if self.value is not None:
            try:
                self.format.encode(self.value)
            except BadRequest as error:
                raise ValueError(str(error)) from None
        elif self.format.type == "string" and (self.of or self.process):
            raise ValueError("a process gives numbers; a string stays what it is")
        return self

    @property
    def format(self) -> Format:
        """@raise ValueError: there is no such format."""
        return made_format(self.model_dump(include=set(FORMAT_KEYS)))


def _entry(value: Any) -> Any:
    """A bare value is that value."""
    return value if isinstance(value, dict) else {"value": value}


class Table(Settings):
    """
    One of the four tables.

    Addresses from `start` on are there, `size` of them or as many as `values`
    has, and those in `at`.
    """

    start: Address = 0
    size: Annotated[int, Field(ge=0, le=0x10000)] = 0
    values: Annotated[tuple[Word, ...], Field(strict=False, max_length=0x10000)] = ()
    at: dict[Address, Annotated[Entry, BeforeValidator(_entry)]] = Field(default_factory=dict)
    same_as: Literal["holding_registers", "input_registers"] | None = None
    bits_of: Literal["holding_registers", "input_registers"] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Table":
        if (self.same_as or self.bits_of) and (self.size or self.values or self.at):
            raise ValueError("a table that shows another one has nothing of its own but its start")
        if self.start + max(self.size, len(self.values)) > 0x10000:
            raise ValueError(f"start {self.start} with size {self.size} goes beyond address 65535")
        if self.size and len(self.values) > self.size:
            raise ValueError(f"{len(self.values)} values do not fit into size {self.size}")
        for address, entry in self.at.items():
            if address + entry.format.registers > 0x10000:
                raise ValueError(f"{address}: {entry.format.registers} registers go beyond address 65535")
        return self


def _bit(value: Any) -> int:
    if not isinstance(value, int) or value not in (0, 1):
        raise ValueError(f"a bit is 0 or 1; got {value}")
    return int(value)


def _bit_entry(value: Any) -> Any:
    entry = _entry(value)
    if entry.get("value") is not None:
        _bit(entry["value"])
    formats = [key for key in FORMAT_KEYS if entry.get(key) is not None and entry[key] != "bit"]
    if formats:
        raise ValueError(f"a bit is only on or off: it has no {formats[0]} here")
    return entry


class Bits(Table):
    """One of the two that are bits."""

    values: Annotated[
        tuple[Annotated[int, PlainValidator(_bit)], ...], Field(strict=False, max_length=0x10000)
    ] = ()
    at: dict[Address, Annotated[Entry, BeforeValidator(_bit_entry)]] = Field(default_factory=dict)


class ServerName(Settings):
    """What function 17 tells."""

    id: Annotated[int, Field(ge=0, le=255)] = 1
    running: bool = True
    text: Annotated[str, Field(max_length=249)] = "lumina"

    @property
    def server_id(self) -> ServerId:
        return ServerId(bytes((self.id,)), self.running, self.text.encode("latin-1", "replace"))


_IDS = {name: number for number, name in OBJECT_NAMES.items()}


def _identity(value: Any) -> Identity:
    if not isinstance(value, dict):
        raise ValueError("it should be a mapping of objects, such as VendorName, to texts")
    objects = {}
    for key, text in value.items():
        number = _IDS.get(key, key) if isinstance(key, str) else key
        if not isinstance(number, int):
            raise ValueError(
                f"no object is called '{key}'; {nearest(key, _IDS)}, or a number from 128 to 255"
            )
        objects[number] = str(text)
    try:
        return Identity(objects)
    except BadRequest as error:
        raise ValueError(str(error)) from None


_RUN = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")


def unit_numbers(value: Any) -> range:
    """
    A unit's number, or a first and a last one: `18`, `1-3`.

    @raise ValueError: it is neither, or beyond 1 to 255.
    """
    match = _RUN.fullmatch(str(value)) if isinstance(value, int | str) else None
    if match:
        first, last = int(match[1]), int(match[2] or match[1])
        if 1 <= first <= last <= 255:
            return range(first, last + 1)
    raise ValueError(f"units are numbers from 1 to 255, ranges of them such as 1-3, or any; got {value}")


def _units(value: Any) -> Any:
    if value == "any":
        return value
    listed = value if isinstance(value, list) else [value]
    return tuple(number for each in listed for number in unit_numbers(each))


Units = Annotated[tuple[int, ...] | Literal["any"], PlainValidator(_units)]


class Device(Settings):
    """A simulated device, at one address, several, or all of them."""

    units: Units = "any"
    processes: dict[str, Process] = Field(default_factory=dict)
    coils: Bits = Bits()
    discrete_inputs: Bits = Bits()
    holding_registers: Table = Table()
    input_registers: Table = Table()
    files: dict[Annotated[int, Field(ge=1, le=0xFFFF)], Annotated[tuple[Word, ...], Field(strict=False)]] = (
        Field(default_factory=dict)
    )
    queues: dict[Address, Annotated[tuple[Word, ...], Field(strict=False)]] = Field(default_factory=dict)
    identity: Annotated[Identity, PlainValidator(_identity)] = Identity(
        {0: "lumina", 1: "simulated", 2: "1.0"}
    )
    server_id: ServerName = ServerName()
    exception_status: Annotated[int, Field(ge=0, le=255)] = 0
    diagnostic_register: Word = 0
    functions: Annotated[tuple[Annotated[int, Field(ge=1, le=127)], ...], Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> "Device":
        known = ["unit"]
        for name, declared in self.processes.items():
            _check_references(f"process '{name}'", declared, known)
            known.append(name)
        for table in TABLES:
            for address, entry in self.table(table).at.items():
                where = f"{table} at {address}"
                if entry.of is not None and entry.of not in known:
                    raise ValueError(
                        f"{where}: no process is called '{entry.of}'; {nearest(entry.of, known)}"
                    )
                if entry.process is not None:
                    _check_references(where, entry.process, known)
            self._check_shared(table)
        return self

    def table(self, name: str) -> Table:
        """@param name: one of `TABLES`."""
        table: Table = getattr(self, name)
        return table

    def _check_shared(self, name: str) -> None:
        table = self.table(name)
        other = table.same_as or table.bits_of
        if other is None:
            return
        if other == name or self.table(other).same_as or self.table(other).bits_of:
            raise ValueError(f"{name}: {other} is no table with a memory of its own")
        if bool(table.bits_of) == name.endswith("registers"):
            raise ValueError(
                f"{name}: registers are same_as others, coils and discrete inputs are bits_of them"
            )


def _check_references(where: str, declared: dict[str, Any], known: list[str]) -> None:
    for key in REFERENCES:
        named = declared.get(key, ())
        for name in named if isinstance(named, list | tuple) else (named,):
            if name not in known:
                raise ValueError(
                    f"{where}: no process before it is called '{name}'; {nearest(str(name), known)}"
                )
