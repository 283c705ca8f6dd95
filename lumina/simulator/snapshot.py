"""
What the tables and files of a simulated bus hold, as bytes that can be kept.

A snapshot is one line that names the format and has a checksum of the rest,
and JSON. What moves is not in it: it follows from the seed and the time.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zlib import crc32

from lumina.simulator.bank import Bank
from lumina.simulator.memory import Memory
from lumina.simulator.process import TABLES
from lumina.simulator.unit import Unit

_HEAD = b"lumina simulator 1 "

#: Pieces of memories: where each begins, in bytes, by the name of the memory.
Pieces = dict[str, list[tuple[int, bytes]]]


class Damaged(Exception):
    """It is no snapshot, or not the whole of one; says why."""


def take(bank: Bank) -> Pieces:
    """What is held now; a copy, that is quickly made."""
    pieces: Pieces = {}
    for address, unit in bank.devices.items():
        for name, memory in _memories(unit):
            pieces[f"{address}/{name}"] = [
                (first, bytes(memory.data[first * memory.width : end * memory.width]))
                for first, end in memory.held()
            ]
        for number, held in unit.files.data.items():
            pieces[f"{address}/file {number}"] = [(0, bytes(held))]
    return pieces


def encode(pieces: Pieces) -> bytes:
    """The bytes to be kept."""
    plain = {name: [(first, data.hex()) for first, data in held] for name, held in pieces.items()}
    body = json.dumps(plain).encode()
    return b"%s%08x\n%s\n" % (_HEAD, crc32(body), body)


def restore(bank: Bank, kept: bytes) -> list[str]:
    """
    Let a bus hold again what it held.

    @return: what of it has no place any more, as sentences.
    @raise Damaged: nothing has changed.
    """
    pieces = _decode(kept)
    lost = []
    for name, memory in _targets(bank).items():
        for first, data in pieces.pop(name, []):
            if first < 0 or first * _width(memory) + len(data) > _size(memory):
                lost.append(f"{name} has no place for {len(data)} bytes at {first} any more")
            elif isinstance(memory, Memory):
                memory.hold(first, data)
            else:
                memory[: len(data)] = data
    return lost + [f"there is no {name} any more" for name in pieces]


def _decode(kept: bytes) -> Pieces:
    head, _, body = kept.rstrip(b"\n").partition(b"\n")
    if not head.startswith(_HEAD):
        raise Damaged("it does not begin like a saved simulator")
    if head != b"%s%08x" % (_HEAD, crc32(body)):
        raise Damaged("its checksum does not fit")
    try:
        plain: Mapping[str, Any] = json.loads(body)
        return {
            name: [(int(first), bytes.fromhex(data)) for first, data in held] for name, held in plain.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"it makes no sense: {error}") from None


def _targets(bank: Bank) -> dict[str, Memory | bytearray]:
    targets: dict[str, Memory | bytearray] = {}
    for address, unit in bank.devices.items():
        targets |= {f"{address}/{name}": memory for name, memory in _memories(unit)}
        targets |= {f"{address}/file {number}": held for number, held in unit.files.data.items()}
    return targets


def _memories(unit: Unit) -> Iterator[tuple[str, Memory]]:
    """Each memory once, by the name of the first table that shows it."""
    seen: list[Memory] = []
    for name in TABLES:
        memory = unit.table(name).memory
        if memory not in seen and len(memory):
            seen.append(memory)
            yield name, memory


def when_changed(bank: Bank, changed: Callable[[], None]) -> None:
    """Call `changed` after each write of a client."""
    for unit in bank.units:
        for _, memory in _memories(unit):
            memory.changed = changed
        unit.files.changed = changed


def _width(memory: Memory | bytearray) -> int:
    return memory.width if isinstance(memory, Memory) else 1


def _size(memory: Memory | bytearray) -> int:
    return len(memory.data) if isinstance(memory, Memory) else len(memory)
