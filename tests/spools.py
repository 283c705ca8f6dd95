"""Readings, and stand-ins for the thread of a spool and for an API, as tests of the sinks need them."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.values import Value
from lumina.readings import Point, Reading
from lumina.sinks.courier import Fate, Verdict, fate

T = TypeVar("T")

START = 1751990400.25  # 2025-07-08T16:00:00.25Z


def point(device: int | str = 1, parameter: str = "Voltage (L-N)") -> Point:
    """A point as the documents have it."""
    return Point(
        device,
        parameter,
        unit="V",
        register_address=40001,
        data_type="float",
        description="Line to Neutral Voltage",
    )


def reading(
    value: Value | None = 228.6, device: int | str = 1, at: float = START, parameter: str = "Voltage (L-N)"
) -> Reading:
    """A good reading, or one that timed out."""
    if value is None:
        return Reading(point(device, parameter), None, at, "timeout", "unit 1 did not answer")
    return Reading(point(device, parameter), value, at)


def directory(test: SynchronousTestCase) -> Path:
    """A directory of this test's own, in memory if there can be: waiting for a disk tests nothing."""
    memory = "/dev/shm"
    made = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    test.addCleanup(shutil.rmtree, made)
    return made


class Thread:
    """
    The thread of a spool: at work at once, or when the test says so.

    @ivar waits: whether what is called waits for `work`.
    """

    def __init__(self) -> None:
        self.waits = False
        self.stopped = False
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, function: Callable[[], T], /) -> Deferred[T]:
        if not self.waits:
            return execute(function)
        done: Deferred[T] = Deferred()
        self._waiting.append((function, done))
        return done

    def work(self) -> int:
        """Do what waits, and say how much that was."""
        waiting, self._waiting = self._waiting, []
        for function, done in waiting:
            execute(function).chainDeferred(done)
        return len(waiting)

    def stop(self) -> None:
        self.stopped = True


@dataclass
class Sent:
    """A request that a `FakeCourier` was given; `done` answers it."""

    key: str
    body: bytes
    done: Deferred[Verdict]
    members: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What is in it."""
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]

    @property
    def values(self) -> list[Any]:
        """The values in it."""
        return [each["value"] for each in self.documents]

    def answer(self, status: int, sentence: str = "", wait: float | None = None) -> None:
        """Answer with an HTTP status."""
        self.done.callback(Verdict(fate(status), status, sentence or f"{status}", wait))

    def lose(self) -> None:
        """The connection ends without an answer."""
        self.done.callback(Verdict(Fate.LATER, sentence="the connection was lost", lost=True))


class FakeCourier:
    """
    Keeps what it is to carry, until the test answers.

    @ivar sent: every request, in order.
    @ivar answers: gives the status at once, if set.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: Callable[[Sent], int | None] = lambda _: None

    def send(self, key: str, body: bytes, members: str = "") -> Deferred[Verdict]:
        sent = Sent(key, body, Deferred(), members)
        self.sent.append(sent)
        status = self.answers(sent)
        if status is not None:
            sent.answer(status)
        return sent.done

    @property
    def open(self) -> Sequence[Sent]:
        """Requests without an answer."""
        return [each for each in self.sent if not each.done.called]
