"""The types of single values in a configuration, for all of its sections."""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lumina.config import endpoints
from lumina.modbus.rtu import Line

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NAME = re.compile(r"[!-~]{1,255}")


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(
            f"'{value}' is not a key: 1 to 64 of the letters A to Z and a to z, digits, and _ . -"
        )
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"'{value}' is not a name: 1 to 255 printable ASCII characters, and no blank")
    return value


def _network(value: str) -> str:
    try:
        network = ip_network(value, strict=False)
        address = ip_address(value.partition("/")[0])
    except ValueError:
        raise ValueError(f"'{value}' is not a network, such as 10.0.0.0/8 or 10.0.0.5") from None
    if network.network_address != address:
        raise ValueError(f"'{value}' is neither the network {network} nor the address {address}")
    return value


def ordered(value: tuple[int, int]) -> tuple[int, int]:
    """A lowest and a highest: the condition that they stand in this order."""
    if value[0] > value[1]:
        raise ValueError(f"the lowest, {value[0]}, is above the highest, {value[1]}")
    return value


def checked_by(check: Callable[[str], object]) -> AfterValidator:
    """A condition of a string: what `check` raises is what is wrong with it."""

    def checked(text: str) -> str:
        check(text)
        return text

    return AfterValidator(checked)


def line_of(endpoint: endpoints.Endpoint) -> Line:
    """Speed and character format of a serial endpoint; 9600 8N1 where it says nothing."""
    options = endpoint.options
    return Line(
        int(options.get("baudrate", "9600")),
        options.get("parity", "N"),
        float(options.get("stopbits", "1")),
        int(options.get("bytesize", "8")),
    )


Key = Annotated[str, AfterValidator(_key)]
Name = Annotated[str, AfterValidator(_name)]
Unit = Annotated[int, Field(ge=1, le=255)]
Baudrate = Annotated[int, Field(ge=50, le=4_000_000)]
Timeout = Annotated[float, Field(ge=0.01, le=300)]
Pause = Annotated[float, Field(ge=0, le=60)]
PriorityClass = Literal["high", "normal", "low"]
Network = Annotated[str, AfterValidator(_network)]
