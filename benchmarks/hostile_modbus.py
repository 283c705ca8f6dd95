"""
What do Modbus TCP clients that behave badly cost the one that behaves well?

    python benchmarks/hostile_modbus.py [--seconds 5]

One client reads ten registers of a simulated unit, a hundred times a second,
alone, then beside each kind of bad company, and then while that company is at a
second server. What counts is the slowest percentile of its answers over what that is
when it is alone, by turns, since other programs of the machine count too; and over what it is when
the company is elsewhere, since its own work takes time of the processors, whomever it is meant for.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import perf_counter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.bus import percentile, python, show, table  # noqa: E402
from benchmarks.flood import ANSWERED, ASKED, messages  # noqa: E402
from benchmarks.hostile import idle, swallow  # noqa: E402
from benchmarks.server import RULES, serving  # noqa: E402

#: Seconds between two requests of the good client.
PACE = 0.01

#: Half messages a second, each on a connection of its own that stays open until the server ends it.
HALVES = 200

Company = Callable[[int], Awaitable[object]]


async def nobody(port: int) -> None:
    """No company at all."""


async def half_frames(port: int) -> None:
    """Messages that begin and do not go on, each on its own connection."""
    kept: list[asyncio.Future[None]] = []
    message = messages(ASKED, 0, 1)
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message[: 1 + len(kept) % (len(message) - 1)])
            kept.append(asyncio.ensure_future(swallow(reader)))
        await asyncio.sleep(1 / HALVES)


async def lies(port: int) -> None:
    """Lengths that cannot be; the server hangs up each time."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\0\1\0\0\xff\xff\1\3")
            await swallow(reader)
            writer.close()


async def noise(port: int) -> None:
    """Any bytes."""
    random = Random(1)
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            swallowing = asyncio.ensure_future(swallow(reader))
            while not swallowing.done():
                writer.write(random.randbytes(200))
                await writer.drain()
                await asyncio.sleep(0.001)
            writer.close()


async def slow_reader(port: int) -> None:
    """One that asks without end, and reads nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(messages(ASKED, 0, 100))
        await writer.drain()


COMPANIES: dict[str, Company] = {
    "1000 idle connections": idle,
    f"{HALVES} half messages a second": half_frames,
    "lengths that cannot be": lies,
    "any bytes": noise,
    "a slow reader": slow_reader,
}


async def waits(port: int, seconds: float) -> list[float]:
    """How long each answer to the good client takes, in milliseconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: list[float] = []
    until = perf_counter() + seconds
    while (asked := perf_counter()) < until:
        transaction = len(found) % 65536
        writer.write(messages(ASKED, transaction, 1))
        right = messages(ANSWERED, transaction, 1)
        if await asyncio.wait_for(reader.readexactly(len(right)), 10) != right:
            raise SystemExit("an answer is wrong")
        found.append(1000 * (perf_counter() - asked))
        await asyncio.sleep(PACE)
    writer.close()
    return found


def measure(seconds: float, company: Company, apart: bool = False) -> list[float]:
    """
    One run, with fresh servers; the company is a process of its own.

    @param apart: whether it is at a server of its own.
    """
    with serving("lumina", RULES) as (port, _), serving("lumina", RULES) as (elsewhere, _):
        where = elsewhere if apart else port
        others = python(HERE / "hostile_modbus.py", "--company", company.__name__, "--port", where)
        try:
            asyncio.run(asyncio.sleep(2))
            return asyncio.run(waits(port, seconds))
        finally:
            others.kill()
            others.wait()


def row(name: str, company: Company, seconds: float, runs: int) -> str:
    """What one kind of company costs: the medians of some runs, by turns."""
    ways = ((nobody, False), (company, False), (company, True))
    turns = [[measure(seconds, *way) for way in ways] for _ in range(runs)]
    alone, beside, apart = (
        statistics.median(percentile(found, 0.99) for found in same) for same in zip(*turns, strict=True)
    )
    middle = statistics.median(statistics.median(found) for _, found, _ in turns)
    figures = (middle, beside, alone, apart, beside / alone, beside / apart)
    return f"| {' | '.join([name, *(f'{figure:.2f}' for figure in figures)])} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each run takes")
    parser.add_argument("--runs", type=int, default=3, help="of which the medians are compared")
    parser.add_argument("--company", help="be that")
    parser.add_argument("--port", type=int, help="whose company")
    options = parser.parse_args()
    if options.company:
        asyncio.run(globals()[options.company](options.port))
        return
    table("beside", "p50 ms", "p99 ms", "p99 alone", "p99 apart", "of alone", "of apart")
    for name, company in COMPANIES.items():
        show(row(name, company, options.seconds, options.runs))


if __name__ == "__main__":
    main()
