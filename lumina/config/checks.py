"""
What no single key can tell: two entries that want the same thing.

The checks read the plain data of the file rather than validated settings, so
that they speak in the same breath as the errors of single keys; whatever has
not the right shape is passed over, since it is reported anyway.
"""

import os
from collections.abc import Iterator
from typing import Any

from lumina.config import credentials, endpoints, poll_checks
from lumina.config.document import Finding, KeyPath
from lumina.config.endpoints import Endpoint


def problems(data: Any) -> Iterator[Finding]:
    """Each conflict, as the path of the later entry and a sentence."""
    if not isinstance(data, dict):
        return
    if "device_id" in data or "registers" in data:
        yield (), "this is one device that is polled; a file of such devices is a list, in [ and ]"
    elif not any(data.get(section) for section in ("ports", "devices", "simulators", "poll")):
        yield ("ports",), "there is nothing to share; configure a port, a device or a simulator"
    if isinstance(data.get("devices"), list):
        yield ("devices",), "a list of devices that are polled is the whole file, or stands under poll:"
    if data.get("listen") == {}:
        yield ("listen",), "nobody could ask; leave it out for a text listener on loopback, or configure one"
    yield from _shared_devices(data)
    yield from _shared_names(data)
    yield from _shared_addresses(data)
    yield from _shared_files(data)
    yield from _certificates(data)
    yield from poll_checks.problems(data.get("poll"), ("poll",))


def names(data: Any) -> set[str]:
    """What buses are called: keys of ports, devices and simulators, what they open, and other names."""
    return {name for name, _, _ in _claims(data)} if isinstance(data, dict) else set()


def listeners(data: Any) -> set[str]:
    """The keys of the listeners; that of the one which is there when none is configured."""
    entries = data.get("listen") if isinstance(data, dict) else None
    return {key for key in entries if isinstance(key, str)} if isinstance(entries, dict) else {"text"}


def _entries(data: dict[Any, Any], section: str) -> Iterator[tuple[str, dict[Any, Any]]]:
    entries = data.get(section)
    if isinstance(entries, dict):
        yield from (
            (key, entry if isinstance(entry, dict) else {})
            for key, entry in entries.items()
            if isinstance(key, str)
        )


def _endpoint(entry: dict[Any, Any]) -> Endpoint | None:
    """What a listener opens; `None` where that is wrong or cannot be told."""
    read = endpoints.line if entry.get("kind") == "rtu-slave" else endpoints.server
    return _read(read, entry)


def _read(read: Any, entry: dict[Any, Any]) -> Endpoint | None:
    text = entry.get("endpoint")
    try:
        return read(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _devices(data: dict[Any, Any]) -> Iterator[tuple[str, str, KeyPath]]:
    """Each thing that only one can have: what it is, who has it, and where that is said."""
    for key, entry in _entries(data, "ports"):
        endpoint = _read(endpoints.client, entry)
        if endpoint:
            yield _opened(endpoint, entry["endpoint"]), f"port '{key}'", ("ports", key, "endpoint")
    for key, entry in _entries(data, "devices"):
        endpoint = _read(endpoints.client, entry)
        if endpoint:
            yield _opened(endpoint, entry["endpoint"]), f"device '{key}'", ("devices", key, "endpoint")
    for key, entry in _entries(data, "listen"):
        endpoint = _endpoint(entry)
        if endpoint and "device" in endpoint.options:
            yield endpoint.options["device"], f"listener '{key}'", ("listen", key, "endpoint")


def _opened(endpoint: Endpoint, text: str) -> str:
    """A serial device by its path, a server by its host and port, however they are written."""
    options = endpoint.options
    if "host" in options and "port" in options:
        return f"{options['host']}:{options['port']}"
    return options.get("device", text)


def _shared_devices(data: dict[Any, Any]) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for device, owner, path in _devices(data):
        first = owners.setdefault(os.path.realpath(device), owner)
        if first is not owner:
            yield path, f"{first} has the device '{device}' already; a device has one entry"


def _claims(data: dict[Any, Any]) -> Iterator[tuple[str, str, KeyPath]]:
    """Each name of a bus: the name, whose it is, and where that is said."""
    for section, word in (("ports", "port"), ("devices", "device")):
        for key, entry in _entries(data, section):
            yield from _names(f"{word} '{key}'", (section, key), entry)
    for key, _ in _entries(data, "simulators"):
        yield key, f"simulator '{key}'", ("simulators", key)


def _names(owner: str, path: KeyPath, entry: dict[Any, Any]) -> Iterator[tuple[str, str, KeyPath]]:
    """The claims of one port or device."""
    yield str(path[-1]), owner, path
    text = entry.get("endpoint")
    if isinstance(text, str):
        endpoint = _read(endpoints.client, entry)
        device = endpoint.options.get("device", text) if endpoint else text
        yield device, owner, (*path, "endpoint")
    listed = entry.get("names")
    for index, name in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(name, str):
            yield name, owner, (*path, "names", index)


def _shared_names(data: dict[Any, Any]) -> Iterator[Finding]:
    owners: dict[str, tuple[str, KeyPath]] = {}
    for name, owner, path in _claims(data):
        first, first_path = owners.setdefault(name, (owner, path))
        both_are_devices = path[-1] == first_path[-1] == "endpoint"
        if first_path != path and not both_are_devices:
            yield path, f"'{name}' is a name of {first} already; a name leads to one bus, and is written once"


def _shared_addresses(data: dict[Any, Any]) -> Iterator[Finding]:
    taken: list[tuple[str, Endpoint]] = []
    for key, entry in _entries(data, "listen"):
        endpoint = _endpoint(entry)
        if endpoint is None or "device" in endpoint.options:
            continue
        for other, its in taken:
            if endpoints.clash(endpoint, its):
                yield ("listen", key, "endpoint"), f"listener '{other}' has this address already"
                break
        taken.append((key, endpoint))


def _certificates(data: dict[Any, Any]) -> Iterator[Finding]:
    """Those that cannot be used."""
    for section in ("ports", "devices", "listen"):
        for key, entry in _entries(data, section):
            listens = section == "listen"
            endpoint = _endpoint(entry) if listens else _read(endpoints.client, entry)
            for sentence in credentials.complaints(endpoint, listens) if endpoint else ():
                yield (section, key, "endpoint"), sentence
    for key, entry in _entries(data, "sinks"):
        if entry.get("kind") == "post":
            yield from ((("sinks", key, name), sentence) for name, sentence in credentials.of_sink(entry))


def _shared_files(data: dict[Any, Any]) -> Iterator[Finding]:
    """A file that a simulator writes is no other's, and no map."""
    uses: dict[str, str] = {}
    for use in ("map", "save", "missing"):
        for key, entry in _entries(data, "simulators"):
            file = entry.get(use)
            if not isinstance(file, str):
                continue
            first = uses.setdefault(os.path.normpath(file), mine := f"'{use}' of simulator '{key}'")
            if first != mine and use != "map":
                yield ("simulators", key, use), f"'{file}' is {first} already; a file has one use"
