"""
A serial unit that keeps the time of a real line: an oracle for tests and benchmarks.

It runs as its own process and knows nothing of lumina. On a pseudo-terminal
bytes take no time; here each takes the time that it would take on a wire, in
both directions, and the silence before every request is measured.

    python paced_slave.py --baud 9600 --turnaround 0.002

prints `ready /dev/pts/7`. Every unit answers functions 03 and 06; the value
of a register tells its unit and address (`register`), until it is written.
The line `report` on standard input prints what was seen as one line of JSON,
`reset` forgets it; `silence 3 4` makes units 3 and 4 answer no more, `speak 3`
undoes it. SIGTERM, or the end of standard input, prints the report and ends.

All stamps are those of CLOCK_MONOTONIC, which all processes share.
"""

import argparse
import gc
import heapq
import json
import os
import select
import signal
import statistics
import sys
import termios
import tty
from collections import Counter
from contextlib import suppress
from itertools import count
from time import monotonic, sleep
from typing import Any

#: Seconds before a moment from which on it is awaited without sleeping.
SPIN = 0.0002

SPEEDS = {
    getattr(termios, f"B{speed}"): speed
    for speed in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
}


def crc(data: bytes) -> bytes:
    """The CRC as it follows the data on the line (Serial Line 1.02, 6.2.2), a bit at a time."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register.to_bytes(2, "little")


def sealed(data: bytes) -> bytes:
    """A whole frame."""
    return data + crc(data)


def register(unit: int, address: int) -> int:
    """What a register holds; below address 256 it proves which unit and which register was read."""
    return (address ^ unit << 8) & 0xFFFF


def silence(baud: int) -> float:
    """The least silence between frames: 3.5 characters of 11 bits, above 19200 baud 1.75 ms."""
    return 3.5 * 11 / baud if baud <= 19200 else 0.00175


def until(moment: float) -> float:
    """
    Wait without overshooting, and without yielding the processor at the end.

    @return: the time it is then.
    """
    if (rest := moment - monotonic() - SPIN) > 0:
        sleep(rest)
    while (now := monotonic()) < moment:
        pass
    return now


class Seen:
    """What happened on the line."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.violations = 0
        self.lateness = 0.0
        self.wire = 0.0
        self.begins: list[float] = []
        self.ends: list[float] = []
        self.frames: list[str] = []
        self.bauds: list[int] = []
        self.writes: list[tuple[int, int, int]] = []
        self.counts: Counter[str] = Counter()
        self.speeds: Counter[int] = Counter()

    def report(self) -> dict[str, Any]:
        """
        `requests`, `replies`, `exceptions`, `silent`, `garbled`: how many of
        each. `wire`: seconds that answered requests and their replies took on
        the line. `gap_min`, `gap_median`: seconds of silence before requests,
        negative if one was sent before the last had left; `violations`: how
        many gaps were shorter than 3.5 characters. `lateness`: by how much the
        worst byte was late, the slave's own fault. `ends`: when each reply
        ended. `frames`: the requests; `begins`, `bauds`: when each of them began,
        and its speed. `writes`: unit, address, value of each.
        """
        kinds = ("requests", "replies", "exceptions", "silent", "garbled")
        return {kind: self.counts[kind] for kind in kinds} | {
            "wire": self.wire,
            "gap_min": min(self.gaps, default=None),
            "gap_median": statistics.median(self.gaps) if self.gaps else None,
            "violations": self.violations,
            "lateness": self.lateness,
            "ends": self.ends,
            "frames": self.frames,
            "begins": self.begins,
            "bauds": self.bauds,
            "writes": self.writes,
            "speeds": dict(self.speeds),
        }


class Slave:
    """The units at the far end of the line."""

    def __init__(self, line: int, options: argparse.Namespace) -> None:
        self.line = line
        self.options = options
        self.seen = Seen()
        self.stopping = False
        self.silent = set(options.silent)
        self.written: dict[tuple[int, int], int] = {}
        self.pending: list[tuple[float, int, bytes, int, float]] = []
        self.numbers = count()
        self.orders = ""
        self.buffer = b""
        self.began = 0.0  # when the first byte in the buffer came
        self.free: float | None = None  # when the last byte on the line had passed
        self.baud = options.baud or 9600

    def character(self) -> float:
        """Seconds that one takes on the line."""
        return float(self.options.bits / self.baud)

    def run(self) -> None:
        """Answer until told to stop."""
        while not self.stopping:
            due = self.pending[0][0] if self.pending else None
            if due is not None and monotonic() >= due - SPIN:
                self.send(*heapq.heappop(self.pending))
            elif self.readable(due) and (data := self.read()):
                self.arrived(data, monotonic())
            if self.buffer and monotonic() > self.free_after() + silence(self.baud) + 0.005:
                self.seen.counts["garbled"] += 1
                self.spent()

    def readable(self, due: float | None) -> bool:
        """Wait for bytes: awake just after a reply, when the gap is measured, else asleep."""
        inputs = [self.line] if self.stopping else [self.line, sys.stdin.fileno()]
        watchful = self.free is not None and monotonic() < self.free + 2 * silence(self.baud)
        patience = 0.0 if watchful else 0.002 if self.buffer else 0.05
        if due is not None:
            patience = min(patience, max(0.0, due - SPIN - monotonic()))
        ready, _, _ = select.select(inputs, [], [], patience)
        if sys.stdin.fileno() in ready:
            self.told(os.read(sys.stdin.fileno(), 4096))
        return self.line in ready

    def read(self) -> bytes:
        try:
            return os.read(self.line, 4096)
        except OSError:
            sleep(0.001)  # nobody has the other end open
            return b""

    def told(self, data: bytes) -> None:
        """Obey standard input."""
        self.stopping = not data
        *orders, self.orders = (self.orders + data.decode()).split("\n")
        for line in orders:
            match line.split():
                case ["report"]:
                    print(json.dumps(self.seen.report()), flush=True)
                case ["reset"]:
                    self.seen = Seen()
                case ["silence", *units]:
                    self.silent.update(map(int, units))
                case ["speak", *units]:
                    self.silent.difference_update(map(int, units))

    def arrived(self, data: bytes, now: float) -> None:
        """Take bytes of a request; they came at once, and pass over the line from now on."""
        if not self.buffer:
            self.began = now
            self.baud = self.options.baud or SPEEDS.get(termios.tcgetattr(self.line)[5], 9600)
            if self.free is not None:
                self.seen.gaps.append(now - self.free)
                self.seen.violations += now - self.free < silence(self.baud)
        self.buffer += data
        size = 8
        if self.buffer[1:2] in (b"\x0f", b"\x10"):
            size = 9 + self.buffer[6] if len(self.buffer) > 6 else 256
        if len(self.buffer) >= size:
            self.asked(self.buffer, self.free_after())
            self.spent()

    def free_after(self) -> float:
        """When the last byte in the buffer has passed over the line."""
        return self.began + len(self.buffer) * self.character()

    def spent(self) -> None:
        """Nothing more is expected of the bytes in the buffer."""
        self.free, self.buffer = self.free_after(), b""

    def asked(self, frame: bytes, end: float) -> None:
        """Decide what becomes of a request whose last byte passes at `end`."""
        self.seen.counts["requests"] += 1
        self.seen.frames.append(frame.hex())
        self.seen.begins.append(self.began)
        self.seen.bauds.append(self.baud)
        self.seen.speeds[self.baud] += 1
        unit, body = frame[0], frame[:-2]
        if sealed(body) != frame:
            self.seen.counts["garbled"] += 1
        elif unit in self.silent or unit == 0:
            self.seen.counts["silent"] += 1
        else:
            delay = self.options.turnaround + self.options.slow.get(unit, self.options.slow.get(0, 0.0))
            reply = sealed(bytes((unit,)) + self.answer(unit, body[1:]))
            cost = (len(frame) + len(reply)) * self.character()
            heapq.heappush(self.pending, (end + delay, next(self.numbers), reply, self.baud, cost))

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """The reply to a PDU (Application Protocol 1.1b3, 6.3 and 6.6)."""
        function, address, value = pdu[0], int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        last = address + value - 1 if function == 3 else address
        refusal = next((code for at, code in self.options.exception.items() if address <= at <= last), 0)
        if function not in (3, 6):
            refusal = 1
        elif function == 3 and not 1 <= value <= 125:
            refusal = 3
        if refusal:
            self.seen.counts["exceptions"] += 1
            return bytes((function | 0x80, refusal))
        if function == 6:
            self.written[unit, address] = value
            self.seen.writes.append((unit, address, value))
            return pdu
        values = (self.written.get((unit, at), register(unit, at)) for at in range(address, last + 1))
        return bytes((3, 2 * value)) + b"".join(each.to_bytes(2) for each in values)

    def send(self, due: float, _: int, reply: bytes, baud: int, cost: float) -> None:
        """Put a reply on the line, each byte when it would have arrived whole."""
        each = self.options.bits / baud
        for number, byte in enumerate(reply, 1):
            moment = due + number * each
            now = until(moment)
            os.write(self.line, bytes((byte,)))
            self.seen.lateness = max(self.seen.lateness, now - moment)
        self.free = now
        self.seen.counts["replies"] += 1
        self.seen.wire += cost
        self.seen.ends.append(now)


def pair(text: str) -> tuple[int, int]:
    """`ADDRESS=CODE`."""
    address, code = text.split("=")
    return int(address, 0), int(code, 0)


def delay(text: str) -> tuple[int, float]:
    """`SECONDS` for all units, or `UNIT=SECONDS` for one."""
    unit, _, seconds = text.rpartition("=")
    return int(unit or 0), float(seconds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--baud", type=int, default=9600, help="bits per second; 0: what the other end has set")
    add("--bits", type=int, default=11, help="bits of a character, with start, parity and stop bits")
    add("--turnaround", type=float, default=0.002, help="seconds from request to reply")
    add("--link", help="a symbolic link to the pseudo-terminal, made anew")
    add("--silent", type=int, action="append", default=[], metavar="UNIT", help="never answers")
    add("--exception", type=pair, action="append", default=[], metavar="ADDRESS=CODE", help="is refused")
    add(
        "--slow",
        type=delay,
        action="append",
        default=[],
        metavar="[UNIT=]SECONDS",
        help="answers so much later",
    )
    options = parser.parse_args()
    options.exception, options.slow = dict(options.exception), dict(options.slow)
    return options


def main() -> None:
    options = arguments()
    line, far = os.openpty()
    tty.setraw(far)
    path = os.ttyname(far)
    os.close(far)  # so that the other end sees who else has it open: nobody
    if options.link:
        with suppress(FileNotFoundError):
            os.unlink(options.link)
        os.symlink(path, options.link)
    slave = Slave(line, options)

    def stop(*_: object) -> None:
        slave.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    gc.disable()
    print("ready", path, flush=True)
    slave.run()
    print(json.dumps(slave.seen.report()), flush=True)
    if options.link:
        os.unlink(options.link)


if __name__ == "__main__":
    main()
