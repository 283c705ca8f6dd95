"""
How much of a serial bus do its clients get?

    python benchmarks/bus.py [--seconds 10] [--baud 9600 115200] [--clients 1 8 50] [--no-peer]

Clients ask in a closed loop through lumina, and through a forwarder built on
pymodbus, for ten registers each time; the slave at the far end keeps the time
of a real line. README.md beside this file says how to read the tables.
"""

import argparse
import bisect
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.load import REFUSED, REPLY_SIZE, REQUEST_SIZE, Answer  # noqa: E402
from tests.system.paced_slave import silence  # noqa: E402

#: Seconds until a reply begins, and seconds at the start that do not count.
TURNAROUND, WARM_UP = 0.002, 1.0

#: How many of what, and how long they take to get going at most, in seconds.
PATIENCE = 20.0

CONFIGURATION = """
ports:
  bus: {{endpoint: "serial:{device}:baudrate={baud}:stopbits=2"}}
listen:
  text: {{kind: text, endpoint: "tcp:{port}:interface=127.0.0.1"}}
"""

#: What is compared, and the protocol that its clients speak.
SYSTEMS = {"lumina": "text", "pymodbus": "modbus-tcp"}


class Run(NamedTuple):
    """What the clients and the slave saw."""

    system: str
    baud: int
    clients: int
    answers: list[Answer]
    slave: dict[str, Any]


def wire_time(baud: int) -> float:
    """Seconds that a request and its reply take, in characters of 11 bits."""
    return (REQUEST_SIZE + REPLY_SIZE) * 11 / baud


def limit(baud: int) -> float:
    """Requests a second, if the line never rests longer than it must."""
    return 1 / (wire_time(baud) + TURNAROUND + silence(baud))


def python(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start a program of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    environment.pop("NOTIFY_SOCKET", None)
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, text=True, **options)


def finish(process: "subprocess.Popen[str]") -> str:
    """End a program, and have the rest of its output."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=PATIENCE)[0] or ""
    finally:
        process.kill()


@contextmanager
def listening(system: str, device: str, baud: int, log: Path) -> Iterator[int]:
    """
    Run what is measured.

    @return: the port that it listens on.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if system == "lumina":
        file = log.with_suffix(".yaml")
        file.write_text(CONFIGURATION.format(device=device, baud=baud, port=port))
        twistd = "from twisted.scripts.twistd import run; run()"
        command = ["-c", twistd, "-n", "--pidfile=", "lumina", "-c", file]
    else:
        command = [HERE / "peer_pymodbus.py", device, baud, port]
    with log.open("w") as output:
        process = python(*command, stdout=output, stderr=output)
    try:
        await_port(port, process, log)
        yield port
    finally:
        finish(process)


def await_port(port: int, process: "subprocess.Popen[str]", log: Path) -> None:
    """Wait until somebody accepts connections."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    sys.exit(f"{log.stem} does not listen; it said:\n{log.read_text()}")


def measure(system: str, baud: int, clients: int, seconds: float, *options: str) -> Run:
    """One run, with everything started anew."""
    pipe = subprocess.PIPE
    timing = ("--baud", baud, "--turnaround", TURNAROUND, "--exception", f"{REFUSED}=2")
    slave = python(ROOT / "tests" / "system" / "paced_slave.py", *timing, stdin=pipe, stdout=pipe)
    assert slave.stdout is not None
    device = slave.stdout.readline().split()[1]
    with tempfile.TemporaryDirectory() as directory:
        with listening(system, device, baud, Path(directory) / f"{system}.log") as port:
            arguments = (SYSTEMS[system], port, clients, seconds + WARM_UP, "--baud", baud)
            load = python(HERE / "load.py", *arguments, *options, stdout=pipe)
            answers = json.loads(load.communicate()[0])
        report = json.loads(finish(slave))
    return Run(system, baud, clients, [Answer(*answer) for answer in answers], report)


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(run: Run) -> str:
    """A run as a line of the first table."""
    begin = min(answer.asked for answer in run.answers) + WARM_UP
    counted = sorted((each for each in run.answers if each.answered >= begin), key=lambda each: each.answered)
    good = [answer for answer in counted if answer.kind == "good"]
    if len(good) < 2:
        return (
            f"| {run.system} | {run.baud} | {run.clients} | no replies: {Counter(a.kind for a in counted)} |"
        )
    rate = (len(good) - 1) / (good[-1].answered - good[0].answered)
    shares = Counter({number: 0 for number in range(run.clients)})
    shares.update(answer.client for answer in good)
    waits = [1000 * (answer.answered - answer.asked) for answer in good]
    kinds = Counter(answer.kind for answer in run.answers)
    errors = [f"{number} {kind}" for kind, number in kinds.items() if kind not in ("good", "wrong")]
    slave = run.slave
    cells = (
        run.system,
        run.baud,
        run.clients,
        f"{rate:.2f}",
        f"{limit(run.baud):.2f}",
        f"{100 * rate * wire_time(run.baud):.1f} %",
        f"{100 * rate / limit(run.baud):.1f} %",
        f"{statistics.median(waits):.1f} / {percentile(waits, 0.99):.1f}",
        f"{min(shares.values()) / max(shares.values()):.2f}",
        f"{1000 * slave['gap_min']:.3f} / {1000 * silence(run.baud):.3f}",
        f"{slave['violations']} of {slave['requests']}",
        kinds["wrong"],
        ", ".join(errors) or 0,
        f"{1000 * slave['lateness']:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def delays(run: Run, kind: str) -> list[float]:
    """Milliseconds from the last byte that left the slave to the answer at the client."""
    ends = run.slave["ends"]
    answered = [answer.answered for answer in run.answers if answer.kind == kind]
    return [1000 * (moment - ends[bisect.bisect(ends, moment) - 1]) for moment in answered]


def delay_row(run: Run) -> str:
    """A run of one client as a line of the second table."""
    cells = [run.system, str(run.baud)]
    for kind in ("good", "exception"):
        late = delays(run, kind)
        cells.append(f"{statistics.median(late):.2f} / {percentile(late, 0.99):.2f}" if late else "none")
    return f"| {' | '.join(cells)} |"


def show(*lines: str) -> None:
    """Print at once: a run takes a while."""
    print(*lines, sep="\n", flush=True)


def table(*heads: str) -> None:
    """Begin a table of numbers."""
    show("", f"| {' | '.join(heads)} |", f"|:---|{'---:|' * (len(heads) - 1)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run takes")
    parser.add_argument("--baud", type=int, nargs="+", default=[9600, 115200])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 50])
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    systems = list(SYSTEMS) if options.peer else ["lumina"]

    heads = ("through", "baud", "clients", "req/s", "limit", "bus in use", "of limit", "p50 / p99 ms")
    table(*heads, "fairness", "gap ms, least / legal", "violations", "wrong", "errors", "slave late ms")
    for baud in options.baud:
        for clients in options.clients:
            for system in systems:
                show(row(measure(system, baud, clients, options.seconds)))

    table("through", "baud", "last byte to good reply, p50 / p99 ms", "to exception reply")
    for baud in options.baud:
        for system in systems:
            show(delay_row(measure(system, baud, 1, options.seconds, "--refused-too")))


if __name__ == "__main__":
    main()
