"""
Routes of a Modbus server, as they are configured: which unit ids lead to which
bus, and to which units there.

    routes: {1-31: greenhouse, 100: plc/1, 40-49: plc/1-10, default: plant}
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from lumina.plugins import nearest

DEFAULT = "default"
LAST = 255

_UNITS = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")
_TARGET = re.compile(r"(.+)/(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


class Target(NamedTuple):
    """
    Where unit ids lead.

    @ivar units: the units there; `None`: those that were asked for.
    """

    bus: str
    units: range | None

    def __str__(self) -> str:
        return self.bus if self.units is None else f"{self.bus}/{_written(self.units)}"


def _target(value: object, info: ValidationInfo) -> Target:
    if not isinstance(value, str):
        raise ValueError(f"it should be a bus, or a bus and a unit: plc/1 or plc/1-10; got {value!r:.42}")
    buses = (info.context or {}).get("buses")
    found = _TARGET.fullmatch(value)
    name, units = value, None
    if found and (buses is None or value not in buses):
        name, units = found[1], _range(found[2], found[3], 1, "a unit that a route leads to")
    if buses is not None and name not in buses:
        raise ValueError(f"no bus is called '{name}'; {nearest(name, buses)}")
    return Target(name, units)


def _units(value: object) -> Any:
    """A key; kept as it is, so that what is wrong with it can be found in the file."""
    if value != DEFAULT:
        read(value)
    return value


def read(key: object) -> range:
    """
    The unit ids of a key, which is not `default`.

    @raise ValueError: what is wrong with it.
    """
    found = _UNITS.fullmatch(str(key)) if isinstance(key, int | str) and not isinstance(key, bool) else None
    if found is None:
        raise ValueError(f"'{key}' is none of: a unit id, a range of them such as 1-31, {DEFAULT}")
    return _range(found[1], found[2], 0, "a unit id")


def _range(first: str, last: str | None, lowest: int, what: str) -> range:
    low, high = int(first), int(first if last is None else last)
    for each in (low, high):
        if not lowest <= each <= LAST:
            raise ValueError(f"{each} is not within {lowest} to {LAST}, as {what} must be")
    if low > high:
        raise ValueError(f"the first, {low}, is above the last, {high}")
    return range(low, high + 1)


def _sound(routes: dict[Any, Target]) -> dict[Any, Target]:
    if not routes:
        raise ValueError(f"it leads nowhere; to lead all unit ids to one bus say {{{DEFAULT}: BUS}}")
    taken: dict[int, str] = {}
    for ids, target in _listed(routes):
        for each in ids:
            other = taken.setdefault(each, _written(ids))
            if other != _written(ids):
                raise ValueError(f"{other} and {_written(ids)} overlap at {each}; a unit id leads to one bus")
        _same_length(_written(ids), len(ids), target)
    if DEFAULT in routes:
        _same_length(DEFAULT, LAST, routes[DEFAULT])
    return routes


def _same_length(key: str, count: int, target: Target) -> None:
    if target.units is not None and len(target.units) not in (1, count):
        raise ValueError(
            f"{key}: {target} are {len(target.units)} units for {count} unit ids; "
            "it takes one unit for all, or one for each"
        )


def _listed(routes: Mapping[Any, Target]) -> Iterator[tuple[range, Target]]:
    for key, target in routes.items():
        if key != DEFAULT:
            yield read(key), target


def _written(units: range) -> str:
    return f"{units[0]}" if len(units) == 1 else f"{units[0]}-{units[-1]}"


def expanded(routes: Mapping[Any, Target]) -> Mapping[int, tuple[str, int]]:
    """
    Where each unit id leads: a bus, and the unit there. Those that lead
    nowhere are left out. Unit id 0, broadcast, leads only where it is said to,
    or where the default is a single unit.
    """
    led: dict[int, tuple[str, int]] = {}
    default = routes.get(DEFAULT)
    if default is not None:
        first = 1 if default.units is None else 0
        led.update({each: (default.bus, _there(each, first, default)) for each in range(first, LAST + 1)})
    for ids, target in _listed(routes):
        led.update({each: (target.bus, _there(each, ids[0], target)) for each in ids})
    return led


def _there(unit: int, first: int, target: Target) -> int:
    if target.units is None:
        return unit
    return target.units[0] if len(target.units) == 1 else target.units[unit - first]


Routes = Annotated[
    dict[Annotated[Any, PlainValidator(_units)], Annotated[Any, PlainValidator(_target)]],
    Field(),
    AfterValidator(_sound),
]
