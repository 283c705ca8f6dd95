"""
Simulated buses that come with lumina, by name.

A preset is a YAML file: a list of devices, each with the addresses it stands
at, its processes by name, and its tables. A table lists, by PDU address, a
number that is held, or what a process of the device gives, in the format that
stands beside it (`lumina.modbus.values.Format`). The process `unit` is always
there: it is the device's own address.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from importlib import resources
from typing import Any

import yaml

from lumina.errors import ConfigError
from lumina.modbus.values import Format
from lumina.simulator import process
from lumina.simulator.bank import Bank
from lumina.simulator.memory import Signal
from lumina.simulator.process import Process
from lumina.simulator.tables import Table, bits, registers
from lumina.simulator.unit import Unit

_KINDS: dict[str, type[Any]] = {
    "constant": process.Constant,
    "uniform": process.Uniform,
    "walk": process.Walk,
    "ramp": process.Ramp,
    "sine": process.Sine,
    "counter": process.Counter,
    "lag": process.Lag,
    "rate": process.Rate,
    "product": process.Product,
}
_FOLDER = resources.files("lumina.simulator") / "presets"
_SUFFIX = ".yaml"
#: What a format takes as exact decimals.
_DECIMALS = ("scale", "offset")


def names() -> list[str]:
    """All presets there are."""
    return sorted(
        file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX)
    )


def bank(name: str, seed: int, seconds: Callable[[], float]) -> Bank:
    """
    A fresh bus with the units of a preset; its time begins now.

    @param seconds: monotonic.
    @raise ConfigError: there is no such preset; the message names those there are.
    """
    if name not in names():
        raise ConfigError(f"preset: '{name}' is none of {', '.join(names())}")
    devices = yaml.safe_load((_FOLDER / (name + _SUFFIX)).read_text(encoding="utf-8"))
    units = {address: _unit(address, device) for device in devices for address in device["units"]}
    return Bank(units, seconds, seed)


def _unit(address: int, device: Mapping[str, Any]) -> Unit:
    processes: dict[str, Process] = {"unit": process.Constant(address)}
    for name, declared in device["processes"].items():
        processes[name] = _process(f"{address}/{name}", declared, processes)
    tables: dict[str, Any] = {
        name: _table(name, declared, processes) for name, declared in device["tables"].items()
    }
    return Unit(**tables)


def _process(stream: str, declared: Mapping[str, Any], known: Mapping[str, Process]) -> Process:
    """@param known: the processes declared before, which this one may name."""
    kind = _KINDS[declared["kind"]]
    settings = {name: _setting(value, known) for name, value in declared.items() if name != "kind"}
    if any(field.name == "stream" for field in fields(kind)):
        settings["stream"] = stream
    made: Process = kind(**settings)
    return made


def _setting(value: Any, known: Mapping[str, Process]) -> Any:
    if isinstance(value, list):
        return tuple(known[name] for name in value)
    return known[value] if isinstance(value, str) else value


def _table(name: str, declared: Mapping[str, Any], processes: Mapping[str, Process]) -> Table:
    content = declared.get("at", {})
    signals = {
        address: _signal(entry, processes) for address, entry in content.items() if isinstance(entry, dict)
    }
    held = {address: entry for address, entry in content.items() if address not in signals}
    make = registers if name.endswith("registers") else bits
    return make(declared["size"], declared.get("start", 0), held, signals)


def _signal(declared: Mapping[str, Any], processes: Mapping[str, Process]) -> Signal:
    options = {name: _exact(name, value) for name, value in declared.items() if name != "of"}
    return Signal(processes[declared["of"]], Format(**options))


def _exact(name: str, value: Any) -> Any:
    return Decimal(str(value)) if name in _DECIMALS else value
