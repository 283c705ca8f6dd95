"""A serial port under test, and the unit at the far end of its line."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import SETTLING, Port
from lumina.bus.settings import PortSettings
from lumina.interfaces import Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeLine, FakeWatcher

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
WRITE = WriteRegister(10, 1234)


class PortCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()

    def port(self, **changed: Any) -> Port:
        """A port in use; it has settled."""
        settings = PortSettings("bus", "/dev/ttyS0", line=Line(9600), **changed)
        self.bus = Port(settings, self.line, self.clock, [self.seen])
        self.bus.startService()
        self.clock.advance(SETTLING)
        return self.bus

    def ask(self, request: Request = READ, unit: int = 1, **terms: Any) -> "Deferred[Reply]":
        done = self.bus.execute(unit, request, Terms(**terms))
        self.clock.advance(0.01)
        return done

    def answer(self, pdu: bytes = GOOD, unit: int = 1) -> None:
        """The request is over, and this comes."""
        self.clock.advance(0.01)
        self.line.receive(encode(unit, pdu))
        self.clock.advance(0.01)

    def words(self) -> list[str]:
        return [outcome.word for outcome in self.seen.outcomes]
