"""
From configured devices to points: profiles, defaults and addresses put together.

What is wrong between entries is found in the plain data of the file, as in
`checks`, so that it is said together with what is wrong inside of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from lumina.config.addressing import CONVENTIONS, MODICON, PDU, Place, resolve
from lumina.config.poll import BOOL, Device, Manner, Poll, Profile, Register, of_bits
from lumina.plugins import nearest
from lumina.readings import COILS, DISCRETE_INPUTS, Point

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
Plain = dict[Any, Any]

#: Seconds between readings, unless said otherwise: the documents' half hour.
INTERVAL = 1800.0

BITS = (COILS, DISCRETE_INPUTS)


@dataclass(frozen=True, slots=True)
class Polled:
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


def polled(poll: Poll) -> list[Polled]:
    """Every device of a section that has passed `problems`, in the order of the file."""
    return [_polled(poll, device) for device in poll.devices]


def shipped() -> list[str]:
    """The names of the profiles that come with lumina."""
    folder = resources.files("lumina.poll") / "profiles"
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(file.name.removesuffix(".yaml") for file in found if file.name.endswith(".yaml"))


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


def _polled(poll: Poll, device: Device) -> Polled:
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
    return Polled(
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
    """
    What may not be meant as it is taken: one sentence, if any address means
    something else by another convention and none is chosen.
    """
    found = [
        (device, register, readings)
        for device in poll.devices
        if _said("addressing", device, poll) is None
        for register in device.registers
        if len(set(readings := _readings(register))) == 2
    ]
    if not found:
        return []
    device, register, (modicon, pdu) = found[0]
    others = f", and so with {len(found) - 1} more" if len(found) > 1 else ""
    return [
        f"poll: no addressing is chosen, and address {register.address} of device {device.device_id}, "
        f"'{register.parameter}', is {modicon} by modicon, but {pdu} by pdu{others}; modicon is taken. "
        "Say addressing: modicon, or addressing: pdu if the numbers are what goes over the wire"
    ]


def _readings(register: Register) -> list[Place]:
    """What an address means on the Modicon reading and as it is; only what it can mean."""
    bits = of_bits(register.data_type, register.table)
    found = []
    for convention in (MODICON, PDU):
        try:
            found.append(resolve(register.address, convention, register.table, bits))
        except ValueError:
            continue
    return found


def problems(section: Any, root: Path) -> Iterator[Problem]:
    """
    Each conflict in the plain data of the section.

    @param root: the path of the section in its file.
    """
    top = _mapping(section)
    devices, at = (section, root) if isinstance(section, list) else (top.get("devices"), (*root, "devices"))
    profiles = _mapping(top.get("profiles"))
    for name, profile in profiles.items():
        inside: Path = (*root, "profiles", name)
        if isinstance(profile, list):
            yield from _of_registers(profile, inside, _convention(top))
        else:
            said = _mapping(profile)
            yield from _of_registers(said.get("registers"), (*inside, "registers"), _convention(said, top))
    yield from _same_devices(devices, at)
    for index, device in _entries(devices):
        yield from _of_device(device, (*at, index), top, profiles)


def _of_device(device: Plain, at: Path, top: Plain, profiles: Plain) -> Iterator[Problem]:
    name = device.get("profile")
    if isinstance(name, str) and name not in (known := {*map(str, profiles), *shipped()}):
        yield (*at, "profile"), f"no profile is called '{name}'; {nearest(name, known)}"
    if not device.get("registers") and name is None:
        yield at, "there is nothing to read; it has neither registers nor a profile"
    said = _mapping(profiles.get(name)) if isinstance(name, str) else {}
    yield from _of_registers(device.get("registers"), (*at, "registers"), _convention(device, said, top))


def _convention(*levels: Plain) -> str:
    chosen = next((each["addressing"] for each in levels if each.get("addressing") is not None), MODICON)
    return chosen if chosen in CONVENTIONS else MODICON


def _same_devices(devices: Any, at: Path) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, device in _entries(devices):
        name = device.get("device_id")
        if isinstance(name, int | str):
            before = first.setdefault(str(name), index)
            if before != index:
                yield (
                    (*at, index, "device_id"),
                    f"device {name} is here twice; it is entry {before + 1} already",
                )


def _of_registers(registers: Any, at: Path, convention: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, register in _entries(registers):
        name = register.get("parameter")
        if isinstance(name, str):
            if name in seen:
                yield (*at, index, "parameter"), f"'{name}' is here twice; a device has each parameter once"
            seen.add(name)
        sentence = _misplaced(register, convention)
        if sentence:
            yield (*at, index, "address"), sentence


def _misplaced(register: Plain, convention: str) -> str:
    """What is wrong with where a register lies; empty: nothing, or nothing that is said here."""
    written, table, kind = (register.get(key) for key in ("address", "table", "data_type"))
    if isinstance(written, bool) or not isinstance(written, int | str):
        return ""
    try:
        place = resolve(written, convention, table if isinstance(table, str) else None, of_bits(kind, table))
    except ValueError as error:
        return str(error)
    if place.table in BITS and kind not in (None, BOOL):
        return f"{place} is a single bit; its data_type is bool, not {kind}"
    if place.table not in BITS and kind == BOOL:
        return f"{place} is no single bit; data_type: bit with a bit: number takes one out of it"
    return _overrun(register, place)


def _overrun(register: Plain, place: Place) -> str:
    try:
        size = Register.model_validate(register).format("ABCD").registers
    except ValueError:  # said elsewhere
        return ""
    last = place.address + size - 1
    return f"{place} with {size} registers goes beyond 65535" if last > 0xFFFF else ""


def _mapping(value: Any) -> Plain:
    return value if isinstance(value, dict) else {}


def _entries(value: Any) -> Iterator[tuple[int, Plain]]:
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
