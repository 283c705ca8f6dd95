"""Answers that are sent as faults will have it: late, in pieces, twice, with something to follow."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall

#: Makes the bytes of an answer from a unit and a PDU.
Encode = Callable[[int, bytes], bytes]


class Fate(Protocol):
    """What becomes of one request, and of the answer to it."""

    @property
    def deaf(self) -> bool:
        """Whether the unit does not hear it."""

    @property
    def exception(self) -> int | None:
        """The code that the unit refuses it with; `None`: it does not."""

    @property
    def gone(self) -> float:
        """Seconds that the line is gone for afterwards; 0: it stays."""

    @property
    def transaction(self) -> int:
        """What is added to the transaction id of the answer."""

    @property
    def close(self) -> bool:
        """Whether the connection is closed afterwards."""

    def pieces(self, unit: int, pdu: bytes, encode: Encode) -> Sequence[tuple[float, bytes]]:
        """What is sent for an answer: bytes, and the seconds of silence before them."""


class FaultySender:
    """
    Sends the pieces of answers, each at its time.

    A unit answers in turn: as long as one of its answers is not out, the next
    have to wait.
    """

    def __init__(
        self,
        clock: Any,
        write: Callable[[bytes], object],
        duration: Callable[[int], float] = lambda _: 0.0,
        turnaround: float = 0.0,
    ) -> None:
        """
        @param duration: seconds that so many bytes take.
        @param turnaround: seconds between two answers of a unit, at least.
        """
        self._clock = clock
        self._write = write
        self._duration = duration
        self._turnaround = turnaround
        self._busy: dict[int, float] = {}
        self._calls: set[IDelayedCall] = set()

    def __bool__(self) -> bool:
        """Whether something has still to be sent."""
        return bool(self._calls)

    def send(self, unit: int, pieces: Sequence[tuple[float, bytes]]) -> float:
        """@return: when the last of it is out, in monotonic seconds."""
        now: float = self._clock.seconds()
        begun = now
        due = max(now, self._busy.get(unit, now))
        for pause, piece in pieces:
            begun = due + pause
            self.at(begun, self._write, piece)
            due = begun + self._duration(len(piece))
        if begun > now:
            self._busy[unit] = due + self._turnaround
        return due

    def at(self, due: float, do: Callable[[Any], object], subject: object) -> None:
        """Do something at its time, and at once where that is now, unless all is stopped before."""

        def done() -> None:
            self._calls.discard(call)
            do(subject)

        delay = due - self._clock.seconds()
        if delay <= 0:
            do(subject)
            return
        call = self._clock.callLater(delay, done)
        self._calls.add(call)

    def stop(self) -> None:
        """Forget what was to be sent: nobody is there any more."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()
