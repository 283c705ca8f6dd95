"""From configured simulators to buses."""

from collections.abc import Mapping

from lumina.assembly.parts import Parts
from lumina.config.simulators import Simulator
from lumina.simulator.preset import bank


def add(parts: Parts, simulators: Mapping[str, Simulator]) -> None:
    """Make each simulator a bus under its key."""
    for name, simulator in simulators.items():
        parts.buses[name] = bank(simulator.preset, simulator.seed, parts.reactor.seconds)
