"""
What is wrong between the keys and entries of what is polled.

It is found in the plain data of the file, as in `checks`, so that it is said
together with what is wrong with single keys; whatever has not the right shape
is passed over, since it is reported anyway.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from lumina.config.addressing import CONVENTIONS, MODICON, Place, resolve
from lumina.config.document import Finding, KeyPath, Plain
from lumina.config.poll import Register, of_bits
from lumina.config.poll_values import ALIASES, BOOL, DATA_TYPES
from lumina.config.polled import convention_of, shipped
from lumina.config.readable import unreadable
from lumina.errors import BadRequest
from lumina.modbus.tables import BITS
from lumina.modbus.values import Format
from lumina.plugins import nearest

#: Keys that only some types have.
_ONLY_OF = {
    "length": ("string",),
    "padding": ("string",),
    "bit": ("bit", "bits"),
    "width": ("bits",),
}
#: Keys without which a type says too little.
_NEEDS = {"string": "length", "bit": "bit", "bits": "width"}
#: Keys that mean something of numbers only, of types that are none.
_NOT_OF = {
    "string": ("scale", "offset", "precision", "names", "absent"),
    "bit": ("scale", "offset", "precision"),
    BOOL: ("scale", "offset", "precision"),
}


def problems(section: Any, root: KeyPath) -> Iterator[Finding]:
    """
    Each conflict in the plain data of the section.

    @param root: the path of the section in its file.
    """
    top = _mapping(section)
    devices, at = (section, root) if isinstance(section, list) else (top.get("devices"), (*root, "devices"))
    profiles = _mapping(top.get("profiles"))
    for name, profile in profiles.items():
        inside: KeyPath = (*root, "profiles", name)
        if isinstance(profile, list):
            yield from _of_registers(profile, inside, _convention(top))
        else:
            said = _mapping(profile)
            yield from _of_registers(said.get("registers"), (*inside, "registers"), _convention(said, top))
    yield from _same_devices(devices, at)
    for index, device in _entries(devices):
        yield from _of_device(device, (*at, index), top, profiles)


def _of_device(device: Plain, at: KeyPath, top: Plain, profiles: Plain) -> Iterator[Finding]:
    name = device.get("profile")
    if isinstance(name, str) and name not in (known := {*map(str, profiles), *shipped()}):
        yield (*at, "profile"), f"no profile is called '{name}'; {nearest(name, known)}"
    if device.get("registers", []) == [] and name is None:
        yield at, "there is nothing to read; it has neither registers nor a profile"
    said: Plain = {}
    if isinstance(name, str):
        said = _mapping(profiles[name]) if name in profiles else {"addressing": convention_of(name)}
    convention = _convention(device, said, top)
    found = list(_of_registers(device.get("registers"), (*at, "registers"), convention))
    yield from found or unreadable(device, at, top)


def _convention(*levels: Plain) -> str:
    chosen = next((each["addressing"] for each in levels if each.get("addressing") is not None), MODICON)
    return chosen if chosen in CONVENTIONS else MODICON


def _same_devices(devices: Any, at: KeyPath) -> Iterator[Finding]:
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


def _of_registers(registers: Any, at: KeyPath, convention: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, register in _entries(registers):
        name = register.get("parameter")
        if isinstance(name, str):
            if name in seen:
                yield (*at, index, "parameter"), f"'{name}' is here twice; a device has each parameter once"
            seen.add(name)
        for key, sentence in _of_register(register, convention):
            yield (*at, index, key), sentence


def _of_register(register: Plain, convention: str) -> Iterator[tuple[str, str]]:
    """Its key, and what is wrong with it: where it lies, or else what does not go with its type."""
    kind = register.get("data_type")
    is_known = kind is None or kind in DATA_TYPES
    if sentence := _misplaced(register if is_known else {**register, "data_type": None}, convention):
        yield "address", sentence
    elif is_known:
        yield from _mismatched(register, kind or _default(register, convention))


def _misplaced(register: Plain, convention: str) -> str:
    """What is wrong with where a register lies; empty: nothing, or nothing that is said here."""
    kind = register.get("data_type")
    try:
        place = _place(register, convention)
    except ValueError as error:
        return str(error)
    if place is None:
        return ""
    if place.table in BITS and kind not in (None, BOOL):
        return f"{place} is a single bit; its data_type is bool, not {kind}"
    if place.table not in BITS and kind == BOOL:
        return f"{place} is no single bit; data_type: bit with a bit: number takes one out of it"
    return _overrun(register, place)


def _place(register: Plain, convention: str) -> Place | None:
    """
    @raise ValueError: the address means nothing.
    """
    written, table, kind = (register.get(key) for key in ("address", "table", "data_type"))
    if isinstance(written, bool) or not isinstance(written, int | str):
        return None
    return resolve(written, convention, table if isinstance(table, str) else None, of_bits(kind, table))


def _default(register: Plain, convention: str) -> str:
    """The type of a register that has been found to lie somewhere."""
    place = _place(register, convention)
    return BOOL if place is not None and place.table in BITS else "float"


def _overrun(register: Plain, place: Place) -> str:
    try:
        size = Register.model_validate(register).format("ABCD").registers
    except (ValidationError, BadRequest):  # said elsewhere
        return ""
    last = place.address + size - 1
    return f"{place} with {size} registers goes beyond 65535" if last > 0xFFFF else ""


def _mismatched(register: Plain, kind: str) -> Iterator[tuple[str, str]]:
    """Keys that do not go with the type of the value, or are missing beside it."""
    for key, kinds in _ONLY_OF.items():
        if key in register and kind not in kinds:
            yield key, f"only a value with data_type: {' or '.join(kinds)} has it, not {kind}"
    needed = _NEEDS.get(kind)
    if needed is not None and needed not in register:
        yield "data_type", f"{kind} needs {needed}: beside it, {_MEANING[needed]}"
    try:
        checked = Register.model_validate(register)
    except ValidationError:  # said elsewhere
        return
    for key in _NOT_OF.get(kind, ()):
        if getattr(checked, key) != Register.model_fields[key].get_default(call_default_factory=True):
            yield key, f"it is for numbers, and {kind} is none"
    yield from _beyond(checked, kind)


_MEANING = {
    "length": "how many registers it takes, 1 to 125",
    "bit": "which one of the register, 0 to 15, 0 being the lowest",
    "width": "how many bits there are, from bit: on",
}


def _beyond(checked: Register, kind: str) -> Iterator[tuple[str, str]]:
    """Numbers with a meaning of their own that can never come."""
    if kind == "bits" and checked.bit + checked.width > 16:
        yield "width", f"{checked.width} bits from bit {checked.bit} on go beyond the register's 16"
        return
    if kind == "string" or kind.startswith("float"):
        return
    low, high = _range(checked, kind)
    for number in checked.names:
        if not low <= number <= high:
            yield "names", f"{number} is not within {low} to {high}, which {kind} can be"
    # The unsigned number with the same bits will do.
    high = 2 * high + 1 if low < 0 else high
    for sentinel in checked.absent:
        if not low <= sentinel <= high:
            yield "absent", f"{sentinel} is not within {low} to {high}, which {kind} can be"


def _range(register: Register, kind: str) -> tuple[int, int]:
    """The least and the greatest number in the registers."""
    if kind in (BOOL, "bit"):
        return 0, 1
    width = register.width if kind == "bits" else 1
    low, high = Format(ALIASES.get(kind, kind), bit=register.bit, width=width).limits
    return int(low), int(high)


def _mapping(value: Any) -> Plain:
    return value if isinstance(value, dict) else {}


def _entries(value: Any) -> Iterator[tuple[int, Plain]]:
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
