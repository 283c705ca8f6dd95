r"""
Endpoint strings, checked before anything is opened.

`type:argument:name=value`, as Twisted reads them: a colon inside of a value is
written `\:`, a backslash `\\`. Every function here raises `ValueError` with a
sentence for the operator when the string is wrong.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.interfaces import (
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import getPlugins

from lumina.config import arguments, misplaced
from lumina.plugins import nearest


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    An endpoint string, taken apart.

    @ivar options: each argument by its name, those given by position too;
        all of them as one, without a name, for a type that only Twisted knows.
    """

    type: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Form:
    """
    The arguments of a type, in the order in which they may stand without a name.

    @ivar needed: how many of them, from the first, cannot be left out.
    @ivar unnamed: how many may stand without their name.
    @ivar instead: one that may stand for the first, which is then read as its
        name, an equals sign, and its value.
    """

    names: tuple[str, ...]
    needed: int
    unnamed: int
    instead: str = ""


_LINE = ("baudrate", "parity", "stopbits", "bytesize")
_HARDWARE = ("lowlatency", "flow", "rts", "dtr", *arguments.RS485, "usb")
_TLS = ("host", "port", "timeout", "bindAddress", "certificate", "privateKey", "trustRoots", "endpoint")
_SSL = ("host", "port", "timeout", "bindAddress", "certKey", "privateKey", "caCertsDir", "hostname")
_CLIENTS = {
    "serial": _Form(("device", *_LINE, *_HARDWARE), 1, 1, instead="usb"),
    "tcp": _Form(("host", "port", "timeout", "bindAddress"), 2, 2),
    "tls": _Form(_TLS, 2, len(_TLS)),
    "ssl": _Form(_SSL, 2, 2),
    "unix": _Form(("path", "timeout", "lockfile"), 1, 1),
}
_LINES = _CLIENTS | {"pty": _Form(("path", *_LINE), 1, 1)}
_SERVERS = {
    "tcp": _Form(("port", "interface", "backlog"), 1, 3),
    "tcp6": _Form(("port", "backlog", "interface"), 1, 3),
    "tls": _Form(("path", "port", "backlog", "interface"), 1, 4),
    "ssl": _Form(
        (
            "port",
            "privateKey",
            "certKey",
            "sslmethod",
            "interface",
            "backlog",
            "extraCertChain",
            "dhParameters",
        ),
        1,
        5,
    ),
    "mbaps": _Form(("port", "certificate", "key", "clients", "revoked", "interface", "backlog"), 2, 1),
    "unix": _Form(("address", "mode", "backlog", "lockfile"), 1, 4),
}
#: Where a listener of these types listens when nobody says where.
_LOOPBACK = {"tcp": "127.0.0.1", "ssl": "127.0.0.1", "tcp6": "::1", "tls": "::1", "mbaps": "127.0.0.1"}
#: The port of a `tls:` listener that names none.
_TLS_PORT = "443"
#: A type that wraps another, whose clients are elsewhere though it listens on loopback.
_PROXIED = "haproxy:"
#: The format of characters as many programs write it.
_CHARACTER = re.compile(r"([78])([NEOneo])([12])")
_ESCAPE = r"a colon inside of a value is written '\:'"


def client(text: str) -> Endpoint:
    """Read what lumina connects to: a serial device, or a server that carries raw RTU."""
    return _parse(text, _CLIENTS, _client_types, lowest_port=1)


def line(text: str) -> Endpoint:
    """Read where a serial master is answered: a serial device, or a pseudo-terminal made for it."""
    return _parse(text, _LINES, _client_types, lowest_port=1)


def server(text: str) -> Endpoint:
    """Read what lumina listens on. An interface that is left out is loopback."""
    return _server(address(text))


def address(text: str) -> str:
    """The string of a server endpoint, with the loopback interface written out where none was given."""
    if text.startswith(_PROXIED):
        return _PROXIED + address(text.removeprefix(_PROXIED))
    endpoint = _server(text)
    if endpoint.type not in _LOOPBACK or "interface" in endpoint.options:
        return text
    return f"{text}:interface={quoteStringArgument(_LOOPBACK[endpoint.type])}"


def is_local(endpoint: Endpoint) -> bool:
    """Whether only programs on this machine can reach it."""
    if endpoint.type in ("unix", "pty"):
        return True
    interface = endpoint.options.get("interface")
    return interface is not None and ipaddress.ip_address(interface).is_loopback


def clash(one: Endpoint, other: Endpoint) -> bool:
    """Whether two listeners cannot both have what they ask for."""
    if "interface" not in one.options or "interface" not in other.options:
        return one == other or _path(one) == _path(other) != ""
    port = one.options.get("port", _TLS_PORT)
    if port == "0" or port != other.options.get("port", _TLS_PORT):
        return False
    interfaces = [ipaddress.ip_address(end.options["interface"]) for end in (one, other)]
    return interfaces[0] == interfaces[1] or any(each.is_unspecified for each in interfaces)


def _path(endpoint: Endpoint) -> str:
    return next(
        (endpoint.options[name] for name in ("device", "path", "address") if name in endpoint.options), ""
    )


def _client_types() -> Iterable[str]:
    return (parser.prefix for parser in getPlugins(IStreamClientEndpointStringParserWithReactor))


def _server_types() -> Iterable[str]:
    return (parser.prefix for parser in getPlugins(IStreamServerEndpointStringParser))


def _server(text: str) -> Endpoint:
    return _parse(text, _SERVERS, _server_types, lowest_port=0)


def _parse(
    text: str, forms: Mapping[str, _Form], others: Callable[[], Iterable[str]], lowest_port: int
) -> Endpoint:
    first, *parts = _split(text)
    if len(first) != 1 or first[0] not in forms:
        return _foreign("=".join(first), parts, forms, others)
    form = forms[first[0]]
    options = _named(form, parts)
    for name, value in options.items():
        if complaint := arguments.complaint(name, value, lowest_port):
            raise ValueError(f"{name} '{value}' {complaint}")
    if form.instead in options:
        _stand_in(form, options)
    _demand(first[0], form, options)
    _check_path(options.get("device", "/"))
    if conflict := arguments.conflict(options):
        raise ValueError(conflict)
    return Endpoint(first[0], options)


def _foreign(
    given: str, parts: list[list[str]], forms: Mapping[str, _Form], others: Callable[[], Iterable[str]]
) -> Endpoint:
    """A type that Twisted knows, or another package: its arguments are checked when it is opened."""
    known = {*forms, *others()}
    if given not in known:
        whole = ":".join([given, *("=".join(part) for part in parts)])
        meant = misplaced.endpoint(whole, listens=forms is _SERVERS) or nearest(given, known)
        raise ValueError(f"an endpoint begins with its type and a colon; '{given}' is none; {meant}")
    return Endpoint(given, {"": ":".join("=".join(part) for part in parts)})


def _split(text: str) -> list[list[str]]:
    """Split at colons, each part at its first equals sign, minding backslashes."""
    if not text.isprintable():
        raise ValueError("it contains a character that cannot be printed")
    parts, letters = [[""]], iter(text)
    for letter in letters:
        if letter == ":":
            parts.append([""])
        elif letter == "=" and len(parts[-1]) == 1:
            parts[-1].append("")
        elif letter == "\\":
            escaped = next(letters, None)
            if escaped is None:
                raise ValueError("it ends in a backslash with nothing to escape")
            parts[-1][-1] += escaped
        else:
            parts[-1][-1] += letter
    return parts


def _named(form: _Form, parts: list[list[str]]) -> dict[str, str]:
    unnamed = [part[0] for part in parts if len(part) == 1]
    if len(unnamed) > form.unnamed:
        raise ValueError(_surplus(form, unnamed))
    if "" in unnamed[1:]:
        raise ValueError(f"an argument is empty; {_ESCAPE}")
    options = dict(zip(form.names, unnamed, strict=False))
    for name, value in (part for part in parts if len(part) == 2):
        if name not in form.names:
            raise ValueError(f"unknown argument '{name}'; {nearest(name, form.names)}")
        if name in options:
            raise ValueError(f"{name} is given twice, as '{options[name]}' and as '{value}'")
        options[name] = value
    return options


def _demand(kind: str, form: _Form, options: Mapping[str, str]) -> None:
    for name in form.names[: form.needed]:
        if not options.get(name):
            raise ValueError(f"it has no {name}; {_usage(kind, form)}")


def _usage(kind: str, form: _Form) -> str:
    """How such an endpoint is written, at least."""
    needed = [name.upper() for name in form.names[: form.unnamed][: form.needed]]
    named = [f"{name}={name.upper()}" for name in form.names[form.unnamed : form.needed]]
    return f"write {':'.join([kind, *needed, *named])}"


def _check_path(device: str) -> None:
    """Nobody means a file in whatever directory the service runs in."""
    if not device.startswith(("/", "usb=")):
        meant = f"did you mean /dev/{device}?" if device.startswith("tty") else "such as /dev/ttyUSB0"
        raise ValueError(f"device '{device}' is no path from the root; {meant}")


def _stand_in(form: _Form, options: dict[str, str]) -> None:
    first, value = form.names[0], options[form.instead]
    if first in options:
        raise ValueError(
            f"{first} is given, '{options[first]}', and {form.instead} too, '{value}'; one of them is enough"
        )
    options[first] = f"{form.instead}={value}"


def _surplus(form: _Form, unnamed: list[str]) -> str:
    extra = unnamed[form.unnamed]
    if form.names[1:2] == ("baudrate",) and extra.isdigit():
        if len(unnamed) == 2:
            return f"what is '{extra}'? Write baudrate={extra} for the speed"
        if len(unnamed) == 3 and (found := _CHARACTER.fullmatch(unnamed[2])):
            written = f"baudrate={extra}:bytesize={found[1]}:parity={found[2].upper()}:stopbits={found[3]}"
            return f"what are '{extra}' and '{found[0]}'? Write {written}"
    whole = quoteStringArgument(":".join(unnamed[form.unnamed - 1 :]))
    return f"'{extra}' is one argument too many; {_ESCAPE}, such as {whole}"
