"""
What every Modbus TCP client of others is made to do, and to print: one JSON list.

    python -m tests.system.foreign.with_pymodbus HOST PORT UNIT

The values are those of the simulator's preset `basic`.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

#: What must be printed: what was read, after what was written, and the refusal.
EXPECTED = [
    [10, 11, 12, 13, 14],
    [1003, 1004, 1005],
    [0, 1, 0, 1],
    [0, 1, 0],
    [4711],
    [1, 65535],
    [1, 0, 1],
    "exception 2",
]


class Client:
    """What a client can do; each method is given by the library at hand."""

    def __init__(self, **calls: Callable[..., Any]) -> None:
        self._calls = calls

    def __call__(self, name: str, *arguments: object) -> Any:
        return self._calls[name](*arguments)


def numbers(values: Sequence[Any], count: int) -> list[int]:
    """Registers or bits as numbers; some libraries fill up the last byte."""
    return [int(value) for value in values][:count]


def talk(client: Client) -> None:
    """Do all of it, and print it."""
    said: list[Any] = [
        numbers(client("holding", 10, 5), 5),
        numbers(client("input", 3, 3), 3),
        numbers(client("discrete", 0, 4), 4),
    ]
    client("write_coil", 7, True)
    said.append(numbers(client("coils", 6, 3), 3))
    client("write_register", 20, 4711)
    said.append(numbers(client("holding", 20, 1), 1))
    client("write_registers", 21, [1, 65535])
    said.append(numbers(client("holding", 21, 2), 2))
    client("write_coils", 10, [True, False, True])
    said.append(numbers(client("coils", 10, 3), 3))
    said.append(client("refused", 5000))
    print(json.dumps(said))


def target() -> tuple[str, int, int]:
    """Host, port and unit, from the command line."""
    host, port, unit = sys.argv[1:]
    return host, int(port), int(unit)
