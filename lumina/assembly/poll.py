"""From configured devices to the poller, and to what is known of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from twisted.internet.endpoints import quoteStringArgument
from twisted.logger import Logger

from lumina.assembly import devices
from lumina.assembly.parts import Parts
from lumina.config import endpoints
from lumina.config.devices import Device
from lumina.config.polled import PolledDevice, doubts, polled
from lumina.config.ports import Port
from lumina.config.settings import Config
from lumina.errors import StartRefused
from lumina.interfaces import Sink
from lumina.poll.costs import Costs
from lumina.poll.limits import Limits
from lumina.poll.plan import Plan
from lumina.poll.poller import Poller
from lumina.poll.rounds import Polled, bus_shares
from lumina.readings import Point
from lumina.watch.devices import DeviceStates

#: The share of a bus's time from which on polling is said to be much, and beyond which it cannot be.
MUCH, ALL = 0.8, 1.0

_MODBUS = 502

_log = Logger()


class Burden(NamedTuple):
    """What is wrong with how much is to be read: what cannot be, and what may be too much."""

    impossible: list[str]
    much: list[str]


def add(parts: Parts, config: Config, timed: bool = True) -> Poller | None:
    """
    Make the poller, and a bus for each device that only it knows of.

    @param timed: whether it polls by itself; else somebody calls its `once`.
    @return: nothing, if nothing is to be polled.
    @raise StartRefused: a bus has not the time for it.
    """
    found = polled(config.poll)
    if not found:
        return None
    for sentence in doubts(config.poll):
        _log.warn("{sentence}", sentence=sentence)
    names = _connect(parts, config, found)
    made = [
        _polled(parts, each, name, config.ports.get(name)) for each, name in zip(found, names, strict=True)
    ]
    if timed:
        shares = bus_shares((each.bus_name, each.plan, each.beats) for each in made)
        impossible, much = _weighed(shares, config.ports)
        _refuse(impossible)
        for sentence in much:
            _log.warn("{sentence}", sentence=sentence)
    return _poller(parts, config, made, timed)


def _poller(parts: Parts, config: Config, made: Sequence[Polled], timed: bool) -> Poller:
    states = DeviceStates(parts.wall, parts.reactor.seconds, lambda: poller.cycles())
    sinks: dict[str, Sink] = {"device states": states, **parts.sinks}
    poller = Poller(made, sinks, parts.reactor, parts.wall, config.poll.spread)
    for device in made:
        states.expect(device.id, device.bus_name, device.unit, device.plan.points)
    parts.overview.show_devices(states)
    if timed:
        poller.setServiceParent(parts.pollers)
        beats = sorted({beat for each in made for beat in each.beats})
        _log.info(
            "polling: {devices} with {values} in all, every {beats}",
            devices=_counted(len(made), "device"),
            values=_counted(sum(len(device.plan.points) for device in made), "value"),
            beats=" and ".join(f"{beat:g} s" for beat in beats),
        )
    return poller


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _connect(parts: Parts, config: Config, found: Sequence[PolledDevice]) -> list[str]:
    """The key of the bus of each; those that only the poller knows of are made."""
    names = _names(config, found)
    new = {}
    for each, name in zip(found, names, strict=True):
        if name not in parts.buses and name not in new:
            endpoint = f"tcp:host={quoteStringArgument(each.host)}:port={each.port}"
            waits = {} if each.timeout is None else {"timeout": each.timeout, "connect_timeout": each.timeout}
            new[name] = Device.model_validate({"endpoint": endpoint, **waits})
    devices.add(parts, new)
    return names


def _names(config: Config, found: Iterable[PolledDevice]) -> list[str]:
    """The key of the bus of each; devices with one address are one bus, with one that is configured, too."""
    keys = config.bus_keys
    known = {
        address: name for name, device in config.devices.items() if (address := _address(device.endpoint))
    }
    return [
        keys.get(each.bus, each.bus)
        if each.bus
        else known.setdefault((each.host.lower(), each.port), f"{each.host}:{each.port}")
        for each in found
    ]


def _address(endpoint: str) -> tuple[str, int] | None:
    """Host and port of a plain TCP endpoint."""
    parsed = endpoints.client(endpoint)
    if parsed.type != "tcp":
        return None
    return parsed.options["host"].lower(), int(parsed.options.get("port", _MODBUS))


def _polled(parts: Parts, each: PolledDevice, name: str, port: Port | None) -> Polled:
    plan, beats = _planned(each, port)
    return Polled(each.id, parts.buses[name], name, each.unit, plan, beats, each.timeout)


def _planned(each: PolledDevice, port: Port | None) -> tuple[Plan, dict[float, tuple[int, ...]]]:
    """How a device is read, and which of its points when."""
    points = [point for due in each.points.values() for point in due]
    places = {point.parameter: place for place, point in enumerate(points)}

    def of(group: Sequence[Point]) -> tuple[int, ...]:
        return tuple(places[point.parameter] for point in group)

    limits = Limits(each.max_registers, each.max_bits, each.forbid_gaps)
    plan = Plan(points, limits, None, _costs(each, port), [of(group) for group in each.snapshots])
    return plan, {interval: of(due) for interval, due in each.points.items()}


def _costs(each: PolledDevice, port: Port | None) -> Costs:
    """What requests are thought to cost before the first one."""
    if port is None or not port.is_serial:
        return Costs.network()
    own = port.units.get(each.unit)
    line = port.line
    if own is not None and own.baudrate is not None:
        line = type(line)(own.baudrate, line.parity, line.stopbits, line.bytesize)
    return Costs.serial(line)


def burden(config: Config) -> Burden:
    """What polling asks of the buses, before anything is opened."""
    found = polled(config.poll)
    named = list(zip(found, _names(config, found), strict=True))
    made = [(name, *_planned(each, config.ports.get(name))) for each, name in named]
    return _weighed(bus_shares(made), config.ports)


def _weighed(shares: Mapping[str, float], lines: Mapping[str, Port]) -> Burden:
    """
    How much of each bus's time polling will take, where it is much.

    Of a network nobody knows beforehand how quick it is.
    """
    impossible, much = [], []
    for name, share in shares.items():
        sentence = f"poll: reading everything in time would take {share:.0%} of the time of {name}"
        serial = name in lines and lines[name].is_serial
        if share > ALL and serial:
            impossible.append(f"{sentence}; choose longer intervals, fewer registers, or a faster line")
        elif share > MUCH:
            much.append(f"{sentence}, if it answers as expected")
    return Burden(impossible, much)


def _refuse(sentences: Iterable[str]) -> None:
    text = "\n".join(f"lumina: {sentence}" for sentence in sentences)
    if text:
        raise StartRefused(text)
