"""
Serial ports as an endpoint: `serial:/dev/ttyUSB0:baudrate=19200`.

A port is opened exclusively, and its speed can be changed while it is open. A
device that another process holds is not shared: who holds it is said. Where
the device is, is asked anew at every opening.
"""

import errno
import fcntl
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any

import serial
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.serialport import SerialPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.bus import hardware, usb
from lumina.bus.hardware import Hardware, LineErrors
from lumina.errors import PortDown
from lumina.modbus.rtu import Line

_ROOT = Path("/")
_TERMINALS = "/dev/pts/"
_FAILURES = (OSError, ValueError, termios.error)


@implementer(IAddress)
class SerialAddress:
    """The path of a serial device."""

    def __init__(self, device: str) -> None:
        self.device = device


class SerialTransport(SerialPort):
    """
    An open serial port.

    @ivar missing: which default the driver has not, and why; empty if it has all.
    """

    def __init__(self, protocol: IProtocol, device: str, reactor: Any, line: Line, asked: Hardware) -> None:
        """
        @raise PortDown: the driver refuses what is asked for.
        @raise OSError, ValueError, termios.error: it cannot be opened.
        """
        self._asked = asked
        self.missing = ""
        flow = {"rtscts": asked.flow == "rtscts", "xonxoff": asked.flow == "xonxoff"}
        super().__init__(protocol, device, reactor, **_settings(line), **flow)

    def _open(self, device: str, **settings: Any) -> serial.Serial:
        # With this timeout the driver says "nothing yet" where it would
        # otherwise seem to be at the end of a file, which closes the port.
        port = serial.Serial(device, inter_byte_timeout=0, exclusive=True, **settings)
        try:
            self.missing = hardware.prepare(port.fileno(), device, self._asked)
            fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
        except BaseException:
            port.close()
            raise
        return port

    _serialFactory: Any = _open

    def reconfigure(self, line: Line) -> None:
        """
        Change speed and character format, at once.

        @raise PortDown: the driver refuses, or the device is gone.
        """
        try:
            self._serial.apply_settings(_settings(line))
        except _FAILURES as error:
            raise PortDown(_cause(error, line) or str(error)) from error

    def line_errors(self) -> LineErrors | None:
        """What the driver has counted; `None` where it does not count, or once the port is closed."""
        return hardware.line_errors(self.fileno()) if self.connected else None

    def write(self, data: bytes) -> None:
        """Hand the bytes to the driver now, not in the next turn; what it does not take follows."""
        taken = 0
        if self.connected and not self.disconnecting and not self.dataBuffer and not self._tempDataBuffer:
            result = self.writeSomeData(data)
            taken = result if isinstance(result, int) else 0
        if taken < len(data):
            super().write(data[taken:])

    def loseConnection(self) -> None:
        """Close at once: a dead adapter would never take what it has not taken yet."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self.stopReading()
            self.stopWriting()
            reactor: Any = self.reactor
            reactor.callLater(0, self.connectionLost, Failure(ConnectionDone()))

    def connectionLost(self, reason: Any) -> None:
        if not self.connected:
            return
        with suppress(*_FAILURES):
            # The flag would outlive us where somebody else has the device open.
            fcntl.ioctl(self.fileno(), termios.TIOCNXCL)
            if self._asked.flow != "none":
                # What the other end holds up would hold up the closing, by half a minute.
                termios.tcflush(self.fileno(), termios.TCOFLUSH)
        super().connectionLost(reason)


@implementer(IStreamClientEndpoint)
class SerialEndpoint:
    """Opens one serial device."""

    _log = Logger()

    def __init__(self, reactor: Any, device: str, line: Line, asked: Hardware, root: Path = _ROOT) -> None:
        """
        @param device: a path, or `usb=` and what `usb.locate` makes a path of.
        @param root: where /sys and /dev are.
        """
        self._reactor = reactor
        self._device = device
        self._line = line
        self._asked = asked
        self._root = root
        self._missing = ""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """@return: fails with `PortDown`, whose sentence names the cause and the cure."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        path = self._device
        if path.startswith(usb.PREFIX):
            path = await self._in_thread(usb.locate, path, self._root)
        protocol = factory.buildProtocol(SerialAddress(path))
        assert protocol is not None
        try:
            transport = SerialTransport(protocol, path, self._reactor, self._line, self._asked)
        except _FAILURES as error:
            raise PortDown(await self._explain(error, path)) from error
        self._in_thread(holders, path).addCallback(self._warn)
        self._note(transport.missing)
        return protocol

    async def _explain(self, error: Exception, path: str) -> str:
        if _code(error) in (errno.EAGAIN, errno.EBUSY):
            unseen = "another port of lumina, or by a process that cannot be seen"
            return f"it is held by {await self._in_thread(holders, path) or unseen}"
        return _cause(error, self._line) or str(error)

    def _warn(self, others: str) -> None:
        if others:
            self._log.warn(
                "{device} is also open in {others}; they will take bytes from each other",
                device=self._device,
                others=others,
            )

    def _note(self, missing: str) -> None:
        """Once, not at every opening."""
        if missing != self._missing:
            self._log.debug("{device}: {missing}", device=self._device, missing=missing)
            self._missing = missing

    def _in_thread(self, function: Any, *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)


def endpoint(
    reactor: Any,
    device: str = "",
    baudrate: str = "9600",
    parity: str = "N",
    stopbits: str = "1",
    bytesize: str = "8",
    usb: str = "",
    **options: str,
) -> SerialEndpoint:
    """
    What `serial:DEVICE:baudrate=…` means, and `serial:usb=…:baudrate=…`; the
    arguments are those of `docs/hardware.md`.

    @raise ValueError: an argument is unknown, or not what it should be.
    """
    if bool(device) == bool(usb):
        raise ValueError("a serial port is given by its device, or by usb=")
    line = Line(int(baudrate), parity, float(stopbits), int(bytesize))
    return SerialEndpoint(reactor, device or f"usb={usb}", line, hardware.read(options))


def holders(device: str) -> str:
    """
    Which other processes have a device open, such as `mbpoll (pid 812)`;
    empty: none that can be seen.

    Who made a pseudo-terminal, and speaks at its other end, takes no bytes from
    anybody, although such a program mostly keeps the device open, too.

    Reads /proc, which can take some milliseconds: call it in a thread. Other
    users' processes can be seen by root only.
    """
    wanted = _resolved(device)
    if wanted is None:
        return ""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            has = any(_resolved(link) == wanted for link in (process / "fd").iterdir())
            if has and not _made(process, wanted):
                found.append(f"{(process / 'comm').read_text(errors='replace').strip()} (pid {process.name})")
        except OSError:
            continue  # it has ended, or is somebody else's
    return ", ".join(found)


def _resolved(path: str | Path) -> str | None:
    """What a link leads to; `None`: it has vanished while it was looked at, such as at unplugging."""
    try:
        return os.path.realpath(path)
    except OSError:
        return None


def _made(process: Path, device: str) -> bool:
    """Whether a process has the other end of a pseudo-terminal."""
    if not device.startswith(_TERMINALS):
        return False
    index = f"tty-index:\t{device.removeprefix(_TERMINALS)}\n"
    return any(index in info.read_text() for info in (process / "fdinfo").iterdir())


def _code(error: BaseException) -> object:
    """The error number, which pyserial may have left in the error that it met itself."""
    own = getattr(error, "errno", None) or next(iter(error.args), None)
    return own if isinstance(own, int) or error.__context__ is None else _code(error.__context__)


def _cause(error: Exception, line: Line) -> str:
    """In the words of who has to mend it; empty for what is best said by the error itself."""
    code = _code(error)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return "there is no such device"
    if code in (errno.EACCES, errno.EPERM):
        return "permission denied; is the user of the service in the group that owns it (dialout)?"
    if code == errno.ENOTTY:
        return "it is not a serial device"
    if code == errno.EIO:
        return "input/output error; there is no hardware behind it"
    if code == errno.EINVAL:
        return f"the driver does not take {line}"
    return ""


def _settings(line: Line) -> dict[str, Any]:
    return {
        "baudrate": line.baudrate,
        "parity": line.parity,
        "stopbits": line.stopbits,
        "bytesize": line.bytesize,
    }
