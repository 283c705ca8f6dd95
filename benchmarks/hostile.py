"""
What do clients that behave badly cost the one that behaves well?

    python benchmarks/hostile.py [--seconds 10] [--baud 115200]

One client asks in a closed loop, alone and then beside each kind of bad
company. What counts is the ratio of the slowest percentile of its answers to
what that is when it is alone, within this run.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from benchmarks import load  # noqa: E402
from benchmarks.bus import TURNAROUND, finish, listening, percentile, python, show, table  # noqa: E402
from benchmarks.load import Answer  # noqa: E402

IDLE = 1000

Company = Callable[[int], Awaitable[object]]


async def nobody(port: int) -> None:
    """No company at all."""


async def malformed(port: int) -> None:
    """Malformed lines without end, their answers read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    swallowing = asyncio.ensure_future(swallow(reader))
    while True:
        writer.write(b"a:b:bus:9600:zz:0\n" * 100)
        await writer.drain()
        assert not swallowing.done()


async def endless_line(port: int) -> None:
    """Ten megabytes without a line end, again and again, on connections of their own."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(160):
                writer.write(b"x" * 65536)
                await writer.drain()
            await swallow(reader)
        except ConnectionError:
            pass
        writer.close()


async def every_byte(port: int) -> None:
    """Every byte value, line ends among them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    swallowing = asyncio.ensure_future(swallow(reader))
    while not swallowing.done():
        writer.write(bytes(range(256)) * 20)
        await writer.drain()


async def slow_reader(port: int) -> None:
    """One that asks without end, and reads nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(b"a:b:bus:9600:zz:0\n" * 100)
        await writer.drain()


async def idle(port: int) -> None:
    """A thousand connections that say nothing."""
    kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(IDLE)]
    await asyncio.Event().wait()
    assert kept


async def swallow(reader: asyncio.StreamReader) -> None:
    """Read and forget."""
    while await reader.read(65536):
        pass


COMPANIES: dict[str, Company] = {
    "nobody": nobody,
    "malformed lines": malformed,
    "lines without end": endless_line,
    "every byte value": every_byte,
    "a slow reader": slow_reader,
    f"{IDLE} idle connections": idle,
}


async def answers(port: int, baud: int, seconds: float, company: Company) -> list[Answer]:
    """What the good client gets, in this company; that is a process of its own."""
    others = python(HERE / "hostile.py", "--company", company.__name__, "--port", port)
    try:
        await asyncio.sleep(1)
        ask = await load.text(port, baud)
        return await load.client(0, ask, load.monotonic() + seconds, False)
    finally:
        others.kill()
        others.wait()


def measure(baud: int, seconds: float, company: Company) -> list[Answer]:
    """One run, with everything started anew."""
    pipe = subprocess.PIPE
    timing = ("--baud", baud, "--turnaround", TURNAROUND)
    slave = python(ROOT / "tests" / "system" / "paced_slave.py", *timing, stdin=pipe, stdout=pipe)
    assert slave.stdout is not None
    device = slave.stdout.readline().split()[1]
    with tempfile.TemporaryDirectory() as directory:
        with listening("lumina", device, baud, Path(directory) / "lumina.log") as port:
            got = asyncio.run(answers(port, baud, seconds, company))
        finish(slave)
    return got


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run takes")
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--company", choices=[each.__name__ for each in COMPANIES.values()], help="be that")
    parser.add_argument("--port", type=int, help="whose company")
    options = parser.parse_args()
    if options.company:
        asyncio.run(globals()[options.company](options.port))
        return

    table("beside", "right answers", "others", "p50 ms", "p99 ms", "p99 over p99 alone")
    alone = 0.0
    for name, company in COMPANIES.items():
        got = measure(options.baud, options.seconds, company)
        waits = [1000 * (answer.answered - answer.asked) for answer in got if answer.kind == "good"]
        slowest = percentile(waits, 0.99)
        alone = alone or slowest
        cells = (
            name,
            len(waits),
            len(got) - len(waits),
            f"{statistics.median(waits):.1f}",
            f"{slowest:.1f}",
            f"{slowest / alone:.2f}",
        )
        show(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
