"""What no request can read: values that are too long, and snapshots that do not fit into one."""

from collections.abc import Iterator, Sequence

from lumina.config.document import Finding, KeyPath, Plain
from lumina.config.poll import Device, Manner, Poll
from lumina.config.polled import PolledDevice, polled_device
from lumina.errors import BadRequest
from lumina.modbus.tables import BITS
from lumina.readings import Point


def unreadable(device: Plain, at: KeyPath, top: Plain) -> Iterator[Finding]:
    """
    Why a device could not be read as it is configured.

    @param at: the path of the device in its file.
    @param top: the section that it stands in; what is wrong with it otherwise is said elsewhere.
    """
    try:
        known = _section(top, device.get("profile"))
        checked = Device.model_validate(device)
        made = polled_device(known, checked)
    except (ValueError, BadRequest, OSError):  # said elsewhere
        return
    where: dict[str, KeyPath] = {
        register.parameter: (*at, "registers", index) for index, register in enumerate(checked.registers)
    }
    for point in (point for due in made.points.values() for point in due):
        limit = _limit(made, point)
        if point.size > limit:
            path = where.get(point.parameter, (*at, "profile"))
            yield path, f"'{point.parameter}' takes {point.size} registers, and one request reads {limit}"
    for group in made.snapshots:
        names = ", ".join(point.parameter for point in group)
        last = group[-1].parameter
        path = (*where[last], "snapshot") if last in where else (*at, "profile")
        for sentence in _torn(made, group):
            yield path, f"one request reads a snapshot, and {names} {sentence}"


def _section(top: Plain, profile: object) -> Poll:
    """
    What a section says to a device with this profile.

    @raise ValueError: it says it wrongly.
    """
    said = {key: value for key, value in top.items() if key in Manner.model_fields}
    profiles = top.get("profiles")
    own = profiles.get(profile) if isinstance(profiles, dict) and isinstance(profile, str) else None
    return Poll.model_validate(said if own is None else {**said, "profiles": {profile: own}})


def _limit(device: PolledDevice, point: Point) -> int:
    return device.max_bits if point.table in BITS else device.max_registers


def _torn(device: PolledDevice, group: Sequence[Point]) -> Iterator[str]:
    """Why these cannot come from one request."""
    if sum(any(point in due for point in group) for due in device.points.values()) > 1:
        yield "have several intervals"
    tables = sorted({point.table for point in group})
    if len(tables) > 1:
        yield f"lie in several tables, {' and '.join(tables)}"
        return
    spans = sorted((point.address, point.address + point.size) for point in group)
    start, stop = spans[0][0], max(end for _, end in spans)
    limit = _limit(device, group[0])
    if stop - start > limit:
        yield f"take {stop - start} addresses from {start} on, where {limit} are the limit"
    reached = start
    for begin, end in spans if device.forbid_gaps else ():
        if begin > reached:
            yield f"have a gap between them, from {reached} to {begin - 1}, while forbid_gaps is true"
            return
        reached = max(reached, end)
