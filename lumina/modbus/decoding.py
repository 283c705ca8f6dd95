"""
The fast way from the bytes of a reply to a number.

A poller decodes the same values for ever: what `Format.decode` finds out each
time, `reader` and `scaler` find out once. They give the same numbers.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal
from functools import cache
from typing import Literal

from lumina.modbus.request import unpack
from lumina.modbus.values import Format, shortest

Raw = int | float | str
Read = Callable[[bytes], Raw]
Scale = Callable[[int | float], int | float]

_EXACT = Context(prec=60)
_SIGNED = {"int16": True, "int32": True, "int64": True, "uint16": False, "uint32": False, "uint64": False}
# The codes of `struct`, and of whole numbers of the same size.
_FLOATS = {"float16": "e", "float32": "f"}
_SAME_SIZE = {"e": "H", "f": "I"}
# The bits of the fraction and of the exponent; with how many digits a decimal always survives
# the width, and how many a number may need.
_WIDTHS = {"e": (10, 5, 3, 5), "f": (23, 8, 6, 9)}


def reader(format: Format) -> Read:
    """
    How to read what is in the registers, before scaling.

    @return: takes exactly the bytes of the value, in the order of their
        addresses. It raises `BadReply` for a digit of BCD beyond 9.
    """
    if format.type in ("string", "bcd16", "bcd32"):
        plain = replace(format, scale=Decimal(1), offset=Decimal(0))
        return lambda data: plain.decode(unpack(data))
    little = format.order in ("BADC", "DCBA")
    read = _float(format, little) if format.type.startswith("float") else _integer(format, little)
    # Words in the wrong order for the reader: its own order is ABCD, or DCBA if little.
    if format.order in ("ABCD", "DCBA") or format.registers == 1:
        return read
    if format.registers == 2:
        return lambda data: read(data[2:] + data[:2])
    return lambda data: read(data[6:] + data[4:6] + data[2:4] + data[:2])


def scaler(format: Format) -> Scale | None:
    """
    How to scale that number; `None`: it is the value already.

    Whole numbers are scaled by one division of whole numbers, which Python
    rounds correctly; floats in decimal.
    """
    scale, offset = format.scale, format.offset
    if (scale == 1 and offset == 0) or format.type in ("bit", "string"):
        return None
    if format.type.startswith("float"):
        return lambda number: float(_EXACT.fma(Decimal(repr(number)), scale, offset))
    (above, below), (more, part) = scale.as_integer_ratio(), offset.as_integer_ratio()
    common = math.lcm(below, part)
    factor, term = above * (common // below), more * (common // part)
    if common == 1:
        return lambda number: number * factor + term
    return lambda number: (number * factor + term) / common


def _integer(format: Format, little: bool) -> Read:
    order: Literal["little", "big"] = "little" if little else "big"
    from_bytes = int.from_bytes
    if format.type in _SIGNED:
        signed = _SIGNED[format.type]
        return lambda data: from_bytes(data, order, signed=signed)
    shift, mask = format.bit, (1 << (format.width if format.type == "bits" else 1)) - 1
    return lambda data: from_bytes(data, order) >> shift & mask


def _float(format: Format, little: bool) -> Read:
    order = "<" if little else ">"
    if format.type == "float64":
        wide = struct.Struct(f"{order}d").unpack
        return lambda data: wide(data)[0]
    code = _FLOATS[format.type]
    fraction, _, _, most = _WIDTHS[code]
    narrow, whole = struct.Struct(order + code), struct.Struct(order + _SAME_SIZE[code])
    pack, unpack_one, unpack_bits = narrow.pack, narrow.unpack, whole.unpack
    scales, top = _decades(code), (1 << fraction) - 1
    exponents = len(scales) - 1

    def read(data: bytes) -> float:
        bits = unpack_bits(data)[0]
        number: float = unpack_one(data)[0]
        limit, below, above = scales[bits >> fraction & exponents]
        # Between neighbours that are equally far, the nearest decimal of some length
        # fails only if all of that length do. Powers of two are not so placed.
        if bits & top and limit:
            for places in below if -limit < number < limit else above:
                candidate: float = round(number, places)
                try:
                    if pack(candidate) == data:
                        return candidate
                except OverflowError:
                    continue
        if not number or not math.isfinite(number):
            return number
        return shortest(number, f">{code}", most)

    return read


@cache
def _decades(code: str) -> list[tuple[float, tuple[int, ...], tuple[int, ...]]]:
    """
    For each exponent of a float: a power of ten, and to how many places a number
    below it, and one from it on, is to be rounded, one after the other, until
    the decimal is the same float; 0.0 where that is not known so simply.
    """
    fraction, bits, _, _ = _WIDTHS[code]
    found: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = [(0.0, (), ())]
    for exponent in range(1, (1 << bits) - 1):
        lowest = _EXACT.power(2, exponent - (1 << bits - 1) + 1)
        step, decade = lowest / (1 << fraction), lowest.adjusted()
        below, above = _places(code, decade, step), _places(code, decade + 1, step)
        found.append((float(Decimal(1).scaleb(decade + 1)), below, above))
    return [*found, (0.0, (), ())]


def _places(code: str, decade: int, step: Decimal) -> tuple[int, ...]:
    """
    For numbers from 10**decade on whose neighbours are `step` away.

    Where decimals of one digit more lie farther apart than that, a shorter
    decimal survives with them, and they come first.
    """
    _, _, safe, most = _WIDTHS[code]
    first = safe + 1 if step < Decimal(1).scaleb(decade - safe) else safe
    return tuple(digits - 1 - decade for digits in range(first, most + 1))
