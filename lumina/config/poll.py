"""
What is polled, as it is configured.

The documents' `config.json` is a list of devices; the same list, or a mapping
with more keys, stands under `poll:`. What a device does not say is as its
profile has it, then as the whole section has it.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lumina.config.poll_values import (
    ALIASES,
    BOOL,
    Address,
    DataType,
    DeviceId,
    Host,
    Interval,
    Names,
    Number,
    Offset,
    Padding,
    Scale,
)
from lumina.config.types import Key
from lumina.modbus.tables import BITS
from lumina.modbus.values import MAX_STRING, Format
from lumina.plugins import BusName, Settings

Table = Literal["coil", "discrete", "holding", "input"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Label = Annotated[str, Field(max_length=1000)]


class Register(Settings):
    """
    One value, and where it lies.

    What its type does not go with is found in `poll_checks`.
    """

    address: Address
    parameter: Annotated[str, Field(min_length=1, max_length=255)]
    data_type: DataType | None = None
    table: Table | None = None
    order: Order | None = None
    scale: Scale = Decimal(1)
    offset: Offset = Decimal(0)
    precision: Annotated[int, Field(ge=0, le=15)] | None = None
    length: Annotated[int, Field(ge=1, le=MAX_STRING)] = 1
    padding: Padding = "\0"
    bit: Annotated[int, Field(ge=0, le=15)] = 0
    width: Annotated[int, Field(ge=1, le=16)] = 1
    names: Names = Field(default_factory=dict)
    absent: list[Number] = Field(default_factory=list)
    unit: Label = ""
    description: Label = ""
    interval: Interval | None = None
    snapshot: str | None = None

    def format(self, order: str) -> Format:
        """
        How it lies in registers.

        @param order: what its device has, where it has none of its own.
        @raise BadRequest: it cannot be so.
        """
        if of_bits(self.data_type, self.table):
            return Format()
        written = self.data_type or "float"
        return Format(
            ALIASES.get(written, written),
            self.order or order,
            self.scale,
            self.offset,
            self.length,
            self.padding,
            self.bit,
            self.width,
        )


class Manner(Settings):
    """How a device is read; a device, its profile, and the whole section may say it."""

    interval: Interval | None = None
    addressing: Literal["modicon", "pdu", "one-based"] | None = None
    order: Order | None = None
    timeout: Annotated[float, Field(ge=0.01, le=300)] | None = None
    max_registers: Annotated[int, Field(ge=1, le=125)] | None = None
    max_bits: Annotated[int, Field(ge=1, le=2000)] | None = None
    forbid_gaps: bool | None = None


class Profile(Manner):
    """Registers with a name, for all devices of a kind."""

    registers: list[Register]

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        return {"registers": value} if isinstance(value, list) else value


class Device(Manner):
    """
    A device: a unit behind an address, or on a bus that is configured elsewhere.

    Its own registers come after those of its profile, and replace those of
    the same parameter.
    """

    device_id: DeviceId
    ip: Host | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    bus: BusName | None = None
    slave_id: Annotated[int, Field(ge=1, le=255)] = 1
    profile: str | None = None
    registers: list[Register] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Device":
        if (self.ip is None) == (self.bus is None):
            raise ValueError("it has one of ip, for a Modbus TCP device, and bus, for one that is configured")
        if self.bus is not None and "port" in self.model_fields_set:
            raise ValueError("port belongs to ip; the bus has its own")
        return self


class Poll(Manner):
    """What is read by lumina itself."""

    spread: bool = False
    profiles: dict[Key, Profile] = Field(default_factory=dict)
    devices: list[Device] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        return {"devices": value} if isinstance(value, list) else value


def of_bits(data_type: object, table: object) -> bool:
    """Whether these say a coil or a discrete input."""
    return table in BITS or data_type == BOOL
