"""
The seams: what is above asks, what is below carries; no logic here.

A `Bus` carries one `Request` to one unit and gives back one `Reply`. Each
request ends in one `Outcome`, each attempt on the wire is one `Exchange`; both
are published to every `Watcher`. An `Overview` is what may be asked about the
service, and a `Site` is all that a front end is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from lumina.errors import LuminaError as LuminaError  # for plug-ins, which import nothing below
from lumina.modbus import pdu as pdu
from lumina.modbus.pdu import Reply, Request


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How a request is to be carried, and for whom.

    @ivar client: who asks; a connection. Clients take turns, and the requests
        of one client keep their order.
    @ivar id: what the asker calls the request; need not be unique.
    @ivar type: the asker's label of the device, for logs and priorities.
    @ivar patience: seconds it may wait until sending begins; `None`: for ever.
    @ivar timeout: seconds from the end of the request on the wire until the
        reply begins; `None`: the unit's or the port's own.
    @ivar baudrate: bits per second for this request; `None`: the port's own.
        A bus without a speed ignores it.
    @ivar hint: bytes that the asker expects, CRC included; 0: not known.
        Framing never relies on it.
    """

    client: str = "-"
    id: str = "-"
    type: str = "-"
    patience: float | None = None
    timeout: float | None = None
    baudrate: int | None = None
    hint: int = 0


class Bus(Protocol):
    """Carries requests, one at a time."""

    def execute(self, unit: int, request: Request, terms: Terms = ...) -> Deferred[Reply]:
        """
        Carry a request to a unit.

        Cancelling the Deferred withdraws a request that was not sent yet; one
        that is on the wire is finished, for nobody.

        @param unit: 1 to 255; 0 is broadcast, whose Reply has an empty PDU.
        @return: fires with the unit's reply, checked to be the reply to this
            request; fails with a `LuminaError`, always, and in bounded time.
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How one request ended. All stamps are monotonic seconds.

    @ivar word: `ok`, or the word of the error.
    @ivar sent: when its first byte was handed to the line; `None`: never.
    """

    port: str
    unit: int
    request: Request
    terms: Terms
    word: str
    asked: float
    sent: float | None
    answered: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """
    One attempt on the wire. All stamps are monotonic seconds.

    @ivar outgoing: the bytes sent, CRC included.
    @ivar incoming: the bytes that came, in order, noise included.
    @ivar verdict: `ok`, `sent` for a broadcast, or the word of the error.
    @ivar sent: when the first byte was handed to the line.
    @ivar ended: when the last bit of the request had left, by computation.
    @ivar first: when the first byte came; `None`: nothing came.
    @ivar last: when the last byte came; `None`: nothing came.
    @ivar stale: bytes that were waiting before the request was sent.
    @ivar noise: bytes that came and belong to no frame.
    @ivar foreign: sound frames that were not the reply.
    @ivar damaged: whether the reply came whole, with a CRC that does not fit.
    """

    port: str
    unit: int
    request: Request
    baudrate: int
    outgoing: bytes
    incoming: bytes
    verdict: str
    sent: float
    ended: float
    first: float | None
    last: float | None
    stale: int = 0
    noise: int = 0
    foreign: tuple[bytes, ...] = ()
    damaged: bool = False


class Watcher(Protocol):
    """Sees all that happens. One that raises is logged, and harms no bus."""

    def outcome(self, outcome: Outcome) -> None:
        """A request has ended."""

    def exchange(self, exchange: Exchange) -> None:
        """An attempt on the wire is over, its verdict given."""


@dataclass(frozen=True, slots=True)
class PortStatus:
    """
    A port as it is now.

    @ivar state: one of the states of a port: `closed`, `settling`, `idle`,
        `sending`, `waiting`, `draining`, `jammed`.
    @ivar reason: why it is closed or jammed; empty when it is neither.
    @ivar line: speed and character format, such as `9600 8N1`.
    @ivar waiting: requests in the queue.
    @ivar words: how many requests have ended with which word.
    """

    name: str
    device: str
    names: tuple[str, ...]
    line: str
    state: str
    reason: str = ""
    waiting: int = 0
    words: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """A connection of a client; `since` is monotonic seconds."""

    name: str
    listener: str
    peer: str
    since: float


class Overview(Protocol):
    """What front ends may ask about the service; all answers are frozen values."""

    def ports(self) -> Sequence[PortStatus]:
        """Every serial bus, in the order of the configuration."""

    def clients(self) -> Sequence[ClientStatus]:
        """Every connection to a front end, oldest first."""

    def connected(self, client: ClientStatus) -> None:
        """A front end reports a connection."""

    def disconnected(self, client: ClientStatus) -> None:
        """A front end reports that a connection has ended."""


@dataclass(frozen=True)
class Site:
    """
    What a front end is given.

    @ivar listener: its key under `listen`.
    @ivar reactor: time and files; never import the global one.
    @ivar wall: seconds since 1970, for stamps only.
    @ivar buses: every bus by each of its names, guarded by the listener's
        access. A name is compared as text.
    @ivar overview: what may be asked about the service.
    """

    listener: str
    reactor: Any
    wall: Callable[[], float]
    buses: Mapping[str, Bus]
    overview: Overview
