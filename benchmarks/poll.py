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
import gc
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.bus import finish, show  # noqa: E402
from benchmarks.devices import DELAY, pymodbus, serve  # noqa: E402

#: Seconds that a dead device is waited for.
PATIENCE = 1.0


def lumina(port: int, devices: int, cycles: int, registers: int, dead: int, spooled: bool) -> None:
    """
    Read through lumina's poller.

    @param dead: how many devices of them never answer; half of them refuse to be connected to.
    @param spooled: whether a spool on disk takes the readings; else they are only counted.
    """
    from lumina import reactor as own_reactor

    own_reactor.install()
    from twisted.internet import defer, task
    from twisted.internet.endpoints import clientFromString

    from lumina.bus.settings import DeviceSettings
    from lumina.bus.tcp import Device
    from lumina.modbus.tables import HOLDING
    from lumina.poll.costs import ALL
    from lumina.poll.plan import Plan
    from lumina.poll.poller import Poller
    from lumina.poll.rounds import Polled
    from lumina.readings import Point
    from lumina.services import GarbageCollection
    from lumina.watch.overview import LiveOverview

    silent = socket.create_server(("127.0.0.1", 0), backlog=4096)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()[1]
    used, made = [0.0], [0.0]

    async def run(reactor: Any) -> None:
        reactor.seconds = time.monotonic
        overview = LiveOverview(reactor.seconds)
        polled, buses = [], []
        for number in range(devices):
            lively = number >= dead
            where = port if lively else refusing if number % 2 else silent.getsockname()[1]
            endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{where}")
            bus = Device(DeviceSettings(str(number)), endpoint, reactor, [overview])
            overview.add_port(bus.status, bus.unit_states)
            bus.startService()
            buses.append(bus)
            points = [Point(number, f"value {index}", HOLDING, index) for index in range(registers)]
            beats = {60.0: tuple(range(registers))}
            polled.append(Polled(number, bus, str(number), 1, Plan(points), beats, PATIENCE))
        sink = Counting()
        spool, thread = _spool(reactor)
        poller = Poller(polled, {"sink": spool if spooled else sink}, reactor, time.time)
        for _ in range(ALL):  # until it is known what requests cost
            await poller.once()
        gc.set_threshold(GarbageCollection.PATIENCE)  # these three as in the service when it has settled
        gc.collect()
        gc.freeze()
        spent, taken = time.process_time(), []
        for _ in range(cycles):
            sink.lively = (devices - dead) * registers
            start = time.perf_counter()
            await poller.once()
            taken.append((time.perf_counter() if spooled or not dead else sink.done) - start)
        used[0], made[0] = time.process_time() - spent, statistics.median(taken)
        print(json.dumps({"cpu": used[0] / devices / cycles, "cycle": made[0]}), flush=True)
        await defer.gatherResults([bus.stopService() for bus in buses])
        await spool.close()
        thread.stop()

    task.react(lambda reactor: defer.ensureDeferred(run(reactor)))


class Counting:
    """
    A sink that counts readings that are good.

    @ivar lively: how many are still to come.
    @ivar done: when the last of them came.
    """

    def __init__(self) -> None:
        self.lively = 0
        self.done = 0.0

    def put(self, readings: Sequence[Any]) -> Any:
        from twisted.internet.defer import succeed

        self.lively -= len([each for each in readings if each.quality == "good"])
        if self.lively == 0:
            self.done = time.perf_counter()
        return succeed(None)


def _spool(reactor: Any) -> tuple[Any, Any]:
    """A spool as in the service, on the disk of temporary files, and its thread."""
    from lumina.sinks.records import Limits
    from lumina.sinks.spool import Spool, Thread

    file = Path(tempfile.mkdtemp(prefix="lumina-")) / "bench.spool"
    thread = Thread(reactor, "bench")
    return Spool("bench", file, Limits(1 << 30, 86400.0, False), time.time, thread), thread


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
            port, devices, cycles, registers, dead, spooled = map(int, rest)
            lumina(port, devices, cycles, registers, dead, spooled > 0)
    else:
        main(sys.argv[1:])
