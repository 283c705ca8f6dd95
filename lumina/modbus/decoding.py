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
from typing import Literal

from lumina.modbus.request import unpack
from lumina.modbus.values import Format, shortest

Raw = int | float | str
Read = Callable[[bytes], Raw]
Scale = Callable[[int | float], int | float]

_EXACT = Context(prec=60)
_SIGNED = {"int16": True, "int32": True, "int64": True, "uint16": False, "uint32": False, "uint64": False}
# The code of `struct`, the bits of the fraction and of the exponent, with how many
# digits a decimal always survives this width, and how many a number may need.
_FLOATS = {"float16": ("e", 10, 5, 3, 5), "float32": ("f", 23, 8, 6, 9)}


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
    code, fraction, exponent, safe, most = _FLOATS[format.type]
    narrow = struct.Struct(order + code)
    # Between neighbours that are equally far, the nearest decimal of some length
    # fails only if all of that length do. Powers of two, zero, subnormal numbers
    # and what is not finite take the slow way.
    ends, top = (1 << fraction) - 1, (1 << exponent) - 1
    trials = tuple((f"%.{digits}g").__mod__ for digits in range(safe, most + 1))
    pack, unpack_one, from_bytes = narrow.pack, narrow.unpack, int.from_bytes
    endian: Literal["little", "big"] = "little" if little else "big"

    def read(data: bytes) -> float:
        bits = from_bytes(data, endian)
        number: float = unpack_one(data)[0]
        if bits & ends and 0 < bits >> fraction & top < top:
            for written in trials:
                candidate = float(written(number))
                try:
                    if pack(candidate) == data:
                        return candidate
                except OverflowError:
                    continue
        return shortest(number, f">{code}", most) if math.isfinite(number) else number

    return read
