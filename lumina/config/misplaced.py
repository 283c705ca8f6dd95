"""What people write in one place of a configuration though it belongs into another."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address

from lumina.config.document import KeyPath

_LINE = "it is a part of the endpoint, such as serial:/dev/ttyUSB0:{}"
_DEVICE = "the device is in the endpoint: serial:/dev/ttyUSB0"
_HOST = "the address is in the endpoint: tcp:192.0.2.7:502"
_WHERE = "the address is in the endpoint: tcp:8888:interface=127.0.0.1"

#: By section, what keys of its entries are meant to be.
_MEANT: Mapping[object, Mapping[str, str]] = {
    "ports": {
        **dict.fromkeys(("baudrate", "baud", "speed"), _LINE.format("baudrate=9600")),
        "parity": _LINE.format("parity=E"),
        "stopbits": _LINE.format("stopbits=2"),
        "bytesize": _LINE.format("bytesize=7"),
        **dict.fromkeys(("device", "path", "port"), _DEVICE),
    },
    "devices": dict.fromkeys(("ip", "host", "address", "port"), _HOST),
    "listen": dict.fromkeys(("ip", "host", "interface", "address", "port"), _WHERE),
}

_KEY_AND_VALUE = re.compile(r"([a-z_]+):(?=\S)")
_TTY = re.compile(r"tty[A-Z]")
_PORT = re.compile(r":[0-9]{1,5}$")
_ENDPOINTS = ("serial", "tcp", "tls", "unix", "pty", "mbaps")


def key(path: KeyPath) -> str:
    """Where that belongs which an unknown key is meant to say; empty where nobody knows."""
    return _MEANT.get(path[0], {}).get(str(path[-1]), "") if len(path) == 3 else ""


def entry(text: str) -> str:
    """How a text is to be written where an entry with keys of its own is wanted; empty where nobody knows."""
    if text.startswith("/dev/"):
        return f"; write endpoint: serial:{text} below it"
    found = _KEY_AND_VALUE.match(text)
    if found is None:
        return ""
    if found[1] in _ENDPOINTS:
        return f"; write endpoint: {text} below it"
    return f"; behind a key stands a colon and a blank, {found[1]}: {text[found.end() :]}"


def endpoint(text: str, listens: bool) -> str:
    """
    What an endpoint without a type is meant to be; empty where nobody knows.

    @param listens: whether it is one of a listener.
    """
    if not listens and (text.startswith("/") or _TTY.match(text)):
        return f"a serial device is serial:{text if text.startswith('/') else f'/dev/{text}'}"
    host, _, port = text.rpartition(":") if _PORT.search(text) else (text, "", "")
    if listens and host.isdigit():
        return f"a TCP port is tcp:{host}"
    if not _is_address(host):
        return ""
    if listens:
        return f"an address to listen on is tcp:{port or 8888}:interface={host}"
    return f"a server is tcp:{host}:{port or 502}"


def _is_address(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return text == "localhost"
