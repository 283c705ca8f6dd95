"""
The seams: what is above asks, what is below carries; no logic here.

A `Bus` carries one `Request` to one unit and gives back one `Reply`. Each
request ends in one `Outcome`, each attempt on the wire is one `Exchange`; both
are published to every `Watcher`. An `Overview` is what may be asked about the
service, in the words of `lumina.status`, and a `Site` is all that a front end
is given. How a request is to be carried, and for whom, is in `lumina.terms`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from lumina import status as status
from lumina.errors import LuminaError as LuminaError  # for plug-ins, which import nothing below
from lumina.errors import NotTaken as NotTaken
from lumina.modbus import pdu as pdu
from lumina.modbus.pdu import Reply, Request
from lumina.readings import Point as Point
from lumina.readings import Reading as Reading
from lumina.status import Change, DeviceStatus, PortStatistics, PortStatus, UnitStatistics
from lumina.status import ClientStatus as ClientStatus
from lumina.status import SinkStatus as SinkStatus
from lumina.terms import NOBODY as NOBODY
from lumina.terms import Asker as Asker
from lumina.terms import Priority as Priority
from lumina.terms import Terms as Terms


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


#: Asks the same once more at each call. It gives the PDU of the reply, or raises what a Deferred fails with.
AskAgain = Callable[[], bytes]


class Prompt(Protocol):
    """
    What a bus that answers everything at once has as its attribute `prompt`,
    for those who ask one thing again and again. Other buses have no such attribute.
    """

    def __call__(self, unit: int, request: Request, terms: Terms) -> AskAgain | None:
        """@return: `None`: only `execute` tells what becomes of it."""


class Listening(Protocol):
    """
    What a bus may want to hear of its line beside requests, through its
    attribute `listening`: one that is its units itself counts as they do
    (Serial Line 1.02, appendix A). Other buses have no such attribute.
    """

    def refused(self, unit: int, code: int) -> bool:
        """
        A message to a unit was no valid request.

        @param code: the exception code that is due.
        @return: whether the unit is there, and says so.
        """

    def damaged(self) -> None:
        """What came was no frame: its CRC did not fit, or it was too short."""


class Outcome(NamedTuple):  # one for each request: a tuple is made in a third of the time
    """
    How one request ended. All stamps are monotonic seconds.

    @ivar word: `ok`, or the word of the error.
    @ivar sent: when its first byte was handed to the line; `None`: never.
    @ivar age: of a reply that was given from memory, the seconds since it had
        come; `None`: it was not.
    """

    port: str
    unit: int
    request: Request
    terms: Terms
    word: str
    asked: float
    sent: float | None
    answered: float
    age: float | None = None


class Exchange(NamedTuple):  # as `Outcome`
    """
    One attempt on the wire. All stamps are monotonic seconds.

    @ivar baudrate: bits per second; 0: it went over a network, where `outgoing`
        and `incoming` are Modbus TCP messages, `ended` is `sent`, and frames
        that came beside the reply are given from their unit id on.
    @ivar outgoing: the bytes sent, CRC included.
    @ivar incoming: the bytes that came, in order, noise included.
    @ivar verdict: `ok`, `sent` for a broadcast, or the word of the error.
    @ivar sent: when the first byte was handed to the line.
    @ivar ended: when the last bit of the request had left, by computation.
    @ivar first: when the first byte came; `None`: nothing came.
    @ivar last: when the last byte came; `None`: nothing came.
    @ivar stale: bytes that were waiting before the request was sent.
    @ivar noise: bytes that came and belong to no frame.
    @ivar foreign: sound frames that were not the reply, late ones aside.
    @ivar late: sound replies to earlier requests, come during or since the
        exchange before.
    @ivar damaged: whether the reply came whole, with a CRC that does not fit.
    @ivar short: whether it began, and stopped before its end.
    @ivar echoed: whether what was sent came back; `None`: it cannot be told.
    @ivar served: how many requests it answered.
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
    late: tuple[bytes, ...] = ()
    damaged: bool = False
    short: bool = False
    echoed: bool | None = None
    served: int = 1


class Sink(Protocol):
    """Takes readings, to deliver them somewhere."""

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """
        Take readings.

        @return: fires when they are taken for good (for a sink that spools:
            committed to disk), whether delivered or not; fails only if none of
            them was taken. Always in bounded time.
        """


class Watcher(Protocol):
    """Sees all that happens. One that raises is logged, and harms no bus."""

    def outcome(self, outcome: Outcome) -> None:
        """A request has ended."""

    def exchange(self, exchange: Exchange) -> None:
        """An attempt on the wire is over, its verdict given."""


class Overview(Protocol):
    """What front ends may ask about the service; all answers are frozen values."""

    def ports(self) -> Sequence[PortStatus]:
        """Every serial bus and Modbus TCP device, in the order of the configuration."""

    def statistics(self, port: str | None = None) -> Sequence[PortStatistics]:
        """
        What each of them has done, in the order of the configuration.

        @param port: any of the names of one; `None`: all.
        @raise InvalidPort: there is none of that name; the sentence has those there are.
        """

    def units(self, port: str | None = None) -> Sequence[UnitStatistics]:
        """What each unit that was asked has done, by port and number; else as `statistics`."""

    def devices(self, id: str | None = None) -> Sequence[DeviceStatus]:
        """
        Every device that lumina polls, in the order of the configuration.

        @param id: of one, as text; then its values are told, too.
        @raise BadRequest: none has this id; the sentence has those there are.
        """

    def watch_devices(self, changed: Callable[[Change], None]) -> Callable[[], None]:
        """
        See what changes in polled values, as it is read.

        @return: ends it.
        """

    def sinks(self) -> Sequence[SinkStatus]:
        """Where readings go, in the order of the configuration."""

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


@dataclass(frozen=True)
class Outlet:
    """
    What a sink is given.

    @ivar name: its key under `sinks`.
    @ivar reactor: time, timers and threads; never import the global one.
    @ivar wall: seconds since 1970, for stamps only.
    @ivar directory: where it may keep files that outlive the service; need
        not exist yet.
    """

    name: str
    reactor: Any
    wall: Callable[[], float]
    directory: Path
