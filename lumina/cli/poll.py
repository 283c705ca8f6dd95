"""`lumina poll`: read devices and deliver what was read, in the ways of the documents."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError
from twisted.logger import globalLogBeginner

from lumina import reactor as own_reactor
from lumina.assembly import devices, poll, ports, reminders, simulators, sinks
from lumina.assembly.parts import Parts
from lumina.cli import poll_run
from lumina.cli.environment import API_URL, CONFIG, DEFAULT_API_URL, DEFAULT_CONFIG, environment, log_level
from lumina.cli.poll_run import WRONG, PollRun, Running
from lumina.config.addressing import CONVENTIONS
from lumina.config.load import load
from lumina.config.settings import Config
from lumina.config.sinks import Post, Sink
from lumina.errors import ConfigError, StartRefused
from lumina.services import GarbageCollection, InTurn
from lumina.watch.logs import observer

T = TypeVar("T")

#: The name of the sink for LARAVEL_API_URL, and so of its spool.
SINK = "laravel"


@click.command("poll")
@click.argument("config", required=False)
@click.option("--once", is_flag=True, help="Read everything once, deliver it, and exit.")
@click.option("--test", is_flag=True, help="Read everything once, show what it means, deliver nothing.")
@click.option(
    "--addressing", type=click.Choice(CONVENTIONS), help="What addresses mean, where CONFIG is silent."
)
@click.option(
    "--log-dir", metavar="DIR", help="Log to scheduler.log there; with --once to modbus_poller.log."
)
def poll_command(
    config: str | None, once: bool, test: bool, addressing: str | None, log_dir: str | None
) -> None:
    """
    Read the devices of CONFIG, and deliver what was read.

    CONFIG is a config.json of the documents' form, or a configuration of lumina;
    without it $MODBUS_CONFIG, else config.json. Where it names no sinks, readings
    are posted to $LARAVEL_API_URL. A file .env here may have these variables,
    and LOG_LEVEL.
    """
    own_reactor.install()
    from twisted.internet import reactor

    try:
        variables = environment(Path.cwd())
        file = config or variables.get(CONFIG) or DEFAULT_CONFIG
        level, settings = _configured(file, addressing, variables, test)
        _begin_log(level, log_dir, "modbus_poller.log" if once or test else "scheduler.log")
        running = _assemble(settings, reactor, variables, level, timed=not (once or test))
        running.root.privilegedStartService()  # spools are claimed
    except (ConfigError, StartRefused, ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)
    task = poll_run.test if test else poll_run.once if once else None
    sys.exit(PollRun(running, task).run())


def _configured(
    file: str, addressing: str | None, variables: Mapping[str, str], test: bool
) -> tuple[str, Config]:
    """
    The level of the log, and what is configured.

    @raise ConfigError: all that is wrong with the file, and with what the environment says.
    """
    wrong: list[str] = []
    level = _tried(lambda: log_level(variables), wrong)
    config = _tried(lambda: _loaded(file, addressing), wrong)
    sinks = {} if test or config is None else config.sinks
    if not test and not sinks:
        sinks = _tried(lambda: _documented(variables), wrong) or {}
    if wrong or level is None or config is None:
        raise ConfigError("\n".join(wrong))
    return level, config.model_copy(update={"sinks": sinks})


def _tried(make: Callable[[], T], wrong: list[str]) -> T | None:
    """What is made, or nothing, and why not."""
    try:
        return make()
    except ConfigError as error:
        wrong.append(str(error))
        return None


def _loaded(file: str, addressing: str | None) -> Config:
    config = load(file)
    if not config.poll.devices:
        raise ConfigError(f"{file}: there is nothing to poll; list devices under poll:")
    if addressing is not None and config.poll.addressing is None:
        section = config.poll.model_copy(update={"addressing": addressing})
        config = config.model_copy(update={"poll": section})
    return config


def _documented(variables: Mapping[str, str]) -> dict[str, Sink]:
    """The documents' sink, for a file that names none."""
    try:
        post = Post(kind="post", url=variables.get(API_URL) or DEFAULT_API_URL)
    except ValidationError as error:
        raise ConfigError(f"{API_URL}: {error.errors()[0]['ctx']['error']}") from None
    return {SINK: post}


def _begin_log(level: str, directory: str | None, name: str) -> None:
    """@raise ConfigError: the directory cannot be written."""
    file: Any = sys.stderr if directory is None else os.path.join(directory, name)
    try:
        if directory is not None:
            Path(directory).mkdir(parents=True, exist_ok=True)
        globalLogBeginner.beginLoggingTo([observer(level, file)], redirectStandardIO=False)
    except OSError as error:
        raise ConfigError(f"--log-dir: '{directory}' cannot be used: {error.strerror}") from error


def _assemble(config: Config, reactor: Any, variables: Mapping[str, str], level: str, timed: bool) -> Running:
    """@raise StartRefused: why it cannot be made."""
    reactor.seconds = time.monotonic  # a step of the wall clock moves no timer
    parts = Parts.watched(reactor, level)
    simulators.add(parts, config.simulators)
    ports.add(parts, config.ports)
    devices.add(parts, config.devices)
    sinks.add(parts, config.sinks, variables)
    poller = poll.add(parts, config, timed)
    assert poller is not None
    if timed:
        reminders.add(parts, config.model_copy(update={"listen": {}}))  # nobody listens here
    root = InTurn()
    parts.hang_under(root)
    GarbageCollection(reactor).setServiceParent(root)
    return Running(parts, poller, root)
