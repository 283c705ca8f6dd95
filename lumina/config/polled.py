"""From configured devices to points: profiles, defaults and addresses put together."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from lumina.config.addressing import MODICON, PDU, Place, resolve
from lumina.config.poll import Device, Manner, Poll, Profile, Register, of_bits
from lumina.config.poll_values import BOOL
from lumina.modbus.tables import BITS
from lumina.readings import Point

#: Seconds between readings, unless said otherwise: the documents' half hour.
INTERVAL = 1800.0


@dataclass(frozen=True, slots=True)
class PolledDevice:
    """
    A device, with all that is to be read from it.

    @ivar bus: the name of a configured bus; empty: it is `host` and `port`.
    @ivar unit: its number on the bus.
    @ivar timeout: seconds for one reply; `None`: as the bus has it.
    @ivar points: what is read, by the seconds between readings.
    @ivar snapshots: points that must be read by one request.
    @ivar max_registers: that one request may read.
    @ivar max_bits: that one request may read.
    @ivar forbid_gaps: never read what lies between points.
    """

    id: int | str
    bus: str
    host: str
    port: int
    unit: int
    timeout: float | None
    points: Mapping[float, tuple[Point, ...]]
    snapshots: tuple[tuple[Point, ...], ...] = ()
    max_registers: int = 125
    max_bits: int = 2000
    forbid_gaps: bool = False


def polled(poll: Poll) -> list[PolledDevice]:
    """Every device of a section that has passed `problems`, in the order of the file."""
    return [polled_device(poll, device) for device in poll.devices]


@cache
def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with lumina."""
    folder = resources.files("lumina.poll") / "profiles"
    found = folder.iterdir() if folder.is_dir() else iter(())
    return tuple(sorted(file.name.removesuffix(".yaml") for file in found if file.name.endswith(".yaml")))


def convention_of(profile: str) -> str | None:
    """The convention of addresses of a profile that comes with lumina."""
    return _shipped(profile).addressing if profile in shipped() else None


@cache
def _shipped(name: str) -> Profile:
    text = (resources.files("lumina.poll") / "profiles" / f"{name}.yaml").read_text("utf-8")
    return Profile.model_validate(yaml.safe_load(text))


def _profile(poll: Poll, device: Device) -> Profile | None:
    if device.profile is None:
        return None
    return poll.profiles.get(device.profile) or _shipped(device.profile)


def _said(key: str, *levels: Manner | None) -> Any:
    """What the first of these that says anything says."""
    return next((value for level in levels if (value := getattr(level, key, None)) is not None), None)


def polled_device(poll: Poll, device: Device) -> PolledDevice:
    """A device of a section, or one that could be in it."""
    profile = _profile(poll, device)
    own = {register.parameter: (register, device) for register in device.registers}
    registers: dict[str, tuple[Register, Manner | None]] = {}
    if profile is not None:
        registers = {each.parameter: (each, profile) for each in profile.registers}
    points: dict[float, list[Point]] = {}
    groups: dict[str, list[Point]] = {}
    for register, source in (registers | own).values():
        # A profile's addresses are written in its own convention, whatever the device has for its own.
        ways = (device, profile, poll) if source is device else (profile, device, poll)
        point = _point(device.device_id, register, ways)
        interval = register.interval or _said("interval", device, profile, poll) or INTERVAL
        points.setdefault(interval, []).append(point)
        if register.snapshot is not None:
            groups.setdefault(register.snapshot, []).append(point)
    return PolledDevice(
        device.device_id,
        device.bus or "",
        device.ip or "",
        device.port,
        device.slave_id,
        _said("timeout", device, profile, poll),
        {interval: tuple(each) for interval, each in sorted(points.items())},
        tuple(tuple(each) for each in groups.values()),
        _said("max_registers", device, profile, poll) or 125,
        _said("max_bits", device, profile, poll) or 2000,
        bool(_said("forbid_gaps", device, profile, poll)),
    )


def _point(device: int | str, register: Register, ways: tuple[Manner | None, ...]) -> Point:
    place = resolve(
        register.address,
        _said("addressing", *ways) or MODICON,
        register.table,
        of_bits(register.data_type, register.table),
    )
    return Point(
        device=device,
        parameter=register.parameter,
        table=place.table,
        address=place.address,
        format=register.format(_said("order", *ways) or "ABCD"),
        data_type=BOOL if place.table in BITS else register.data_type or "float",
        register_address=int(register.address),
        unit=register.unit,
        description=register.description,
        precision=register.precision,
        names=tuple(sorted(register.names.items())),
        absent=tuple(register.absent),
    )


def doubts(poll: Poll) -> list[str]:
    """What may not be meant as it is taken, one sentence each."""
    return [*_ambiguous(poll), *_twice(poll), *_lonely(poll)]


def _ambiguous(poll: Poll) -> Iterator[str]:
    """One sentence, if any address means something else by another convention and none is chosen."""
    found = [
        (device, register, meanings)
        for device in poll.devices
        if _said("addressing", device, poll) is None
        for register in device.registers
        if len(set(meanings := _meanings(register))) == 2
    ]
    if not found:
        return
    device, register, (modicon, pdu) = found[0]
    others = f", and so with {len(found) - 1} more" if len(found) > 1 else ""
    of_profile = _said("addressing", _profile(poll, device))
    taken = f"{of_profile} is taken, as its profile has it" if of_profile else f"{MODICON} is taken"
    yield (
        f"poll: no addressing is chosen, and address {register.address} of device {device.device_id}, "
        f"'{register.parameter}', is {modicon} by modicon, but {pdu} by pdu{others}; {taken}. "
        "Say addressing: modicon, or addressing: pdu if the numbers are what goes over the wire"
    )


def _twice(poll: Poll) -> Iterator[str]:
    """Devices that are one unit of one bus: allowed, but mostly an entry that was copied and not changed."""
    first: dict[tuple[str, int, int], int | str] = {}
    for device in poll.devices:
        unit = device.bus or str(device.ip).lower(), device.port, device.slave_id
        before = first.setdefault(unit, device.device_id)
        if before != device.device_id:
            where = device.bus or f"{device.ip}:{device.port}"
            yield f"poll: devices {before} and {device.device_id} are both unit {device.slave_id} of {where}"


def _lonely(poll: Poll) -> Iterator[str]:
    """Snapshots of one register: mostly a word that was written in two ways."""
    for device in poll.devices:
        profile = _profile(poll, device)
        registers = [*device.registers, *(profile.registers if profile else ())]
        for group, count in Counter(each.snapshot for each in registers if each.snapshot).items():
            if count == 1:
                yield f"poll: snapshot '{group}' of device {device.device_id} has one register only"


def _meanings(register: Register) -> list[Place]:
    """What an address means on the Modicon reading and as it is; only what it can mean."""
    bits = of_bits(register.data_type, register.table)
    found = []
    for convention in (MODICON, PDU):
        try:
            found.append(resolve(register.address, convention, register.table, bits))
        except ValueError:
            continue
    return found
