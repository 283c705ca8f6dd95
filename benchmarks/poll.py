"""
How long does it take to read a thousand Modbus TCP devices, and what does each request cost?

    python benchmarks/poll.py [--devices 1000] [--cycles 20] [--registers 10] [--rounds 3]

Each device is a connection to a cheap server. lumina's poller reads all of
them once and again: ten values each, planned, read, decoded, and handed to a
sink; pymodbus' asyncio client reads as many registers bare, without making
values of them. They take turns, each in a process of its own.

Then the spool takes what was read, as in the service; and a tenth of the
devices is dead, by silence and by refused connections, which must not keep
the others waiting.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.bus import finish, show  # noqa: E402
from benchmarks.devices import DELAY, pymodbus, serve  # noqa: E402


def lumina(*sizes: int) -> None:
    """Read through lumina's poller, on the reactor of the service; `sizes` are those of a `Load`."""
    from lumina import reactor as own_reactor

    own_reactor.install()
    from twisted.internet import defer, task

    from benchmarks.polled import Load, measure

    task.react(lambda reactor: defer.ensureDeferred(measure(reactor, Load(*sizes))))


def measured(role: str, port: int, options: argparse.Namespace, *more: object) -> dict[str, float]:
    """One process that reads, and what it reports."""
    sizes = (port, options.devices, options.cycles, options.registers, *more)
    command = [sys.executable, __file__, "--role", role, *map(str, sizes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rows(port: int, options: argparse.Namespace) -> list[str]:
    """Each way of reading: the medians, and what they are of pymodbus'."""
    dead = options.devices // 10
    ways: dict[str, tuple[Any, ...]] = {
        "pymodbus": ("pymodbus",),
        "lumina": ("lumina", 0, 0),
        "lumina, and a spool": ("lumina", 0, 1),
        f"lumina, {dead} dead": ("lumina", dead, 0),
    }
    runs = [
        {name: measured(role, port, options, *more) for name, (role, *more) in ways.items()}
        for _ in range(options.rounds)
    ]
    middle = {
        name: {key: statistics.median(run[name][key] for run in runs) for key in ("cpu", "cycle")}
        for name in ways
    }
    peer = middle["pymodbus"]["cpu"]
    return [
        f"| {name} | {found['cpu'] * 1e6:.1f} | {found['cpu'] / peer:.2f} | {found['cycle'] * 1000:.0f} |"
        for name, found in middle.items()
    ]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="How long a thousand devices take, and what each costs.")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--registers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    show(f"{options.devices} devices that take {DELAY * 1000:.0f} ms, {options.registers} registers each")
    show("| way | CPU µs a request | of pymodbus | cycle ms |", "|:--|--:|--:|--:|")
    server = subprocess.Popen(
        [sys.executable, __file__, "--role", "serve", str(DELAY)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        show(*rows(int(server.stdout.readline()), options))
    finally:
        finish(server)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--role"]:
        role, *rest = sys.argv[2:]
        if role == "serve":
            asyncio.run(serve(float(rest[0])))
        elif role == "pymodbus":
            pymodbus(*map(int, rest))
        else:
            lumina(*map(int, rest))
    else:
        main(sys.argv[1:])
