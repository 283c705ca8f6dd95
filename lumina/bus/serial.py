"""
Serial ports as an endpoint: `serial:/dev/ttyUSB0:baudrate=19200`.

A port is opened exclusively, and its speed can be changed while it is open. A
device that another process holds is not shared: who holds it is said.
"""

import errno
import fcntl
import functools
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any

import serial
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.serialport import SerialPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from lumina.errors import PortDown
from lumina.modbus.rtu import Line


@implementer(IAddress)
class SerialAddress:
    """The path of a serial device."""

    def __init__(self, device: str) -> None:
        self.device = device


class SerialTransport(SerialPort):
    """
    An open serial port.

    `inter_byte_timeout` makes the driver say "nothing yet" where it would
    otherwise seem to be at the end of a file, which closes the port.
    """

    _serialFactory: Any = staticmethod(functools.partial(serial.Serial, inter_byte_timeout=0, exclusive=True))

    def __init__(self, protocol: IProtocol, device: str, reactor: Any, line: Line) -> None:
        super().__init__(protocol, device, reactor, **_settings(line))
        fcntl.ioctl(self.fileno(), termios.TIOCEXCL)

    def reconfigure(self, line: Line) -> None:
        """Change speed and character format, at once."""
        self._serial.apply_settings(_settings(line))

    def write(self, data: bytes) -> None:
        """Hand the bytes to the driver now, not in the next turn; what it does not take follows."""
        taken = 0
        if self.connected and not self.disconnecting and not self.dataBuffer and not self._tempDataBuffer:
            result = self.writeSomeData(data)
            taken = result if isinstance(result, int) else 0
        if taken < len(data):
            super().write(data[taken:])

    def connectionLost(self, reason: Any) -> None:
        # The flag would outlive us where somebody else has the device open.
        with suppress(OSError):
            fcntl.ioctl(self.fileno(), termios.TIOCNXCL)
        super().connectionLost(reason)


@implementer(IStreamClientEndpoint)
class SerialEndpoint:
    """Opens one serial device."""

    _log = Logger()

    def __init__(self, reactor: Any, device: str, line: Line) -> None:
        self._reactor = reactor
        self._device = device
        self._line = line

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """@return: fails with `PortDown`, whose sentence names the cause and the cure."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        protocol = factory.buildProtocol(SerialAddress(self._device))
        assert protocol is not None
        try:
            SerialTransport(protocol, self._device, self._reactor, self._line)
        except (OSError, ValueError, termios.error) as error:
            code = getattr(error, "errno", None) or (error.args[0] if error.args else None)
            raise PortDown(await self._explain(code, error)) from error
        self._holders().addCallback(self._warn)
        return protocol

    async def _explain(self, code: object, error: Exception) -> str:
        if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
            return "there is no such device"
        if code in (errno.EACCES, errno.EPERM):
            return "permission denied; is the user of the service in the group that owns it (dialout)?"
        if code in (errno.EAGAIN, errno.EBUSY):
            return f"it is held by {await self._holders() or 'another process'}"
        return str(error)

    def _warn(self, others: str) -> None:
        if others:
            self._log.warn(
                "{device} is also open in {others}; they will take bytes from each other",
                device=self._device,
                others=others,
            )

    def _holders(self) -> Deferred[str]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), holders, self._device)


def endpoint(
    reactor: Any,
    device: str,
    baudrate: str = "9600",
    parity: str = "N",
    stopbits: str = "1",
    bytesize: str = "8",
) -> SerialEndpoint:
    """
    What `serial:DEVICE:baudrate=…:parity=…:stopbits=…:bytesize=…` means.

    @raise ValueError: a number is not one.
    """
    return SerialEndpoint(reactor, device, Line(int(baudrate), parity, float(stopbits), int(bytesize)))


def holders(device: str) -> str:
    """
    Which other processes have a device open, such as `mbpoll (pid 812)`;
    empty: none that can be seen.

    Reads /proc, which can take some milliseconds: call it in a thread. Other
    users' processes can be seen by root only.
    """
    wanted = os.path.realpath(device)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            if any(os.path.realpath(link) == wanted for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:
            continue  # it has ended, or is somebody else's
    return ", ".join(found)


def _settings(line: Line) -> dict[str, Any]:
    return {
        "baudrate": line.baudrate,
        "parity": line.parity,
        "stopbits": line.stopbits,
        "bytesize": line.bytesize,
    }
