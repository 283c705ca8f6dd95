"""A TCP connection to a front end, in memory."""

from typing import Any

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from zope.interface import implementer


@implementer(ITCPTransport)
class Socket(StringTransport):
    """A TCP connection, as far as the front end uses one."""

    half_closed = aborted = no_delay = False

    producer: Any
    bufferSize: int

    def getTcpNoDelay(self) -> bool:
        return self.no_delay

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """The listener does that for all."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None:
        self.segments = [*getattr(self, "segments", []), data]
        super().write(data)

    @property
    def is_open(self) -> bool:
        held = self.producer is not None and self.producerState == "paused"  # Twisted waits for it to go on
        return not ((self.disconnecting and not held) or self.half_closed or self.aborted)
