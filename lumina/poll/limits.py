"""
What a device can do, and what of its points cannot be read within that. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lumina.modbus.pdu import MAX_READ_BITS, MAX_READ_REGISTERS
from lumina.poll.spans import in_registers, spans
from lumina.readings import Point


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a device can do.

    @ivar max_registers: in one request, 1 to 125.
    @ivar max_bits: in one request, 1 to 2000.
    @ivar forbid_gaps: never read what lies between points.
    """

    max_registers: int = MAX_READ_REGISTERS
    max_bits: int = MAX_READ_BITS
    forbid_gaps: bool = False

    def of(self, table: str) -> int:
        """Registers or bits in one request."""
        return self.max_registers if in_registers(table) else self.max_bits


def problems(
    points: Sequence[Point], limits: Limits = Limits(), snapshots: Sequence[Sequence[int]] = ()
) -> list[str]:
    """What cannot be read at all, one sentence each."""
    found = []
    for point in points:
        limit = limits.of(point.table)
        if point.size > limit:
            found.append(
                f"{point.parameter}: it takes {point.size} registers, one request reads {limit} at most"
            )
    for group in snapshots:
        names = ", ".join(points[index].parameter for index in group)
        if len({points[index].table for index in group}) > 1:
            found.append(f"snapshot of {names}: one request reads one table only")
            continue
        for span in spans(points, group, [group]):
            limit = limits.of(span.table)
            if span.end - span.start > limit:
                found.append(
                    f"snapshot of {names}: it takes {span.end - span.start} addresses from {span.start},"
                    f" one request reads {limit} at most"
                )
            if span.gaps and limits.forbid_gaps:
                found.append(
                    f"snapshot of {names}: there are gaps between its points, and they are forbidden"
                )
    return found
