"""From configured ports to serial buses."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint

from lumina.assembly.parts import Parts
from lumina.bus.port import Port
from lumina.bus.settings import PortSettings, UnitSettings
from lumina.certificates import state
from lumina.config import credentials, endpoints
from lumina.config import ports as config
from lumina.errors import StartRefused
from lumina.services import RenewedEndpoint, sentence


def add(parts: Parts, ports: Mapping[str, config.Port]) -> None:
    """
    Make each port a bus under its key and its other names.

    @raise StartRefused: an endpoint cannot be used.
    """
    for name, chosen in ports.items():
        endpoint = client_endpoint(f"ports.{name}", chosen.endpoint, parts.reactor)
        port = Port(_settings(name, chosen), endpoint, parts.reactor, parts.watchers)
        port.setServiceParent(parts.carriers)
        parts.overview.add_port(port.status, port.unit_states)
        parts.buses |= dict.fromkeys((name, *chosen.all_names), port)


def client_endpoint(key: str, text: str, reactor: Any) -> IStreamClientEndpoint:
    """
    @param key: where it is configured.
    @raise StartRefused: it cannot be used.
    """

    def make() -> IStreamClientEndpoint:
        return cast("IStreamClientEndpoint", clientFromString(reactor, text))

    files = credentials.paths(endpoints.client(text))
    try:
        return RenewedEndpoint(key, make, partial(state, *files)) if files else make()
    except Exception as error:  # such as certificates that cannot be read
        raise StartRefused(f"lumina: {key}: cannot use {text}: {sentence(error)}") from error


def _settings(name: str, port: config.Port) -> PortSettings:
    return PortSettings(
        name=name,
        device=port.device,
        names=tuple(each for each in port.all_names if each != port.device),
        line=port.line,
        baudrates=port.baudrates,
        timeout=port.timeout,
        gap=port.gap or 0.0,
        turnaround=port.turnaround,
        slack=port.slack,
        echo=None if port.echo == "auto" else bool(port.echo),
        broadcast=port.broadcast,
        retries=port.retries,
        max_age=port.max_age,
        misses=port.misses,
        linger=port.linger,
        longest_pause=port.longest_pause,
        floor=port.floor,
        group=port.group,
        queue=port.queue,
        queue_per_client=port.queue_per_client,
        units={unit: UnitSettings(**own.model_dump()) for unit, own in port.units.items()},
    )
