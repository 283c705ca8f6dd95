"""
The clients that are in the field, as far as they differ on the wire.

Each does to the bytes it gets what WIRE's readers do: the shipping client
reads 256 bytes at a time and takes each read for whole lines; the 2024 client
takes only as many bytes as it stated.
"""

import re
from dataclasses import dataclass
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.system.programs import PATIENCE


class Lines(Protocol):
    """
    A client that writes lines and keeps those that come.

    @ivar got: the lines that came, without their ends.
    """

    def __init__(self) -> None:
        self.got: list[str] = []
        self.closed: Deferred[None] = Deferred()
        self._rest = b""
        self._waiting: list[tuple[int, Deferred[list[str]]]] = []

    def write(self, data: str | bytes) -> None:
        assert self.transport is not None
        self.transport.write(data if isinstance(data, bytes) else data.encode())

    def lines(self, number: int) -> Deferred[list[str]]:
        """@return: fires with all lines so far, when there are so many."""
        wanted: Deferred[list[str]] = Deferred()
        wanted.addTimeout(PATIENCE, reactor)
        self._waiting.append((number, wanted))
        self._look()
        return wanted

    async def ask(self, line: str) -> str:
        """Write a line, and wait for the next one that comes."""
        due = len(self.got) + 1
        self.write(line + "\n")
        return (await self.lines(due))[due - 1]

    def dataReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.got += [line.decode() for line in lines]
        self._look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)

    def _look(self) -> None:
        for entry in list(self._waiting):
            number, wanted = entry
            if len(self.got) >= number or wanted.called:
                self._waiting.remove(entry)
                if not wanted.called:
                    wanted.callback(self.got)


async def connected(port: int, protocol: Any = None) -> Any:
    """A client of a TCP port of the loopback interface."""
    return await connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), protocol or Lines())


@dataclass(frozen=True)
class Reading:
    """What the shipping client makes of a good answer."""

    id: str
    frame: bytes
    stamp: float


class ShippingClient(Protocol):
    """
    The client that ships today.

    @ivar readings: good answers, by id.
    @ivar errors: words of bad ones, by id.
    @ivar lost: reads that were no whole lines.
    """

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}
        self.errors: dict[str, str] = {}
        self.lost: list[bytes] = []
        self._due = 0
        self._done: Deferred[None] = Deferred()

    def ask(
        self,
        port: str,
        label: str,
        frame: str,
        length: int,
        timeout: float,
        number: int,
        speed: int = 9600,
    ) -> str:
        """
        Ask as its own calls do: with a second CRC, and two bytes too many expected.

        @param frame: hexadecimal, with its CRC.
        @return: the id.
        """
        name = f"{port.rpartition('/')[2]}_{label}_{frame[:12]}_{20251124174603 + number}_aZ"
        line = f"{name}:{label}:{port}:{speed}:{frame}0000:{length + 2}:{timeout}\n"
        assert self.transport is not None
        self.transport.write(line.encode())
        return name

    def answers(self, number: int) -> Deferred[None]:
        """@return: fires when so many answers have come."""
        self._due, self._done = number, Deferred()
        self._done.addTimeout(PATIENCE, reactor)
        self._look()
        return self._done

    def dataReceived(self, data: bytes) -> None:
        # Each read stands alone: what a read cuts is lost.
        for start in range(0, len(data), 256):
            for line in re.findall(rb"[^\n]*\n?", data[start : start + 256])[:-1]:
                self._take(line)
        self._look()

    def _take(self, line: bytes) -> None:
        parts = line.decode(errors="replace").strip().split(":")
        try:
            stamp = float(parts[-1])
            if "ERROR" in parts[1]:
                self.errors[parts[0]] = parts[2]
            else:
                self.readings[parts[0]] = Reading(parts[0], bytes.fromhex(parts[1]), stamp)
        except (ValueError, IndexError):
            self.lost.append(line)

    def _look(self) -> None:
        if len(self.readings) + len(self.errors) >= self._due and not self._done.called:
            self._done.callback(None)
