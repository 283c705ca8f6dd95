"""
How readings lie in a spool file: its tables, and values as SQLite keeps them.

A reading is a row of some 35 bytes; what it shares with the others of its point
is kept once. Its `seq` counts the readings that were ever taken, from 1, and is
never used again: with the name of the spool it makes the idempotency key.
"""

import json
import math
from collections.abc import Sequence

from lumina.modbus.values import Value
from lumina.readings import GOOD, Point, Reading

#: Stands in `user_version`; a file of another version is set aside.
VERSION = 4

TABLES = """
CREATE TABLE spool (
    name TEXT NOT NULL, begun REAL NOT NULL, clean INTEGER NOT NULL,
    lived REAL NOT NULL DEFAULT 0, boot TEXT NOT NULL DEFAULT '', ran REAL NOT NULL DEFAULT 0
);
CREATE TABLE ledger (
    taken INTEGER NOT NULL, delivered INTEGER NOT NULL, gap INTEGER NOT NULL, missed INTEGER NOT NULL,
    queued INTEGER NOT NULL, dead INTEGER NOT NULL
);
CREATE TABLE point (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE);
CREATE TABLE reading (
    seq INTEGER PRIMARY KEY, point INTEGER NOT NULL, at REAL NOT NULL, value, quality, reason
);
CREATE TABLE dead (
    seq INTEGER PRIMARY KEY, point INTEGER NOT NULL, at REAL NOT NULL, value, quality, reason,
    status INTEGER NOT NULL, sentence TEXT NOT NULL, attempts INTEGER NOT NULL, refused REAL NOT NULL,
    lived REAL NOT NULL
);
CREATE TABLE gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    count INTEGER NOT NULL, cause TEXT NOT NULL, delivered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX gap_of_device ON gap (device, cause);
CREATE TABLE batch (id INTEGER PRIMARY KEY AUTOINCREMENT, members TEXT NOT NULL);
CREATE TABLE retried (seq INTEGER PRIMARY KEY);
CREATE TABLE mark (seq INTEGER PRIMARY KEY, lived REAL NOT NULL);
CREATE TABLE stuck (
    seq INTEGER PRIMARY KEY, since REAL NOT NULL, failures INTEGER NOT NULL, sentence TEXT NOT NULL
);
"""

#: From each version to the next.
UPGRADES = {
    1: "CREATE TABLE retried (seq INTEGER PRIMARY KEY);",
    2: (
        "CREATE TABLE mark (seq INTEGER PRIMARY KEY, lived REAL NOT NULL);"
        "ALTER TABLE spool ADD COLUMN lived REAL NOT NULL DEFAULT 0;"
        "ALTER TABLE spool ADD COLUMN boot TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE spool ADD COLUMN ran REAL NOT NULL DEFAULT 0;"
        "ALTER TABLE dead ADD COLUMN lived REAL NOT NULL DEFAULT 0;"
    ),
    3: (
        "CREATE TABLE stuck (seq INTEGER PRIMARY KEY, since REAL NOT NULL,"
        " failures INTEGER NOT NULL, sentence TEXT NOT NULL);"
    ),
}

#: As SQLite keeps a value.
Kept = Value | bytes | None
#: The last four columns of a reading, as they are bound.
Packed = tuple[float, Kept, str | None, str | None]


def pack(reading: Reading) -> Packed:
    """Time, value, quality and reason of a reading, as SQLite keeps them."""
    value: Kept = reading.value
    if type(value) is bool or (type(value) is int and not -(2**63) <= value < 2**63):
        value = str(value).encode()
    elif type(value) is float and not math.isfinite(value):
        value = repr(value).encode()
    if reading.quality == GOOD:
        return reading.at, value, None, None
    return reading.at, value, reading.quality, reading.reason


def unpack(point: Point, at: float, value: Kept, quality: str | None, reason: str | None) -> Reading:
    """The reading that was packed; of its point, what `facts` keeps."""
    return Reading(point, _value(value), at, quality or GOOD, reason or "")


def _value(kept: Kept) -> Value | None:
    if not isinstance(kept, bytes):
        return kept
    text = kept.decode()
    if text in ("True", "False"):
        return text == "True"
    return float(text) if text in ("nan", "inf", "-inf") else int(text)


def facts(point: Point) -> str:
    """What a spool keeps of a point: all that its documents need, and no more."""
    return json.dumps(
        (
            point.device,
            point.parameter,
            point.unit,
            point.register_address,
            point.data_type,
            point.description,
        ),
        ensure_ascii=False,
    )


def point(kept: str) -> Point:
    """The point of which `facts` were kept."""
    device, parameter, unit, address, data_type, description = json.loads(kept)
    return Point(
        device,
        parameter,
        unit=unit,
        register_address=address,
        data_type=data_type,
        description=description,
    )


def device_key(device: int | str) -> str:
    """A device as text in which the number 1 is not the name "1"."""
    return json.dumps(device, ensure_ascii=False)


def device(key: str) -> int | str:
    """The device of a key."""
    found: int | str = json.loads(key)
    return found


def members(kept: str) -> Sequence[int]:
    """The readings of a recorded batch, in their order."""
    return [int(seq) for seq in json.loads(kept)]
