"""
How long does a bus need for all values of a device?

    python benchmarks/plan.py

The time that the plan needs by its own reckoning, and that others need: one request for
each value, and values merged across gaps of a fixed size. Then, how long making the plan
takes, and decoding what came. README.md beside this file says how to read the tables.
"""

import random
import struct
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import process_time

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from pymodbus.client.mixin import ModbusClientMixin  # noqa: E402

from lumina.modbus.tables import INPUT  # noqa: E402
from lumina.modbus.values import Format  # noqa: E402
from lumina.poll.costs import Costs  # noqa: E402
from lumina.poll.cycle import Cycle  # noqa: E402
from lumina.poll.plan import Plan  # noqa: E402
from lumina.poll.spans import Span  # noqa: E402
from lumina.readings import Point  # noqa: E402
from tests.meters import LINKS, MAPS  # noqa: E402

Places = Sequence[tuple[int, int]]

KIND = ModbusClientMixin.DATATYPE

LONGEST, REPLIES = 125, 500


def merged(places: Places, gap: int) -> list[tuple[int, int]]:
    """Requests, as start and end, that read across gaps of so many registers; -1: each value alone."""
    found: list[tuple[int, int]] = []
    for address, size in sorted(places):
        end = address + size
        if gap >= 0 and found and address - found[-1][1] <= gap and end - found[-1][0] <= LONGEST:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((address, end))
    return found


def seconds(blocks: Sequence[tuple[int, int]], request: float, register: float) -> float:
    return sum(request + register * (end - start) for start, end in blocks)


def plan_of(places: Places, costs: Costs) -> Plan:
    return Plan(
        [
            Point(1, f"at {address}", INPUT, address, Format("string", length=size))
            for address, size in places
        ],
        costs=costs,
    )


def show_links() -> None:
    ways = {"each value": -1, "adjacent": 0, "gap 10": 10, "gap 50": 50}
    print("Bus time for all values, over that of the plan\n")
    print(f"{'link':18}{'device':15}{'values':>8}{'requests':>10}{'plan ms':>10}", end="")
    print("".join(f"{way:>12}" for way in ways))
    for link, (request, register) in LINKS.items():
        whole, others = 0.0, dict.fromkeys(ways, 0.0)
        for name, places in MAPS.items():
            plan = plan_of(places, Costs(request, register))
            ours = plan.seconds(0.0)
            theirs = {way: seconds(merged(places, gap), request, register) for way, gap in ways.items()}
            requests = len(plan.agenda(0.0).blocks)
            print(f"{link:18}{name:15}{len(places):8}{requests:10}{ours * 1e3:10.1f}", end="")
            print("".join(f"{time / ours:12.2f}" for time in theirs.values()))
            whole += ours
            others = {way: others[way] + time for way, time in theirs.items()}
        print(f"{link:18}{'all':15}{'':18}{whole * 1e3:10.1f}", end="")
        print("".join(f"{time / whole:12.2f}" for time in others.values()), "\n")


def best(work: Callable[[], object], times: int) -> float:
    """The least processor time of several runs, in seconds."""
    found = []
    for _ in range(times):
        began = process_time()
        work()
        found.append(process_time() - began)
    return min(found)


def show_planning() -> None:
    print("Processor time for making a plan, ms\n\nregisters      points", end="")
    print("".join(f"{title:>16}" for title in ("at first", "again", "longest step", "with 40 bans")))
    for title, gaps in (("dense", (1,)), ("sparse", (1, 1, 1, 2, 5, 30)), ("far apart", (13,))):
        for count in (100, 1000, 5000):
            address, places = 0, []
            for _ in range(count):
                address += random.choice(gaps)
                places.append((address, 1))
            figures = planning(places, 40)
            print(f"{title:10}{count:11}", "".join(f"{figure * 1e3:16.2f}" for figure in figures), sep="")


def planning(places: Places, bans: int) -> list[float]:
    """Seconds of processor time to make a plan, to make it again, for the longest step, and with bans."""
    first = best(lambda: plan_of(places, Costs(0.02, 0.001)).agenda(0.0), 3)
    plan = plan_of(places, Costs(0.02, 0.001))
    again = best(lambda: anew(plan), 5)
    for address, size in random.sample(places, bans):
        span = Span(INPUT, address, address + size, ())
        for _ in range(2):
            plan.knowledge.failed(span, "exception_02", "refused", 0.0, silent=False)
    banned = best(lambda: anew(plan), 5)
    return [first, again, min(longest(plan) for _ in range(3)), banned]


def anew(plan: Plan) -> None:
    """As after something new has been learnt."""
    plan.knowledge.version += 1
    plan.agenda(0.0)


def longest(plan: Plan) -> float:
    """The longest that others have to wait while the plan is made; in the worst case, with bans."""
    plan.knowledge.version += 1
    steps, found = plan.together(0.0, (None,)), 0.0
    while True:
        began = process_time()
        over = next(steps, steps) is steps
        found = max(found, process_time() - began)
        if over:
            return found


def show_decoding() -> None:
    print(f"\nProcessor time for ten values of a reply, µs\n\n{'values':24}", end="")
    print(f"{'readings':>10}{'same again':>12}{'cycle':>8}{'pymodbus':>10}")
    for title, format, type in (
        ("float32", Format("float32"), KIND.FLOAT32),
        ("uint16 x 0.1", Format("uint16", scale=Decimal("0.1")), KIND.UINT16),
        ("uint32, words swapped", Format("uint32", "CDAB"), KIND.UINT32),
    ):
        size = format.registers
        plan = Plan([Point(1, f"{index}", INPUT, size * index, format) for index in range(10)])
        pdus = [bytes((4, 20 * size)) + registers(format) for _ in range(REPLIES)]
        each, same, cycle, peer = (
            best(work, 5) / REPLIES * 1e6
            for work in (
                partial(read, plan, pdus),
                partial(read, plan, pdus[:1] * REPLIES),
                partial(whole_cycle, plan, pdus),
                partial(read_by_peer, pdus, size, type),
            )
        )
        print(f"{title:24}{each:10.1f}{same:12.1f}{cycle:8.1f}{peer:10.1f}")


def read(plan: Plan, pdus: Sequence[bytes]) -> None:
    (block,) = plan.agenda(0.0).blocks
    for pdu in pdus:
        block.readings(pdu, 0.0)


def whole_cycle(plan: Plan, pdus: Sequence[bytes]) -> None:
    """All that a cycle needs beside the request itself."""
    for pdu in pdus:
        cycle = Cycle(plan, 0.0)
        while block := cycle.next(0.0):
            cycle.answered(block, pdu, 0.0, 0.0, 0.02)
        cycle.close(0.0, 0.0)


def read_by_peer(pdus: Sequence[bytes], size: int, type: KIND) -> None:
    for pdu in pdus:
        words = list(struct.unpack(f">{10 * size}H", pdu[2:]))
        for first in range(0, 10 * size, size):
            ModbusClientMixin.convert_from_registers(words[first : first + size], type)


def registers(format: Format) -> bytes:
    if format.type == "float32":
        return b"".join(struct.pack(">f", random.uniform(0, 1000)) for _ in range(10))
    return random.randbytes(20 * format.registers)


if __name__ == "__main__":
    random.seed(5)
    show_links()
    show_planning()
    show_decoding()
