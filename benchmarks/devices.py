"""
What does a request to a Modbus TCP device cost, and how long does a thousand of them take?

    python benchmarks/devices.py [--devices 1000] [--cycles 20] [--registers 10]

Each device is a connection to a cheap server. In each cycle all of them are
asked at once for their registers, which are decoded; the next cycle begins
when all have answered. lumina and pymodbus' asyncio client take turns, each in
a process of its own, once with a server that answers at once and once with one
that takes 50 ms.
"""

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.bus import finish, show  # noqa: E402

DELAY = 0.05


class Server(asyncio.Protocol):
    """Answers any request as if it were function 03, in one write for all that came together."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        answers = b""
        for start in range(0, len(data), 12):
            size = 2 * data[start + 11]
            head = data[start : start + 4] + (size + 3).to_bytes(2, "big") + data[start + 6 : start + 8]
            answers += head + bytes((size,)) + bytes(size)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answers)
        else:
            self._transport.write(answers)


async def serve(delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(delay), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Meter:
    """Measures cycles, and the processor time of this process."""

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self._cycles: list[float] = []
        self._began = time.perf_counter()
        self._used = 0.0

    def warm(self) -> None:
        """All are connected: from here on it counts."""
        self._used = time.process_time()
        self._began = time.perf_counter()

    def cycle(self) -> None:
        """A cycle has ended, and the next begins."""
        now = time.perf_counter()
        self._cycles.append(now - self._began)
        self._began = now

    def report(self) -> None:
        used = time.process_time() - self._used
        requests = self._devices * len(self._cycles)
        print(json.dumps({"cpu": used / requests, "cycle": statistics.median(self._cycles)}))


def lumina(port: int, devices: int, cycles: int, registers: int) -> None:
    """Ask through lumina's devices, watched and collected as in the service."""
    from lumina import reactor as own_reactor

    own_reactor.install()
    from twisted.internet import defer, task
    from twisted.internet.endpoints import clientFromString

    from lumina.bus.settings import DeviceSettings
    from lumina.bus.tcp import Device
    from lumina.interfaces import Terms
    from lumina.modbus.pdu import ReadHoldingRegisters
    from lumina.services import GarbageCollection
    from lumina.watch.overview import LiveOverview

    async def run(reactor: Any) -> None:
        reactor.seconds = time.monotonic
        gc.set_threshold(GarbageCollection.PATIENCE)
        overview = LiveOverview(reactor.seconds)
        buses = []
        for number in range(devices):
            endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{port}")
            bus = Device(DeviceSettings(str(number)), endpoint, reactor, [overview])
            overview.add_port(bus.status, bus.unit_states)
            bus.startService()
            buses.append(bus)
        request = ReadHoldingRegisters(0, registers)
        terms = Terms("poll", timeout=5.0)

        async def cycle() -> None:
            asked = [bus.execute(1, request, terms) for bus in buses]
            for reply in await defer.gatherResults(asked):
                assert len(reply.registers) == registers

        await cycle()
        await cycle()
        meter = Meter(devices)
        meter.warm()
        for _ in range(cycles):
            await cycle()
            meter.cycle()
        meter.report()
        await defer.gatherResults([bus.stopService() for bus in buses])

    task.react(lambda reactor: defer.ensureDeferred(run(reactor)))


def pymodbus(port: int, devices: int, cycles: int, registers: int) -> None:
    """Ask through pymodbus' asyncio client."""
    from pymodbus.client import AsyncModbusTcpClient

    async def run() -> None:
        clients = [AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0) for _ in range(devices)]
        for start in range(0, devices, 100):
            await asyncio.gather(*(client.connect() for client in clients[start : start + 100]))

        async def ask(client: AsyncModbusTcpClient) -> None:
            reply = await client.read_holding_registers(0, count=registers, device_id=1)
            assert len(reply.registers) == registers

        async def cycle() -> None:
            await asyncio.gather(*map(ask, clients))

        await cycle()
        meter = Meter(devices)
        meter.warm()
        for _ in range(cycles):
            await cycle()
            meter.cycle()
        meter.report()
        for client in clients:
            client.close()

    asyncio.run(run())


ASKERS = {"lumina": lumina, "pymodbus": pymodbus}


def measured(name: str, port: int, options: argparse.Namespace) -> dict[str, float]:
    """One process that asks, and what it reports."""
    sizes = (port, options.devices, options.cycles, options.registers)
    command = [sys.executable, __file__, "--role", name, *map(str, sizes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rounds(delay: float, options: argparse.Namespace) -> list[str]:
    """The rows of one server: the median of each asker, and what it is of pymodbus'."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--role", "serve", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    try:
        runs = [{name: measured(name, port, options) for name in ASKERS} for _ in range(options.rounds)]
    finally:
        finish(server)
    middle = {
        name: {key: statistics.median(run[name][key] for run in runs) for key in ("cpu", "cycle")}
        for name in ASKERS
    }
    peer = middle["pymodbus"]["cpu"]
    return [
        f"| {name} | {delay * 1000:.0f} ms | {found['cpu'] * 1e6:.1f} | {found['cpu'] / peer:.2f}"
        f" | {found['cycle'] * 1000:.1f} |"
        for name, found in middle.items()
    ]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="What a request to a Modbus TCP device costs.")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--registers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    show(f"{options.devices} devices, {options.registers} registers each")
    show("| asker | device takes | CPU µs a request | of pymodbus | cycle ms |", "|:--|--:|--:|--:|--:|")
    for delay in (0.0, DELAY):
        show(*rounds(delay, options))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--role"]:
        role, *rest = sys.argv[2:]
        if role == "serve":
            asyncio.run(serve(float(rest[0])))
        else:
            ASKERS[role](*map(int, rest))
    else:
        main(sys.argv[1:])
