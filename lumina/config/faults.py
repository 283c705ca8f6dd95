"""
How faults of a simulated line are configured: one flat entry for each rule.

What the keys mean stands in `docs/faults.md`.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from lumina.plugins import Settings
from lumina.simulator.fate import Effect, Noise, Span
from lumina.simulator.faults import Babble, Echo, Rule, When
from lumina.simulator.faults import Fault as Declared

_LONGEST = 86_400.0
_MOST_NOISE = 256

#: What is of the line itself, and the keys that may stand beside it.
_OF_LINE = {"echo": {"after", "until"}, "babble": {"after", "until", "pace", "seed"}}


def _span(value: Any) -> Span:
    ends = value if isinstance(value, list) else [value, value]
    numbers = [each for each in ends if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(ends) != 2 or len(numbers) != 2:
        raise ValueError("it should be a number of seconds, or the least and the most: [0.1, 0.5]")
    low, high = float(numbers[0]), float(numbers[1])
    for each in (low, high):
        if not 0 <= each <= _LONGEST:
            raise ValueError(f"{each:g} is not within 0 to {_LONGEST:g} seconds")
    if low > high:
        raise ValueError(f"the least, {low:g}, is above the most, {high:g}")
    return low, high


def _noise(value: Any) -> Noise:
    if isinstance(value, str):
        try:
            noise = bytes.fromhex(value)
        except ValueError:
            raise ValueError(f"'{value}' is not hexadecimal: two digits for each byte") from None
        return noise if _measured(len(noise)) else b""
    if isinstance(value, int) and not isinstance(value, bool) and _measured(value):
        return value
    raise ValueError('it should be how many bytes to draw, or the bytes in quotes: "FF 00"')


def _measured(count: int) -> bool:
    if not 1 <= count <= _MOST_NOISE:
        raise ValueError(f"{count} bytes of noise are not within 1 to {_MOST_NOISE}")
    return True


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the first, {value[0]}, is above the last, {value[1]}")
    return value


Unit = Annotated[int, Field(ge=1, le=255)]
Function = Annotated[int, Field(ge=1, le=127)]
Address = Annotated[int, Field(ge=0, le=0xFFFF)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST)]
Drawn = Annotated[Span, PlainValidator(_span)]
Bytes = Annotated[Noise, PlainValidator(_noise)]


class Fault(Settings):
    """One rule: which requests, and what goes wrong; or what the line itself does."""

    units: Annotated[tuple[Unit, ...], Field(strict=False)] = ()
    functions: Annotated[tuple[Function, ...], Field(strict=False)] = ()
    addresses: Annotated[tuple[Address, Address], Field(strict=False), AfterValidator(_ordered)] | None = None
    after: Seconds = 0.0
    until: Seconds | None = None
    skip: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    every: Count = 1
    times: Count | None = None
    chance: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 1

    lost: Literal["request", "reply"] | None = None
    exception: Annotated[int, Field(ge=0, le=255)] | None = None
    delay: Drawn | None = None
    stale: Literal["reply", "exception"] | None = None
    count: Annotated[int, Field(ge=0, le=125)] | None = None
    as_function: Function | None = None
    as_unit: Annotated[int, Field(ge=0, le=255)] | None = None
    bad_crc: bool = False
    cut: Annotated[int, Field(ge=0, le=256)] = 0
    noise_inside: Bytes | None = None
    noise_before: Bytes | None = None
    noise_after: Bytes | None = None
    pieces: Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(strict=False)] = ()
    pause: Drawn | None = None
    again: Drawn | None = None
    gone: Annotated[float, Field(ge=0, le=_LONGEST)] = 0.0
    transaction: Annotated[int, Field(ge=-65535, le=65535)] = 0
    close: bool = False

    echo: bool = False
    babble: Bytes | None = None
    pace: Annotated[float, Field(ge=0.001, le=_LONGEST)] = 0.01

    @model_validator(mode="after")
    def _makes_sense(self) -> "Fault":
        if self.until is not None and self.until <= self.after:
            raise ValueError(f"until {self.until:g} s is not later than after {self.after:g} s")
        if not self.given & (_EFFECTS | _OF_LINE.keys()):
            raise ValueError(
                f"nothing goes wrong; say one of {', '.join(sorted(_EFFECTS | _OF_LINE.keys()))}"
            )
        for key, needed in (("pause", "pieces"), ("pace", "babble")):
            if key in self.given and needed not in self.given:
                raise ValueError(f"{key} means nothing without {needed}")
        for key, own in _OF_LINE.items():
            if key in self.given and (others := self.given - {key} - own):
                raise ValueError(
                    f"{key} is of the whole line; {', '.join(sorted(others))} cannot be said with it"
                )
        return self

    @property
    def rule(self) -> Rule:
        """What it declares."""
        until = math.inf if self.until is None else self.until
        if self.echo:
            return Echo(self.after, until)
        if self.babble is not None:
            return Babble(self.babble, self.pace, self.after, until, self.seed)
        when = When(
            units=frozenset(self.units),
            functions=frozenset(self.functions),
            addresses=self.addresses,
            after=self.after,
            until=until,
            skip=self.skip,
            every=self.every,
            times=self.times,
            chance=self.chance,
        )
        return Declared(when, Effect(**{key: getattr(self, key) for key in self.given & _EFFECTS}), self.seed)

    @property
    def given(self) -> set[str]:
        """The keys that say something other than what is meant without them."""
        return {key for key in self.model_fields_set if getattr(self, key) != Fault.model_fields[key].default}


def on_serial_line(fault: Fault) -> Fault:
    """@raise ValueError: it cannot go wrong on a serial line."""
    return _apart(fault, {"transaction", "close"}, "a serial line")


def on_modbus_tcp(fault: Fault) -> Fault:
    """@raise ValueError: it cannot go wrong with Modbus TCP."""
    return _apart(fault, {"bad_crc", "gone", "echo", "babble"}, "Modbus TCP")


def on_rtu_tcp(fault: Fault) -> Fault:
    """@raise ValueError: it cannot go wrong with RTU over TCP."""
    return _apart(fault, {"transaction", "gone", "echo", "babble"}, "RTU over TCP")


def _apart(fault: Fault, foreign: set[str], where: str) -> Fault:
    if wrong := sorted(fault.given & foreign):
        raise ValueError(f"{', '.join(wrong)}: {where} knows no such fault")
    return fault


_EFFECTS = frozenset(Effect.__dataclass_fields__)
