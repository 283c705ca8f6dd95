"""
Pseudo-terminals as an endpoint: `pty:/tmp/bus:baudrate=9600`.

Any program that masters a serial port can open the path. What it writes, and
what it is answered, takes the time that a line of this speed would take;
where nobody reads, bytes are lost, as they are on a wire.
"""

import os
import tty
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReadDescriptor,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.errors import PortDown
from lumina.modbus.rtu import Line

#: Bytes are passed on in pieces of so many seconds of wire time, of one byte at least.
_PIECE = 0.003

#: How much is taken from the terminal at once; the next only when this has passed.
_CHUNK = 256


class Pace:
    """
    Lets bytes pass as fast as a line carries them, and never faster.

    A byte has passed when its last bit has. Bytes that come together leave in
    pieces of up to 3 ms, or of one byte.
    """

    def __init__(
        self, clock: Any, line: Line, deliver: Callable[[bytes], None], empty: Callable[[], None]
    ) -> None:
        """
        @param deliver: takes a piece whose time is up.
        @param empty: told when nothing is under way any more.
        """
        self._clock = clock
        self._line = line
        self._deliver = deliver
        self._empty = empty
        self._piece = max(1, int(_PIECE / line.duration(1)))
        self._bytes = b""
        self._passed = clock.seconds()
        self._call: IDelayedCall | None = None

    def __bool__(self) -> bool:
        """Whether bytes are under way."""
        return self._call is not None

    def put(self, data: bytes) -> None:
        """Begin to send now, or when what is under way has passed."""
        self._bytes += data
        if self._call is None and data:
            self._passed = max(self._passed, self._clock.seconds())
            self._arm()

    def stop(self) -> None:
        """Forget what is under way."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _arm(self) -> None:
        size = min(self._piece, len(self._bytes))
        due = self._passed + self._line.duration(size)
        self._call = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._pass, size, due)

    def _pass(self, size: int, due: float) -> None:
        self._call = None
        self._passed = due
        piece, self._bytes = self._bytes[:size], self._bytes[size:]
        if self._bytes:
            self._arm()
        self._deliver(piece)
        if self._call is None:
            self._empty()


@implementer(IAddress)
class PtyAddress:
    """The path at which a pseudo-terminal can be opened."""

    def __init__(self, path: str) -> None:
        self.path = path


@implementer(ITransport, IReadDescriptor)
class PtyTransport:
    """
    The master side of a pseudo-terminal, at the speed of a line.

    It keeps the other side open too, so that programs may come and go.
    """

    disconnecting = False

    def __init__(self, protocol: IProtocol, path: str, reactor: Any, line: Line) -> None:
        """@raise OSError: no terminal is left, or the path cannot be made to lead to it."""
        self._protocol = protocol
        self._path = path
        self._reactor = reactor
        self._connected = True
        self._master, self._slave = os.openpty()
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            _link(os.ttyname(self._slave), path)
        except OSError:
            self._close()
            raise
        self._incoming = Pace(reactor, line, protocol.dataReceived, self._listen)
        self._outgoing = Pace(reactor, line, self._emit, self._finish)
        protocol.makeConnection(self)
        self._listen()

    def write(self, data: bytes) -> None:
        if self._connected and not self.disconnecting:
            self._outgoing.put(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """
        Close once what was written has left. The path is gone then, and what
        a program has not read by then is lost.
        """
        if self._connected and not self.disconnecting:
            self.disconnecting = True
            if not self._outgoing:
                self._reactor.callLater(0, self._finish)

    def getPeer(self) -> PtyAddress:
        return PtyAddress(self._path)

    def getHost(self) -> PtyAddress:
        return PtyAddress(self._path)

    def fileno(self) -> int:
        return self._master if self._connected else -1

    def logPrefix(self) -> str:
        return "pty"

    def doRead(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        self._reactor.removeReader(self)
        self._incoming.put(data)

    def connectionLost(self, reason: Failure) -> None:
        if not self._connected:
            return
        self._connected = False
        self._reactor.removeReader(self)
        self._incoming.stop()
        self._outgoing.stop()
        with suppress(OSError):
            if os.readlink(self._path) == os.ttyname(self._slave):
                os.unlink(self._path)
        self._close()
        self._protocol.connectionLost(reason)

    def _listen(self) -> None:
        if self._connected and not self._incoming:
            self._reactor.addReader(self)

    def _emit(self, data: bytes) -> None:
        # Nobody reads: it is lost, as on a wire.
        with suppress(BlockingIOError):
            os.write(self._master, data)

    def _finish(self) -> None:
        if self.disconnecting:
            self.connectionLost(Failure(ConnectionDone()))

    def _close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


@implementer(IStreamClientEndpoint)
class PtyEndpoint:
    """Makes one pseudo-terminal."""

    def __init__(self, reactor: Any, path: str, line: Line) -> None:
        self._reactor = reactor
        self._path = path
        self._line = line

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """@return: fails with `PortDown`, whose sentence names the cause."""
        protocol = protocolFactory.buildProtocol(PtyAddress(self._path))
        assert protocol is not None
        try:
            PtyTransport(protocol, self._path, self._reactor, self._line)
        except OSError as error:
            return fail(PortDown(f"pty: {self._path}: {error.strerror}"))
        return succeed(protocol)


def endpoint(
    reactor: Any,
    path: str,
    baudrate: str = "9600",
    parity: str = "N",
    stopbits: str = "1",
    bytesize: str = "8",
) -> PtyEndpoint:
    """
    What `pty:PATH:baudrate=…:parity=…:stopbits=…:bytesize=…` means. All but
    the path only tells how long a character takes.

    @param path: where a symbolic link to the terminal is made, in a directory
        that exists. A link that a former run has left is replaced, anything
        else is not.
    @raise ValueError: a number is not one.
    """
    return PtyEndpoint(reactor, path, Line(int(baudrate), parity, float(stopbits), int(bytesize)))


def _link(terminal: str, path: str) -> None:
    """@raise OSError: the path is taken, or the directory is not there."""
    if _left_over(path, os.path.dirname(terminal)):
        os.unlink(path)
    os.symlink(terminal, path)


def _left_over(path: str, folder: str) -> bool:
    """
    Whether it is a link to a pseudo-terminal that is gone.

    Their numbers are used again: a terminal that is younger than the link is
    not the one that the link was made for.
    """
    if not os.path.islink(path) or os.path.dirname(os.readlink(path)) != folder:
        return False
    try:
        return os.stat(path).st_ctime > os.lstat(path).st_mtime
    except FileNotFoundError:
        return True
