"""Serial buses, as they are configured."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from lumina.config import endpoints
from lumina.config.types import Baudrate, Name, Pause, Timeout, Unit, checked_by, line_of, ordered
from lumina.modbus.rtu import Line
from lumina.plugins import Settings


def _echo(value: object) -> object:
    if isinstance(value, bool) or value == "auto":
        return value
    raise ValueError(f"it should be true, false or auto; got {value}")


def _stopbits(value: float) -> float:
    if value not in (1, 1.5, 2):
        raise ValueError(f"{value:g} is none of 1, 1.5, 2")
    return value


class UnitSettings(Settings):
    """What differs for one unit of a port; `None`: as the port has it."""

    timeout: Timeout | None = None
    gap: Pause | None = None
    turnaround: Pause | None = None
    baudrate: Baudrate | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Annotated[float, AfterValidator(_stopbits)] | None = None
    share: bool = True


class Port(Settings):
    """A serial bus."""

    endpoint: Annotated[str, checked_by(endpoints.client)]
    names: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    baudrates: Annotated[tuple[Baudrate, Baudrate], Field(strict=False), AfterValidator(ordered)] = (
        300,
        921600,
    )
    timeout: Timeout = 1.0
    gap: Pause | None = None
    turnaround: Pause = 0.1
    slack: Annotated[float, Field(ge=0, le=1)] = 0.02
    echo: Annotated[bool | str, PlainValidator(_echo)] = "auto"
    broadcast: bool = False
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    max_age: Annotated[float, Field(ge=0, le=3600)] = 0.0
    misses: Annotated[int, Field(ge=0, le=1000)] = 3
    linger: Annotated[float, Field(ge=0.05, le=60)] | None = None
    longest_pause: Annotated[float, Field(ge=1, le=600)] = 10.0
    floor: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    group: Annotated[float, Field(ge=0, le=10)] = 0.25
    queue: Annotated[int, Field(ge=1, le=100_000)] = 1000
    queue_per_client: Annotated[int, Field(ge=1, le=100_000)] = 200
    units: dict[Unit, UnitSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _own_speed_allowed(self) -> "Port":
        lowest, highest = self.baudrates
        if self.is_serial and not lowest <= self.line.baudrate <= highest:
            raise ValueError(
                f"its own speed, {self.line.baudrate}, is outside of its baudrates, {lowest} to {highest}"
            )
        return self

    @property
    def is_serial(self) -> bool:
        """Whether it is a device of this machine; what else there is carries raw RTU over a stream."""
        return endpoints.client(self.endpoint).type == "serial"

    @property
    def device(self) -> str:
        """The path of its device; for an endpoint without one, the endpoint."""
        return endpoints.client(self.endpoint).options.get("device", self.endpoint)

    @property
    def all_names(self) -> tuple[str, ...]:
        """What clients may call it, beside its key."""
        return (self.device, *self.names)

    @property
    def line(self) -> Line:
        """Its own speed and character format; 9600 8N1 where the endpoint says nothing."""
        return line_of(endpoints.client(self.endpoint))
