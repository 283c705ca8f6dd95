"""`lumina poll` while it runs: once, as a trial, or until it is told to stop."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import click
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from lumina.assembly.parts import Parts
from lumina.cli.progress import Progress
from lumina.cli.trial import TrialReport
from lumina.poll.poller import Poller
from lumina.poll.rounds import Summary
from lumina.services import InTurn
from lumina.signals import on_signals, stop_signals

#: Exit status: what was wrong at the start; what could not be read, or delivered, or neither.
WRONG, UNREAD, UNDELIVERED, NEITHER = 1, 3, 4, 5

#: Seconds that serial ports get to be opened before the first request.
OPENING = 1.0

#: Seconds without progress after which delivery is left to the next start; an API may ask for a minute.
STALLED = 90.0

#: Seconds without progress after which a person is told what is waited for.
QUIET = 5.0

#: Seconds that are left to say how it ended, when it is told to stop.
TELLING = 2.0

#: States of a sink in which what it has cannot be delivered now.
STUCK = ("holding", "failing", "waiting", "idle")


@dataclass(frozen=True, slots=True)
class Running:
    """All that was made."""

    parts: Parts
    poller: Poller
    root: InTurn


#: What is done once; it gives the exit status.
Task = Callable[[Running], Awaitable[int]]


class PollRun:
    """The run of the reactor: until its task is over, if it has one, or it is told to stop."""

    def __init__(self, running: Running, task: Task | None) -> None:
        self._running = running
        self._task = task
        self._reactor = running.parts.reactor
        self._status = 0
        self._gone: BrokenPipeError | None = None
        self._over: Deferred[None] = Deferred()

    def run(self) -> int:
        """
        @return: the exit status.
        @raise BrokenPipeError: whoever read what was said has gone.
        """
        on_signals(self._reactor, stop_signals(self._reactor))
        self._reactor.callWhenRunning(self._begin)
        self._reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(self._end()))
        self._reactor.run()
        if self._gone is not None:
            raise self._gone  # click ends quietly then, with status 1
        return self._status

    def _begin(self) -> None:
        self._running.root.startService()
        Deferred.fromCoroutine(self._carry_out())

    async def _carry_out(self) -> None:
        try:
            if self._task is not None:
                self._status = await self._task(self._running)
        except BrokenPipeError as error:
            self._gone = error
        except Exception as error:
            self._status = WRONG
            click.echo(f"lumina: {type(error).__name__}: {error}", err=True)
        finally:
            self._over.callback(None)
            if self._task is not None and self._running.root.running:
                self._reactor.stop()

    async def _end(self) -> None:
        """Whoever is told to stop in the middle still says how far it has come."""
        await self._running.root.stopService()
        await self._over.addTimeout(TELLING, self._reactor).addErrback(lambda _: None)


async def test(running: Running) -> int:
    """
    Read everything once, and show what it means.

    @return: the exit status.
    """
    await _opened(running)
    report = TrialReport(running.parts.reactor, running.parts.wall)
    for device in running.poller.devices:
        async for line in report.device(device):
            click.echo(line)
    return UNREAD if report.bad else 0


async def once(running: Running) -> int:
    """
    Read everything once, and have it delivered.

    @return: the exit status.
    """
    await _opened(running)
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


async def _opened(running: Running) -> None:
    """Serial ports that can be opened are open by now; the others are said to be closed by each reading."""
    parts = running.parts
    until = parts.reactor.seconds() + OPENING
    while parts.reactor.seconds() < until and any(each.state == "closed" for each in parts.overview.ports()):
        await deferLater(parts.reactor, 0.02)


def _report(summary: Summary, left: int) -> str:
    good = summary.readings - summary.bad
    read = f"{good} of {summary.readings} values of {summary.devices} devices were read"
    if left:
        return f"{read}; {left} are not delivered, see `lumina spool status`"
    return f"{read}; {'all of these are delivered' if good else 'nothing is left to deliver'}"


async def _delivered(running: Running) -> int:
    """
    Wait until the sinks have delivered, as long as they get on and nobody wants to stop.

    @return: how many readings they could not deliver.
    """
    reactor, overview = running.parts.reactor, running.parts.overview
    before, since, told = -1, reactor.seconds(), False
    while True:
        sinks = overview.sinks()
        left = sum(each.queued for each in sinks)
        stuck = all(each.state in STUCK or not each.queued for each in sinks)
        if left != before:
            before, since = left, reactor.seconds()
        if not left or stuck or not running.root.running or reactor.seconds() - since > STALLED:
            return left + sum(each.refused for each in sinks)
        if not told and reactor.seconds() - since > QUIET:
            told = True
            click.echo(f"{left} are not delivered yet; Ctrl-C leaves them to the next start", err=True)
        await deferLater(reactor, 0.05)
