"""
Points and readings: what is to be read, and what was read, when, and how good it is.

Pure values, shared by the poller, the sinks and the device states.
"""

from dataclasses import dataclass
from decimal import Decimal

from lumina.modbus.values import Format, Value

#: The four tables of the specification (Application Protocol V1.1b3, 4.3).
COILS, DISCRETE_INPUTS, HOLDING, INPUT = TABLES = ("coil", "discrete", "holding", "input")

#: The quality of a reading that can be used.
GOOD = "good"


@dataclass(frozen=True, slots=True)
class Point:
    """
    What to read from a device: one value.

    @ivar device: the device's own id in the configuration; numbers stay numbers.
    @ivar parameter: what the value is called; device and parameter together
        are unique.
    @ivar table: one of `TABLES`.
    @ivar address: zero-based PDU address of its first register or bit, 0 to 65535.
    @ivar format: how it lies in registers; of no meaning for coils and
        discrete inputs, whose values are `bool`.
    @ivar data_type: its type in the words of the configuration, such as `float`.
    @ivar register_address: its address in the words of the configuration, such as 40001.
    @ivar unit: the unit of measurement, such as `V`; not the Modbus unit.
    @ivar precision: digits after the point that the value is rounded to, half
        to even; `None`: it is not.
    @ivar names: what single numbers mean; the value is then the name. A number
        without a name stays a number.
    @ivar absent: raw numbers, before scaling, that mean that there is no value.
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
        return self.format.registers if self.table in (HOLDING, INPUT) else 1


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What was read.

    @ivar value: the value; `None` whenever the quality is not `good`: a failed
        read is never zero, and never an old value.
    @ivar at: when it was read, in seconds since 1970.
    @ivar quality: `good`, or the word of what went wrong: one of `errors.py`, or
        `absent` for a device that says that it has no value.
    @ivar reason: a sentence about a quality that is not `good`.
    """

    point: Point
    value: Value | None
    at: float
    quality: str = GOOD
    reason: str = ""
