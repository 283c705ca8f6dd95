"""
Registers as numbers and strings, both ways.

A `Format` says how a value lies in registers: its type, the order of bytes and
words, and how the number is scaled. Scaling is done in decimal, from the
shortest decimal that stands for the number in its own width: a float32 of
228.6 comes out as 228.6, and 2286 with scale 0.1 does too.

Values come out as `int` where type, scale and offset are whole numbers, else
as `float`; strings as `str`, single bits as `bool`. A scaled 64-bit integer
beyond 2**53 loses its last digits to `float`. Not-a-number and the infinities
pass through float types both ways, unscaled (which not-a-number is not kept);
integers, BCD and bits refuse them.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_UP, Context, Decimal

from lumina.errors import BadReply, BadRequest
from lumina.modbus.request import expect, pack, unpack, within

Value = bool | int | float | str

#: Which byte comes first, for two registers; 64 bits are ordered alike.
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")

MAX_STRING = 125

_INTEGERS = {
    "int16": (1, True),
    "uint16": (1, False),
    "int32": (2, True),
    "uint32": (2, False),
    "int64": (4, True),
    "uint64": (4, False),
}
# Registers, the code of `struct`, and the most digits that a shortest decimal takes.
_FLOATS = {"float16": (1, ">e", 5), "float32": (2, ">f", 9), "float64": (4, ">d", 17)}
_BCD = {"bcd16": 1, "bcd32": 2}
_FIELDS = ("bit", "bits")

TYPES = (*_INTEGERS, *_FLOATS, *_BCD, *_FIELDS, "string")

_EXACT = Context(prec=60)
_LARGEST = Decimal("1E+30")


@dataclass(frozen=True, slots=True)
class Format:
    """
    How a value lies in registers.

    @ivar type: one of `TYPES`.
    @ivar order: one of `ORDERS`. For one register and for strings too: BADC
        and DCBA swap the bytes of each register, CDAB and DCBA reverse the
        registers.
    @ivar scale: the value is the number in the registers times this, 1E-30 to
        1E+30 or the negative of that, ...
    @ivar offset: ... plus this, -1E+30 to 1E+30. Neither is for strings and single bits.
    @ivar length: registers of a string, 1 to 125; other types know theirs.
    @ivar padding: what fills up a string; blanks and NULs are usual.
    @ivar bit: for `bit` and `bits` the lowest bit, 0 to 15.
    @ivar width: for `bits`, how many there are; the register has 16.
    """

    type: str = "uint16"
    order: str = "ABCD"
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    length: int = 1
    padding: str = "\0"
    bit: int = 0
    width: int = 1

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise BadRequest(f"type: {self.type} is not one of {', '.join(TYPES)}")
        if self.order not in ORDERS:
            raise BadRequest(f"order: {self.order} is not one of {', '.join(ORDERS)}")
        if not self.scale.is_finite() or not 1 / _LARGEST <= abs(self.scale) <= _LARGEST:
            raise BadRequest(f"scale: {self.scale} is not within 1E-30 to 1E+30, or the negative of that")
        if not self.offset.is_finite() or abs(self.offset) > _LARGEST:
            raise BadRequest(f"offset: {self.offset} is not within -1E+30 to 1E+30")
        if self.type in ("bit", "string") and self._scaled:
            raise BadRequest(f"scale: {self.scale} and offset {self.offset} are not for type {self.type}")
        within("length", self.length, 1, MAX_STRING)
        if len(self.padding) != 1 or not self.padding.isascii():
            raise BadRequest(f"padding: {self.padding!r} is not one ASCII character")
        within("bit", self.bit, 0, 15)
        within("width", self.width, 1, 16 - self.bit)

    @property
    def registers(self) -> int:
        """How many registers the value takes."""
        if self.type == "string":
            return self.length
        if self.type in _INTEGERS:
            return _INTEGERS[self.type][0]
        return _FLOATS[self.type][0] if self.type in _FLOATS else _BCD.get(self.type, 1)

    def decode(self, registers: Sequence[int]) -> Value:
        """
        @param registers: as many as `registers` says, in the order of their addresses.
        @raise BadReply: another number of them, or a digit of BCD beyond 9.
        """
        expect("registers", len(registers), self.registers)
        data = self.ordered(pack("registers", registers, BadReply))
        if self.type == "string":
            return _text(data.partition(b"\0")[0]).rstrip(self.padding)
        if self.type in _FLOATS:
            return self._from_float(data)
        number = self._number(data)
        return bool(number) if self.type == "bit" else self._from_integer(number)

    def encode(self, value: Value | Decimal, current: Sequence[int] = (0,)) -> tuple[int, ...]:
        """
        A number between two steps goes to the nearer one, ties to the even one.

        @param current: for `bit` and `bits`: the register as it is, whose
            other bits are kept.
        @raise BadRequest: the value does not fit; its limits are named.
        """
        if self.type == "string":
            data = self._text(value)
        elif self.type in _FLOATS:
            data = self._float(_decimal(value))
        else:
            data = self._integer(self._steps(_decimal(value)), current)
        return unpack(self.ordered(data))

    @property
    def limits(self) -> tuple[Value, Value]:
        """The lowest and the highest finite number that fits; of no meaning for strings."""
        if self.type in _FLOATS:
            highest = _highest(_FLOATS[self.type][1])
            ends = [self._scale_float(sign * highest) for sign in (-1, 1)]
            return min(ends), max(ends)
        low, high = self._range
        values = [self._from_integer(number) for number in (low, high)]
        return min(values), max(values)

    def ordered(self, data: bytes) -> bytes:
        """To the order ABCD or from it; each order is its own reverse."""
        if self.order in ("DCBA", "CDAB"):
            data = data[::-1]
        if self.order in ("BADC", "CDAB"):
            data = bytes(data[place ^ 1] for place in range(len(data)))
        return data

    @property
    def _scaled(self) -> bool:
        return self.scale != 1 or self.offset != 0

    @property
    def _range(self) -> tuple[int, int]:
        """The lowest and the highest integer in the registers."""
        if self.type in _INTEGERS:
            count, signed = _INTEGERS[self.type]
            top = 1 << 16 * count
            return (-top // 2, top // 2 - 1) if signed else (0, top - 1)
        if self.type in _BCD:
            return 0, 10 ** (4 * _BCD[self.type]) - 1
        return 0, (1 << self._width) - 1

    @property
    def _width(self) -> int:
        return self.width if self.type == "bits" else 1

    def _number(self, data: bytes) -> int:
        """The integer in the registers, unscaled."""
        if self.type in _BCD:
            if not data.hex().isdecimal():
                raise BadReply(f"{self.type}: {data.hex().upper()} has a digit beyond 9")
            return int(data.hex())
        signed = self.type in _INTEGERS and _INTEGERS[self.type][1]
        number = int.from_bytes(data, "big", signed=signed)
        return number >> self.bit & (1 << self._width) - 1 if self.type in _FIELDS else number

    def _from_integer(self, number: int) -> int | float:
        value = _EXACT.fma(Decimal(number), self.scale, self.offset)
        whole = (
            self.scale == self.scale.to_integral_value() and self.offset == self.offset.to_integral_value()
        )
        return int(value) if whole else float(value)

    def _from_float(self, data: bytes) -> float:
        _, code, digits = _FLOATS[self.type]
        number: float = struct.unpack(code, data)[0]
        if not math.isfinite(number):
            return number
        return self._scale_float(shortest(number, code, digits))

    def _scale_float(self, number: float) -> float:
        if not self._scaled:
            return number
        return float(_EXACT.fma(Decimal(repr(number)), self.scale, self.offset))

    def _unscaled(self, value: Decimal) -> Decimal:
        return _EXACT.plus(_EXACT.divide(_EXACT.subtract(value, self.offset), self.scale))  # 0, not -0

    def _steps(self, value: Decimal) -> int:
        """The integer to put into the registers."""
        if not value.is_finite():
            raise self._misfit(value)
        number = int(self._unscaled(value).to_integral_value(ROUND_HALF_EVEN))
        low, high = self._range
        if not low <= number <= high:
            raise self._misfit(value)
        return number

    def _integer(self, number: int, current: Sequence[int]) -> bytes:
        size = 2 * self.registers
        if self.type in _BCD:
            return bytes.fromhex(f"{number:0{2 * size}d}")
        if self.type in _FIELDS:
            within("current registers", len(current), 1, 1)
            mask = (1 << self._width) - 1 << self.bit
            kept = int.from_bytes(self.ordered(pack("current", current)), "big") & ~mask
            number = kept | number << self.bit
        return number.to_bytes(size, "big", signed=number < 0)

    def _float(self, value: Decimal) -> bytes:
        code = _FLOATS[self.type][1]
        number = float(self._unscaled(value) if self._scaled and value.is_finite() else value)
        if math.isinf(number) and value.is_finite():
            raise self._misfit(value)
        try:
            return struct.pack(code, number)
        except OverflowError:
            raise self._misfit(value) from None

    def _text(self, value: Value | Decimal) -> bytes:
        size = 2 * self.length
        if not isinstance(value, str):
            raise BadRequest(f"value: {value!r} is not a string")
        data = value.encode("utf-8", "replace")
        if 0 in data:
            raise BadRequest(f"value: {value!r} holds NUL, which ends a string")
        if len(data) > size:
            raise BadRequest(f"value: {value!r} takes {len(data)} bytes, {size} at most fit")
        return data.ljust(size, self.padding.encode())

    def _misfit(self, value: Decimal) -> BadRequest:
        lowest, highest = self.limits
        return BadRequest(f"value: {value} is not within {lowest} to {highest}")


def _text(data: bytes) -> str:
    """Text as it should be, in UTF-8 (ASCII is that, too); what is not that is taken for Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _decimal(value: Value | Decimal) -> Decimal:
    """@raise BadRequest: text; a number in quotes is still text."""
    if isinstance(value, str):
        raise BadRequest(f"value: {value!r} is not a number")
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def shortest(number: float, code: str, digits: int) -> float:
    """
    The shortest decimal that becomes this number in its own width.

    Below a power of two the numbers lie closer than above it, so the nearest
    decimal may miss where the next one outward does not.
    """
    if code == ">d":
        return number
    exact, packed = Decimal(number), struct.pack(code, number)
    for precision in range(1, digits):
        for rounding in (ROUND_HALF_EVEN, ROUND_UP):
            candidate = float(Context(prec=precision, rounding=rounding).create_decimal(exact))
            if _packs(candidate, code, packed):
                return candidate
    return float(Context(prec=digits).create_decimal(exact))


def _packs(number: float, code: str, packed: bytes) -> bool:
    try:
        return struct.pack(code, number) == packed
    except OverflowError:
        return False


def _highest(code: str) -> float:
    """The highest finite number of a width."""
    bits = {">e": "7BFF", ">f": "7F7FFFFF", ">d": "7FEFFFFFFFFFFFFF"}[code]
    number: float = struct.unpack(code, bytes.fromhex(bits))[0]
    return number
