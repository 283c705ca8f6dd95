"""What is known of the units of a port, under test: what they answer and miss, as time is told to pass."""

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.unit import Habits, UnitView
from lumina.bus.units import Units
from lumina.modbus.pdu import Opaque, ReadHoldingRegisters, ReadInputRegisters, Request, WriteRegister
from lumina.modbus.rtu import Line

READ = ReadHoldingRegisters(0, 2)
HOLE = ReadHoldingRegisters(5000, 2)
INPUT = ReadInputRegisters(0, 2)
WRITE = WriteRegister(10, 1)
UNKNOWN = Opaque(b"\x41\x01")
LATE = bytes.fromhex("070304002A002B")
LATE_INPUT = bytes.fromhex("070404002A002B")
BAUDRATE = 9600

#: Bound of a unit whose one reply took 20 ms: 20 + 4 * 10 + 20 ms of slack.
BOUND = 0.08


class UnitsCase(SynchronousTestCase):
    """A port whose time is `self.now`."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.units = Units(Habits())

    def habits(self, **changed: Any) -> None:
        self.units = Units(replace(Habits(), **changed))

    def answer(
        self, unit: int = 7, request: Request = READ, delay: float = 0.02, baudrate: int = BAUDRATE
    ) -> None:
        self.now += delay
        self.units.answered(unit, request, delay, baudrate, self.now)

    def miss(
        self,
        unit: int = 7,
        request: Request = READ,
        waited: float = 1.0,
        baudrate: int = BAUDRATE,
        times: int = 1,
    ) -> None:
        for _ in range(times):
            self.now += waited
            self.units.missed(unit, request, waited, baudrate, self.now)

    def suspend(self, unit: int = 7, learnt: bool = True, waited: float = 1.0) -> None:
        if learnt:
            self.answer(unit)
        self.miss(unit, waited=waited, times=3)

    def refused(self, unit: int = 7, urgent: bool = False, after: float = 0.0, **asked: Any) -> bool:
        return self.units.refusal(unit, self.now + after, urgent, **asked) is not None

    def probe(self, unit: int = 7, waited: float | None = None) -> None:
        """One probe, unanswered."""
        self.assertFalse(self.refused(unit))
        self.units.probing(unit, self.now)
        self.miss(unit, waited=self.units.wait(unit, READ, 1.0, self.now) if waited is None else waited)

    def price(self, waited: float) -> float:
        """Seconds without probes after one that waited so long."""
        line = Line(BAUDRATE)
        return (line.duration(8) + line.gap + waited) / 0.05

    def waits(self, request: Request = READ, unit: int = 7) -> float:
        """Until a request may be sent, in seconds."""
        return self.units.free_at(unit, request.function, self.now) - self.now

    def seen(self, unit: int = 7) -> UnitView:
        return next(view for view in self.units.view(self.now) if view.unit == unit)

    def next_try(self, unit: int = 7) -> float:
        """In how many seconds."""
        when = self.seen(unit).next_try
        assert when is not None
        return when - self.now
