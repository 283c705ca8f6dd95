"""What is configured for one bus: a serial line, or a Modbus TCP device. All times are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lumina.modbus.rtu import Line


@dataclass(frozen=True, slots=True)
class UnitSettings:
    """
    What differs for one unit; `None`: as the port has it.

    @ivar timeout: until its reply begins.
    @ivar gap: silence before a request to it.
    @ivar turnaround: silence that it needs after an exchange with it.
    @ivar baudrate: bits per second; a request's own wins.
    @ivar parity: N, E or O.
    @ivar stopbits: 1, 1.5 or 2.
    @ivar share: whether one exchange may answer several that ask the same;
        not where reading clears.
    """

    timeout: float | None = None
    gap: float | None = None
    turnaround: float | None = None
    baudrate: int | None = None
    parity: str | None = None
    stopbits: float | None = None
    share: bool = True


@dataclass(frozen=True, slots=True)
class BusSettings:
    """
    What every bus has, whatever carries its requests.

    @ivar device: what is opened, for people.
    @ivar baudrates: lowest and highest that a request may ask for.
    @ivar timeout: from the end of a request until its reply begins.
    @ivar broadcast: whether unit 0 may be written to.
    @ivar retries: how often a read that failed is sent again; writes never are.
    @ivar max_age: for how long a reply to a read may answer the same question
        again, if nothing was written to the unit since; 0: never.
    @ivar misses: silences in a row after which a unit is suspended; 0: never.
    @ivar longest_pause: between attempts to reach a suspended unit.
    @ivar floor: share of the time that lower classes get at least.
    @ivar queue: how many requests may wait.
    @ivar queue_per_client: how many of them may be one client's.
    """

    name: str
    device: str = ""
    names: tuple[str, ...] = ()
    baudrates: tuple[int, int] = (300, 921600)
    timeout: float = 1.0
    broadcast: bool = False
    retries: int = 0
    max_age: float = 0.0
    misses: int = 3
    longest_pause: float = 10.0
    floor: float = 0.1
    queue: int = 1000
    queue_per_client: int = 200
    units: Mapping[int, UnitSettings] = field(default_factory=dict)

    @property
    def timeouts(self) -> Mapping[int, float]:
        """Those of units that have one of their own."""
        return {unit: own.timeout for unit, own in self.units.items() if own.timeout is not None}

    def unit(self, unit: int) -> UnitSettings:
        """What differs for a unit, if anything."""
        return self.units.get(unit, _AS_THE_PORT)

    def line_for(self, unit: int, baudrate: int | None) -> Line:
        """
        The speed and format for a request.

        @param baudrate: what the request itself asks for.
        """
        return NO_LINE


@dataclass(frozen=True, slots=True)
class DeviceSettings(BusSettings):
    """
    A Modbus TCP device. Of what differs for a unit only `timeout` and `share`
    mean anything.

    @ivar connect_timeout: until the device must have taken the connection.
    @ivar pipelining: how many requests may be on their way at the same time.
    @ivar idle: after so long without a request the connection is closed until
        the next; `None`: it is kept.
    """

    connect_timeout: float = 5.0
    pipelining: int = 1
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class PortSettings(BusSettings):
    """
    One serial line.

    @ivar gap: silence before each request, where longer than 3.5 characters.
    @ivar turnaround: how long a broadcast holds the line.
    @ivar slack: how long bytes may be held up on their way to us.
    @ivar echo: whether the line gives back what is sent; `None`: to be learnt.
    @ivar linger: how long a late reply is looked out for; `None`: twice the
        slowest reply that the unit has given, 1 to 3.
    @ivar group: how long requests of one speed may go before those of others.
    """

    line: Line = field(default_factory=Line)
    gap: float = 0.0
    turnaround: float = 0.1
    slack: float = 0.02
    echo: bool | None = None
    linger: float | None = None
    group: float = 0.25

    def line_for(self, unit: int, baudrate: int | None) -> Line:
        own = self.unit(unit)
        return Line(
            baudrate or own.baudrate or self.line.baudrate,
            own.parity or self.line.parity,
            own.stopbits or self.line.stopbits,
            self.line.bytesize,
        )


#: Stands for the speed where there is none: what it would take is nothing beside a network.
NO_LINE = Line(4_000_000)

_AS_THE_PORT = UnitSettings()
