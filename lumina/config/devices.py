"""Modbus TCP devices, as they are configured."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lumina.config import endpoints
from lumina.config.types import Baudrate, Name, Timeout, Unit, checked_by, ordered
from lumina.plugins import Settings


class UnitSettings(Settings):
    """What differs for one unit behind a device; `None`: as the device has it."""

    timeout: Timeout | None = None
    share: bool = True


def _stream(text: str) -> None:
    if endpoints.client(text).type == "serial":
        raise ValueError("a serial line carries no Modbus TCP; it is a port, configured under 'ports'")


class Device(Settings):
    """A Modbus TCP device, as a bus."""

    endpoint: Annotated[str, checked_by(_stream)]
    names: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    baudrates: Annotated[tuple[Baudrate, Baudrate], Field(strict=False), AfterValidator(ordered)] = (
        300,
        921600,
    )
    timeout: Timeout = 1.0
    connect_timeout: Timeout = 5.0
    pipelining: Annotated[int, Field(ge=1, le=64)] = 1
    idle: Annotated[float, Field(ge=0.1, le=86_400)] | None = None
    broadcast: bool = False
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    max_age: Annotated[float, Field(ge=0, le=3600)] = 0.0
    misses: Annotated[int, Field(ge=0, le=1000)] = 3
    longest_pause: Annotated[float, Field(ge=1, le=600)] = 10.0
    floor: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    queue: Annotated[int, Field(ge=1, le=100_000)] = 1000
    queue_per_client: Annotated[int, Field(ge=1, le=100_000)] = 200
    units: dict[Unit, UnitSettings] = Field(default_factory=dict)

    @property
    def all_names(self) -> tuple[str, ...]:
        """What clients may call it, beside its key."""
        return (self.endpoint, *self.names)
