"""
What keeping readings costs: rate, bytes, delivery, and the start with a million waiting.

    python -m benchmarks.spool [READINGS]

The ratios are against a plain way to keep readings, a row of JSON and a commit
for each; beside it lines of JSON in a file, with one wait for the disk.
"""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from lumina.readings import Point, Reading
from lumina.sinks.courier import Verdict
from lumina.sinks.delivery import Delivery
from lumina.sinks.documents import document, encode
from lumina.sinks.lines import append
from lumina.sinks.records import Limits
from lumina.sinks.sender import Sender
from lumina.sinks.sink import SpoolingSink
from lumina.sinks.spool import Spool, Thread
from lumina.sinks.store import Store

CYCLE = 1000
SINGLE = 200
LIMITS = Limits(size=16 << 30)


def readings(count: int) -> list[Reading]:
    """A cycle of a site with a hundred devices."""
    points = [
        Point(
            n % 100,
            f"Parameter {n // 100}",
            unit="V",
            register_address=40001 + n,
            data_type="float",
            description="Line to Neutral Voltage",
        )
        for n in range(count)
    ]
    return [Reading(point, 228.6 + n / 7, time.time()) for n, point in enumerate(points)]


def timed(act: Callable[[], object], count: int) -> tuple[float, float]:
    """Readings in a second, and microseconds of CPU time for one."""
    began, cpu = time.perf_counter(), time.process_time()
    act()
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1e6


def fill(store: Store, cycle: Sequence[Reading], count: int, size: int) -> None:
    for start in range(0, count, size):
        part = [cycle[n % len(cycle)] for n in range(start, min(start + size, count))]
        store.turn([partial(Store.take, readings=part), partial(Store.bound, by_age=False)])


def naive(path: Path, cycle: Sequence[Reading]) -> None:
    """A table of JSON documents, a commit for each."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE reading (id INTEGER PRIMARY KEY, body TEXT)")
    for each in cycle:
        db.execute("INSERT INTO reading (body) VALUES (?)", (json.dumps(document(each)),))
    db.close()


def drain(store: Store, size: int) -> int:
    """Deliver all that waits, so many at a time, with their documents made."""
    count = after = 0
    while waiting := store.waiting(after, size):
        for each in waiting:
            encode(document(each.reading))
        seqs = [each.seq for each in waiting]
        store.turn([partial(Store.delivered, seqs=seqs)])
        count, after = count + len(seqs), seqs[-1]
    return count


def show(what: str, rate: float, cpu: float, plain: float | None = None) -> None:
    ratio = f"  {rate / plain:6.1f}" if plain else ""
    print(f"{what:32} {rate:10,.0f} readings/s  {cpu:7.1f} us CPU each{ratio}")


class Deaf:
    """A courier that never comes back."""

    def send(self, key: str, body: bytes, members: str = "") -> "Deferred[Verdict]":
        return Deferred()


async def puts(directory: Path, cycle: Sequence[Reading], reactor: Any) -> None:
    """As in the service: its thread, and what a thousand devices put at the same time, ten readings each."""
    spool = Spool("api", directory / "service", LIMITS, time.time, Thread(reactor, "spool"))
    sender = Sender(spool, Deaf(), Delivery(), document, reactor)
    sink = SpoolingSink(spool, sender, "post", time.time)
    sink.startService()
    parts = [cycle[n % 100 * 10 : n % 100 * 10 + 10] for n in range(1000)]
    for name in ("warm", "service, 1000 puts of 10 at once"):
        began, cpu = time.perf_counter(), time.process_time()
        await gatherResults([sink.put(part) for part in parts])
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        if name != "warm":
            show(name, 10_000 / seconds, cpu * 100)
    await sink.stopService()


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    directory = Path(tempfile.mkdtemp(prefix="lumina-spool-", dir=os.environ.get("BENCHMARK_DIRECTORY")))
    cycle = readings(CYCLE)
    try:
        plain, cpu = timed(lambda: naive(directory / "plain", cycle[:SINGLE]), SINGLE)
        show("plain SQLite, a commit each", plain, cpu, plain)
        lines, cpu = timed(
            lambda: append(directory / "lines", b"".join(encode(document(each)) + b"\n" for each in cycle)),
            CYCLE,
        )
        show(f"JSON lines, {CYCLE} together", lines, cpu, plain)
        for size in (1, 10, 100, CYCLE):
            store = Store(directory / f"spool-{size}", LIMITS, time.time)
            store.open()
            count = min(many, SINGLE * size if size < 100 else 100_000)
            fill(store, cycle, CYCLE, CYCLE)
            rate, cpu = timed(lambda: fill(store, cycle, count, size), count)  # noqa: B023
            show(f"spool, {size} in a transaction", rate, cpu, plain)
            store.close()
        million(directory, cycle, many)
        react(lambda reactor: Deferred.fromCoroutine(puts(directory, cycle, reactor)))
    finally:
        shutil.rmtree(directory)


def million(directory: Path, cycle: Sequence[Reading], many: int) -> None:
    """The start with very many that wait, what they take on the disk, and how fast they leave."""
    path = directory / "million"
    store = Store(path, LIMITS, time.time)
    store.open()
    fill(store, cycle, many, CYCLE)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    body = sum(len(encode(document(each))) for each in cycle) / len(cycle)
    print(f"{many} waiting: {size / many:.1f} bytes a reading; its JSON document has {body:.0f}")
    for how, end in (("closed", store.close), ("killed", store.abandon)):
        end()
        store = Store(path, LIMITS, time.time)
        began = time.perf_counter()
        store.open()
        store.waiting(0, 500)
        print(f"opened in {time.perf_counter() - began:.3f} s after it was {how}")
    for size in (1, 100, 500):
        part = min(many // 4, 2000 if size == 1 else 200_000)
        other = Store(directory / f"drain-{size}", LIMITS, time.time)
        other.open()
        fill(other, cycle, part, CYCLE)
        rate, cpu = timed(lambda: drain(other, size), part)  # noqa: B023
        show(f"delivered, {size} in a transaction", rate, cpu)
        other.close()


if __name__ == "__main__":
    main()
