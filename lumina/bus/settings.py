"""What is configured for one serial line. All times are in seconds."""

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
    """

    timeout: float | None = None
    gap: float | None = None
    turnaround: float | None = None


@dataclass(frozen=True, slots=True)
class PortSettings:
    """
    One serial line.

    @ivar device: what is opened, for people.
    @ivar baudrates: lowest and highest that a request may ask for.
    @ivar timeout: from the end of a request until its reply begins.
    @ivar gap: silence before each request, where longer than 3.5 characters.
    @ivar turnaround: how long a broadcast holds the line.
    @ivar slack: how long bytes may be held up on their way to us.
    @ivar echo: whether the line gives back what is sent.
    @ivar broadcast: whether unit 0 may be written to.
    @ivar retries: how often a read that failed is sent again; writes never are.
    @ivar queue: how many requests may wait.
    @ivar queue_per_client: how many of them may be one client's.
    """

    name: str
    device: str = ""
    names: tuple[str, ...] = ()
    line: Line = field(default_factory=Line)
    baudrates: tuple[int, int] = (300, 921600)
    timeout: float = 1.0
    gap: float = 0.0
    turnaround: float = 0.1
    slack: float = 0.02
    echo: bool = False
    broadcast: bool = False
    retries: int = 0
    queue: int = 1000
    queue_per_client: int = 200
    units: Mapping[int, UnitSettings] = field(default_factory=dict)
