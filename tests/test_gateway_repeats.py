"""A client that asks simulated units the same again and again is answered by a shorter way, and as ever."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.access import Access, Rule
from lumina.bus.guard import Guard, Refusals
from lumina.frontends.gateway import GatewayFactory
from lumina.frontends.serving import KEPT_BY_CLIENT, Serving
from lumina.interfaces import Bus, Outcome, Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import Diagnostics, ReadHoldingRegisters, Reply, Request, WriteRegister
from lumina.simulator.bank import Bank
from lumina.simulator.tables import registers
from lumina.simulator.unit import Unit
from lumina.testing import FakeWatcher, site
from tests.sockets import Socket

SIZE = 100

#: Half of the registers may be written. 08/04 silences a unit, 08/01 wakes it.
BODIES = (
    ReadHoldingRegisters(0, 2).encode(),
    ReadHoldingRegisters(SIZE, 1).encode(),
    WriteRegister(1, 7).encode(),
    WriteRegister(60, 7).encode(),
    Diagnostics(0x0B, 0).encode(),
    Diagnostics(0x04, 0).encode(),
    Diagnostics(0x01, 0).encode(),
    b"\x63\x01",
)

RULES = (
    Rule(True, "write", addresses=(0, 49), number=1),
    Rule(True, functions=frozenset((8,)), number=2),
    Rule(True, "read", number=3),
)


class Detour:
    """A bus that does not say that it answers at once."""

    def __init__(self, bus: Bank) -> None:
        self._bus = bus
        self.listening = bus.listening

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        return self._bus.execute(unit, request, terms)


class Client:
    """One connection to a gateway over two simulated units, and all that is seen of it."""

    def __init__(self, prompt: bool) -> None:
        clock = Clock()
        self.watcher = FakeWatcher()
        units = {unit: Unit(holding_registers=registers(SIZE)) for unit in (1, 2)}
        bank = Bank(units, clock.seconds, watchers=[self.watcher])
        bus: Bus = bank if prompt else Detour(bank)
        refusals = Refusals("modbus", clock.seconds)
        guard = Guard(bus, "plant", Access("modbus", RULES).view, refusals, clock.seconds, [self.watcher])
        factory = GatewayFactory(site({}, clock), Serving([(guard, unit) for unit in range(256)]))
        peer = IPv4Address("TCP", "192.0.2.7", 1234)
        self._connection = factory.buildProtocol(peer)
        self._socket = Socket(peerAddress=peer)
        self._connection.makeConnection(self._socket)

    def asks(self, *asked: tuple[int, bytes]) -> bytes:
        """@return: the answers to these, by unit id and PDU, that come all at once."""
        messages = [mbap.encode(number, unit, body) for number, (unit, body) in enumerate(asked)]
        self._connection.dataReceived(b"".join(messages))
        answers: bytes = self._socket.value()
        self._socket.clear()
        return answers


def told(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """These, the reads without their ids."""
    return [
        each if each.request.writes else each._replace(terms=replace(each.terms, id="-")) for each in outcomes
    ]


class AgainTests(SynchronousTestCase):
    @given(st.lists(st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from(BODIES)), max_size=4)))
    def test_whatever(self, bursts: list[list[tuple[int, bytes]]]) -> None:
        """
        Answers, refusals and outcomes are those that a bus gives by its usual way; but for the ids of reads,
        which are in no audit log.
        """
        short, usual = Client(prompt=True), Client(prompt=False)
        for burst in bursts * 3:
            self.assertEqual(short.asks(*burst).hex(" "), usual.asks(*burst).hex(" "))
        self.assertEqual(told(short.watcher.outcomes), told(usual.watcher.outcomes))

    def test_many(self) -> None:
        """
        A client that asks for more than is kept has right answers, each of them counted.
        """
        client = Client(prompt=True)
        for _ in range(3):
            for address in range(KEPT_BY_CLIENT + 10):
                answer = client.asks((1, ReadHoldingRegisters(address, 1).encode()))
                self.assertEqual(answer, mbap.encode(0, 1, bytes.fromhex("03 02 0000")))
        self.assertEqual(len(client.watcher.outcomes), 3 * (KEPT_BY_CLIENT + 10))
