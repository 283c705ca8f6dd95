"""The types of single values of what is polled."""

import re
from decimal import Decimal, InvalidOperation
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from lumina.modbus.values import TYPES
from lumina.plugins import nearest

#: The documents' names of types, and what they are.
ALIASES = {"float": "float32", "int": "int16"}

#: The type of a coil or a discrete input, which is no register.
BOOL = "bool"

_EVERY = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|min|h|d)")
_SIZES = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_LEAST, _MOST = 0.05, 31 * 86400.0
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,253}")
_LARGEST = Decimal("1E+30")
_LAST_ID = 2**63 - 1

#: What other programs call types, without blanks and in lower case.
_SYNONYMS = {
    "boolean": "bool",
    "byte": "bits",
    "double": "float64",
    "dint": "int32",
    "dword": "uint32",
    "integer": "int16",
    "long": "int32",
    "lreal": "float64",
    "real": "float32",
    "short": "int16",
    "signed": "int16",
    "single": "float32",
    "text": "string",
    "udint": "uint32",
    "uint": "uint16",
    "ulong": "uint32",
    "unsigned": "uint16",
    "ushort": "uint16",
    "word": "uint16",
}


def _interval(value: object) -> float:
    seconds = _seconds(value)
    if not _LEAST <= seconds <= _MOST:
        raise ValueError(f"{seconds:g} s is not within {_LEAST:g} s to 31 days")
    return seconds


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _EVERY.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError(
            f"it should be seconds, or a number with ms, s, m, h or d, such as 30m; got {value!r}"
        )
    return float(found[1]) * _SIZES[found[2]]


def _decimal(value: object) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidOperation
        number = Decimal(str(value)) if not _is_hex(value) else Decimal(int(str(value), 16))
    except InvalidOperation:
        got = "nothing" if value is None else repr(value)
        raise ValueError(f"it should be a number; got {got}{_point(value)}") from None
    if not number.is_finite():
        raise ValueError(f"it should be a finite number; got {value}")
    return number


def _point(value: object) -> str:
    """What to say about 0,1."""
    if isinstance(value, str) and re.fullmatch(r" *[-+]?\d+,\d+ *", value):
        return f"; a decimal has a point, not a comma: {value.strip().replace(',', '.')}"
    return ""


def _scale(value: object) -> Decimal:
    number = _decimal(value)
    if not 1 / _LARGEST <= abs(number) <= _LARGEST:
        raise ValueError(f"{number} is not within 1E-30 to 1E+30, or the negative of that")
    return number


def _offset(value: object) -> Decimal:
    number = _decimal(value)
    if abs(number) > _LARGEST:
        raise ValueError(f"{number} is not within -1E+30 to 1E+30")
    return number


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", value) is not None


def _host(value: str) -> str:
    host, colon, port = value.partition(":")
    if port.isdigit():
        raise ValueError(f"'{value}' has a port in it; say ip: {host} and, beside it, port: {port}")
    if not _HOST.fullmatch(value):
        raise ValueError(f"'{value}' is not an IP address, nor the name of a host")
    try:
        if colon:
            IPv6Address(value)
        elif re.fullmatch(r"[\d.]+", value):
            IPv4Address(value)
    except AddressValueError:
        wanted = "an IPv6 address" if colon else "an IPv4 address, four numbers from 0 to 255 with points"
        raise ValueError(f"'{value}' is not {wanted}") from None
    return value


def _device_id(value: object) -> int | str:
    if isinstance(value, str) and value.isprintable() and 1 <= len(value) <= 128:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LAST_ID:
        return value
    raise ValueError("it should be a whole number of 64 bits, or 1 to 128 printable characters")


def _padding(value: str) -> str:
    if len(value) != 1 or not value.isascii():
        raise ValueError(f"{value!r} is not one ASCII character")
    return value


def _address(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"it should be a whole number; got {'nothing' if value is None else repr(value)}")
    return value


def _data_type(value: str) -> str:
    if value in DATA_TYPES:
        return value
    plain = re.sub(r"[ _-]", "", value).lower()
    raise ValueError(f"'{value}' is no data type; {nearest(_SYNONYMS.get(plain, plain), DATA_TYPES)}")


def _names(value: object) -> dict[int, str]:
    """JSON knows no other keys than text."""
    if not isinstance(value, dict):
        raise ValueError("it should be a mapping of numbers to names")
    for number, name in value.items():
        if not isinstance(name, str):
            raise ValueError(f"the name of {number} should be text; put it in quotes")
    found: dict[int, str] = {}
    for written, name in value.items():
        try:
            number = int(written)
        except ValueError:
            raise ValueError(
                f"it should be a mapping of numbers to names; '{written}' is no whole number"
            ) from None
        if number in found:
            raise ValueError(f"{number} has two names, '{found[number]}' and '{name}'")
        found[number] = name
    return found


DATA_TYPES = (*ALIASES, BOOL, *TYPES)

Interval = Annotated[float, PlainValidator(_interval)]
Number = Annotated[Decimal, PlainValidator(_decimal)]
Scale = Annotated[Decimal, PlainValidator(_scale)]
Offset = Annotated[Decimal, PlainValidator(_offset)]

Host = Annotated[str, AfterValidator(_host)]
DeviceId = Annotated[int | str, PlainValidator(_device_id)]
Address = Annotated[int | str, PlainValidator(_address)]
DataType = Annotated[str, AfterValidator(_data_type)]
Padding = Annotated[str, AfterValidator(_padding)]
Names = Annotated[dict[int, str], PlainValidator(_names)]
