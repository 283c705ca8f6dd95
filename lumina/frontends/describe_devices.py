"""What there is to know about polled devices, as lines for people."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from lumina.frontends.tables import Columns, ago, printable, short, table
from lumina.interfaces import Overview
from lumina.readings import Reading
from lumina.status import Change, DeviceStatus, PointStatus

#: Devices that are listed at most, and changes of one that are told.
LISTED, CHANGES = 100, 10

#: Characters of a text value in a change.
_LONGEST = 40


def devices(overview: Overview, id: str | None) -> list[str]:
    """
    All devices in a table, or all about one.

    Of very many only some are listed, those in trouble before others.

    @raise BadRequest: there is no such device.
    """
    found = overview.devices(id)
    if id is not None:
        return [line for each in found for line in _whole(each)]
    if len(found) <= LISTED:
        return table(_DEVICES, found)
    online = sum(each.online is True for each in found)
    listed = sorted(found, key=_soundness)[:LISTED]
    return [
        *table(_DEVICES, listed),
        f"{len(listed)} of {len(found)} devices, those in trouble first; {online} are online; "
        "devices ID tells of any",
    ]


def _soundness(device: DeviceStatus) -> tuple[bool, bool, bool]:
    """How little there is to say of a device; the sort keeps the order among equals."""
    return device.online is not False, not device.bad, not device.cycles.skipped


_DEVICES: Columns[DeviceStatus] = {
    "device": lambda each: printable(str(each.id)),
    "bus": lambda each: each.bus,
    "unit": lambda each: each.unit,
    "state": lambda each: _online(each.online),
    "for": lambda each: "-" if each.online is None else ago(each.since),
    "good": lambda each: each.good,
    "bad": lambda each: each.bad,
    "read": lambda each: "never" if each.age is None else f"{ago(each.age)} ago",
    "cycles": lambda each: each.cycles.count,
    "failed": lambda each: each.cycles.failed,
    "skipped": lambda each: each.cycles.skipped,
    "took": lambda each: short(each.cycles.last) if each.cycles.count else "-",
}


def _whole(device: DeviceStatus) -> list[str]:
    """All about one device: its values, and how they have changed lately."""
    since = "" if device.online is None else f" for {ago(device.since)}"
    reason = f": {device.reason}" if device.reason else ""
    where = f"unit {device.unit} on {device.bus}"
    head = f"{device.id}: {where}, {_online(device.online)}{since}{reason}"
    lines = table(_VALUES, device.points)
    changed = _changes(device.points)
    if changed:
        lines += table(_CHANGES, changed)
    return [printable(head), *(f"  {line}" for line in lines)]


_VALUES: Columns[PointStatus] = {
    "parameter": lambda point: printable(point.parameter),
    "value": lambda point: printable(_value(point.reading)),
    "in": lambda point: printable(point.unit or "-"),
    "read": lambda point: "never" if point.reading is None else f"{ago(point.age)} ago",
    "quality": lambda point: printable(_quality(point.reading)),
}


def _value(reading: Reading | None) -> str:
    return "-" if reading is None or reading.value is None else str(reading.value)


def _quality(reading: Reading | None) -> str:
    return "-" if reading is None else f"{reading.quality} {reading.reason}".strip()


class _Changed(NamedTuple):
    """How long ago a value has changed, and which."""

    seconds: float
    parameter: str
    change: Change


_CHANGES: Columns[_Changed] = {
    "changed": lambda each: f"{ago(each.seconds)} ago",
    "parameter": lambda each: printable(each.parameter),
    "change": lambda each: printable(f"{_shown(each.change.before)} -> {_shown(each.change.after)}"),
}


def _changes(points: Sequence[PointStatus]) -> list[_Changed]:
    """The last changes of all values together, the newest first."""
    found: list[_Changed] = []
    for point in points:
        if point.reading is not None:
            now = point.reading.at + point.age
            found += (
                _Changed(now - each.after.at, point.parameter, each) for each in point.changes if each.before
            )
    found.sort(key=attrgetter("seconds"))
    return found[:CHANGES]


def _shown(reading: Reading | None) -> str:
    """A value, or why there was none."""
    if reading is None:
        return "-"
    return reading.quality if reading.value is None else str(reading.value)[:_LONGEST]


def _online(online: bool | None) -> str:
    return {None: "unknown", True: "online", False: "offline"}[online]
