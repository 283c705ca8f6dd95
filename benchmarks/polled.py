"""What `poll.py` measures of lumina; imported once the reactor is chosen."""

import gc
import json
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.endpoints import clientFromString

from lumina.bus.settings import DeviceSettings
from lumina.bus.tcp import Device
from lumina.modbus.tables import HOLDING
from lumina.poll.costs import ALL
from lumina.poll.plan import Plan
from lumina.poll.poller import Poller
from lumina.poll.rounds import Polled
from lumina.readings import GOOD, Point, Reading
from lumina.services import GarbageCollection
from lumina.sinks.records import Limits
from lumina.sinks.spool import Spool, Thread
from lumina.watch.overview import LiveOverview

#: Seconds that a dead device is waited for.
PATIENCE = 1.0


class Load(NamedTuple):
    """
    What is read.

    @ivar port: of the server that stands for all devices that live.
    @ivar dead: how many devices of them never answer; half of them refuse to be connected to.
    @ivar spooled: whether a spool on disk takes the readings; else they are only counted.
    """

    port: int
    devices: int
    cycles: int
    registers: int
    dead: int
    spooled: int


class Counting:
    """
    A sink that counts readings that are good.

    @ivar lively: how many are still to come.
    @ivar done: when the last of them came.
    """

    def __init__(self) -> None:
        self.lively = 0
        self.done = 0.0

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        self.lively -= len([each for each in readings if each.quality == GOOD])
        if self.lively == 0:
            self.done = time.perf_counter()
        return succeed(None)


async def measure(reactor: Any, load: Load) -> None:
    """Print the processor time of each request, and the time of a cycle, in seconds."""
    reactor.seconds = time.monotonic
    sink = Counting()
    thread = Thread(reactor, "bench")
    spool = Spool("bench", _spool_file(), Limits(1 << 30, 86400.0, False), time.time, thread)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent:
        buses = _buses(reactor, load, silent.getsockname()[1])
        polled = [_polled(number, bus, load.registers) for number, bus in enumerate(buses)]
        poller = Poller(polled, {"sink": spool if load.spooled else sink}, reactor, time.time)
        for _ in range(ALL):  # until it is known what requests cost
            await poller.once()
        gc.set_threshold(GarbageCollection.PATIENCE)  # these three as in the service when it has settled
        gc.collect()
        gc.freeze()
        spent, taken = time.process_time(), [await _cycle(poller, sink, load) for _ in range(load.cycles)]
        cpu = (time.process_time() - spent) / load.devices / load.cycles
        print(json.dumps({"cpu": cpu, "cycle": statistics.median(taken)}), flush=True)
        await gatherResults([bus.stopService() for bus in buses])
    await spool.close()
    thread.stop()


async def _cycle(poller: Poller, sink: Counting, load: Load) -> float:
    """Seconds until all is read; where some devices are dead, until all of the others are."""
    sink.lively = (load.devices - load.dead) * load.registers
    start = time.perf_counter()
    await poller.once()
    return (time.perf_counter() if load.spooled or not load.dead else sink.done) - start


def _buses(reactor: Any, load: Load, silent: int) -> list[Device]:
    """@param silent: a port at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()[1]
    overview = LiveOverview(reactor.seconds)
    buses = []
    for number in range(load.devices):
        port = load.port if number >= load.dead else refusing if number % 2 else silent
        endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{port}")
        bus = Device(DeviceSettings(str(number)), endpoint, reactor, [overview])
        overview.add_port(bus.status, bus.unit_states)
        bus.startService()
        buses.append(bus)
    return buses


def _polled(number: int, bus: Device, registers: int) -> Polled:
    points = [Point(number, f"value {index}", HOLDING, index) for index in range(registers)]
    beats = {60.0: tuple(range(registers))}
    return Polled(number, bus, str(number), 1, Plan(points), beats, PATIENCE)


def _spool_file() -> Path:
    """On the disk of temporary files."""
    return Path(tempfile.mkdtemp(prefix="lumina-")) / "bench.spool"
