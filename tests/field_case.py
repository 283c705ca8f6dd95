"""Text clients, a port and units on one cable, in the time of a clock."""

from collections.abc import Callable
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings
from lumina.errors import LuminaError
from lumina.frontends.slave import Slave
from lumina.frontends.text import TextFactory
from lumina.interfaces import Bus, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.modbus.rtu import Line, encode
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Effect, Fault, Faults, Rule, When
from lumina.simulator.tables import bits, registers
from lumina.simulator.unit import Unit
from lumina.testing import Cable, FakeWatcher, pass_time, site
from tests.sockets import Socket

LINE = Line(9600)
READ = ReadHoldingRegisters(0, 1)
WRITE = WriteRegister(3, 99)
SILENT = Fault(When(), Effect(lost="request"))


def device(unit: int) -> Unit:
    """A unit that has its number, a hundredfold, and its address in each register."""
    held = {place: 100 * unit + place for place in range(30)}
    return Unit(coils=bits(0x400), holding_registers=registers(0x300, held=held))


class Hasty(Protocol):
    """Echoes what it hears, and replies without a pause."""

    _heard = b""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self._heard += data
        self.transport.write(data)
        if self._heard == encode(1, READ.encode()):
            self.transport.write(encode(1, b"\x03\x02\x00\x2a"))


class Client:
    """A program that speaks the text protocol."""

    def __init__(self, factory: TextFactory, clock: Clock) -> None:
        self._clock = clock
        self.socket = Socket()
        self._connection: Any = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1234))
        self._connection.makeConnection(self.socket)

    def say(self, *lines: bytes, seconds: float = 2.0) -> list[str]:
        """What has been answered since the last time, after so long."""
        self._connection.dataReceived(b"".join(line + b"\n" for line in lines))
        pass_time(self._clock, seconds)
        data: bytes = self.socket.value()
        self.socket.clear()
        return data.decode().splitlines()

    def hang_up(self) -> None:
        self._connection.connectionLost(Failure(ConnectionError("gone")))


class FieldCase(SynchronousTestCase):
    """
    A port, text clients, and units whose line misbehaves, in virtual time.

    @ivar build: may exchange parts of the port before it starts.
    @ivar text_factory: makes the text front end.
    """

    build: Callable[[Port], Port] = staticmethod(lambda port: port)
    text_factory: type[TextFactory] = TextFactory

    def setUp(self) -> None:
        self.clock, self.seen = Clock(), FakeWatcher()
        self.cable = Cable(self.clock, LINE)
        self.clients: list[Client] = []

    def start(self, *rules: Rule, bus: Bus | None = None, **changed: Any) -> None:
        """@param bus: what is at the other end of the line; else units 1, 2, 17 and 34."""
        self.bank = Bank({unit: device(unit) for unit in (1, 2, 0x11, 0x22)}, self.clock.seconds)
        slave = self.slave(LINE, bus or self.bank, *rules)
        settings = PortSettings("bus", "cable", **{"line": LINE, "timeout": 0.2, **changed})
        self.port = self.build(Port(settings, self.cable, self.clock, [self.seen]))
        self.text = self.text_factory(site({"bus": self.port}, self.clock))
        self.port.startService()
        pass_time(self.clock, 0.2)
        self.addCleanup(self.stop, self.clock, self.port, slave, self.clients)

    def slave(self, line: Line, bus: Bus, *rules: Rule) -> ClientService:
        faults = Faults(rules, self.clock.seconds)

        factory = Factory.forProtocol(lambda: Slave(bus, line, self.clock, faults=faults))
        service = ClientService(self.cable.slaves, factory, retryPolicy=faults.pause, clock=self.clock)
        service.startService()
        self.cable.drops[-1].reconfigure(line)
        return service

    def stop(self, clock: Clock, port: Port, slave: ClientService, clients: list[Client]) -> None:
        stopped = port.stopService()
        pass_time(clock, 5)
        self.successResultOf(stopped)
        gone: Deferred[None] = slave.stopService()
        for client in clients:
            client.hang_up()
        pass_time(clock, 1)
        self.successResultOf(gone)
        self.assertEqual(clock.getDelayedCalls(), [])

    def client(self) -> Client:
        self.clients.append(Client(self.text, self.clock))
        return self.clients[-1]

    def ask(
        self, request: Request = READ, unit: int = 1, seconds: float = 2.0, **terms: Any
    ) -> Deferred[Reply]:
        """Ask, and let time pass."""
        done = self.port.execute(unit, request, Terms(**terms))
        pass_time(self.clock, seconds)
        return done

    def value(self, request: Request = READ, unit: int = 1) -> int:
        """The first register that comes."""
        registers: tuple[int, ...] = self.successResultOf(self.ask(request, unit)).registers
        return registers[0]

    def error(
        self, kind: type[LuminaError], request: Request = READ, unit: int = 1, seconds: float = 2.0
    ) -> str:
        """What is said of a request that fails."""
        return str(self.failureResultOf(self.ask(request, unit, seconds), kind).value)

    def times_sent(self, request: Request, unit: int = 1) -> int:
        """How often a request was on the wire; an echo is no second time."""
        return sum(each.outgoing == encode(unit, request.encode()) for each in self.seen.exchanges)
