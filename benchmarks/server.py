"""
How many requests a second does a Modbus TCP server answer, beside those of others?

    python benchmarks/server.py [--seconds 2] [--runs 3] [--only lumina,umodbus] [--cores 0,1] [--plain]

Ten holding registers are read from a simulated unit, over 1, 10 and 100
connections with 1 and 8 requests outstanding each. The servers take turns, each
cell of the table with a fresh one. lumina runs as it is installed: `twistd`, with access rules
of which the last allows the reads, and with all that watches and counts.
"""

import argparse
import atexit
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.bus import show, table  # noqa: E402
from tests.system.programs import free_port  # noqa: E402

CELLS = [(connections, pipelined) for pipelined in (1, 8) for connections in (1, 10, 100)]
PEERS = ("pymodbus", "pymodbus-simulator", "pymodbustcp", "umodbus")

CONFIGURATION = """\
simulators: {{plant: {{preset: basic}}}}
listen: {{modbus: {{kind: modbus-tcp, endpoint: "tcp:{port}", routes: {{default: plant}}}}}}
"""
RULES = """\
access:
  - {allow: write, from: [192.0.2.0/24]}
  - {deny: all, units: [99]}
  - {allow: read, bus: plant}
"""


class Result(NamedTuple):
    """Requests a second, and microseconds of processor time that the server took for each."""

    rate: float
    cost: float


def lumina(port: int, directory: Path, rules: str) -> list[str]:
    """What starts it."""
    text = CONFIGURATION.format(port=port) + rules
    (directory / "lumina.yaml").write_text(text)
    run = "from twisted.scripts.twistd import run; run()"
    return [sys.executable, "-c", run, "-n", "--pidfile=", "lumina", "-c", str(directory / "lumina.yaml")]


def on(core: str, command: list[str]) -> list[str]:
    """The command, kept on one processor core; empty: wherever the system puts it."""
    return ["taskset", "-c", core, *command] if core else command


@contextmanager
def serving(name: str, rules: str, core: str = "") -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A running server, and its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as log:
        command = [sys.executable, str(HERE / "peer_servers.py"), name, str(port)]
        if name == "lumina":
            command = lumina(port, Path(directory), rules)
        server = subprocess.Popen(on(core, command), stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            else:
                log.seek(0)
                raise SystemExit(f"{name} does not listen:\n{log.read().decode()}")
            yield port, server
        finally:
            server.kill()
            server.wait()


@cache
def flood() -> list[str]:
    """The clients: compiled where there is a compiler, so that they are not what is measured."""
    compiler, program = shutil.which("cc"), Path(tempfile.mkdtemp()) / "flood"
    if compiler is None:
        return [sys.executable, str(HERE / "flood.py")]
    atexit.register(shutil.rmtree, program.parent)
    subprocess.run([compiler, "-O2", "-o", program, HERE / "flood.c"], check=True)
    return [str(program)]


def used(server: "subprocess.Popen[bytes]") -> float:
    """Seconds of processor time that a process has taken, its threads included."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    name: str, connections: int, pipelined: int, seconds: float, rules: str, cores: tuple[str, str]
) -> Result:
    """
    One cell, one run.

    @param cores: for the server and for the clients.
    """
    with serving(name, rules, cores[0]) as (port, server):
        arguments = map(str, (port, connections, pipelined, seconds))
        clients = subprocess.Popen(on(cores[1], [*flood(), *arguments]), stdout=subprocess.PIPE)
        assert clients.stdout is not None
        clients.stdout.readline()
        before = used(server)
        line = clients.stdout.readline()
        spent = used(server) - before
        clients.wait()
    if not line:
        return Result(0.0, 0.0)
    found = json.loads(line)
    if not found["answers"]:
        return Result(0.0, 0.0)  # of what is asked at once, it forgets some
    if found["wrong"]:
        raise SystemExit(f"{name}: {found['wrong']} answers are wrong")
    return Result(found["answers"] / found["seconds"], spent / found["answers"] * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each run counts")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is shown")
    parser.add_argument("--only", default="", help="some of the servers: lumina, " + ", ".join(PEERS))
    parser.add_argument("--cells", default="", help="some of the cells: 1x1,10x8")
    parser.add_argument("--cores", default="", help="processor cores of the server and of the clients: 0,1")
    parser.add_argument("--plain", action="store_true", help="lumina without access rules")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else ["lumina", *PEERS]
    cells = [
        cell for cell in CELLS if not options.cells or "x".join(map(str, cell)) in options.cells.split(",")
    ]
    rules = "" if options.plain else RULES
    server, _, clients = options.cores.partition(",")
    cores = server, clients or server
    table("connections x outstanding", *(f"{name}, 1/s (µs)" for name in names), "lumina over the best")
    for connections, pipelined in cells:
        runs = [
            [measure(name, connections, pipelined, options.seconds, rules, cores) for name in names]
            for _ in range(options.runs)
        ]
        middle = [
            Result(*(statistics.median(values) for values in zip(*results, strict=True)))
            for results in zip(*runs, strict=True)
        ]
        rates = {name: result.rate for name, result in zip(names, middle, strict=True)}
        best = max((rate for name, rate in rates.items() if name != "lumina"), default=0.0)
        ratio = f"{rates['lumina'] / best:.2f}" if best and "lumina" in rates else ""
        row = [f"{result.rate:,.0f} ({result.cost:.1f})" for result in middle]
        show(f"| {' | '.join([f'{connections} x {pipelined}', *row, ratio])} |")


if __name__ == "__main__":
    main()
