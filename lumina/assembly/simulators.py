"""From configured simulators to buses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lumina.assembly.parts import Parts
from lumina.assembly.units import unit
from lumina.config.maps import load_map, preset
from lumina.config.simulated import Device
from lumina.config.simulators import Simulator
from lumina.errors import ConfigError, StartRefused
from lumina.simulator.bank import Bank

#: The unit that a device stands at which is everywhere.
_ANYWHERE = 0


def add(parts: Parts, simulators: Mapping[str, Simulator]) -> None:
    """
    Make each simulator a bus under its key.

    @raise StartRefused: a file of one cannot be used.
    """
    for name, simulator in simulators.items():
        try:
            devices = declared(simulator)
            parts.buses[name] = bank(
                devices, parts.reactor.seconds, simulator.seed, name=name, watchers=parts.watchers
            )
        except ConfigError as error:
            raise StartRefused(f"lumina: simulators.{name}: {error}") from error


def declared(simulator: Simulator) -> list[Device]:
    """
    Its devices; of those at one address, the last counts.

    @raise ConfigError: its map is wrong.
    """
    devices = preset(simulator.preset) if simulator.preset else []
    devices += load_map(simulator.map) if simulator.map else []
    if simulator.units is None:
        return devices
    return [device.model_copy(update={"units": simulator.units}) for device in devices]


def bank(devices: Sequence[Device], seconds: Callable[[], float], seed: int = 1, **rest: Any) -> Bank:
    """
    A fresh bus with these devices; its time begins now.

    @param seconds: monotonic.
    @param rest: what else a `Bank` is given.
    @raise ConfigError: a process follows itself.
    """
    units = {
        address: unit(address, device)
        for device in devices
        for address in ((_ANYWHERE,) if device.units == "any" else device.units)
    }
    return Bank(units, seconds, seed, units.pop(_ANYWHERE, None), **rest)
