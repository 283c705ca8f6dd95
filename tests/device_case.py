"""A Modbus TCP device under test, and the far end of its connection."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.settings import DeviceSettings
from lumina.bus.tcp import Device
from lumina.interfaces import Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.testing import FakeLine, FakeWatcher

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
OTHER = bytes.fromhex("030400630064")
WRITE = WriteRegister(10, 1234)


class DeviceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.line, self.seen = Clock(), FakeLine(), FakeWatcher()

    def device(self, **changed: Any) -> Device:
        """A device that has started; it is connected, unless it is missing."""
        settings = DeviceSettings("plc", "tcp:192.0.2.7:502", **changed)
        self.bus = Device(settings, self.line, self.clock, [self.seen])
        self.bus.startService()
        return self.bus

    def ask(self, request: Request = READ, unit: int = 1, **terms: Any) -> "Deferred[Reply]":
        return self.bus.execute(unit, request, Terms(**terms))

    def sent(self) -> list[mbap.ADU]:
        """The messages that were sent since the last call."""
        return mbap.Frames().received(self.line.sent())

    def ids(self) -> list[int]:
        return [adu.transaction for adu in self.sent()]

    def one(self) -> int:
        """The transaction id of the one message that was sent since."""
        (transaction,) = self.ids()
        return transaction

    def answer(self, transaction: int, pdu: bytes = GOOD, unit: int = 1) -> None:
        self.line.receive(mbap.encode(transaction, unit, pdu))

    def words(self) -> list[str]:
        return [outcome.word for outcome in self.seen.outcomes]
