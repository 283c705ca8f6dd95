"""
How things stand: the frozen values that an `Overview` answers with, and what a sink tells of itself.

Each is a picture of one moment. Seconds are durations, unless they are said to be stamps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lumina.readings import Reading


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

    @ivar state: `idle`, `delivering`, `retrying`, `waiting` when what was
        refused waits for others, which tell whose fault that is, `holding`
        when all is refused, `failing` when nothing can be taken.
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
    @ivar refused: how many have become dead letters since the start.
    @ivar stuck: which reading holds up others, since when, what is said of it,
        and what can be done; empty: none does.
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
    refused: int = 0
    stuck: str = ""
