"""
What bytes mean in other byte and word orders, and which of them is likely meant.

Only a person who stands before the device can tell; this is to help with it.
Pure.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from lumina.modbus.values import ORDERS, Value
from lumina.poll.spans import in_registers
from lumina.readings import Point, decoder


class Guess(NamedTuple):
    """
    A value in some order.

    @ivar order: one of `values.ORDERS`.
    @ivar value: what it is in this order; `None`: there is none.
    @ivar reason: why there is none.
    @ivar plausible: the likeliest of all; the order that is configured, if no other is likelier.
    """

    order: str
    value: Value | None
    reason: str
    plausible: bool


def orders(point: Point, raw: bytes) -> list[Guess]:
    """
    The orders that make a difference, the configured one first; empty for coils and discrete inputs.

    @param raw: the bytes of the point's registers, in the order of their addresses.
    """
    if not in_registers(point.table):
        return []
    found: dict[bytes, tuple[str, Value | None, str]] = {}
    for order in sorted(ORDERS, key=lambda each: each != point.format.order):
        format = replace(point.format, order=order)
        same = format.ordered(raw)
        if same not in found:
            value, _, reason = decoder(replace(point, format=format))(raw)
            found[same] = order, value, reason
    marks = [_likelihood(value) for _, value, _ in found.values()]
    best = marks.index(max(marks))
    return [Guess(*each, place == best) for place, each in enumerate(found.values())]


def _likelihood(value: Value | None) -> float:
    """
    How likely a value is, beside others of the same bytes.

    Wrong orders make very large whole numbers, floats of extreme size, and
    text that cannot be printed.
    """
    if value is None:
        return -math.inf
    if isinstance(value, str):
        return -float(sum(not character.isprintable() for character in value))
    size = abs(value)
    if isinstance(value, float) and 0 < size < 1:
        return math.log10(size)
    return -math.log10(max(size, 1))
