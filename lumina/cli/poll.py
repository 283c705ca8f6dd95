"""`lumina poll`: read devices and deliver what was read, in the ways of the documents."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogBeginner

from lumina import reactor as own_reactor
from lumina.assembly import devices, poll, ports, simulators, sinks
from lumina.assembly.parts import Parts
from lumina.cli.environment import API_URL, CONFIG, DEFAULT_API_URL, DEFAULT_CONFIG, environment, log_level
from lumina.cli.progress import Progress
from lumina.cli.trial import Test
from lumina.config.addressing import CONVENTIONS
from lumina.config.load import load
from lumina.config.settings import Config
from lumina.config.sinks import Post, Sink
from lumina.errors import ConfigError, StartRefused
from lumina.poll.poller import Poller
from lumina.poll.rounds import Summary
from lumina.services import InTurn, Settled
from lumina.watch.logs import LoggedTraffic, observer
from lumina.watch.overview import LiveOverview

T = TypeVar("T")

#: Exit status: what was wrong at the start; what could not be read, or delivered, or neither.
WRONG, UNREAD, UNDELIVERED, NEITHER = 1, 3, 4, 5

#: Seconds that serial ports get to be opened before the first request.
OPENING = 1.0

#: Seconds without progress after which delivery is left to the next start; an API may ask for a minute.
STALLED = 90.0

#: Seconds that are left to say how it ended, when it is told to stop.
TELLING = 2.0

#: States of a sink in which what it has cannot be delivered now.
STUCK = ("holding", "failing", "waiting", "idle")

#: The name of the sink for LARAVEL_API_URL, and so of its spool.
SINK = "laravel"


@dataclass(frozen=True, slots=True)
class _Running:
    """All that was made."""

    parts: Parts
    poller: Poller
    root: InTurn


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
        level, settings = _chosen(file, addressing, variables, test)
        _begin_log(level, log_dir, "modbus_poller.log" if once or test else "scheduler.log")
        running = _assemble(settings, reactor, variables, level, timed=not (once or test))
        running.root.privilegedStartService()  # spools are claimed
    except (ConfigError, StartRefused, ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)
    sys.exit(_run(running, reactor, once, test))


def _chosen(
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


def _assemble(
    config: Config, reactor: Any, variables: Mapping[str, str], level: str, timed: bool
) -> _Running:
    """@raise StartRefused: why it cannot be made."""
    reactor.seconds = time.monotonic  # a step of the wall clock moves no timer
    overview = LiveOverview(reactor.seconds)
    parts = Parts(reactor, overview, watchers=[overview])
    if level == "debug":
        parts.watchers.append(LoggedTraffic())
    simulators.add(parts, config.simulators)
    ports.add(parts, config.ports)
    devices.add(parts, config.devices)
    sinks.add(parts, config.sinks, variables)
    poller = poll.add(parts, config, timed)
    assert poller is not None
    root = InTurn()
    parts.hang_under(root)
    Settled(reactor).setServiceParent(root)
    return _Running(parts, poller, root)


def _run(running: _Running, reactor: Any, once: bool, test: bool) -> int:
    """
    @return: the exit status.
    @raise BrokenPipeError: whoever read what was said has gone.
    """
    status = [0]
    gone: list[BrokenPipeError] = []
    over: Deferred[None] = Deferred()

    async def main() -> None:
        try:
            if test:
                await _opened(running)
                status[0] = await _tell(running)
            elif once:
                await _opened(running)
                status[0] = await _once(running)
        except BrokenPipeError as error:
            gone.append(error)
        except Exception as error:
            status[0] = WRONG
            click.echo(f"lumina: {type(error).__name__}: {error}", err=True)
        finally:
            over.callback(None)
            if (once or test) and running.root.running:
                reactor.stop()

    def begin() -> None:
        running.root.startService()
        Deferred.fromCoroutine(main())

    async def end() -> None:
        """Whoever is told to stop in the middle still says how far it has come."""
        await running.root.stopService()
        await over.addTimeout(TELLING, reactor).addErrback(lambda _: None)

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(end()))
    reactor.run()
    if gone:
        raise gone[0]  # click ends quietly then, with status 1
    return status[0]


async def _opened(running: _Running) -> None:
    """Serial ports that can be opened are open by now; the others are said to be closed by each reading."""
    parts = running.parts
    until = parts.reactor.seconds() + OPENING
    while parts.reactor.seconds() < until and any(each.state == "closed" for each in parts.overview.ports()):
        await deferLater(parts.reactor, 0.02)


async def _tell(running: _Running) -> int:
    test = Test(running.parts.reactor, running.parts.wall)
    for device in running.poller.devices:
        async for line in test.device(device):
            click.echo(line)
    return UNREAD if test.bad else 0


async def _once(running: _Running) -> int:
    progress = Progress(running.parts.reactor.seconds, sys.stderr)
    try:
        summary = await running.poller.once(progress.show)
    finally:
        progress.end()
    left = await _delivered(running)
    click.echo(_report(summary, left), err=True)
    undelivered = left > 0 or any(running.poller.lost.values())
    return {(False, False): 0, (True, False): UNREAD, (False, True): UNDELIVERED}.get(
        (summary.bad > 0, undelivered), NEITHER
    )


def _report(summary: Summary, left: int) -> str:
    good = summary.readings - summary.bad
    read = f"{good} of {summary.readings} values of {summary.devices} devices were read"
    return f"{read}; {f'{left} are not delivered' if left else 'all of these are delivered'}"


async def _delivered(running: _Running) -> int:
    """
    Wait until the sinks have delivered, as long as they get on and nobody wants to stop.

    @return: how many readings they could not deliver.
    """
    reactor, overview = running.parts.reactor, running.parts.overview
    before, since = -1, reactor.seconds()
    while True:
        sinks = overview.sinks()
        left = sum(each.queued for each in sinks)
        stuck = all(each.state in STUCK or not each.queued for each in sinks)
        if left != before:
            before, since = left, reactor.seconds()
        if not left or stuck or not running.root.running or reactor.seconds() - since > STALLED:
            return left + sum(each.refused for each in sinks)
        await deferLater(reactor, 0.05)
