"""From configured listeners to front ends, each with its own guarded view of the buses."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from twisted.application.internet import ClientService
from twisted.application.service import Service
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory

from lumina import plugins
from lumina.access import Access, Rule
from lumina.assembly.parts import Parts
from lumina.bus.guard import Guard, Refusals
from lumina.config import listeners as config
from lumina.config.gateway import Gateway
from lumina.frontends.framings import MBAP, RTU
from lumina.frontends.gateway import GatewayFactory
from lumina.frontends.priorities import Priorities
from lumina.frontends.serving import Route, Serving
from lumina.frontends.slave import Slave
from lumina.frontends.text import TextFactory
from lumina.interfaces import Asker, Bus, Priority, Site, Terms
from lumina.modbus.pdu import BROADCAST
from lumina.services import Farewell, Listener, LoggedEndpoint
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Faults

#: Seconds that a serial master's request may wait for its turn on another bus.
MASTER_PATIENCE = 1.0

#: The unit id of a server itself; the specification has it answer 0 as well (Messaging Guide V1.0b, 4.4.1.2).
ITSELF = 255

RTU_TCP = "rtu-tcp"


def add(parts: Parts, listeners: Mapping[str, config.Listener], rules: Sequence[Rule] = ()) -> None:
    """
    Make each listener a front end, over the buses that there are by now.

    @param rules: who may do what, first to last.
    @raise StartRefused: one cannot listen where it should.
    """
    for name, listener in listeners.items():
        guarded = _guarded(parts, Access(name, rules, listener.read_only, listener.is_local))
        if isinstance(listener, config.RTUSlave):
            _slave(name, listener, guarded[listener.bus], parts.reactor).setServiceParent(parts.slaves)
            continue
        site = Site(name, parts.reactor, parts.wall, guarded, parts.overview)
        factory = _factory(listener, site, parts)
        Farewell(factory, parts.reactor).setServiceParent(parts.farewells)
        Listener(name, listener.address, factory, parts.reactor).setServiceParent(parts.listeners)


def _guarded(parts: Parts, access: Access) -> Mapping[str, Bus]:
    """Each bus under each of its names, as one listener may use it."""
    if access.is_open:
        return parts.buses
    seconds = parts.reactor.seconds
    refusals = Refusals(access.listener, seconds)
    guards: dict[int, Guard] = {}  # by the identity of the bus, whose first name is its key
    for name, bus in parts.buses.items():
        if id(bus) not in guards:
            guards[id(bus)] = Guard(bus, name, access.view, refusals, seconds, parts.watchers)
    return {name: guards[id(bus)] for name, bus in parts.buses.items()}


def _factory(listener: config.Listener, site: Site, parts: Parts) -> IProtocolFactory:
    if isinstance(listener, config.Text):
        return TextFactory(
            site,
            dialect=listener.dialect,
            connections=listener.connections,
            connections_per_address=listener.connections_per_address,
            idle=listener.idle,
            priorities=_priorities(listener),
        )
    if isinstance(listener, Gateway):
        return _gateway(listener, site, parts)
    assert isinstance(listener, config.Plugged)
    return plugins.front_ends()[listener.kind].factory(listener.settings, site)


def _gateway(listener: Gateway, site: Site, parts: Parts) -> GatewayFactory:
    faults = Faults([fault.rule for fault in listener.faults], site.reactor.seconds)
    serving = Serving(
        routes=_routes(listener, site.buses, parts.buses),
        framing=RTU if listener.kind == RTU_TCP else MBAP,
        unknown=listener.exception,
        confirms_broadcasts=listener.broadcast == "echo",
        in_flight=listener.in_flight,
        patience=listener.patience,
        idle=listener.idle,
        frame_timeout=listener.frame_timeout,
        priorities=_priorities(listener),
        faults=faults if listener.faults else None,
    )
    return GatewayFactory(site, serving, listener.connections, listener.connections_per_address)


def _routes(
    listener: Gateway, guarded: Mapping[str, Bus], buses: Mapping[str, Bus]
) -> Sequence[Route | None]:
    led = targets(listener, lambda bus: isinstance(buses[bus], Bank))
    found = (led.get(unit) for unit in range(256))
    return [None if target is None else (guarded[target[0]], target[1]) for target in found]


def targets(listener: Gateway, is_simulated: Callable[[str], bool]) -> Mapping[int, tuple[str, int]]:
    """
    Where each unit id leads, as configured: a bus, and the unit there.

    A simulator that is the default answers 0, or obeys it as a line does.

    @param is_simulated: whether the bus of this name is a simulator.
    """
    default = listener.routes.get("default")
    if default is None or not is_simulated(default.bus):
        return listener.targets
    zero = BROADCAST if listener.kind == RTU_TCP else ITSELF
    return {0: (default.bus, zero)} | dict(listener.targets)


def _priorities(listener: config.Text | Gateway) -> Priorities:
    by_type = listener.priority_by_type if isinstance(listener, config.Text) else {}
    return Priorities(
        Priority[listener.priority.upper()],
        {label: Priority[each.upper()] for label, each in by_type.items()},
        {
            ip_network(network): Priority[each.upper()]
            for network, each in listener.priority_by_client.items()
        },
    )


def _slave(name: str, listener: config.RTUSlave, bus: Bus, reactor: Any) -> Service:
    terms = Terms(client=name, patience=MASTER_PATIENCE, asker=Asker(name))
    faults = Faults([fault.rule for fault in listener.faults], reactor.seconds)
    factory = Factory.forProtocol(lambda: Slave(bus, listener.line, reactor, terms=terms, faults=faults))
    factory.noisy = False
    endpoint = LoggedEndpoint(name, clientFromString(reactor, listener.address))
    return ClientService(endpoint, factory, retryPolicy=faults.pause, clock=reactor)
