"""
Clients that ask in a closed loop and check every reply; a process of its own.

    python load.py text PORT CLIENTS SECONDS --baud 9600

Client number n asks unit n + 1 for ten holding registers from an address
that is drawn anew each time, so that no two requests are the same and every
reply proves whose it is. One line of JSON tells each answer: the number of
the client, when it asked and was answered (CLOCK_MONOTONIC), and `good`,
`exception`, `wrong`, or why there was none.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from time import monotonic
from typing import NamedTuple

from tests.system.paced_slave import register, sealed

#: How many registers a request asks for, and the address from which on the slave refuses.
COUNT, REFUSED = 10, 255

#: Seconds that a request may take, and for how much longer a client waits for an answer.
TIMEOUT, PATIENCE = 5, 10

#: A request and its reply with CRC, in bytes.
REQUEST_SIZE, REPLY_SIZE = 8, 5 + 2 * COUNT


class Question(NamedTuple):
    """A frame, and the only right reply to it."""

    frame: bytes
    reply: bytes


class Answer(NamedTuple):
    """When a client asked, was answered, and how."""

    client: int
    asked: float
    answered: float
    kind: str


Ask = Callable[[int, Question], Awaitable[tuple[float, str]]]


def question(unit: int, address: int) -> Question:
    """A read; beyond the registers that there are it asks for one, and is refused with exception 02."""
    count = COUNT if address < REFUSED else 1
    frame = sealed(bytes((unit, 3)) + address.to_bytes(2) + count.to_bytes(2))
    if address >= REFUSED:
        return Question(frame, sealed(bytes((unit, 0x83, 2))))
    values = b"".join(register(unit, each).to_bytes(2) for each in range(address, address + count))
    return Question(frame, sealed(bytes((unit, 3, 2 * count)) + values))


async def text(port: int, baud: int) -> Ask:
    """A connection that speaks the text protocol."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(number: int, asked: Question) -> tuple[float, str]:
        frame = asked.frame.hex()
        writer.write(f"n{number}:BENCH:bus:{baud}:{frame}:{len(asked.reply)}:{TIMEOUT}\n".encode())
        line = await reader.readline()
        answered = monotonic()
        word, name, *rest = line.decode().rstrip("\n").split(":")
        if name != f"n{number}":
            return answered, "wrong"
        refused = asked.reply[1] & 0x80
        if word == "OK":
            return answered, "good" if not refused and bytes.fromhex(rest[0]) == asked.reply else "wrong"
        return answered, "exception" if refused and rest[0] == "exception_02" else rest[0]

    return ask


async def modbus_tcp(port: int, _: int) -> Ask:
    """A connection that speaks Modbus TCP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(number: int, asked: Question) -> tuple[float, str]:
        head = (number % 65536).to_bytes(2) + b"\0\0"
        writer.write(head + (len(asked.frame) - 2).to_bytes(2) + asked.frame[:-2])
        answer = await reader.readexactly(6)
        body = await reader.readexactly(int.from_bytes(answer[4:]))
        answered = monotonic()
        if answer[:4] == head and body == asked.reply[:-2]:
            return answered, "exception" if body[1] & 0x80 else "good"
        return answered, f"exception_{body[2]:02X}" if body[1] & 0x80 else "wrong"

    return ask


async def client(number: int, ask: Ask, until: float, refused_too: bool) -> list[Answer]:
    """Ask until the time is over, one request at a time."""
    random = Random(number)
    answers: list[Answer] = []
    while (asked := monotonic()) < until:
        address = random.randrange(REFUSED - COUNT)
        if refused_too and len(answers) % 2:
            address = REFUSED
        try:
            async with asyncio.timeout(PATIENCE):
                answered, kind = await ask(len(answers), question(number + 1, address))
        except TimeoutError:
            return [*answers, Answer(number, asked, monotonic(), "silence")]
        answers.append(Answer(number, asked, answered, kind))
    return answers


async def main(options: argparse.Namespace) -> list[Answer]:
    connect = {"text": text, "modbus-tcp": modbus_tcp}[options.protocol]
    asks = [await connect(options.port, options.baud) for _ in range(options.clients)]
    until = monotonic() + options.seconds
    clients = (client(number, ask, until, options.refused_too) for number, ask in enumerate(asks))
    return [answer for answers in await asyncio.gather(*clients) for answer in answers]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("protocol", choices=("text", "modbus-tcp"))
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument(
        "--refused-too", action="store_true", help="every other request is one that is refused"
    )
    print(json.dumps(asyncio.run(main(parser.parse_args()))))
