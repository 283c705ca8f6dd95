"""
What becomes of a bus when units die, speeds differ, and many want the same?

    python benchmarks/sharing.py [--seconds 60] [--no-peer] [dead urgent speeds same block shares]

Each part prints a table; README.md beside this file says how to read them.
"""

import argparse
import asyncio
import bisect
import json
import socket
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks import bus  # noqa: E402
from benchmarks.askers import CONNECT, Ask, Want, loop, read, together, write  # noqa: E402
from benchmarks.bus import TURNAROUND, percentile, python, show, table  # noqa: E402
from benchmarks.load import Answer  # noqa: E402
from tests.system.paced_slave import silence  # noqa: E402

#: Seconds that units answer before they die, until it counts what their death
#: costs, and in which those that return are looked out for.
LEARNING, ADJUSTING, RETURNING = 5.0, 10.0, 16.0

#: Seconds that clients rest after a refusal, where a refusal comes at once.
RESTS = (0.1, 0.0)

#: Seconds at the start of a part that do not count.
WARM_UP = 1.0

CONFIGURATION = """
ports:
  bus: {{endpoint: "serial:{device}:baudrate={baud}:stopbits=2"}}
listen:
  text:
    kind: text
    endpoint: "tcp:{port}:interface=127.0.0.1"
    priority_by_type: {{ALARM: high, LOGGER: low}}
"""


class Bench:
    """A slave, and what its clients share it through, both running."""

    def __init__(self, system: str, slave: "subprocess.Popen[str]", port: int) -> None:
        self.system = system
        self._slave = slave
        self._port = port

    async def connect(self, numbers: Sequence[int]) -> dict[int, Ask]:
        """Connections, by number."""
        return {number: await CONNECT[bus.SYSTEMS[self.system]](self._port) for number in numbers}

    def order(self, line: str) -> float:
        """Tell the slave something; the time it is then."""
        assert self._slave.stdin is not None
        print(line, file=self._slave.stdin, flush=True)
        return monotonic()

    def report(self) -> dict[str, Any]:
        """What the slave has seen since it was told to `reset`."""
        assert self._slave.stdout is not None
        self.order("report")
        return dict(json.loads(self._slave.stdout.readline()))


@contextmanager
def running(system: str, baud: int) -> Iterator[Bench]:
    """Start everything anew. @param baud: 0: the slave takes whatever speed is set, from 9600 on."""
    pipe = subprocess.PIPE
    timing = ("--baud", baud, "--turnaround", TURNAROUND)
    slave = python(ROOT / "tests" / "system" / "paced_slave.py", *timing, stdin=pipe, stdout=pipe)
    assert slave.stdout is not None
    device = slave.stdout.readline().split()[1]
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / f"{system}.log"
        start = lumina if system == "lumina" else partial(bus.listening, system)
        with start(device, baud or 9600, log) as port:
            yield Bench(system, slave, port)
        bus.finish(slave)


@contextmanager
def lumina(device: str, baud: int, log: Path) -> Iterator[int]:
    """Run lumina, with classes for its clients. @return: the port that it listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = log.with_suffix(".yaml")
    file.write_text(CONFIGURATION.format(device=device, baud=baud, port=port))
    twistd = "from twisted.scripts.twistd import run; run()"
    with log.open("w") as output:
        command = ("-c", twistd, "-n", "--pidfile=", "lumina", "-c", file)
        process = python(*command, stdout=output, stderr=output)
    try:
        bus.await_port(port, process, log)
        yield port
    finally:
        bus.finish(process)


def cost(frame_size: int, reply_size: int, baud: int) -> float:
    """Seconds that an exchange takes at the least, silence before it included."""
    return (frame_size + reply_size) * 11 / baud + TURNAROUND + silence(baud)


def of(want: Want) -> float:
    """The same of what is asked."""
    return cost(len(want.question.frame), len(want.question.reply), want.baud)


def within(answers: Sequence[Answer], begin: float, end: float, numbers: Sequence[int]) -> list[Answer]:
    """Answers of these clients that came in this time."""
    return [each for each in answers if begin <= each.answered < end and each.client in numbers]


def good(answers: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.kind == "good"]


def waits(answers: Sequence[Answer]) -> str:
    """Median, slowest percentile and slowest of all, in ms."""
    each = [1000 * (answer.answered - answer.asked) for answer in good(answers)]
    return f"{statistics.median(each):.0f} / {percentile(each, 0.99):.0f} / {max(each):.0f}"


def bad(answers: Sequence[Answer]) -> str:
    """What was not good, but for refusals of what is known to be dead."""
    kinds = Counter(answer.kind for answer in answers if answer.kind not in ("good", "suspended"))
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "0"


def late(report: dict[str, Any]) -> str:
    return f"{1000 * report['lateness']:.1f}"


def line(*cells: object) -> None:
    show(f"| {' | '.join(map(str, cells))} |")


# 1: units die, and return.


def blocks(unit: int) -> Iterator[Want]:
    """One client asks its unit for the same four blocks, in turn."""
    return cycle([Want(read(unit, 20 * block)) for block in range(4)])


async def die(bench: Bench, dead: int, seconds: float, rest: float) -> None:
    """Ten clients, each of which asks one unit, some of which die."""
    asks = await bench.connect(range(1, 11))
    wants = {unit: blocks(unit) for unit in asks}
    living = range(1, 11 - dead)
    units = " ".join(map(str, range(11 - dead, 11)))
    await together(asks, wants, monotonic() + LEARNING)
    begin, spared = monotonic() + WARM_UP, max(seconds / 3, 5.0)
    alone = {unit: asks[unit] for unit in living}
    before = within(await together(alone, wants, begin + spared), begin, begin + spared, living)
    died = bench.order(f"silence {units}")
    begin = died + ADJUSTING
    after = await together(asks, wants, begin + seconds, rest)
    spoke = bench.order(f"speak {units}")
    returned = await together(asks, wants, spoke + RETURNING, rest)
    firsts = [
        min((each.answered - spoke for each in good(returned) if each.client == unit), default=float("inf"))
        for unit in range(11 - dead, 11)
    ]
    counted = within(after, begin, begin + seconds, living)
    rates = len(good(before)) / spared, len(good(counted)) / seconds
    cells = (
        f"{rates[0]:.2f}",
        f"{rates[1]:.2f}",
        f"{100 * rates[1] / rates[0]:.1f} %",
        waits(before),
        waits(counted),
    )
    refused = sum(each.kind == "suspended" for each in after) / (ADJUSTING + seconds)
    tried = sum(
        each.kind != "suspended" for each in within(after, begin, begin + seconds, range(11 - dead, 11))
    )
    report = bench.report()
    twice = waited_for(report, counted, range(11 - dead, 11))
    ends = (f"{max(firsts):.1f}", f"{refused:.0f}", tried, twice, bad(before + counted), late(report))
    line(bench.system, dead, rest, *cells, *ends)


def waited_for(report: dict[str, Any], answers: Sequence[Answer], dead: Sequence[int]) -> str:
    """How often each of these requests has waited for one and the same dead unit, at most."""
    tries = [
        (begin, int(frame[:2], 16)) for begin, frame in zip(report["begins"], report["frames"], strict=True)
    ]
    most = Counter[int]()
    for answer in answers:
        first, last = (bisect.bisect(tries, (moment, 0)) for moment in (answer.asked, answer.answered))
        of_unit = Counter(unit for _, unit in tries[first:last] if unit in dead)
        most[max(of_unit.values(), default=0)] += 1
    return ", ".join(f"{share} x {number}" for number, share in sorted(most.items()))


def part_dead(systems: Sequence[str], seconds: float) -> None:
    heads = ("through", "dead of 10", "rest s", "living/s, dead not asked", "living/s, dead asked", "ratio")
    times = ("p50 / p99 / max ms, not asked", "p50 / p99 / max ms, asked", "returned, served in s")
    table(
        *heads,
        *times,
        "refusals/s",
        "tries of the dead",
        "waited for one",
        "errors of the living",
        "slave late ms",
    )
    for dead in (1, 5):
        for system in systems:
            for rest in RESTS if system == "lumina" else (0.0,):
                with running(system, 9600) as bench:
                    asyncio.run(die(bench, dead, seconds, rest))


# 2: one request that cannot wait.


def pollers(numbers: Sequence[int], low: Sequence[int] = ()) -> dict[int, Iterator[Want]]:
    """Clients that ask for ten registers, each for its own; some of them under a label of low priority."""
    return {
        number: cycle(
            [
                Want(read(number, address), label="LOGGER" if number in low else "BENCH")
                for address in range(40)
            ]
        )
        for number in numbers
    }


async def hurry(bench: Bench, low: int, seconds: float) -> None:
    """One client asks now and then, beside fifty that ask without end."""
    numbers, random = range(1, 51), Random(1)
    asks = await bench.connect(range(51))
    until = monotonic() + WARM_UP + seconds
    others = asyncio.ensure_future(
        together({number: asks[number] for number in numbers}, pollers(numbers, range(1, low + 1)), until)
    )
    await asyncio.sleep(WARM_UP)
    asked: dict[str, float] = {}
    while monotonic() < until - WARM_UP:
        await asyncio.sleep(random.uniform(0.1, 0.6))
        address = len(asked)
        question = write(60, address, address) if bench.system == "lumina" else read(60, address, 1)
        asked[question.frame.hex()] = monotonic()
        _, kind = await asks[0](Want(question, label="ALARM"))
        assert kind == "good", kind
    await others
    report = bench.report()
    begins, frames = report["begins"], report["frames"]
    steps = statistics.median(b - a for a, b in pairwise(begins))
    sent = {frame: begin for frame, begin in zip(frames, begins, strict=True) if frame in asked}
    delays = [1000 * (sent[frame] - moment) for frame, moment in asked.items()]
    before = Counter(
        bisect.bisect_left(begins, sent[frame]) - bisect.bisect(begins, moment)
        for frame, moment in asked.items()
    )
    spread = ", ".join(f"{share} x {number}" for number, share in sorted(before.items())[:6])
    cells = (f"{1000 * steps:.1f}", f"{statistics.median(delays):.1f}", f"{max(delays):.1f}")
    inside = f"{max(delays) / 1000 / steps:.2f}"
    line(bench.system, 50 - low, low, len(asked), *cells, inside, spread, late(report))


def part_urgent(systems: Sequence[str], seconds: float) -> None:
    heads = (
        "through",
        "normal clients",
        "low clients",
        "urgent",
        "an exchange ms",
        "to the wire, p50 ms",
        "max ms",
    )
    table(*heads, "max in exchanges", "times x exchanges begun between", "slave late ms")
    for system in systems:
        for low in (0, 25) if system == "lumina" else (0,):
            with running(system, 9600) as bench:
                asyncio.run(hurry(bench, low, seconds))


# 3: two speeds on one line.


SLOW, FAST = Want(read(1, 0), 9600), Want(read(101, 0), 19200)

#: Who asks: for each connection what each of its loops asks.
ALTERNATING = {
    "one client, one open": [[[SLOW, FAST]]],
    "one client, 20 open": [[[SLOW], [FAST]] * 10],
    "20 clients": [[[SLOW]], [[FAST]]] * 10,
}


async def alternate(bench: Bench, who: str, seconds: float) -> None:
    """Clients ask unit 1 at 9600, and unit 101 at 19200."""
    asks = await bench.connect(range(len(ALTERNATING[who])))
    begin = monotonic() + WARM_UP
    until = begin + seconds
    loops: list[Coroutine[Any, Any, list[Answer]]] = []
    for number, lanes in enumerate(ALTERNATING[who]):
        for wants in lanes:
            loops.append(loop(number, asks[number], cycle(_apart(wants, 2 * len(loops))), until))
    answers = [answer for each in await asyncio.gather(*loops) for answer in each]
    report = bench.report()
    began = bisect.bisect(report["begins"], begin)
    units = [int(frame[:2], 16) for frame in report["frames"]][began:]
    bauds, begins = report["bauds"][began:], report["begins"][began:]
    wrong = sum(baud != (SLOW, FAST)[unit > 100].baud for unit, baud in zip(units, bauds, strict=True))
    share = sum(cost(8, 25, baud) for baud in bauds[:-1]) / (begins[-1] - begins[0])
    switches = sum(a != b for a, b in pairwise(bauds))
    counts = Counter(bauds)
    cells = (
        counts[9600],
        counts[19200],
        switches,
        wrong,
        f"{100 * share:.1f} %",
        waits(answers),
        bad(answers),
    )
    line(bench.system, who, *cells, report["violations"], late(report))


def _apart(wants: Sequence[Want], address: int) -> list[Want]:
    """The same of another address, for what is the same is answered together."""
    units = [want.question.frame[0] for want in wants]
    return [Want(read(unit, address), want.baud) for unit, want in zip(units, wants, strict=True)]


def part_speeds(systems: Sequence[str], seconds: float) -> None:
    heads = ("through", "who asks", "at 9600", "at 19200", "switches", "at the wrong speed", "of the limit")
    table(*heads, "p50 / p99 / max ms", "errors", "short gaps", "slave late ms")
    for who in ALTERNATING:
        with running("lumina", 0) as bench:
            asyncio.run(alternate(bench, who, seconds))


# 4: the same, asked by two.

READS = [Want(read(unit, 20 * block)) for unit in range(1, 6) for block in range(10)]


async def ask_all(ask: Ask, at_once: bool) -> list[str]:
    """Ask each of them once. @param at_once: else one at a time."""
    if at_once:
        return [kind for _, kind in await asyncio.gather(*map(ask, READS))]
    return [(await ask(want))[1] for want in READS]


async def repeat(bench: Bench, at_once: bool) -> None:
    """One client asks, then two at the same time."""
    asks = await bench.connect(range(2))
    reports, elapsed, kinds = [], [], Counter[str]()
    for numbers in ([0], [0, 1]):
        await asyncio.sleep(0.5)
        bench.order("reset")
        begin = monotonic()
        for answers in await asyncio.gather(*(ask_all(asks[number], at_once) for number in numbers)):
            kinds.update(answers)
        elapsed.append(monotonic() - begin)
        reports.append(bench.report())
    one, two = reports
    cells = [f"{one['wire']:.2f}", f"{two['wire']:.2f}", f"{two['wire'] / one['wire']:.2f}"]
    cells += [f"{elapsed[1] / elapsed[0]:.2f}", str(dict(kinds)), late(two)]
    line(bench.system, "all at once" if at_once else "one by one", one["requests"], two["requests"], *cells)


def part_same(systems: Sequence[str], seconds: float) -> None:
    heads = (
        "through",
        "each client asks",
        "exchanges, one client",
        "two clients",
        "bus s, one",
        "two",
        "ratio",
    )
    table(*heads, "ratio of times", "answers", "slave late ms")
    for system in systems:
        for at_once in (True, False) if system == "lumina" else (False,):
            with running(system, 9600) as bench:
                asyncio.run(repeat(bench, at_once))


# 5: one block, polled by fifty.


async def one_block(bench: Bench, seconds: float) -> None:
    """Fifty clients poll the same ten registers."""
    asks = await bench.connect(range(50))
    begin = monotonic() + WARM_UP
    until = begin + seconds
    answers = await together(asks, {number: cycle([SLOW]) for number in asks}, until)
    counted = good(within(answers, begin, until, range(50)))
    shares = Counter(answer.client for answer in counted)
    report, rate = bench.report(), len(counted) / seconds
    cells = (f"{rate:.1f}", f"{bus.limit(9600):.2f}", f"{rate / bus.limit(9600):.1f}", waits(counted))
    fair = f"{min(shares.values()) / max(shares.values()):.2f}"
    line(bench.system, *cells, fair, bad(answers), late(report))


def part_block(systems: Sequence[str], seconds: float) -> None:
    heads = ("through", "answers/s", "the bus singly, at most", "ratio", "p50 / p99 / max ms", "fairness")
    table(*heads, "errors", "slave late ms")
    for system in systems:
        with running(system, 9600) as bench:
            asyncio.run(one_block(bench, seconds))


# 6: fair shares.

FAST_LINE = 115200


async def share(bench: Bench, sizes: Sequence[int], seconds: float) -> None:
    """Fifty clients ask for blocks of different sizes."""
    numbers = range(50)
    asks = await bench.connect(numbers)
    wants = {
        number: cycle(
            [Want(read(number + 1, address, sizes[number % len(sizes)]), FAST_LINE) for address in range(40)]
        )
        for number in numbers
    }
    begin = monotonic() + WARM_UP
    until = begin + seconds
    answers = await together(asks, wants, until)
    counts = Counter(answer.client for answer in good(within(answers, begin, until, numbers)))
    times = [counts[number] * cost(8, 5 + 2 * sizes[number % len(sizes)], FAST_LINE) for number in numbers]
    report = bench.report()
    held = held_by_unit(report, begin, until).values()
    cells = (
        f"{min(held) / max(held):.2f}",
        f"{min(times) / max(times):.2f}",
        f"{min(counts.values()) / max(counts.values()):.2f}",
    )
    least = f"{100 * sum(times) / seconds:.1f} %"
    line(
        bench.system,
        sizes,
        *cells,
        least,
        min(counts.values()),
        waits(answers),
        bad(answers),
        late(report),
    )


def held_by_unit(report: dict[str, Any], begin: float, until: float) -> dict[int, float]:
    """Seconds for which exchanges with each unit have held the line: until the next request began."""
    held: dict[int, float] = defaultdict(float)
    for frame, (began, after) in zip(report["frames"], pairwise(report["begins"]), strict=False):
        if begin <= began < until:
            held[int(frame[:2], 16)] += after - began
    return held


def part_shares(systems: Sequence[str], seconds: float) -> None:
    heads = (
        "through",
        "registers asked for",
        "least over most bus time",
        "at the least cost",
        "by count",
        "of the limit",
        "fewest answers",
    )
    table(*heads, "p50 / p99 / max ms", "errors", "slave late ms")
    for sizes in ([10], [1, 10, 100]):
        for system in systems:
            with running(system, FAST_LINE) as bench:
                asyncio.run(share(bench, sizes, seconds))


PARTS: dict[str, Callable[[Sequence[str], float], None]] = {
    "dead": part_dead,
    "urgent": part_urgent,
    "speeds": part_speeds,
    "same": part_same,
    "block": part_block,
    "shares": part_shares,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which; all if none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each measurement takes")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    systems = list(bus.SYSTEMS) if options.peer else ["lumina"]
    for part in options.parts or PARTS:
        PARTS[part](systems, options.seconds)


if __name__ == "__main__":
    main()
