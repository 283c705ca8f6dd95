"""From configured Modbus TCP devices to buses."""

from collections.abc import Mapping

from lumina.assembly.parts import Parts
from lumina.assembly.ports import client_endpoint
from lumina.bus.settings import DeviceSettings, UnitSettings
from lumina.bus.tcp import Device
from lumina.config import devices as config


def add(parts: Parts, devices: Mapping[str, config.Device]) -> None:
    """
    Make each device a bus under its key, its endpoint and its other names.

    @raise StartRefused: an endpoint cannot be used.
    """
    for name, chosen in devices.items():
        endpoint = client_endpoint(f"devices.{name}", chosen.endpoint, parts.reactor)
        device = Device(_settings(name, chosen), endpoint, parts.reactor, parts.watchers)
        device.setServiceParent(parts.carriers)
        parts.overview.add_port(device.status, device.unit_states)
        parts.buses |= dict.fromkeys((name, *chosen.all_names), device)


def _settings(name: str, device: config.Device) -> DeviceSettings:
    return DeviceSettings(
        name=name,
        device=device.endpoint,
        names=device.names,
        baudrates=device.baudrates,
        timeout=device.timeout,
        connect_timeout=device.connect_timeout,
        pipelining=device.pipelining,
        idle=device.idle,
        broadcast=device.broadcast,
        retries=device.retries,
        max_age=device.max_age,
        misses=device.misses,
        longest_pause=device.longest_pause,
        floor=device.floor,
        queue=device.queue,
        queue_per_client=device.queue_per_client,
        units={unit: UnitSettings(**own.model_dump()) for unit, own in device.units.items()},
    )
