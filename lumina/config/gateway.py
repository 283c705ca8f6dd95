"""Modbus TCP servers, and RTU over TCP, as they are configured."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from lumina.config.faults import Fault, on_modbus_tcp, on_rtu_tcp
from lumina.config.listener import Listener
from lumina.config.routes import Routes, expanded
from lumina.config.types import Network, PriorityClass


def _possible(fault: Fault, info: ValidationInfo) -> Fault:
    return on_rtu_tcp(fault) if info.data.get("kind") == "rtu-tcp" else on_modbus_tcp(fault)


class Gateway(Listener):
    """Answers Modbus clients over TCP, as the units of its buses would."""

    routes: Routes
    unknown_unit: Literal["0A", "0B", "silence"] = "0B"
    broadcast: Literal["none", "echo"] = "none"
    in_flight: Annotated[int, Field(ge=16, le=10_000)] = 32
    patience: Annotated[float, Field(ge=0.01, le=300)] = 5.0
    frame_timeout: Annotated[float, Field(ge=0.1, le=300)] = 5.0
    connections: Annotated[int, Field(ge=1, le=100_000)] = 2000
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    idle: Annotated[float, Field(ge=1, le=31_536_000)] = 3600.0
    priority: PriorityClass = "normal"
    priority_by_client: dict[Network, PriorityClass] = Field(default_factory=dict)
    faults: list[Annotated[Fault, AfterValidator(_possible)]] = Field(default_factory=list)

    @property
    def targets(self) -> Mapping[int, tuple[str, int]]:
        """Where each unit id leads: a bus, and the unit there."""
        return expanded(self.routes)

    @property
    def exception(self) -> int | None:
        """What a unit id that leads nowhere is answered with; `None`: nothing."""
        return None if self.unknown_unit == "silence" else int(self.unknown_unit, 16)
