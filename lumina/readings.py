"""
Points and readings: what is to be read, and what was read, when, and how good it is.

Pure values, shared by the poller, the sinks and the device states; and how the
bytes of a reply become a reading.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import NamedTuple

from lumina.errors import BadReply
from lumina.modbus import decoding
from lumina.modbus.tables import COIL, HOLDING, REGISTERS
from lumina.modbus.values import Format, Value

#: The qualities of what came from the device: it can be used; the device says that
#: it has no value; what it says is no value.
GOOD, ABSENT, INVALID = "good", "absent", "invalid"


@dataclass(frozen=True, slots=True)
class Point:
    """
    What to read from a device: one value.

    @ivar device: the device's own id in the configuration; numbers stay numbers.
    @ivar parameter: what the value is called; device and parameter together
        are unique.
    @ivar table: one of `modbus.tables.TABLES`.
    @ivar address: zero-based PDU address of its first register or bit, 0 to 65535.
    @ivar format: how it lies in registers; of no meaning for coils and
        discrete inputs, whose values are `bool`.
    @ivar data_type: its type in the words of the configuration, such as `float`.
    @ivar register_address: its address in the words of the configuration, such as 40001.
    @ivar unit: the unit of measurement, such as `V`; not the Modbus unit.
    @ivar precision: digits after the point that the value is rounded to, 0 to
        15, half to even; 0 gives whole numbers; `None`: it is not rounded.
    @ivar names: what single numbers mean, before scaling; the value is then the
        name. A number without a name stays a number. Off is 0, on is 1.
    @ivar absent: raw numbers, before scaling, that mean that there is no value;
        of signed types also as the unsigned number with the same bits.
    """

    device: int | str
    parameter: str
    table: str = HOLDING
    address: int = 0
    format: Format = Format()  # noqa: RUF009
    data_type: str = "uint16"
    register_address: int = 0
    unit: str = ""
    description: str = ""
    precision: int | None = None
    names: tuple[tuple[int, str], ...] = ()
    absent: tuple[Decimal, ...] = ()

    @property
    def size(self) -> int:
        """How many registers or bits it takes."""
        return self.format.registers if self.table in REGISTERS else 1


class Reading(NamedTuple):
    """
    What was read.

    @ivar value: the value; `None` whenever the quality is not `good`: a failed
        read is never zero, and never an old value.
    @ivar at: when it was read, in seconds since 1970.
    @ivar quality: `good`, or the word of what went wrong: one of `errors.py`, or
        `absent` for a device that says that it has no value, `invalid` for a
        number that is none.
    @ivar reason: a sentence about a quality that is not `good`.
    """

    point: Point
    value: Value | None
    at: float
    quality: str = GOOD
    reason: str = ""


#: Values of one kind that are remembered with their bytes.
REMEMBERED = 4096

#: What bytes say: value, quality, reason, as in a `Reading`.
Judged = tuple[Value | None, str, str]


def decoder(point: Point) -> Callable[[bytes], Judged]:
    """
    How to judge the bytes of this point, found out once.

    Points of one kind share it, and what it remembers: values often repeat.

    @return: takes exactly the bytes of its registers, in the order of their
        addresses; for coils and discrete inputs one byte, 0 or 1. Never raises.
    """
    return _decoder(point.table in REGISTERS, point.format, point.precision, point.names, point.absent)


@cache
def _decoder(
    registers: bool,
    format: Format,
    precision: int | None,
    names: tuple[tuple[int, str], ...],
    absent: tuple[Decimal, ...],
) -> Callable[[bytes], Judged]:
    table = HOLDING if registers else COIL
    judge = _judge(Point("", "", table, format=format, precision=precision, names=names, absent=absent))
    known: dict[bytes, Judged] = {}

    def decode(data: bytes) -> Judged:
        judged = known.get(data)
        if judged is None:
            try:
                judged = judge(data)
            except BadReply as error:
                judged = None, INVALID, str(error)
            if len(known) >= REMEMBERED:
                known.clear()
            known[data] = judged
        return judged

    return decode


def _judge(point: Point) -> Callable[[bytes], Judged]:
    registers = point.table in REGISTERS
    read: decoding.Read = decoding.reader(point.format) if registers else _bit
    finish = _finish(point, registers)
    absent, names = _sentinels(point), dict(point.names)

    def judge(data: bytes) -> Judged:
        raw = read(data)
        if absent and raw in absent:
            return None, ABSENT, f"the device has no value: it says {raw}"
        if isinstance(raw, float) and not math.isfinite(raw):
            return _not_finite(raw)
        if names and raw in names:
            return names[int(raw)], GOOD, ""
        return finish(raw), GOOD, ""

    return judge


def _finish(point: Point, registers: bool) -> Callable[[decoding.Raw], Value]:
    """From the number in the registers to the value."""
    if not registers or point.format.type == "bit":
        return bool
    scale, precision = decoding.scaler(point.format), point.precision
    if point.format.type == "string" or (scale is None and precision is None):
        return lambda raw: raw

    def finish(raw: decoding.Raw) -> Value:
        assert not isinstance(raw, str)
        value = scale(raw) if scale else raw
        return value if precision is None else _rounded(value, precision)

    return finish


_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def _rounded(value: int | float, places: int) -> int | float:
    """
    In decimal, from the shortest decimal: 2.675 becomes 2.68 although the float lies below.

    What is rounded to zero is zero, not -0.0.
    """
    if isinstance(value, int):
        return value
    if abs(value) < 2**53:  # beyond it there are no fractions
        value = float(_WIDE.quantize(Decimal(repr(value)), Decimal(1).scaleb(-places))) + 0.0
    return value if places else int(value)


def _sentinels(point: Point) -> frozenset[decoding.Raw]:
    """Raw numbers that mean that there is none, as `decoding.reader` gives them."""
    format, numbers = point.format, set(point.absent)
    if format.type in ("int16", "int32", "int64"):
        half = 1 << 16 * format.registers - 1
        numbers |= {number - 2 * half for number in numbers if half <= number < 2 * half}
    return frozenset(
        int(number) if number.is_finite() and number == number.to_integral_value() else float(number)
        for number in numbers
    )


def _not_finite(raw: decoding.Raw) -> Judged:
    if raw != raw:
        return None, ABSENT, "the device has no value: it says that it is not a number"
    return None, INVALID, f"{raw} is not a value"


def _bit(data: bytes) -> int:
    return data[0]
