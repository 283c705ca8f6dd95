"""Files of simulated devices: YAML, CSV, and the presets that come with lumina."""

import csv
from collections.abc import Callable, Collection
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lumina.config import files
from lumina.config.document import Document, KeyPath, Position
from lumina.config.records import read_record
from lumina.config.rows import COLUMNS, cells
from lumina.config.sentences import sentence
from lumina.config.simulated import Device, Entry, ServerName, Table
from lumina.errors import ConfigError
from lumina.plugins import nearest
from lumina.simulator.process import TABLES

_DEVICES = TypeAdapter(list[Device])
_FOLDER = resources.files("lumina.simulator") / "presets"
_SUFFIX = ".yaml"


def presets() -> list[str]:
    """The names of the simulators that come with lumina."""
    return sorted(
        file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX)
    )


def preset(name: str) -> list[Device]:
    """
    The devices of a preset.

    @raise ConfigError: there is none of that name; the message names those there are.
    """
    if name not in presets():
        raise ConfigError(f"preset: '{name}' is none of {', '.join(presets())}")
    return _yaml((_FOLDER / (name + _SUFFIX)).read_text(encoding="utf-8"), name)


def load_map(path: str) -> list[Device]:
    """
    Read a file of devices: CSV if it is called so, else YAML.

    @raise ConfigError: it cannot be read, or is wrong; all errors at once,
        each as `file:line:column: key: sentence`.
    """
    text = files.text_of(path, files.read(path))
    try:
        devices = _csv(text, path) if path.lower().endswith(".csv") else _yaml(text, path)
    except csv.Error as error:
        raise ConfigError(f"{path}: it is not CSV: {error}") from error
    for device in devices:
        _read_records(device, Path(path).parent)
    return devices


def _yaml(text: str, name: str) -> list[Device]:
    document = Document(text)
    if document.problems:
        raise ConfigError(
            "\n".join(
                f"{name}:{each.position}: {'.'.join(map(str, each.path)) or 'YAML'}: {each.sentence}"
                for each in document.problems
            )
        )
    single = isinstance(document.data, dict)
    devices = [document.data] if single else document.data

    def position(path: KeyPath) -> Position:
        return document.position(path[1:] if single else path)

    return _validated(devices, name, position)


def _validated(devices: Any, name: str, position: Callable[[KeyPath], Position]) -> list[Device]:
    try:
        found = _DEVICES.validate_python(devices)
    except ValidationError as error:
        lines = [_line(name, each, position) for each in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    if not found:
        raise ConfigError(f"{name}: there is no device in it")
    return found


def _line(name: str, error: ErrorDetails, position: Callable[[KeyPath], Position]) -> str:
    path = tuple(part for part in error["loc"] if part != "[key]")
    said = sentence(error)
    if error["type"] == "extra_forbidden":
        said = f"unknown key '{path[-1]}'; {nearest(str(path[-1]), _known(path))}"
    elif error["type"] == "missing":
        said = "it is required, and not here"
    return f"{name}:{position(path)}: {'.'.join(map(str, path[1:])) or 'device'}: {said}"


def _known(path: KeyPath) -> Collection[str]:
    """The keys that may stand where one is wrong."""
    _, *inside, _ = path
    if inside[:1] == ["server_id"]:
        return ServerName.model_fields
    if len(inside) == 1 and inside[0] in TABLES:
        return Table.model_fields
    return Entry.model_fields if inside else Device.model_fields


def _csv(text: str, name: str) -> list[Device]:
    devices: dict[int | str, dict[str, Any]] = {}
    lines: dict[KeyPath, int] = {}
    problems = []
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    unknown = [each for each in reader.fieldnames or () if each.strip() not in COLUMNS]
    if unknown:
        raise ConfigError(f"{name}:1:1: unknown column '{unknown[0]}'; {nearest(unknown[0], COLUMNS)}")
    for row in reader:
        given = {key.strip(): value.strip() for key, value in row.items() if key and value and value.strip()}
        if not given:
            continue
        try:
            cell = cells(given)
        except ValueError as error:
            problems.append(f"{name}:{reader.line_num}:1: {error}")
            continue
        for unit in cell.units:
            where = devices.setdefault(unit, {"units": unit}).setdefault(cell.table, {"at": {}})["at"]
            index = list(devices).index(unit)
            for address in cell.addresses:
                where[address] = cell.entry
                lines[index, cell.table, "at", address] = reader.line_num
    if problems:
        raise ConfigError("\n".join(problems))
    return _validated(list(devices.values()), name, lambda path: Position(lines.get(path[:4], 1), 1))


def _read_records(device: Device, folder: Path) -> None:
    """Read the records that it replays; their names are relative to the file of the device."""
    inline = (
        entry.process
        for table in TABLES
        for entry in device.table(table).at.values()
        if entry.process is not None
    )
    for declared in (*device.processes.values(), *inline):
        if "file" in declared:
            path = str(folder / declared.pop("file"))
            declared["times"], declared["values"] = read_record(path, declared.pop("column", None))
