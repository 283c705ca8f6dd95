"""What moves in a simulated device, as a file declares it."""

import math
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator

from lumina.errors import BadRequest
from lumina.modbus.values import Format
from lumina.plugins import nearest
from lumina.simulator import process
from lumina.simulator.process import TABLES

KINDS: dict[str, type[Any]] = {
    "constant": process.Constant,
    "uniform": process.Uniform,
    "walk": process.Walk,
    "ramp": process.Ramp,
    "sine": process.Sine,
    "counter": process.Counter,
    "lag": process.Lag,
    "rate": process.Rate,
    "product": process.Product,
    "register": process.Register,
    "replay": process.Replay,
}

#: What the declaration of a process names others by.
REFERENCES = ("source", "factors", "divisors")

#: Seconds, which a division by 0 would be the end of.
_DURATIONS = ("every", "period", "duration", "delay", "over", "wrap")

FORMAT_KEYS = tuple(each.name for each in fields(Format))
_DECIMALS = ("scale", "offset")
_REGISTER_KEYS = ("table", "address", *FORMAT_KEYS)
_REPLAY_KEYS = ("file", "column", "times", "values", "period")


def _declared(value: Any) -> dict[str, Any]:
    """A process: its kind, and the keys that the kind has."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError("it should be a mapping with the kind of the process")
    kind = value["kind"]
    if kind not in KINDS:
        raise ValueError(f"no kind of process is called '{kind}'; {nearest(kind, KINDS)}")
    known = _keys(kind)
    for key, each in value.items():
        if key != "kind" and key not in known:
            raise ValueError(f"a {kind} has no '{key}'; {nearest(str(key), known)}")
        if key in _DURATIONS and not _positive(each):
            raise ValueError(f"{key} {each} is not a number above 0")
    missing = [key for key in _required(kind) if key not in value]
    if missing:
        raise ValueError(f"a {kind} needs {', '.join(missing)}")
    _check_values(kind, value)
    return value


def _check_values(kind: str, value: dict[str, Any]) -> None:
    if kind == "replay":
        _check_record(value)
        return
    text = {"table", "type", "order", "padding"}
    for key, each in value.items():
        if key in REFERENCES:
            if isinstance(each, str) == (key != "source") or not isinstance(each, str | list):
                raise ValueError(f"{key} should be {'a name' if key == 'source' else 'a list of names'}")
        elif key not in text | {"kind"} and (
            isinstance(each, bool) != (key == "repeat") or not isinstance(each, int | float)
        ):
            raise ValueError(f"{key} {each!r} is not {'true or false' if key == 'repeat' else 'a number'}")
    if value.get("low", 0) > value.get("high", math.inf):
        raise ValueError(f"low {value['low']} is above high {value['high']}")
    if kind == "register":
        if value["table"] not in TABLES:
            raise ValueError(f"no table is called '{value['table']}'; {nearest(str(value['table']), TABLES)}")
        made_format(value)


def _check_record(value: dict[str, Any]) -> None:
    if ("file" in value) == ("times" in value or "values" in value):
        raise ValueError("a replay has either a file, or times and values")
    if "file" in value:
        if not isinstance(value["file"], str):
            raise ValueError(f"file {value['file']!r} is not a path")
        return
    times, values = value.get("times"), value.get("values")
    for each in (times, values):
        if not isinstance(each, list) or not each or not all(type(one) in (int, float) for one in each):
            raise ValueError("times and values should be lists of numbers")
    assert isinstance(times, list) and isinstance(values, list)
    if len(times) != len(values) or times != sorted(times) or times[0] < 0:
        raise ValueError("times should rise from 0 on, with a value for each")


def _keys(kind: str) -> tuple[str, ...]:
    if kind == "register":
        return _REGISTER_KEYS
    if kind == "replay":
        return _REPLAY_KEYS
    return tuple(each.name for each in fields(KINDS[kind]) if each.name != "stream")


def _required(kind: str) -> list[str]:
    if kind == "replay":
        return []
    return [
        each.name
        for each in fields(KINDS[kind])
        if each.default is MISSING and each.default_factory is MISSING and each.name != "format"
    ]


def _positive(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)


def made_format(declared: dict[str, Any]) -> Format:
    """@raise ValueError: it is none."""
    options: dict[str, Any] = {
        key: Decimal(str(value)) if key in _DECIMALS else value
        for key, value in declared.items()
        if key in FORMAT_KEYS and value is not None
    }
    try:
        return Format(**options)
    except (BadRequest, ArithmeticError, TypeError) as error:
        raise ValueError(str(error)) from None


Process = Annotated[dict[str, Any], PlainValidator(_declared)]
