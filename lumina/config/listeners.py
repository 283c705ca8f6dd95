"""Listeners, as they are configured: each kind its own model."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from lumina.config import endpoints
from lumina.config.faults import Fault, on_serial_line
from lumina.config.gateway import Gateway
from lumina.config.listener import Listener as Listener
from lumina.config.types import Network, PriorityClass, checked_by, line_of
from lumina.modbus.rtu import Line
from lumina.plugins import BusName, IFrontEnd, Settings, front_ends, nearest

FrontEnds = Callable[[], Mapping[str, IFrontEnd]]


class Text(Listener):
    """The text protocol: one line asks, one line answers."""

    dialect: Literal["auto", "documented", "timestamped", "bare"] = "auto"
    connections: Annotated[int, Field(ge=1, le=100_000)] = 2000
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    idle: Annotated[float, Field(ge=1, le=31_536_000)] = 3600.0
    priority: PriorityClass = "normal"
    priority_by_type: dict[str, PriorityClass] = Field(default_factory=dict)
    priority_by_client: dict[Network, PriorityClass] = Field(default_factory=dict)


class RTUSlave(Listener):
    """Answers a serial master, as the units of a bus would; its endpoint is opened, not listened on."""

    endpoint: Annotated[str, checked_by(endpoints.line)]
    bus: BusName
    faults: list[Annotated[Fault, AfterValidator(on_serial_line)]] = Field(default_factory=list)

    @property
    def address(self) -> str:
        return self.endpoint

    @property
    def line(self) -> Line:
        """Its speed and character format; 9600 8N1 where the endpoint says nothing."""
        return line_of(endpoints.line(self.endpoint))

    @property
    def is_local(self) -> bool:
        return endpoints.is_local(endpoints.line(self.endpoint))


def _own_settings(value: object, info: ValidationInfo) -> Settings:
    return _front_ends(info)[info.data["kind"]].settings.model_validate(value, context=info.context)


class Plugged(Listener):
    """A front end of another package, with its own keys apart, as an instance of its own model."""

    settings: Annotated[Settings, PlainValidator(_own_settings)]

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: dict[Any, Any]) -> dict[Any, Any]:
        common = {key: value[key] for key in Listener.model_fields if key in value}
        return common | {"settings": {key: value[key] for key in value if key not in common}}


class _OfUnknownKind(Listener):
    """Never valid, but its common keys are looked at; of the others nothing is known."""

    model_config = ConfigDict(extra="ignore")
    endpoint: str

    @field_validator("kind")
    @classmethod
    def _unknown(cls, kind: str, info: ValidationInfo) -> str:
        raise ValueError(
            f"no kind of listener is called '{kind}'; {nearest(kind, {*KINDS, *_front_ends(info)})}"
        )


KINDS: Mapping[str, type[Listener]] = {
    "text": Text,
    "modbus-tcp": Gateway,
    "rtu-tcp": Gateway,
    "rtu-slave": RTUSlave,
}


def listener_fields(kind: str, front_ends: FrontEnds) -> Mapping[str, FieldInfo]:
    """The keys of a kind of listener, which must exist: the common ones, and its own."""
    own = KINDS[kind] if kind in KINDS else front_ends()[kind].settings
    return Listener.model_fields | own.model_fields


def _front_ends(info: ValidationInfo) -> Mapping[str, IFrontEnd]:
    found: FrontEnds = (info.context or {}).get("front_ends", front_ends)
    return found()


def by_kind(value: object, info: ValidationInfo) -> Listener:
    """The settings of one listener, by the model that its `kind` has."""
    return _listener_model(value, info).model_validate(value, context=info.context)


def _listener_model(value: object, info: ValidationInfo) -> type[Listener]:
    """The packages are searched only for a kind that is not lumina's own."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return _OfUnknownKind
    if kind in KINDS:
        return KINDS[kind]
    return Plugged if kind in _front_ends(info) else _OfUnknownKind
