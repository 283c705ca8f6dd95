"""
What simulated tables lie in: bytes as they go over the wire, and what moves in them.

A table is a window onto a memory (`lumina.simulator.tables`); two tables over
one memory are two views of the same things. What moves is written into the
bytes when somebody looks, so that reading is cutting a piece out of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, isnan

from lumina.errors import LuminaError
from lumina.modbus.request import pack, unpack
from lumina.modbus.values import Format
from lumina.simulator.moment import NOTHING, Moment, Past
from lumina.simulator.process import Process, followed

#: How often in a second what moves steadily is computed anew; a power of two, so that it is exact.
FRESH = 16

#: Writes to a register that something follows, kept so that what was then is known.
KEPT = 256


@dataclass(frozen=True, slots=True)
class Signal:
    """
    A process, and how a device puts its value into registers.

    @ivar every: seconds from one update of the registers to the next; 0:
        they move all the time.
    @ivar yields: what a client writes there stays, and it moves no more. If
        not, the next update overwrites it.
    """

    process: Process
    format: Format = Format()  # noqa: RUF009
    every: float = 0.0
    yields: bool = True

    @property
    def size(self) -> int:
        """How many registers it takes."""
        return self.format.registers

    def words(self, moment: Moment) -> tuple[int, ...]:
        """
        The registers at a moment. A value that does not fit stays at the
        nearest that does; one that cannot be reckoned is 0.
        """
        lowest, highest = self.format.limits
        try:
            value = self.process.value(moment)
        except (ArithmeticError, LuminaError):  # a division by 0, digits that are none
            value = 0.0
        value = 0.0 if isnan(value) else value
        return self.format.encode(min(max(value, float(lowest)), float(highest)))

    def step(self, elapsed: float) -> float:
        """When the update was that is in the registers, in seconds since the simulation began."""
        if self.every:
            return floor(elapsed / self.every) * self.every
        return floor(elapsed * FRESH) / FRESH


class _Moving:
    """
    A signal, where it lies, and which of its updates is in the bytes.

    What follows a register is never up to date: it may have been written since.
    """

    __slots__ = ("_follows", "_step", "end", "first", "signal")

    def __init__(self, first: int, signal: Signal) -> None:
        self.first, self.end = first, first + signal.size
        self.signal = signal
        self._step = -1.0
        self._follows = not signal.every and any(followed((signal.process,)))

    def step(self, elapsed: float) -> float:
        """When the update was that should be in the bytes now."""
        return elapsed if self._follows else self.signal.step(elapsed)

    def is_fresh(self, step: float) -> bool:
        """Whether it is there already; from now on it is."""
        was, self._step = self._step, step
        return was == step and not self._follows


class Memory:
    """
    Registers, or bits of a byte each.

    Places are counted from 0; whoever calls has made sure that they are there.

    @ivar data: the bytes, a register's high byte first.
    @ivar width: bytes of one of them: 2 for registers, 1 for bits.
    @ivar changed: called after each write of a client.
    @ivar plain: nothing moves and all may be read, so that the bytes are all
        that there is to it.
    """

    def __init__(self, size: int, width: int) -> None:
        self.data = bytearray(size * width)
        self.width = width
        self.changed: Callable[[], None] = lambda: None
        self._moving: list[_Moving] = []
        self._firsts: list[int] = []
        self._longest = 1
        self._followed: dict[range, list[tuple[float, bytes]]] = {}
        self._seed = 0
        self._past: Past = NOTHING
        self._hidden, self._fixed = bytearray(size), bytearray(size)
        self._closed = False
        self.plain = True

    def __len__(self) -> int:
        return len(self.data) // self.width

    def begin(self, seed: int, past: Past) -> None:
        """
        @param past: what registers of the unit held at a time, for what follows them.
        """
        self._seed, self._past = seed, past

    def moment(self, elapsed: float) -> Moment:
        return Moment(self._seed, elapsed, self._past)

    def moving(self) -> Iterator[tuple[int, int]]:
        """The places that move, from and before which, in order."""
        for each in self._moving:
            yield each.first, each.end

    def put(self, place: int, signal: Signal) -> None:
        """Let something move there."""
        self._moving.append(_Moving(place, signal))
        self._moving.sort(key=lambda each: each.first)
        self._index()

    def restrict(self, place: int, count: int, readable: bool, writable: bool) -> None:
        """Say what clients may do there; all they like, unless it is said."""
        for flags, closed in ((self._hidden, not readable), (self._fixed, not writable)):
            flags[place : place + count] = bytes((closed,)) * count
        self._closed = True
        self._judge()

    def readable(self, place: int, count: int) -> bool:
        """Whether a client may read all of them."""
        return not self._closed or self._hidden.find(1, place, place + count) < 0

    def writable(self, place: int, count: int) -> bool:
        """Whether a client may write all of them."""
        return not self._closed or self._fixed.find(1, place, place + count) < 0

    def read(self, place: int, count: int, elapsed: float) -> bytes:
        """@param elapsed: seconds since the simulation began."""
        if self._moving:
            self._refresh(place, count, elapsed)
        width = self.width
        return bytes(self.data[place * width : (place + count) * width])

    def write(self, place: int, data: bytes, elapsed: float) -> None:
        """What a client writes stays; what moved there, moves no more unless it does not yield."""
        count = len(data) // self.width
        if self._moving:
            self._refresh(place, count, elapsed)
            self._hold(place, count)
        self.store(place, data)
        for places, changes in self._followed.items():
            if places.start < place + count and place < places.stop:
                changes.append((elapsed, self._bytes(places)))
                del changes[: -KEPT if len(changes) >= 2 * KEPT else 0]
        self.changed()

    def store(self, place: int, data: bytes) -> None:
        """Write without being noticed."""
        self.data[place * self.width : place * self.width + len(data)] = data

    def follow(self, place: int, count: int) -> None:
        """From now on remember what is there."""
        places = range(place, place + count)
        self._followed.setdefault(places, [(-1.0, self._bytes(places))])

    def past(self, place: int, count: int, elapsed: float) -> tuple[int, ...]:
        """
        What followed places have held at a time, whether that has come or is long gone.

        @param elapsed: seconds since the simulation began.
        """
        changes = self._followed[range(place, place + count)]
        index = bisect_right(changes, elapsed, key=_when) - 1
        words = list(self._words(changes[max(0, index)][1]))
        for moving in self._within(place, count):
            told = moving.signal.words(self.moment(moving.step(elapsed)))
            for offset, word in enumerate(told, moving.first - place):
                if 0 <= offset < count:
                    words[offset] = word
        return tuple(words)

    def changes(self, place: int, count: int, since: float) -> list[float] | None:
        """When followed places were written after a time; `None`: something moves there."""
        if self._within(place, count):
            return None
        changes = self._followed[range(place, place + count)]
        return [when for when, _ in changes[bisect_right(changes, since, key=_when) :]]

    def held(self) -> Iterator[tuple[int, int]]:
        """The places that do not move, from and before which, in order."""
        start = 0
        for moving in self._moving:
            if moving.first > start:
                yield start, moving.first
            start = max(start, moving.end)
        if start < len(self):
            yield start, len(self)

    def hold(self, place: int, data: bytes) -> None:
        """What was held in a former life stands there again, and does not move."""
        self._hold(place, len(data) // self.width)
        self.store(place, data)
        for places, changes in self._followed.items():
            changes[:] = [(-1.0, self._bytes(places))]

    def _index(self) -> None:
        self._firsts = [each.first for each in self._moving]
        self._longest = max((each.signal.size for each in self._moving), default=1)
        self._judge()

    def _judge(self) -> None:
        self.plain = not self._moving and not self._closed

    def _within(self, place: int, count: int) -> list[_Moving]:
        """What moves there, even in part."""
        first = bisect_left(self._firsts, place - self._longest + 1)
        last = bisect_left(self._firsts, place + count, first)
        return [each for each in self._moving[first:last] if each.end > place]

    def _refresh(self, place: int, count: int, elapsed: float) -> None:
        for moving in self._within(place, count):
            step = moving.step(elapsed)
            if not moving.is_fresh(step):
                words = moving.signal.words(self.moment(step))
                self.store(moving.first, pack("value", words) if self.width == 2 else bytes(map(bool, words)))

    def _hold(self, place: int, count: int) -> None:
        yielding = [each for each in self._within(place, count) if each.signal.yields]
        if yielding:
            self._moving = [each for each in self._moving if each not in yielding]
            self._index()

    def _bytes(self, places: range) -> bytes:
        return bytes(self.data[places.start * self.width : places.stop * self.width])

    def _words(self, data: bytes) -> tuple[int, ...]:
        return unpack(data) if self.width == 2 else tuple(data)


def _when(change: tuple[float, bytes]) -> float:
    return change[0]
