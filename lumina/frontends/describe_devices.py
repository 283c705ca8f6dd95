"""What there is to know about polled devices, as lines for people."""

from collections.abc import Sequence

from lumina.frontends.tables import ago, printable, short, table
from lumina.interfaces import Overview
from lumina.readings import Reading
from lumina.status import Change, DeviceStatus, PointStatus

#: Devices that are listed at most, and changes of one that are told.
LISTED, CHANGES = 100, 10

#: Characters of a text value in a change.
_LONGEST = 40

_COLUMNS = (
    *("device", "bus", "unit", "state", "for", "good", "bad", "read"),
    *("cycles", "failed", "skipped", "took"),
)


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
        return table(_COLUMNS, map(_row, found))
    online = sum(each.online is True for each in found)
    listed = sorted(found, key=_soundness)[:LISTED]
    return [
        *table(_COLUMNS, map(_row, listed)),
        f"{len(listed)} of {len(found)} devices, those in trouble first; {online} are online; "
        "devices ID tells of any",
    ]


def _soundness(device: DeviceStatus) -> tuple[bool, bool, bool]:
    """How little there is to say of a device; the sort keeps the order among equals."""
    return device.online is not False, not device.bad, not device.cycles.skipped


def _row(device: DeviceStatus) -> tuple[str, ...]:
    return (
        printable(str(device.id)),
        device.bus,
        str(device.unit),
        _online(device.online),
        "-" if device.online is None else ago(device.since),
        str(device.good),
        str(device.bad),
        "never" if device.age is None else f"{ago(device.age)} ago",
        str(device.cycles.count),
        str(device.cycles.failed),
        str(device.cycles.skipped),
        short(device.cycles.last) if device.cycles.count else "-",
    )


def _whole(device: DeviceStatus) -> list[str]:
    """All about one device: its values, and how they have changed lately."""
    since = "" if device.online is None else f" for {ago(device.since)}"
    reason = f": {device.reason}" if device.reason else ""
    where = f"unit {device.unit} on {device.bus}"
    head = f"{device.id}: {where}, {_online(device.online)}{since}{reason}"
    rows = [tuple(map(printable, _point(point))) for point in device.points]
    lines = table(("parameter", "value", "in", "read", "quality"), rows)
    changed = _changes(device.points)
    if changed:
        lines += table(("changed", "parameter", "change"), changed)
    return [printable(head), *(f"  {line}" for line in lines)]


def _point(point: PointStatus) -> tuple[str, ...]:
    reading = point.reading
    if reading is None:
        return point.parameter, "-", point.unit or "-", "never", "-"
    value = "-" if reading.value is None else str(reading.value)
    quality = f"{reading.quality} {reading.reason}".strip()
    return point.parameter, value, point.unit or "-", f"{ago(point.age)} ago", quality


def _changes(points: Sequence[PointStatus]) -> list[tuple[str, ...]]:
    """The last changes of all values together, the newest first."""
    found: list[tuple[float, str, Change]] = []
    for point in points:
        if point.reading is not None:
            now = point.reading.at + point.age
            found += ((now - each.after.at, point.parameter, each) for each in point.changes if each.before)
    found.sort(key=lambda each: each[0])
    return [
        (
            f"{ago(seconds)} ago",
            printable(parameter),
            printable(f"{_shown(change.before)} -> {_shown(change.after)}"),
        )
        for seconds, parameter, change in found[:CHANGES]
    ]


def _shown(reading: Reading | None) -> str:
    """A value, or why there was none."""
    if reading is None:
        return "-"
    return reading.quality if reading.value is None else str(reading.value)[:_LONGEST]


def _online(online: bool | None) -> str:
    return {None: "unknown", True: "online", False: "offline"}[online]
