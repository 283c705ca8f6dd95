"""
What the driver of a serial device can do beside carrying bytes.

Low latency, control lines, flow control, the kernel's RS-485 mode, and its
counters of line errors (Linux: tty_ioctl(4), serial-rs485). What was asked for
and the driver refuses is an error; what is only a default is left out.
"""

import errno
import fcntl
import struct
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lumina.errors import PortDown

Ioctl = Callable[[int, int, bytes], Any]

_ASYNC_LOW_LATENCY = 1 << 13
_TIOCGRS485, _TIOCSRS485 = 0x542E, 0x542F
_ENABLED, _RTS_ON_SEND, _RTS_AFTER_SEND, _RX_DURING_TX = 1 << 0, 1 << 1, 1 << 2, 1 << 4

# Structures of the kernel, as far as they are looked at. The first is shorter on some machines than here.
_SERIAL = struct.Struct("@32i")
_SERIAL_FLAGS = 4
_RS485 = struct.Struct("@8I")
_COUNTS = struct.Struct("@20i")
_TERMIOS = struct.Struct("@16I")
_BITS = struct.Struct("@I")


@dataclass(frozen=True, slots=True)
class RS485:
    """
    How the driver switches the direction of a two-wire line; `None`: as the
    driver, or its device tree, has it.

    @ivar before: seconds from RTS to the first bit, in whole milliseconds.
    @ivar after: seconds from the last bit to RTS, in whole milliseconds.
    @ivar level: of RTS while sending.
    @ivar receives: whether what is sent is heard, too.
    """

    before: float | None = None
    after: float | None = None
    level: bool | None = None
    receives: bool | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """
    What is asked of the driver; `None`: nothing.

    @ivar low_latency: bytes are handed over as they come, not in lumps;
        `None`: where the driver can.
    @ivar flow: `none`, `rtscts` or `xonxoff`.
    @ivar rts: level after opening.
    @ivar dtr: level after opening.
    @ivar rs485: `False`: RS-485 mode is switched off.
    """

    low_latency: bool | None = None
    flow: str = "none"
    rts: bool | None = None
    dtr: bool | None = None
    rs485: RS485 | bool | None = None


@dataclass(frozen=True, slots=True)
class LineErrors:
    """
    What the driver has counted since the device came up; whoever had it open.

    @ivar frame: characters without a stop bit: a wrong speed, or two units at once.
    @ivar overrun: characters that the chip lost.
    @ivar parity: characters with a wrong parity bit.
    @ivar breaks: the line was held down for longer than a character.
    @ivar buffer_overrun: characters that the kernel lost.
    """

    frame: int
    overrun: int
    parity: int
    breaks: int
    buffer_overrun: int


def read(options: Mapping[str, str]) -> Hardware:
    """
    The arguments of an endpoint string, as `docs/hardware.md` has them.

    @raise ValueError: one of them is unknown, or not what it should be.
    """
    known = {"lowlatency", "flow", "rts", "dtr", "rs485", "rtsbefore", "rtsafter", "rtslevel", "rxduringtx"}
    if unknown := options.keys() - known:
        raise ValueError(f"unknown argument '{min(unknown)}'; known: {', '.join(sorted(known))}")
    rs485: RS485 | bool | None = _switch(options, "rs485")
    if rs485:
        rs485 = RS485(
            before=_seconds(options, "rtsbefore"),
            after=_seconds(options, "rtsafter"),
            level=_switch(options, "rtslevel"),
            receives=_switch(options, "rxduringtx"),
        )
    return Hardware(
        low_latency=_switch(options, "lowlatency"),
        flow=options.get("flow", "none"),
        rts=_switch(options, "rts"),
        dtr=_switch(options, "dtr"),
        rs485=rs485,
    )


def prepare(fd: int, device: str, hardware: Hardware, ioctl: Ioctl = fcntl.ioctl) -> str:
    """
    Ask an open device for all of it. Flow control is only looked at: who sets
    the speed sets it.

    @param device: for the sentences.
    @return: which default the driver has not, and why; empty if it has all.
    @raise PortDown: what was asked for and is refused; option and device are named.
    """
    driver = _Driver(fd, device, ioctl)
    driver.check_flow(hardware.flow)
    if isinstance(hardware.rs485, RS485):
        driver.switch_rs485_on(hardware.rs485)
    elif hardware.rs485 is not None:
        driver.switch_rs485_off()
    for name, bit, level in (
        ("rts", termios.TIOCM_RTS, hardware.rts),
        ("dtr", termios.TIOCM_DTR, hardware.dtr),
    ):
        if level is not None:
            driver.set_level(name, bit, level)
    return driver.set_low_latency(hardware.low_latency)


def line_errors(fd: int, ioctl: Ioctl = fcntl.ioctl) -> LineErrors | None:
    """@return: `None` where the driver does not count."""
    try:
        counts = _COUNTS.unpack(ioctl(fd, termios.TIOCGICOUNT, bytes(_COUNTS.size)))
    except OSError:
        return None
    return LineErrors(*counts[6:11])


@dataclass(frozen=True, slots=True)
class _Driver:
    """
    The driver of one open device. Many say yes to what they cannot do, so they
    are asked afterwards what they have made of it.
    """

    fd: int
    device: str
    ioctl: Ioctl

    def check_flow(self, flow: str) -> None:
        flags = self._ask(_TERMIOS, termios.TCGETS, "flow", flow) if flow == "rtscts" else ()
        if flags and not flags[2] & termios.CRTSCTS:
            raise self._refusal("flow", flow, "there is no RTS/CTS flow control")

    def set_level(self, name: str, bit: int, level: bool) -> None:
        request = termios.TIOCMBIS if level else termios.TIOCMBIC
        self._ask(_BITS, request, name, _text(level), bit)

    def set_low_latency(self, asked: bool | None) -> str:
        """@return: why it is not on, where nobody asked for it."""
        wanted = asked is not False
        try:
            reason = "" if self._low_latency(wanted) == wanted else "the driver ignores it"
        except OSError as error:
            if not wanted:
                return ""  # there is none to be switched off
            reason = _reason(error)
        if reason and asked is not None:
            raise self._refusal("lowlatency", _text(asked), reason)
        return reason and f"no low-latency mode: {reason}"

    def _low_latency(self, wanted: bool) -> bool:
        fields = list(_SERIAL.unpack(self.ioctl(self.fd, termios.TIOCGSERIAL, bytes(_SERIAL.size))))
        if bool(fields[_SERIAL_FLAGS] & _ASYNC_LOW_LATENCY) == wanted:
            return wanted
        fields[_SERIAL_FLAGS] ^= _ASYNC_LOW_LATENCY
        self.ioctl(self.fd, termios.TIOCSSERIAL, _SERIAL.pack(*fields))
        fields = list(_SERIAL.unpack(self.ioctl(self.fd, termios.TIOCGSERIAL, bytes(_SERIAL.size))))
        return bool(fields[_SERIAL_FLAGS] & _ASYNC_LOW_LATENCY)

    def switch_rs485_on(self, mode: RS485) -> None:
        flags, before, after, *rest = self._ask(_RS485, _TIOCGRS485, "rs485", "1")
        flags = _flags(flags, mode)
        before, after = (
            was if asked is None else round(asked * 1000)
            for was, asked in ((before, mode.before), (after, mode.after))
        )
        self._ask(_RS485, _TIOCSRS485, "rs485", "1", flags, before, after, *rest)
        self._compare(mode, *self._ask(_RS485, _TIOCGRS485, "rs485", "1")[:3])

    def _compare(self, mode: RS485, flags: int, before: int, after: int) -> None:
        """What has the driver made of it?"""
        if not flags & _ENABLED:
            raise self._refusal("rs485", "1", "the driver ignores it")
        for name, asked, has in (
            ("rtsbefore", mode.before, before / 1000),
            ("rtsafter", mode.after, after / 1000),
            ("rtslevel", mode.level, bool(flags & _RTS_ON_SEND)),
            ("rxduringtx", mode.receives, bool(flags & _RX_DURING_TX)),
        ):
            if asked is not None and asked != has:
                raise self._refusal(name, _text(asked), f"the driver has made it {_text(has)}")

    def switch_rs485_off(self) -> None:
        """A driver that knows no such mode has it off."""
        try:
            flags, *rest = _RS485.unpack(self.ioctl(self.fd, _TIOCGRS485, bytes(_RS485.size)))
        except OSError:
            return
        if flags & _ENABLED:
            self._ask(_RS485, _TIOCSRS485, "rs485", "0", flags & ~_ENABLED, *rest)

    def _ask(self, form: struct.Struct, request: int, name: str, value: str, *fields: int) -> tuple[int, ...]:
        """Fields that are not given are zeros, for the driver to fill in."""
        try:
            return form.unpack(
                self.ioctl(self.fd, request, form.pack(*fields) if fields else bytes(form.size))
            )
        except OSError as error:
            raise self._refusal(name, value, _reason(error)) from error

    def _refusal(self, name: str, value: str, reason: str) -> PortDown:
        return PortDown(f"{name}={value} is refused by {self.device}: {reason}")


def _reason(error: OSError) -> str:
    unknown = error.errno in (errno.ENOTTY, errno.EOPNOTSUPP)
    return "the driver cannot do that" if unknown else f"{error.strerror}"


def _flags(flags: int, mode: RS485) -> int:
    """What is not asked for stays; a driver that has no level of RTS gets the usual one."""
    flags |= _ENABLED
    if mode.level is not None or not flags & (_RTS_ON_SEND | _RTS_AFTER_SEND):
        flags &= ~(_RTS_ON_SEND | _RTS_AFTER_SEND)
        flags |= _RTS_AFTER_SEND if mode.level is False else _RTS_ON_SEND
    if mode.receives is not None:
        flags = flags & ~_RX_DURING_TX | (_RX_DURING_TX if mode.receives else 0)
    return flags


def _switch(options: Mapping[str, str], name: str) -> bool | None:
    value = options.get(name)
    if value not in (None, "0", "1"):
        raise ValueError(f"{name} '{value}' is none of 0, 1")
    return None if value is None else value == "1"


def _seconds(options: Mapping[str, str], name: str) -> float | None:
    """To the millisecond, which is what the kernel counts in."""
    value = options.get(name)
    return None if value is None else round(float(value), 3)


def _text(value: float) -> str:
    return f"{value:g}"
