"""A configuration in a few lines, for `lumina check-config`."""

from collections import Counter
from collections.abc import Iterator

from lumina.config import credentials
from lumina.config.devices import Device
from lumina.config.listeners import Listener
from lumina.config.polled import polled
from lumina.config.ports import Port
from lumina.config.settings import Config
from lumina.config.sinks import Lines, Post, Sink
from lumina.validity import ends


def summary(config: Config) -> Iterator[str]:
    """One line for each thing that would run."""
    for key, port in config.ports.items():
        yield f"port {key}: {_line(port)}{_names(port)}"
    for key, device in config.devices.items():
        yield f"device {key}: {device.endpoint}{_names(device)}"
    for key, simulator in config.simulators.items():
        yield f"simulator {key}: {simulator.source}, seed {simulator.seed}"
    if config.poll.devices:
        yield f"poll: {_polled(config)}"
    for key, sink in config.sinks.items():
        yield f"sink {key}: {sink.kind}{_goal(sink)}"
    for key, listener in config.listen.items():
        yield f"listener {key}: {listener.kind} on {listener.address}, {_access(listener, config)}"
    yield from (f"certificate {line}" for line in ends(credentials.files(config)))


def _polled(config: Config) -> str:
    devices = polled(config.poll)
    counts: Counter[float] = Counter()
    for device in devices:
        counts.update({interval: len(points) for interval, points in device.points.items()})
    every = ", ".join(f"{count} values every {interval:g} s" for interval, count in sorted(counts.items()))
    return f"{len(devices)} devices, {every}"


def _goal(sink: Sink) -> str:
    if isinstance(sink, Post):
        return f" to {sink.url.partition('?')[0]}"
    return f" to {sink.path}" if isinstance(sink, Lines) else ""


def _line(port: Port) -> str:
    return f"{port.device} at {port.line}" if port.is_serial else port.device


def _names(bus: Port | Device) -> str:
    return f", also called {', '.join(bus.names)}" if bus.names else ""


def _access(listener: Listener, config: Config) -> str:
    if not config.access:
        return "reads and writes" if listener.writable else "read-only"
    return f"{'read-only, ' if listener.read_only else ''}by {len(config.access)} access rules"
