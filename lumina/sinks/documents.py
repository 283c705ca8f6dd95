"""
Readings as JSON: the eight keys that the API documents, and nothing else unless asked for.

The same reading always gives the same bytes, so that a retry is a repetition.
"""

import json
import math
import time
from collections.abc import Iterable, Sequence

from lumina.readings import GOOD, Reading
from lumina.sinks.records import Gap

#: The quality of a number that JSON cannot say.
NOT_FINITE = "not_finite"

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode

Document = dict[str, bool | int | float | str | None]


def document(reading: Reading) -> Document:
    """
    A reading as the API documents it, its keys in the documented order.

    The time is UTC in whole seconds, such as `2025-07-08T16:00:00Z`.
    """
    point = reading.point
    return {
        "device_id": point.device,
        "parameter": point.parameter,
        "value": reading.value if is_good(reading) else None,
        "unit": point.unit,
        "timestamp": timestamp(reading.at),
        "register_address": point.register_address,
        "data_type": point.data_type,
        "description": point.description,
    }


def full_document(reading: Reading) -> Document:
    """The same with two keys more: `quality`, and `reason`, which is a sentence if that is not `good`."""
    good = is_good(reading)
    quality = NOT_FINITE if reading.quality == GOOD and not good else reading.quality
    reason = f"the value is {reading.value}" if quality == NOT_FINITE else reading.reason
    return {**document(reading), "quality": quality, "reason": reason}


def gap_document(gap: Gap) -> Document:
    """Readings that are lost, as they can be delivered in place of them."""
    return {
        "device_id": gap.device,
        "gap_from": timestamp(gap.first),
        "gap_to": timestamp(gap.last),
        "count": gap.lost,
        "cause": gap.cause,
    }


def is_good(reading: Reading) -> bool:
    """Whether there is a value, and JSON can say it."""
    value = reading.value
    return (
        reading.quality == GOOD
        and value is not None
        and (not isinstance(value, float) or math.isfinite(value))
    )


def timestamp(at: float) -> str:
    """
    @param at: seconds since 1970.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(math.floor(at)))


def encode(value: Document | Sequence[Document]) -> bytes:
    """One line of JSON, in ASCII."""
    return _encode(value).encode()


def lines(documents: Iterable[Document]) -> bytes:
    """Documents, a line each."""
    return b"".join(encode(each) + b"\n" for each in documents)
