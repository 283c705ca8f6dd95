"""
What the arguments of endpoint strings may be.

A complaint follows the name and the value: `parity 'even' is none of N, E, O`.
It is empty where there is nothing to complain about.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping

#: What RS-485 mode has, itself first.
RS485 = ("rs485", "rtsbefore", "rtsafter", "rtslevel", "rxduringtx")

_USB = re.compile(r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(\..+)?")
#: Seconds; the kernel cuts what is longer.
_LONGEST_DELAY = 0.1


def complaint(name: str, value: str, lowest_port: int) -> str:
    """
    What is wrong with one argument.

    @param lowest_port: of TCP; 0 for a listener that takes what is free.
    """
    if name == "port":
        what = _whole(value, lowest_port, 65535)
        behind = what and not lowest_port and not _interface(value)
        return f"{what}; the address comes behind it, as interface={value}" if behind else what
    check = _CHECKS.get(name)
    return check(value) if check else ""


def conflict(options: Mapping[str, str]) -> str:
    """What is wrong with arguments that are right one by one: a whole sentence."""
    if "revoked" in options and not options.get("clients"):
        return f"revoked '{options['revoked']}' has no meaning without clients, who sign what can be revoked"
    by_rts = options.get("flow") == "rtscts"
    if options.get("rs485") == "1":
        other = "flow=rtscts" if by_rts else f"rts={options['rts']}" if "rts" in options else ""
        return other and f"rs485=1 and {other} contradict each other; in RS-485 mode RTS is the driver's"
    if stray := next((name for name in RS485[1:] if name in options), ""):
        return f"{stray}={options[stray]} has a meaning in RS-485 mode only; add rs485=1"
    if by_rts and "rts" in options:
        other = f"rts={options['rts']}"
        return f"flow=rtscts and {other} contradict each other; in this flow control RTS is the driver's"
    return ""


def _whole(value: str, lowest: int, highest: int) -> str:
    if value.isascii() and value.isdigit() and lowest <= int(value) <= highest:
        return ""
    return f"is not a whole number from {lowest} to {highest}"


def _one_of(*allowed: str) -> Callable[[str], str]:
    return lambda value: "" if value in allowed else f"is none of {', '.join(allowed)}"


def _delay(value: str) -> str:
    """In whole milliseconds, which is what the kernel counts in."""
    if re.fullmatch(r"0|0?\.[0-9]{1,3}0*", value, re.ASCII) and float(value) <= _LONGEST_DELAY:
        return ""
    return f"is not a time from 0 to {_LONGEST_DELAY} seconds in whole milliseconds, such as 0.002"


def _usb(value: str) -> str:
    if _USB.fullmatch(value):
        return ""
    return (
        "is not a vendor and a product of four hexadecimal digits each, and perhaps a serial number, "
        "with dots between them, such as 0403.6001.A50285BI"
    )


def _interface(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "is not an IP address of this machine; 127.0.0.1 is loopback, 0.0.0.0 all of them"
    return ""


def _octal(value: str) -> str:
    return "" if value and set(value) <= set("01234567") else "is not an octal number, such as 660"


_LEVEL = _one_of("0", "1")
_CHECKS: Mapping[str, Callable[[str], str]] = {
    "baudrate": lambda value: _whole(value, 50, 4_000_000),
    "parity": _one_of("N", "E", "O"),
    "stopbits": _one_of("1", "1.5", "2"),
    "bytesize": _one_of("7", "8"),
    **dict.fromkeys(("lowlatency", "rts", "dtr", "rs485", "rtslevel", "rxduringtx"), _LEVEL),
    "flow": _one_of("none", "rtscts", "xonxoff"),
    **dict.fromkeys(("rtsbefore", "rtsafter"), _delay),
    "usb": _usb,
    "timeout": lambda value: _whole(value, 1, 3600),
    "backlog": lambda value: _whole(value, 1, 65535),
    "lockfile": _LEVEL,
    "mode": _octal,
    "interface": _interface,
}
