"""
Values that move, as data.

A process is a frozen declaration. What it is worth is a pure function of a
`Moment`: the seed and the seconds since the simulation began. It does not
matter how often it was asked before, nor when. Chance is drawn from a stream
of its own for each process, by a hash of the seed and the stream's name, so
that one more process changes none of the others.

Values are physical: degrees, volts, kilowatt-hours. How they become registers
is the bank's.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lumina.modbus.values import Format
from lumina.simulator.moment import Moment

#: The four tables of a simulated device, by their names in a file.
COILS, DISCRETE_INPUTS, HOLDING_REGISTERS, INPUT_REGISTERS = TABLES = (
    "coils",
    "discrete_inputs",
    "holding_registers",
    "input_registers",
)

#: How far a lag looks back, in time constants, and in how many steps each.
_MEMORY, _STEPS = 8, 4

#: The steepest slope of `_smooth`.
_STEEPEST = 1.5


class Process(Protocol):
    """Something that has a value at each moment."""

    def value(self, moment: Moment) -> float:
        """The value at a moment; the same for the same moment, always."""


@dataclass(frozen=True, slots=True)
class Constant:
    """What does not move."""

    level: float

    def value(self, moment: Moment) -> float:
        return self.level


@dataclass(frozen=True, slots=True)
class Uniform:
    """
    A random value between bounds, a new one each `every` seconds.

    @ivar stream: the name of its own stream of chance.
    """

    low: float
    high: float
    every: float = 1.0
    stream: str = ""

    def value(self, moment: Moment) -> float:
        drawn = _draw(moment.seed, self.stream, math.floor(moment.elapsed / self.every))
        return self.low + (self.high - self.low) * drawn


@dataclass(frozen=True, slots=True)
class Walk:
    """
    A random walk that turns before its bounds, without a jump.

    It heads for a new random level each `period` seconds, and wavers on its
    way four times as fast.

    @ivar stream: the name of its own stream of chance.
    """

    low: float
    high: float
    period: float = 60.0
    stream: str = ""

    def value(self, moment: Moment) -> float:
        turns = moment.elapsed / self.period
        slow = _wander(moment.seed, self.stream, turns)
        fast = _wander(moment.seed, self.stream + "~", 4 * turns)
        return self.low + (self.high - self.low) * (0.8 * slow + 0.2 * fast)


@dataclass(frozen=True, slots=True)
class Ramp:
    """
    From one level to another in `duration` seconds; then it stays, or begins anew.
    """

    start: float
    end: float
    duration: float
    repeat: bool = False

    def value(self, moment: Moment) -> float:
        done = moment.elapsed / self.duration
        done = done % 1 if self.repeat else min(done, 1)
        return self.start + (self.end - self.start) * done


@dataclass(frozen=True, slots=True)
class Sine:
    """
    A wave around a level, beginning there and rising.

    @ivar period: seconds.
    @ivar phase: the part of a period by which it is ahead, 0 to 1.
    """

    middle: float
    amplitude: float
    period: float
    phase: float = 0.0

    def value(self, moment: Moment) -> float:
        turns = moment.elapsed / self.period + self.phase
        return self.middle + self.amplitude * math.sin(math.tau * turns)


@dataclass(frozen=True, slots=True)
class Counter:
    """
    What only rises, by `rate` a second on the whole.

    @ivar swing: by which part the momentary rate may differ from it, 0 to 1.
    @ivar period: seconds between times at which the rate is exactly `rate`.
    @ivar wrap: where it begins anew at 0; `None`: never.
    @ivar stream: the name of its own stream of chance.
    """

    start: float
    rate: float
    swing: float = 0.0
    period: float = 60.0
    wrap: float | None = None
    stream: str = ""

    def value(self, moment: Moment) -> float:
        ahead = _wander(moment.seed, self.stream, moment.elapsed / self.period) if self.swing else 0.0
        seconds = moment.elapsed + self.swing / _STEEPEST * self.period * ahead
        count = self.start + self.rate * seconds
        return count if self.wrap is None else count % self.wrap


@dataclass(frozen=True, slots=True)
class Lag:
    """
    What follows another process late, as a sensor in its housing does.

    A first-order lag: after a step of the source, 63 % of the way are done
    after `delay` seconds. What is older than eight times that is forgotten.

    @ivar start: the value at the beginning; `None`: that of the source then.
    """

    source: Process
    delay: float
    start: float | None = None

    def value(self, moment: Moment) -> float:
        if isinstance(self.source, Register):
            since = max(0.0, moment.elapsed - _MEMORY * self.delay)
            times = self.source.changed(moment, since)
            if times is not None:
                return self._approached(moment, since, times)
        return self._integrated(moment)

    def _approached(self, moment: Moment, since: float, times: Sequence[float]) -> float:
        """Exactly, where the source is constant from each of these times to the next."""
        level = self._level(moment, since) if since or self.start is None else self.start
        for time in (*times, moment.elapsed):
            target = self._level(moment, since)
            level = target + (level - target) * math.exp((since - time) / self.delay)
            since = time
        return level

    def _integrated(self, moment: Moment) -> float:
        step = self.delay / _STEPS
        newest = math.floor(moment.elapsed / step)
        oldest = max(0, newest - _MEMORY * _STEPS)
        level = self._level(moment, oldest * step) if oldest or self.start is None else self.start
        for index in range(oldest, newest + 1):
            lasted = min(step, moment.elapsed - index * step)
            target = self._level(moment, (index + 0.5) * step)
            level = target + (level - target) * math.exp(-lasted / self.delay)
        return level

    def _level(self, moment: Moment, elapsed: float) -> float:
        return self.source.value(moment._replace(elapsed=elapsed))


@dataclass(frozen=True, slots=True)
class Rate:
    """How much another process has risen per second, within the last `over` seconds."""

    source: Process
    over: float = 1.0

    def value(self, moment: Moment) -> float:
        since = max(0.0, moment.elapsed - self.over)
        risen = self.source.value(moment._replace(elapsed=since + self.over))
        return (risen - self.source.value(moment._replace(elapsed=since))) / self.over


@dataclass(frozen=True, slots=True)
class Product:
    """Other processes, multiplied with each other and a factor, divided by others."""

    factors: tuple[Process, ...]
    divisors: tuple[Process, ...] = ()
    factor: float = 1.0

    def value(self, moment: Moment) -> float:
        above = math.prod(process.value(moment) for process in self.factors)
        return self.factor * above / math.prod(process.value(moment) for process in self.divisors)


@dataclass(frozen=True, slots=True)
class Register:
    """
    What a register of the same unit holds, such as a set point that a client writes.

    @ivar table: one of `TABLES`.
    @ivar address: its PDU address, or that of the first of several.
    @ivar format: how the value lies in it.
    """

    table: str
    address: int
    format: Format = Format()  # noqa: RUF009

    def value(self, moment: Moment) -> float:
        words = moment.past.held(self.table, self.address, self.format.registers, moment.elapsed)
        return float(self.format.decode(words))

    def changed(self, moment: Moment, since: float) -> Sequence[float] | None:
        """When it was written since a time; `None`: it moves."""
        return moment.past.changed(self.table, self.address, self.format.registers, since)


@dataclass(frozen=True, slots=True)
class Replay:
    """
    What was recorded: each value stays until the time of the next.

    @ivar times: seconds since the simulation began, rising, the first not before 0.
    @ivar values: as many.
    @ivar period: after so many seconds it begins anew; `None`: the last stays.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    period: float | None = None

    def value(self, moment: Moment) -> float:
        elapsed = moment.elapsed if self.period is None else moment.elapsed % self.period
        return self.values[max(0, bisect_right(self.times, elapsed) - 1)]


def followed(processes: Iterable[Process]) -> Iterator[Register]:
    """The registers that any of these depend upon, through whatever lies between."""
    for each in processes:
        match each:
            case Register():
                yield each
            case Lag() | Rate():
                yield from followed((each.source,))
            case Product():
                yield from followed((*each.factors, *each.divisors))


def _draw(seed: int, stream: str, index: int) -> float:
    """A number from 0 to below 1; any two draws have nothing to do with each other."""
    name = f"{seed}/{stream}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "big") / 2**48


def _wander(seed: int, stream: str, turns: float) -> float:
    """From 0 to 1, with a new random level at each whole number of turns, level there and smooth between."""
    index = math.floor(turns)
    here, there = _draw(seed, stream, index), _draw(seed, stream, index + 1)
    return here + (there - here) * _smooth(turns - index)


def _smooth(part: float) -> float:
    return part * part * (3 - 2 * part)
