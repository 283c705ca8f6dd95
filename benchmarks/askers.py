"""
Clients that ask what they are told to, and check every reply.

What `load.py` is for many that ask alike, this is for clients that differ: in
what they ask, how fast the line has to be for it, and under which label.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import count
from time import monotonic
from typing import NamedTuple

from benchmarks.load import Answer, Question, modbus_tcp
from tests.system.paced_slave import register, sealed

#: Seconds after which a client gives up waiting for an answer.
PATIENCE = 60


class Want(NamedTuple):
    """What a client asks, at which speed, and its label (the text protocol's `type`)."""

    question: Question
    baud: int = 9600
    label: str = "BENCH"


#: Asks once: when the answer came, and `good`, `wrong`, or why there was none.
Ask = Callable[[Want], Awaitable[tuple[float, str]]]


def read(unit: int, address: int, number: int = 10) -> Question:
    """A read of holding registers, whose values prove that they were read."""
    frame = sealed(bytes((unit, 3)) + address.to_bytes(2) + number.to_bytes(2))
    values = b"".join(register(unit, each).to_bytes(2) for each in range(address, address + number))
    return Question(frame, sealed(bytes((unit, 3, 2 * number)) + values))


def write(unit: int, address: int, value: int) -> Question:
    """A write of a holding register."""
    frame = sealed(bytes((unit, 6)) + address.to_bytes(2) + value.to_bytes(2))
    return Question(frame, frame)


async def text(port: int) -> Ask:
    """
    A connection that speaks the text protocol, and may have many requests open.

    It states no timeout: 5 s for the turn to come, and the port's own on the wire.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    numbers = count()
    waiting: dict[str, tuple[Want, asyncio.Future[tuple[float, str]]]] = {}

    async def listen() -> None:
        while line := await reader.readline():
            word, name, *rest = line.decode().rstrip("\n").split(":")
            want, answer = waiting.pop(name)
            good = word == "OK" and bytes.fromhex(rest[0]) == want.question.reply
            answer.set_result((monotonic(), "good" if good else "wrong" if word == "OK" else rest[0]))

    listening = asyncio.ensure_future(listen())

    async def ask(want: Want) -> tuple[float, str]:
        assert not listening.done()
        name, question = f"n{next(numbers)}", want.question
        answer: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()
        waiting[name] = want, answer
        fields = (name, want.label, "bus", want.baud, question.frame.hex(), len(question.reply))
        writer.write(f"{':'.join(map(str, fields))}\n".encode())
        return await answer

    return ask


async def tcp(port: int) -> Ask:
    """A connection that speaks Modbus TCP, one request at a time."""
    connection = await modbus_tcp(port, 0)
    numbers = count()

    async def ask(want: Want) -> tuple[float, str]:
        return await connection(next(numbers), want.question)

    return ask


#: How to connect, by the protocol's name.
CONNECT = {"text": text, "modbus-tcp": tcp}


async def loop(number: int, ask: Ask, wants: Iterator[Want], until: float, rest: float = 0.0) -> list[Answer]:
    """
    Ask in a closed loop until the time is over.

    @param rest: seconds of rest after an answer that is none.
    """
    answers: list[Answer] = []
    while (asked := monotonic()) < until:
        async with asyncio.timeout(PATIENCE):
            answered, kind = await ask(next(wants))
        answers.append(Answer(number, asked, answered, kind))
        if kind != "good":
            await asyncio.sleep(rest)
    return answers


async def together(
    asks: Mapping[int, Ask], wants: Mapping[int, Iterator[Want]], until: float, rest: float = 0.0
) -> list[Answer]:
    """All of them at the same time, each by its number."""
    loops = (loop(number, ask, wants[number], until, rest) for number, ask in asks.items())
    return [answer for answers in await asyncio.gather(*loops) for answer in answers]
