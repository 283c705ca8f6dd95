"""From configured simulators to buses, and to the files that they keep."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from lumina.assembly.parts import Parts
from lumina.assembly.units import unit
from lumina.config import files
from lumina.config.maps import load_map, preset
from lumina.config.simulated import Device
from lumina.config.simulators import Simulator
from lumina.errors import ConfigError, StartRefused
from lumina.simulator import snapshot
from lumina.simulator.bank import Bank
from lumina.simulator.kept_file import KeptFile, set_aside
from lumina.simulator.missing import Missing

_log = Logger()

#: Bytes of a saved file: 250 units with all that a unit can have.
LARGEST_SAVED = 400_000_000

#: The unit that a device stands at which is everywhere.
_ANYWHERE = 0


def add(parts: Parts, simulators: Mapping[str, Simulator]) -> None:
    """
    Make each simulator a bus under its key.

    @raise StartRefused: a file of one cannot be used.
    """
    for name, simulator in simulators.items():
        try:
            made = parts.buses[name] = _simulated(parts, name, simulator)
            parts.overview.add_port(made.status, is_simulated=True)
        except ConfigError as error:
            raise StartRefused(f"lumina: simulators.{name}: {error}") from error


def _simulated(parts: Parts, name: str, simulator: Simulator) -> Bank:
    missing = _missing(parts, simulator.missing) if simulator.missing else None
    made = bank(
        declared(simulator),
        parts.reactor.seconds,
        simulator.seed,
        name=name,
        watchers=parts.watchers,
        missed=missing,
    )
    if missing is not None:
        missing.bank = made
    if simulator.save:
        _restore(name, made, simulator.save)
        snapshot.when_changed(made, _kept_file(parts, simulator.save, partial(_saved, made)).changed)
    return made


def _missing(parts: Parts, path: str) -> Missing:
    missing = Missing()
    missing.changed = _kept_file(parts, path, partial(missing.take, path.lower().endswith(".csv"))).changed
    return missing


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


def _saved(made: Bank) -> Callable[[], bytes]:
    pieces = snapshot.take(made)
    return lambda: snapshot.encode(pieces)


def _kept_file(parts: Parts, path: str, take: Callable[[], Callable[[], bytes]]) -> KeptFile:
    """@raise ConfigError: there is no place for the file."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} cannot be written: {folder} is no directory that lumina may write to")
    reactor = parts.reactor
    file = KeptFile(
        path, take, reactor, lambda write: deferToThreadPool(reactor, reactor.getThreadPool(), write)
    )
    file.setServiceParent(parts.slaves)
    return file


def _restore(name: str, made: Bank, path: str) -> None:
    """@raise StartRefused: the file is there and cannot be read."""
    if not os.path.lexists(path):
        return
    try:
        kept = files.read(path, LARGEST_SAVED)
    except ConfigError as error:
        raise StartRefused(f"lumina: simulators.{name}.save: {error}") from None
    try:
        lost = snapshot.restore(made, kept)
    except snapshot.Damaged as damage:
        _log.error(
            "{name}: {path} is damaged: {damage}; it is now {aside}, and all begins anew",
            name=name,
            path=path,
            damage=damage,
            aside=set_aside(path),
        )
        return
    for sentence in lost:
        _log.warn("{name}: {path}: {sentence}", name=name, path=path, sentence=sentence)
