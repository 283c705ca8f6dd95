"""
The seams: what is above asks, what is below carries; no logic here.

A `Bus` carries one `Request` to one unit and gives back one `Reply`. Each
request ends in one `Outcome`, each attempt on the wire is one `Exchange`; both
are published to every `Watcher`. An `Overview` is what may be asked about the
service, and a `Site` is all that a front end is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from lumina.errors import LuminaError as LuminaError  # for plug-ins, which import nothing below
from lumina.errors import NotTaken as NotTaken
from lumina.modbus import pdu as pdu
from lumina.modbus.pdu import Reply, Request
from lumina.readings import Point as Point
from lumina.readings import Reading as Reading


class Priority(IntEnum):
    """The class of a request: higher ones go first, the lowest has a share that it keeps."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks, as far as access rules and the audit log can know; the same object for all
    requests of a connection.

    @ivar listener: the key of the listener that let it in; the name of a part
        of lumina that asks for itself, such as `poll`.
    @ivar host: its IP address; empty on a UNIX socket or a serial line, and
        for a part of lumina.
    @ivar identity: the subject of its TLS certificate; empty: it showed none.
    @ivar role: the role in that certificate (Modbus/TCP Security, R-21); empty:
        none, which is the null role.
    """

    listener: str = "-"
    host: str = ""
    identity: str = ""
    role: str = ""


NOBODY = Asker()


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How a request is to be carried, and for whom.

    @ivar client: who asks; a connection. Clients take turns, and the requests
        of one client keep their order.
    @ivar asker: who that is, for access rules and the audit log.
    @ivar id: what the asker calls the request; need not be unique.
    @ivar type: the asker's label of the device, for logs and priorities.
    @ivar priority: its class.
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
    priority: Priority = Priority.NORMAL
    patience: float | None = None
    timeout: float | None = None
    baudrate: int | None = None
    hint: int = 0
    asker: Asker = NOBODY


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


@dataclass(frozen=True, slots=True)
class Exchange:
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


@dataclass(frozen=True, slots=True)
class PortStatus:
    """
    A port as it is now.

    @ivar state: one of the states of a port: `closed`, `settling`, `idle`,
        `sending`, `waiting`, `draining`, `jammed`; or of a Modbus TCP device:
        `closed`, `connecting`, `idle`, `waiting`.
    @ivar reason: why it is closed or jammed; empty when it is neither.
    @ivar line: speed and character format, such as `9600 8N1`; `Modbus TCP`
        for a device.
    @ivar waiting: requests in the queue.
    @ivar deepest: the most that ever were.
    @ivar echo: whether the line gives back what is sent; `None`: not known yet.
    @ivar echo_changes: how often an echo has appeared or vanished.
    @ivar line_errors: what the driver has counted, by name; empty: it does not.
    @ivar words: how many requests have ended with which word.
    """

    name: str
    device: str
    names: tuple[str, ...]
    line: str
    state: str
    reason: str = ""
    waiting: int = 0
    deepest: int = 0
    echo: bool | None = None
    echo_changes: int = 0
    line_errors: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """A connection of a client; `since` is monotonic seconds."""

    name: str
    listener: str
    peer: str
    since: float


@dataclass(frozen=True, slots=True)
class Times:
    """
    How long something took, in seconds; all are 0 while `count` is.

    The percentiles are within a tenth of the truth, between 0.1 ms and 5 min.
    """

    count: int = 0
    mean: float = 0.0
    least: float = 0.0
    most: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    What has happened on a port, or with a unit, since the start.

    Requests are what was asked, exchanges what went over the wire: a repeated
    request has several exchanges, a shared or refused one has none of its own.

    @ivar words: how many requests have ended with which word.
    @ivar failure_rate: the share of the requests that did not end `ok`, 0 to
        1; those that their askers withdrew are left out.
    @ivar shared: requests answered by the exchange of another one.
    @ivar remembered: requests answered from memory, with a reply that had come before.
    @ivar oldest: the greatest age of such a reply, in seconds.
    @ivar unknown: writes that were sent, and not confirmed.
    @ivar replies: exchanges that brought a sound reply, exceptions included.
    @ivar exceptions: how many of them refused, by exception code.
    @ivar timeouts: exchanges in which nothing came.
    @ivar late: sound replies that came too late; of the unit that sent them.
    @ivar foreign: sound frames that nobody had asked for.
    @ivar noise: bytes that belong to no frame.
    @ivar stale: bytes that came while nothing was asked.
    @ivar damaged: replies that came whole, with a CRC that does not fit.
    @ivar short: replies that began and broke off.
    @ivar reply_time: from the end of a request on the wire until the sound
        reply began.
    @ivar wait: from being asked until the first byte was sent.
    """

    requests: int = 0
    words: Mapping[str, int] = field(default_factory=dict)
    failure_rate: float = 0.0
    shared: int = 0
    remembered: int = 0
    oldest: float = 0.0
    unknown: int = 0
    exchanges: int = 0
    replies: int = 0
    exceptions: Mapping[int, int] = field(default_factory=dict)
    timeouts: int = 0
    late: int = 0
    foreign: int = 0
    noise: int = 0
    stale: int = 0
    damaged: int = 0
    short: int = 0
    reply_time: Times = Times()
    wait: Times = Times()


@dataclass(frozen=True, slots=True)
class PortStatistics:
    """
    What a port has done.

    @ivar seconds: how long it has been watched.
    @ivar busy: the share of that time in which bytes were on the wire, 0 to 1.
    @ivar busy_lately: the same of the last minute.
    @ivar waiting: requests in the queue now.
    @ivar deepest: the most that were seen in it when a request ended.
    """

    port: str
    traffic: Traffic = Traffic()
    seconds: float = 0.0
    busy: float = 0.0
    busy_lately: float = 0.0
    waiting: int = 0
    deepest: int = 0


@dataclass(frozen=True, slots=True)
class UnitStatistics:
    """
    What a unit has done; units that nobody has asked for have none.

    @ivar state: what the port makes of it; empty: nothing.
    @ivar seen: seconds since it last sent a sound frame; `None`: never.
    @ivar error: the last word of a request that failed; empty: none did.
    """

    port: str
    unit: int
    traffic: Traffic = Traffic()
    state: str = ""
    seen: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Cycles:
    """
    How the polling of a device goes, since the start.

    @ivar count: cycles that have ended.
    @ivar failed: those in which something could not be read.
    @ivar skipped: those that did not begin, since the one before had not ended.
    @ivar last: seconds that the last one took, from its beat to its end.
    @ivar longest: the most that one ever took.
    """

    count: int = 0
    failed: int = 0
    skipped: int = 0
    last: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """
    A value that is another one than before, or of another quality.

    @ivar before: what was read before; `None`: nothing was.
    """

    before: Reading | None
    after: Reading


@dataclass(frozen=True, slots=True)
class PointStatus:
    """
    A polled value as it is known now.

    @ivar reading: the last one; `None`: it has not been read yet. Its value is
        `None` if that read failed.
    @ivar age: seconds since that read; 0 without one.
    @ivar changes: the last ones, newest first.
    """

    parameter: str
    unit: str
    reading: Reading | None = None
    age: float = 0.0
    changes: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """
    A polled device as it is known now.

    @ivar id: its id in the configuration.
    @ivar bus: the bus that it is on.
    @ivar unit: its number there.
    @ivar online: whether it answered in its last cycle; `None`: not known yet.
    @ivar since: seconds that this has been so; 0 while it is not known.
    @ivar reason: why it is not online.
    @ivar good: how many of its values are good.
    @ivar bad: how many could not be had when they were last read.
    @ivar age: seconds since anything was read; `None`: nothing has been.
    @ivar points: its values, where one device is asked about.
    """

    id: int | str
    bus: str
    unit: int
    online: bool | None = None
    since: float = 0.0
    reason: str = ""
    good: int = 0
    bad: int = 0
    age: float | None = None
    points: Sequence[PointStatus] = ()
    cycles: Cycles = Cycles()


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """
    What a sink has done with the readings that it was given.

    For a sink that spools taken = delivered + dead + gap + queued, over all
    times; other counts are since the start.

    @ivar state: `idle`, `delivering`, `retrying`, `holding` when all is
        refused, `failing` when nothing can be taken.
    @ivar taken: readings that it took, for good.
    @ivar delivered: accepted where they go to.
    @ivar dead: refused there one by one, and kept as dead letters.
    @ivar gap: dropped by a bound of the spool, each recorded in a gap.
    @ivar queued: not delivered yet.
    @ivar oldest: seconds since the first of these was read; `None`: none is queued.
    @ivar missed: readings that could not be taken.
    @ivar declined: bad readings, which this sink does not want.
    @ivar unchanged: readings within the deadband of the one before.
    @ivar error: the last thing that went wrong; empty: nothing did.
    """

    name: str
    kind: str
    state: str = "idle"
    taken: int = 0
    delivered: int = 0
    dead: int = 0
    gap: int = 0
    queued: int = 0
    oldest: float | None = None
    missed: int = 0
    declined: int = 0
    unchanged: int = 0
    error: str = ""


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
        """
        What each unit that was asked has done, by port and number; else as `statistics`.
        """

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
