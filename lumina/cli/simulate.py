"""`lumina simulate`: a Modbus TCP server with values that move, in one line."""

import ipaddress
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click
from twisted.application.service import MultiService
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner

from lumina import reactor as own_reactor
from lumina.assembly import listeners, simulators
from lumina.assembly.parts import Parts
from lumina.config.maps import load_map, presets
from lumina.config.settings import Config
from lumina.errors import ConfigError, StartRefused
from lumina.services import InTurn
from lumina.signals import on_signals, stop_signals
from lumina.simulator.bank import Bank
from lumina.simulator.display import lines
from lumina.watch.logs import observer

_NAME = "simulator"
_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--preset", type=click.Choice(presets()), help="What comes with lumina; basic unless said.")
@click.option("--map", "map_", metavar="FILE", help="Devices of a YAML or CSV file.")
@click.option("--host", default=_LOOPBACK, help="The address to listen on; loopback unless said.")
@click.option("--port", type=click.IntRange(1, 65535), default=5020, help="5020 unless said.")
@click.option("--seed", type=int, default=1, help="The same seed gives the same values.")
@click.option("--table", is_flag=True, help="Print the current values each second.")
@click.option("--save", metavar="FILE", help="Keep what clients write, over restarts.")
@click.option("--save-missing", metavar="FILE", help="Note what clients ask for and do not get, as a map.")
def simulate(
    preset: str | None,
    map_: str | None,
    host: str,
    port: int,
    seed: int,
    table: bool,
    save: str | None,
    save_missing: str | None,
) -> None:
    """Serve simulated devices over Modbus TCP, until Ctrl-C."""
    own_reactor.install()
    from twisted.internet import reactor

    chosen = {
        "preset": preset or (None if map_ else "basic"),
        "map": map_,
        "seed": seed,
        "save": save,
        "missing": save_missing,
    }
    try:
        if map_:
            load_map(map_)  # for all that is wrong with it, a line each
        config = configuration({key: value for key, value in chosen.items() if value is not None}, host, port)
        serve(config, host, reactor, table)
    except (ConfigError, StartRefused) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def configuration(simulator: dict[str, Any], host: str, port: int) -> Config:
    """
    One simulator behind one Modbus TCP listener.

    @param host: an IP address of this machine, or `localhost`.
    @raise ConfigError: it is none.
    """
    try:
        address = ipaddress.ip_address(_LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise ConfigError(
            f"lumina: --host {host}: it is no IP address; 0.0.0.0 is every address of this machine"
        ) from None
    kind = "tcp" if address.version == 4 else "tcp6"
    interface = str(address).replace(":", "\\:")
    listener = {
        "kind": "modbus-tcp",
        "endpoint": f"{kind}:{port}:interface={interface}",
        "routes": {"default": _NAME},
        "read_only": False,
        "connections_per_address": 2000,
    }
    return Config.model_validate({"simulators": {_NAME: simulator}, "listen": {"modbus": listener}})


def serve(config: Config, host: str, reactor: Any, table: bool) -> None:
    """
    Run until told to stop.

    @raise StartRefused: a file cannot be used, or the address is taken.
    """
    reactor.seconds = time.monotonic
    globalLogBeginner.beginLoggingTo([observer("warn", sys.stderr)], redirectStandardIO=False)
    root = InTurn()
    bank = assemble(config, reactor, root)
    root.privilegedStartService()
    root.startService()
    on_signals(reactor, stop_signals(reactor))
    reactor.addSystemEventTrigger("before", "shutdown", root.stopService)
    for line in introduction(config, bank, host):
        click.echo(line)
    if table:
        reactor.callWhenRunning(show, bank, reactor, partial(_print, reactor))
    reactor.run()


def assemble(config: Config, reactor: Any, root: MultiService) -> Bank:
    """Make the simulator and its listener, and hang them under `root`."""
    parts = Parts.watched(reactor)
    simulators.add(parts, config.simulators)
    listeners.add(parts, config.listen, config.rules)
    parts.hang_under(root)
    bank = parts.buses[_NAME]
    assert isinstance(bank, Bank)
    return bank


def introduction(config: Config, bank: Bank, host: str) -> Iterator[str]:
    """What is served, and where."""
    simulator, listener = config.simulators[_NAME], config.listen["modbus"]
    yield f"Modbus TCP server running: {simulator.source}, seed {simulator.seed}, on {listener.endpoint}"
    units = ", ".join(bank.devices)
    yield f"It answers at {'every unit id' if units == 'any' else f'unit ids: {units}'}."
    if ipaddress.ip_address(_LOOPBACK if host == "localhost" else host).is_loopback:
        yield "Only programs on this machine reach it; --host 0.0.0.0 lets in all others."
    else:
        yield "Whoever reaches this machine may read and write: Modbus asks for no password."
    yield "Ctrl-C ends it."


def _print(reactor: Any, line: str) -> None:
    """Write a line; where nobody reads any more, as behind `| head`, that is the end."""
    try:
        click.echo(line)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reactor.stop()


def show(bank: Bank, reactor: Any, write: Callable[[str], None]) -> LoopingCall:
    """Write the table of current values each second."""

    def once() -> None:
        for line in lines(bank):
            write(line)

    loop = LoopingCall(once)
    loop.clock = reactor
    loop.start(1.0)
    return loop
