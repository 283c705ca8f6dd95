"""
The text language: a line becomes a `RequestLine` or a `Command`.

A request is `id:type:port:baudrate:hex:length[:timeout]`, and is answered by
exactly one line (`lumina.dialects`). A line without a colon is a command
from a person.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from lumina.errors import BadCRC, BadRequest, ExceptionReply, InvalidPort
from lumina.modbus import pdu, rtu
from lumina.modbus.pdu import Opaque, Request

#: A line of the 2024 client that expects the same line back.
HEARTBEAT: Final = "FF:F0:AA:AF"

SYNTAX: Final = "id:type:port:baudrate:hex:length[:timeout]"


def example(port: str, baudrate: int) -> str:
    """The documented request: unit 1 is asked for two holding registers from address 0 on."""
    return f"test:THC:{port}:{baudrate}:010300000002C40B:9:0.5"


#: A line for telnet, as documented: what a unit of the demonstration measures.
EXAMPLE: Final = example("/dev/ttyAMA1", 9600)

_ID_LIMIT = 128
_TYPE_LIMIT = 64
_LENGTH_LIMIT = 65535
_TIMEOUTS = 0.01, 300.0
_HEX = re.compile(r"[0-9A-Fa-f]{2}(?: ?[0-9A-Fa-f]{2})*")
_INTEGER = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+")
_FUNCTIONS = range(0x01, 0x80)


@dataclass(frozen=True, slots=True)
class RequestLine:
    """
    A request line.

    @ivar length: bytes that the client expects, CRC included; 0: unknown.
    @ivar timeout: seconds; `None`: not stated.
    """

    id: str
    type: str
    port: str
    baudrate: int
    unit: int
    request: Request
    length: int
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a person, and what it is for."""

    name: str
    argument: str
    meaning: str


COMMANDS: Final = (
    Command("help", "", "this list"),
    Command("ports", "", "every bus: its names, line, state and counts"),
    Command("stats", "[port]", "what each bus has carried, or all about one"),
    Command("units", "[port]", "how each unit has answered, and when it was last seen"),
    Command(
        "devices", "[id]", "what lumina polls: who is online, how old its values are; or all values of one"
    ),
    Command("spool", "", "where readings go: what was delivered, what waits, what was refused or lost"),
    Command("version", "", "which lumina this is"),
    Command("quit", "", "close the connection"),
)


#: How people leave other programs.
_LEAVING = ("exit", "bye", "logout", "close", "q")


def help_lines(example: str = EXAMPLE) -> list[str]:
    """
    What `help` answers, generated from the table that parses commands.

    @param example: a request that can be sent here.
    """
    width = max(len(f"{command.name} {command.argument}".strip()) for command in COMMANDS)
    return [
        f"{SYNTAX}  ask a unit; for example",
        f"  {example}",
        *(
            f"{f'{command.name} {command.argument}'.strip():{width}}  {command.meaning}"
            for command in COMMANDS
        ),
    ]


def parse_command(line: str) -> tuple[str, list[str]]:
    """
    Read a line without a colon.

    @return: the command's name, and the words after it.
    @raise BadRequest: there is no such command, or it takes no such words.
    """
    name, *words = line.split()
    for command in COMMANDS:
        if command.name == name.lower():
            if words and not command.argument:
                raise BadRequest(f"{command.name} takes no argument, not {shown(words[0])}")
            return command.name, words
    close = get_close_matches(name.lower(), [command.name for command in COMMANDS], 1)
    meant = "quit" if name.lower() in _LEAVING else close[0] if close else "help"
    raise BadRequest(f"{shown(name)} is neither a request ({SYNTAX}) nor a command; did you mean {meant}?")


def answer_id(line: str) -> str:
    """The id that the answer to a line bears: printable, 1 to 128 characters."""
    name = line.partition(":")[0][:_ID_LIMIT]
    return "".join(c if _printable(c) else "?" for c in name) or "-"


def parse_request(line: str, ports: Iterable[str]) -> RequestLine:
    """
    Read a request line.

    @param ports: all names of all ports. A name may contain colons: the
        longest one that fits is meant.
    @raise NotSent: `BadRequest`, `BadCRC` or `InvalidPort`, naming the field,
        its value and the limit.
    """
    fields = line.split(":", 2)
    count = line.count(":") + 1
    if count < 6:
        raise BadRequest(f"a request has 6 or 7 fields, {SYNTAX}, not {count}")
    name, label, rest = fields
    _check_id(name)
    if len(label) > _TYPE_LIMIT or not label.isprintable():
        raise BadRequest(f"type: {shown(label)} is not up to {_TYPE_LIMIT} printable characters")
    port, (baudrate, digits, length, *timeout) = _split(rest, ports)
    unit, request = parse_frame(digits)
    return RequestLine(
        id=name,
        type=label,
        port=port,
        baudrate=_integer("baudrate", baudrate, 1, 10**9),
        unit=unit,
        request=request,
        length=_integer("length", length, 0, _LENGTH_LIMIT),
        timeout=_seconds(timeout[0]) if timeout and timeout[0] else None,
    )


def parse_frame(digits: str) -> tuple[int, Request]:
    """
    Read unit, function code, data, and the CRC if there is one or two.

    Where the length of the function's request is known, it tells how many CRCs
    there are; otherwise two last bytes that fit are one. A request beyond the
    specification's limits goes as it is, as `Opaque`.

    @raise NotSent: `BadRequest` or `BadCRC`.
    """
    if not _HEX.fullmatch(digits):
        raise BadRequest(
            f"hex: {shown(digits)} is not pairs of hexadecimal digits, one blank between at most"
        )
    frame = bytes.fromhex(digits)
    if not 2 <= len(frame) <= rtu.MAX_FRAME + 2:
        raise BadRequest(f"hex: {len(frame)} bytes are not within 2 to {rtu.MAX_FRAME}")
    if frame[1] not in _FUNCTIONS:
        raise BadRequest(f"hex: function {frame[1]:02X} is not within 01 to 7F")
    size = pdu.request_size(frame[1:])
    body = _without_crc(frame) if size is None else _without_crcs(frame, size + 1)
    if len(body) + 2 > rtu.MAX_FRAME:
        raise BadRequest(f"hex: {len(body) + 2} bytes with CRC are more than {rtu.MAX_FRAME}")
    try:
        return body[0], pdu.parse(body[1:])
    except ExceptionReply:
        return body[0], Opaque(body[1:])


def shown(value: str) -> str:
    """A client's text as it may stand in a sentence: quoted, printable, cut short."""
    text = "".join(c if _printable(c) else "?" for c in value[:40])
    return f"'{text}...'" if len(value) > 40 else f"'{text}'"


def _printable(character: str) -> bool:
    return " " <= character <= "~"


def _check_id(name: str) -> None:
    if not 1 <= len(name) <= _ID_LIMIT or not all(map(_printable, name)):
        raise BadRequest(f"id: {shown(name)} is not 1 to {_ID_LIMIT} printable ASCII characters")


def _split(rest: str, ports: Iterable[str]) -> tuple[str, list[str]]:
    """What stands before and after the colon behind the port."""
    known = [name for name in ports if rest.startswith(name + ":")]
    for name in sorted(known, key=len, reverse=True):
        after = rest[len(name) + 1 :].split(":")
        if len(after) in (3, 4):
            return name, after
    name = rest.partition(":")[0]
    meant = next((each for each in ports if each.lower() == name.strip().lower()), name)
    hint = "'ports' lists the ports" if meant == name else f"did you mean {shown(meant)}?"
    raise InvalidPort(f"{shown(name)} is not a configured port with 3 or 4 fields behind it; {hint}")


def _without_crcs(frame: bytes, size: int) -> bytes:
    body, crcs = frame[:size], len(frame) - size
    if crcs not in (0, 2, 4):
        raise BadRequest(
            f"hex: function {frame[1]:02X} takes {size} bytes here, {size + 2} with CRC, not {len(frame)}"
        )
    for end in range(size, len(frame), 2):
        if not rtu.fits(frame[: end + 2]):
            raise BadCRC(f"hex: the CRC is {frame[end : end + 2].hex().upper()}, not {_crc(frame[:end])}")
    return body


def _without_crc(frame: bytes) -> bytes:
    for _ in range(2):
        if rtu.fits(frame):
            frame = frame[:-2]
    return frame


def _crc(body: bytes) -> str:
    return rtu.crc(body).to_bytes(2, "little").hex().upper()


def _integer(field: str, value: str, lowest: int, highest: int) -> int:
    if not _INTEGER.fullmatch(value) or not lowest <= int(value) <= highest:
        raise BadRequest(f"{field}: {shown(value)} is not an integer from {lowest} to {highest}")
    return int(value)


def _seconds(value: str) -> float:
    lowest, highest = _TIMEOUTS
    if not _DECIMAL.fullmatch(value) or not lowest <= float(value) <= highest:
        raise BadRequest(f"timeout: {shown(value)} is not a decimal from {lowest:g} to {highest:g} seconds")
    return float(value)
