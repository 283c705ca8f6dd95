"""
How requests lie in a stream of bytes: with an MBAP header each, or as RTU
frames one after the other.
"""

from collections.abc import Sequence
from typing import Protocol

from lumina.modbus import mbap, pdu, rtu

#: A request: its transaction id, or its number where it has none, its unit id, its PDU.
Frame = tuple[int, int, bytes]


class Framing(Protocol):
    """
    Takes one stream apart.

    @ivar pipelines: whether replies can be told apart, so that several
        requests may be under way.
    @ivar rest: the beginning of a frame that is not whole yet.
    @ivar dropped: how many frames, or lumps of noise, were passed over.
    """

    pipelines: bool
    rest: bytes

    @property
    def dropped(self) -> int: ...

    def received(self, data: bytes) -> Sequence[Frame]:
        """
        @return: the requests that are whole now, in order.
        @raise mbap.LyingLength: no further one can be found.
        """

    def overdue(self) -> str:
        """
        The rest of a frame has not come.

        @return: why no further one can be found; empty: it can.
        """

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """The bytes of a reply."""


class MBAP(mbap.Frames):
    """Modbus TCP (Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3)."""

    pipelines = True
    encode = staticmethod(mbap.encode)

    @property
    def dropped(self) -> int:
        return self.alien

    def overdue(self) -> str:
        return "a message began, and its rest did not come"


class RTU:
    """
    RTU frames over a stream, as serial servers and their clients send them.

    Where a request ends is told by its content and its CRC. A frame whose CRC
    does not fit is passed over, and so is noise, up to the next sound request
    of a known function.
    """

    pipelines = False

    def __init__(self) -> None:
        self.rest = b""
        self.dropped = 0
        self._count = 0

    def received(self, data: bytes) -> list[Frame]:
        self.rest += data
        found = []
        while frame := self._first():
            self._count = self._count % 0xFFFF + 1
            found.append((self._count, frame[0], frame[1:-2]))
        # More than a frame that is none: noise without end must not be kept.
        self.rest = self.rest[-rtu.MAX_FRAME :]
        return found

    def overdue(self) -> str:
        self.rest = b""
        self.dropped += 1
        return ""

    @staticmethod
    def encode(transaction: int, unit: int, pdu: bytes) -> bytes:
        return rtu.encode(unit, pdu)

    def _first(self) -> bytes:
        """Take the next sound frame; empty while there is none."""
        came = self.rest
        if len(came) < rtu.MIN_FRAME:
            return b""
        told = pdu.request_size(came[1:])
        size = len(came) if told is None else told + 3
        if size <= len(came):
            if rtu.fits(came[:size]):
                self.rest = came[size:]
                return came[:size]
            frame = last_request(came)
            if frame:
                self.dropped += 1
                self.rest = b""
            return frame
        return b""


def last_request(received: bytes) -> bytes:
    """
    The sound request that the bytes end in, empty if they end in none: it has
    come behind noise, or behind a frame that was damaged.
    """
    for start in range(max(1, len(received) - rtu.MAX_FRAME), len(received) - rtu.MIN_FRAME + 1):
        frame = received[start:]
        size = pdu.request_size(frame[1:])
        if size is not None and len(frame) == size + 3 and rtu.fits(frame):
            return frame
    return b""
