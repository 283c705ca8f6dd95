"""
All that can be configured: one frozen model for each section, in a module of its own.

Times are in seconds. What a key means for an operator stands in
`etc/lumina.yaml` and `docs/configuration.md`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from lumina.access import Rule as Declared
from lumina.config.access import Rule, placed
from lumina.config.devices import Device
from lumina.config.listeners import Listener, Text, by_kind
from lumina.config.poll import Poll
from lumina.config.ports import Port
from lumina.config.simulators import Simulator
from lumina.config.sinks import Sink, sink_by_kind
from lumina.config.types import Key
from lumina.plugins import Settings


def _audit(value: Any) -> str:
    """A path, or empty for none."""
    if value is False:
        return ""
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"it should be the path of a file, from / on, or false; got {value!r}")
    return value


class Log(Settings):
    """
    What is written to the log.

    @ivar audit: where each write is logged; empty: nowhere; `None`: where the state lies.
    @ivar expiry: days before the end of a certificate, from which on it is told.
    """

    level: Literal["debug", "info", "warn", "error"] = "info"
    expiry: Annotated[float, Field(ge=0, le=3650)] = 30.0
    audit: Annotated[str | None, PlainValidator(_audit)] = None


def _one_text_listener() -> dict[str, Listener]:
    return {"text": Text(kind="text", endpoint="tcp:8888:interface=127.0.0.1")}


class Config(Settings):
    """All of it. The sections keep the order of the file."""

    ports: dict[Key, Port] = Field(default_factory=dict)
    devices: dict[Key, Device] = Field(default_factory=dict)
    simulators: dict[Key, Simulator] = Field(default_factory=dict)
    listen: dict[Key, Annotated[Listener, PlainValidator(by_kind)]] = Field(
        default_factory=_one_text_listener
    )
    access: Annotated[list[Rule], AfterValidator(placed)] = Field(default_factory=list)
    poll: Poll = Poll()
    sinks: dict[Key, Annotated[Sink, PlainValidator(sink_by_kind)]] = Field(default_factory=dict)
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _empty_section_is_left_out(cls, data: Any) -> Any:
        """`ports:` with all that follows commented out reads as nothing."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}

    @property
    def bus_keys(self) -> Mapping[str, str]:
        """The key of a bus, for each of its names."""
        named = {name: key for key, bus in (self.ports | self.devices).items() for name in bus.all_names}
        return named | {key: key for key in (*self.ports, *self.devices, *self.simulators)}

    @property
    def rules(self) -> list[Declared]:
        """The access rules, first to last."""
        keys = self.bus_keys
        return [rule.rule(keys) for rule in self.access]
