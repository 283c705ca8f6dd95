"""From declared devices to simulated units."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from lumina.config.processes import KINDS, REFERENCES, made_format
from lumina.config.simulated import Device, Entry
from lumina.config.simulated import Table as Declared
from lumina.errors import ConfigError, LuminaError
from lumina.modbus.request import pack
from lumina.simulator import process
from lumina.simulator.files import Files, Queues
from lumina.simulator.memory import Memory, Signal
from lumina.simulator.process import TABLES, Process
from lumina.simulator.tables import AnyTable, BitsOf, Table
from lumina.simulator.traits import Traits
from lumina.simulator.unit import Unit


def unit(address: int, device: Device) -> Unit:
    """
    A fresh unit.

    @param address: where it stands, which is its process `unit`; 0 for one that is everywhere.
    @raise ConfigError: a process follows itself.
    """
    processes: dict[str, Process] = {"unit": process.Constant(address)}
    for name, declared in device.processes.items():
        processes[name] = _process(f"{address}/{name}", declared, processes)
    made = _Tables(device, address, processes).all()
    traits = Traits(
        device.identity,
        device.server_id.server_id,
        device.exception_status,
        device.diagnostic_register,
        device.functions,
    )
    whole = Unit(**made, files=Files(device.files), queues=Queues(device.queues), traits=traits)
    _follow(whole, [*processes.values(), *_inline(device, address, processes)])
    return whole


class _Tables:
    """The four tables of one device; those that show another one come after it."""

    def __init__(self, device: Device, address: int, processes: Mapping[str, Process]) -> None:
        self._device = device
        self._address = address
        self._processes = processes

    def all(self) -> dict[str, Any]:
        own = {name: self._own(name) for name in TABLES if not _shown(self._device.table(name))}
        views: dict[str, AnyTable] = {}
        for name in TABLES:
            declared = self._device.table(name)
            if declared.same_as:
                shown = own[declared.same_as]
                views[name] = Table(shown.memory, declared.start or shown.start)
            elif declared.bits_of:
                views[name] = BitsOf(own[declared.bits_of], declared.start)
        return {**own, **views}

    def _own(self, name: str) -> Table:
        declared = self._device.table(name)
        width = 2 if name.endswith("registers") else 1
        ranges = _ranges(declared, width)
        start = min((each.start for each in ranges), default=0)
        end = max((each.stop for each in ranges), default=0)
        memory = Memory(end - start, width)
        _close_holes(memory, ranges, start)
        if declared.values:
            memory.store(declared.start - start, _bytes(declared.values, width))
        for address, entry in declared.at.items():
            self._place(memory, name, address, address - start, entry)
        return Table(memory, start)

    def _place(self, memory: Memory, name: str, address: int, place: int, entry: Entry) -> None:
        moves = _moves(f"{self._address}/{name}/{address}", entry, self._processes)
        if moves is not None:
            memory.put(place, Signal(moves, entry.format, entry.every, not entry.overwrites))
        elif entry.value is not None:
            words = entry.format.encode(entry.value) if memory.width == 2 else (int(bool(entry.value)),)
            memory.store(place, _bytes(words, memory.width))
        if entry.access != "rw":
            memory.restrict(place, _size(entry, memory.width), "r" in entry.access, "w" in entry.access)


def _moves(stream: str, entry: Entry, known: Mapping[str, Process]) -> Process | None:
    if entry.process is not None:
        return _process(stream, entry.process, known)
    return None if entry.of is None else known[entry.of]


def _inline(device: Device, address: int, known: Mapping[str, Process]) -> list[Process]:
    """The processes that are declared where they are used."""
    return [
        _process(f"{address}/{name}/{at}", entry.process, known)
        for name in TABLES
        for at, entry in device.table(name).at.items()
        if entry.process is not None
    ]


def _process(stream: str, declared: Mapping[str, Any], known: Mapping[str, Process]) -> Process:
    """@param known: the processes declared before, which this one may name."""
    kind = KINDS[declared["kind"]]
    if kind is process.Register:
        return process.Register(declared["table"], declared["address"], made_format(dict(declared)))
    settings: dict[str, Any] = {}
    for key, value in declared.items():
        if key in REFERENCES:
            value = known[value] if isinstance(value, str) else tuple(known[name] for name in value)
        elif isinstance(value, list):
            value = tuple(value)
        if key != "kind":
            settings[key] = value
    if any(field.name == "stream" for field in fields(kind)):
        settings["stream"] = stream
    made: Process = kind(**settings)
    return made


def _follow(whole: Unit, processes: list[Process]) -> None:
    """Let the tables remember what is followed; a ring of followers would never come to an end."""
    for followed in process.followed(processes):
        table = whole.table(followed.table)
        if not isinstance(table, Table):
            raise ConfigError(f"{followed.table} cannot be followed: follow the registers that they are of")
        try:
            place = table.place(followed.address, followed.format.registers)
        except LuminaError as error:
            raise ConfigError(f"{followed.table} cannot be followed: {error}") from None
        table.memory.follow(place, followed.format.registers)
    whole.begin(1)
    try:
        for each in processes:
            with suppress(ArithmeticError, LuminaError):  # such values are 0
                each.value(whole.moment(0.0))
    except RecursionError:
        raise ConfigError("a register follows itself, through others") from None


def _shown(declared: Declared) -> bool:
    return bool(declared.same_as or declared.bits_of)


def _size(entry: Entry, width: int) -> int:
    return entry.format.registers if width == 2 else 1


def _ranges(declared: Declared, width: int) -> list[range]:
    """The addresses that are there, in order, without those that entries say are not."""
    count = max(declared.size, len(declared.values))
    ranges = [range(declared.start, declared.start + count)] if count else []
    ranges += [range(at, at + _size(entry, width)) for at, entry in declared.at.items()]
    return sorted(ranges, key=lambda each: each.start)


def _close_holes(memory: Memory, ranges: list[range], start: int) -> None:
    end = start
    for each in ranges:
        if each.start > end:
            memory.restrict(end - start, each.start - end, False, False)
        end = max(end, each.stop)


def _bytes(words: Any, width: int) -> bytes:
    return pack("value", words) if width == 2 else bytes(map(bool, words))
