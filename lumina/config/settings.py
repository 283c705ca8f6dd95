"""
What can be configured: one frozen model for each kind of thing.

Times are in seconds. What a key means for an operator stands in
`etc/lumina.yaml` and `docs/configuration.md`.
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from ipaddress import ip_network
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
from lumina.config.faults import Fault
from lumina.modbus.rtu import Line
from lumina.plugins import BusName, IFrontEnd, Settings, front_ends, nearest

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NAME = re.compile(r"[!-~]{1,255}")


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(
            f"'{value}' is not a key: 1 to 64 of the letters A to Z and a to z, digits, and _ . -"
        )
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"'{value}' is not a name: 1 to 255 printable ASCII characters, and no blank")
    return value


def _preset(value: str) -> str:
    known = presets()
    if value not in known:
        raise ValueError(f"no preset is called '{value}'; {nearest(value, known)}")
    return value


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the lowest, {value[0]}, is above the highest, {value[1]}")
    return value


def _line(endpoint: endpoints.Endpoint) -> Line:
    options = endpoint.options
    return Line(
        int(options.get("baudrate", "9600")),
        options.get("parity", "N"),
        float(options.get("stopbits", "1")),
        int(options.get("bytesize", "8")),
    )


def _echo(value: object) -> object:
    if isinstance(value, bool) or value == "auto":
        return value
    raise ValueError(f"it should be true, false or auto; got {value}")


def _stopbits(value: float) -> float:
    if value not in (1, 1.5, 2):
        raise ValueError(f"{value:g} is none of 1, 1.5, 2")
    return value


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not a network, such as 10.0.0.0/8 or 10.0.0.5: {error}") from None
    return value


def _endpoint(check: Callable[[str], object]) -> AfterValidator:
    def checked(text: str) -> str:
        check(text)
        return text

    return AfterValidator(checked)


FrontEnds = Callable[[], Mapping[str, IFrontEnd]]
Key = Annotated[str, AfterValidator(_key)]
Name = Annotated[str, AfterValidator(_name)]
Unit = Annotated[int, Field(ge=1, le=255)]
Baudrate = Annotated[int, Field(ge=50, le=4_000_000)]
Timeout = Annotated[float, Field(ge=0.01, le=300)]
Pause = Annotated[float, Field(ge=0, le=60)]
Class = Literal["high", "normal", "low"]
Network = Annotated[str, AfterValidator(_network)]


def presets() -> list[str]:
    """The names of the simulators that come with lumina."""
    folder = resources.files("lumina.simulator") / "presets"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


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

    endpoint: Annotated[str, _endpoint(endpoints.client)]
    names: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    baudrates: Annotated[tuple[Baudrate, Baudrate], Field(strict=False), AfterValidator(_ordered)] = (
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
        return _line(endpoints.client(self.endpoint))


class Simulator(Settings):
    """A bus of invented units."""

    preset: Annotated[str, AfterValidator(_preset)]
    seed: int = 1


class Listener(Settings):
    """What every listener has, of whatever kind."""

    kind: str
    endpoint: Annotated[str, _endpoint(endpoints.server)]
    read_only: bool | None = None

    @property
    def address(self) -> str:
        """The endpoint to listen on: loopback, where it does not say where."""
        return endpoints.address(self.endpoint)

    @property
    def writable(self) -> bool:
        """Whether those who ask here may write; unless said, only those on this machine may."""
        return self._is_local if self.read_only is None else not self.read_only

    @property
    def _is_local(self) -> bool:
        return endpoints.is_local(endpoints.server(self.endpoint))


class Text(Listener):
    """The text protocol: one line asks, one line answers."""

    dialect: Literal["auto", "documented", "timestamped", "bare"] = "auto"
    connections: Annotated[int, Field(ge=1, le=100_000)] = 2000
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    idle: Annotated[float, Field(ge=1, le=31_536_000)] = 3600.0
    priority: Class = "normal"
    priority_by_type: dict[str, Class] = Field(default_factory=dict)
    priority_by_client: dict[Network, Class] = Field(default_factory=dict)


class RTUSlave(Listener):
    """Answers a serial master, as the units of a bus would; its endpoint is opened, not listened on."""

    endpoint: Annotated[str, _endpoint(endpoints.line)]
    bus: BusName
    faults: list[Fault] = Field(default_factory=list)

    @property
    def address(self) -> str:
        return self.endpoint

    @property
    def line(self) -> Line:
        """Its speed and character format; 9600 8N1 where the endpoint says nothing."""
        return _line(endpoints.line(self.endpoint))

    @property
    def _is_local(self) -> bool:
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


KINDS: Mapping[str, type[Listener]] = {"text": Text, "rtu-slave": RTUSlave}


def listener_fields(kind: str, front_ends: FrontEnds) -> Mapping[str, FieldInfo]:
    """The keys of a kind of listener, which must exist: the common ones, and its own."""
    own = KINDS[kind] if kind in KINDS else front_ends()[kind].settings
    return Listener.model_fields | own.model_fields


def _front_ends(info: ValidationInfo) -> Mapping[str, IFrontEnd]:
    found: FrontEnds = (info.context or {}).get("front_ends", front_ends)
    return found()


def _by_kind(value: object, info: ValidationInfo) -> Listener:
    return _listener_model(value, info).model_validate(value, context=info.context)


def _listener_model(value: object, info: ValidationInfo) -> type[Listener]:
    """The packages are searched only for a kind that is not lumina's own."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return _OfUnknownKind
    if kind in KINDS:
        return KINDS[kind]
    return Plugged if kind in _front_ends(info) else _OfUnknownKind


class Log(Settings):
    """What is written to the log."""

    level: Literal["debug", "info", "warn", "error"] = "info"


def _one_text_listener() -> dict[str, Listener]:
    return {"text": Text(kind="text", endpoint="tcp:8888:interface=127.0.0.1")}


class Config(Settings):
    """All of it. The sections keep the order of the file."""

    ports: dict[Key, Port] = Field(default_factory=dict)
    simulators: dict[Key, Simulator] = Field(default_factory=dict)
    listen: dict[Key, Annotated[Listener, PlainValidator(_by_kind)]] = Field(
        default_factory=_one_text_listener
    )
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _empty_section_is_left_out(cls, data: Any) -> Any:
        """`ports:` with all that follows commented out reads as nothing."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
