"""The Modbus TCP front end, from a client's seat."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.errors import (
    BadReply,
    Denied,
    ExceptionReply,
    Expired,
    LuminaError,
    NoReply,
    PortDown,
    PortLost,
    QueueFull,
    Suspended,
)
from lumina.frontends.connection import UNREAD
from lumina.frontends.gateway import GatewayFactory
from lumina.frontends.priorities import Priorities
from lumina.frontends.serving import KEPT, LOG_PACE, Requests, Serving
from lumina.interfaces import Asker, Bus, Priority, Terms
from lumina.modbus import mbap
from lumina.modbus.pdu import (
    MaskWriteRegister,
    Opaque,
    ReadHoldingRegisters,
    Reply,
    Request,
    WriteCoils,
    WriteRegister,
)
from lumina.testing import FakeBus, FakeOverview, site
from tests.sockets import Socket

READ = ReadHoldingRegisters(0, 1).encode()
GOOD = bytes.fromhex("03 02 002A")


def adu(transaction: int, unit: int, pdu: bytes | str) -> bytes:
    """The bytes of a message; a PDU may be in hexadecimal."""
    return mbap.encode(transaction, unit, bytes.fromhex(pdu) if isinstance(pdu, str) else pdu)


class Broken:
    """A bus with a fault that nobody thought of."""

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        answer: Deferred[Reply] = Deferred()
        answer.errback(ValueError("a fault"))
        return answer


class GatewayCase(SynchronousTestCase):
    """
    One client. Unit ids 1 to 99 lead to a serial bus, 101 to 199 to units 1 to
    99 of a device, 0 to the broadcast of the former; the others lead nowhere.
    """

    def setUp(self) -> None:
        self.serve()

    def serve(self, answer: Any = None, broken: Bus | None = None, **options: Any) -> None:
        """Begin anew, with other options; `routes` are unit ids that lead to other units of the bus."""
        self.clock = Clock()
        self.bus, self.device = FakeBus(answer), FakeBus()
        self.overview = FakeOverview()
        routes: list[Any] = [None] * 256
        for unit in range(100):
            routes[unit] = (self.bus, unit)
            routes[unit + 101] = (self.device, unit + 1)
        routes[250] = broken and (broken, 1)
        for unit, target in options.pop("routes", {}).items():
            routes[unit] = target and (self.bus, target)
        limits = {each: options.pop(each) for each in ("connections", "make_asker") if each in options}
        self.factory = GatewayFactory(
            site({}, self.clock, self.overview, "modbus"), Serving(routes, **options), **limits
        )
        self.connection, self.socket = self.connect()

    def connect(self, host: str = "192.0.2.7") -> tuple[Any, Socket]:
        peer = IPv4Address("TCP", host, 1234)
        socket = Socket(peerAddress=peer)
        connection = self.factory.buildProtocol(peer)
        connection.makeConnection(socket)
        return connection, socket

    def ask(self, *messages: bytes) -> None:
        """Let messages come, all at once."""
        self.connection.dataReceived(b"".join(messages))

    def said(self) -> bytes:
        """What the client has read since the last call."""
        data: bytes = self.socket.value()
        self.socket.clear()
        return data

    def lost(self) -> None:
        """The client hangs up."""
        self.connection.connectionLost(Failure(ConnectionError("gone")))

    def assertSays(self, *messages: bytes) -> None:
        """All that was said since the last call."""
        self.assertEqual(self.said().hex(" "), b"".join(messages).hex(" "))


class AnswerTests(GatewayCase):
    def test_one(self) -> None:
        """
        A request reaches its bus with its terms, and the answer has its transaction and unit id.
        """
        self.ask(adu(0xABCD, 7, READ))
        (asked,) = self.bus.asked
        self.assertEqual((asked.unit, asked.request), (7, ReadHoldingRegisters(0, 1)))
        self.assertEqual(asked.terms, Terms("modbus#1", patience=5.0, asker=Asker("modbus", "192.0.2.7")))
        asked.reply(GOOD)
        self.assertSays(adu(0xABCD, 7, GOOD))

    def test_rewritten(self) -> None:
        """
        A unit id can lead to another unit; the answer has the one that was asked for.
        """
        self.ask(adu(1, 142, READ))
        self.assertEqual(self.device.asked[0].unit, 42)
        self.device.asked[0].reply(GOOD)
        self.assertSays(adu(1, 142, GOOD))

    def test_at_once(self) -> None:
        """
        What a bus answers at once is answered with one write for all that came together.
        """
        self.serve(lambda unit, request: GOOD)
        for _ in range(2):
            self.ask(*(adu(each, 1, READ) for each in range(20)))
            self.assertSays(*(adu(each, 1, GOOD) for each in range(20)))
        self.assertEqual(len(self.socket.segments), 2)

    def test_same_asker(self) -> None:
        """
        All requests of a connection have the same Asker, whom the hook has made from the transport.
        """
        self.serve(make_asker=lambda listener, transport: Asker(listener, "h", "i", "r"))
        self.ask(adu(1, 1, READ), adu(2, 2, READ))
        self.ask(adu(3, 1, READ))
        one, two, three = (asked.terms.asker for asked in self.bus.asked)
        self.assertEqual(one, Asker("modbus", "h", "i", "r"))
        self.assertIs(one, two)
        self.assertIs(one, three)

    def test_across_buses(self) -> None:
        """
        Buses do not wait for each other: answers come as they are ready.
        """
        self.ask(adu(1, 1, READ), adu(2, 101, READ))
        self.device.asked[0].reply(GOOD)
        self.assertSays(adu(2, 101, GOOD))
        self.bus.asked[0].reply(GOOD)
        self.assertSays(adu(1, 1, GOOD))

    def test_order_within_bus(self) -> None:
        """
        Answers of one bus come in the order of its requests.
        """
        self.ask(adu(1, 1, READ), adu(2, 2, READ), adu(3, 3, READ))
        for index in (1, 2):
            self.bus.asked[index].reply(GOOD)
        self.assertSays()
        self.bus.asked[0].fail(NoReply("nothing came"))
        self.assertSays(adu(1, 1, "83 0B"), adu(2, 2, GOOD), adu(3, 3, GOOD))

    def test_same_transaction(self) -> None:
        """
        Two requests may have the same transaction id; each is answered.
        """
        self.ask(adu(5, 1, READ), adu(5, 2, READ))
        for asked in self.bus.asked:
            asked.reply(GOOD)
        self.assertSays(adu(5, 1, GOOD), adu(5, 2, GOOD))

    def test_errors(self) -> None:
        """
        Each error is the exception code of its class, a unit's refusal its own.
        """
        for error, code in (
            (Denied("no"), 0x01),
            (QueueFull("full"), 0x06),
            (Expired("late"), 0x06),
            (PortDown("gone"), 0x0A),
            (PortLost("gone"), 0x0A),
            (Suspended("silent"), 0x0B),
            (NoReply("nothing"), 0x0B),
            (BadReply("nonsense"), 0x0B),
            (LuminaError("fault"), 0x04),
            (ExceptionReply(3, 0x02), 0x02),
            (ExceptionReply(3, 0x55), 0x55),
        ):
            self.bus.asked.clear()
            self.ask(adu(9, 1, READ))
            self.bus.asked[0].fail(error)
            self.assertSays(adu(9, 1, bytes((0x83, code))))

    def test_fault_of_ours(self) -> None:
        """
        A fault that nobody thought of is exception 04, and in the log.
        """
        self.serve(broken=Broken())
        self.ask(adu(9, 250, READ))
        self.assertSays(adu(9, 250, "83 04"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_malformed(self) -> None:
        """
        A request that is wrong as such is refused without being asked, with its own function code.
        """
        for pdu, answer in (
            ("00", "80 01"),
            ("80", "80 01"),
            ("83 0000 0001", "83 01"),
            ("FF", "FF 01"),
            ("03 0000 0000", "83 03"),
            ("03 0000 007E", "83 03"),
            ("03 FFFF 0002", "83 02"),
            ("03 0000", "83 03"),
            ("03 0000 0001 00", "83 03"),
            ("05 0000 0001", "85 03"),
            ("10 0000 0002 04 0000", "90 03"),
            ("2B 0E 05 00", "AB 03"),
        ):
            self.ask(adu(1, 1, pdu))
            self.assertSays(adu(1, 1, answer))
        self.assertEqual(self.bus.asked, [])

    def test_unknown_function(self) -> None:
        """
        A function code that the specification does not name is carried as it is.
        """
        self.ask(adu(1, 1, "41 01 02"))
        self.assertEqual(self.bus.asked[0].request, Opaque(bytes.fromhex("410102")))
        self.bus.asked[0].reply(b"\x41\x07")
        self.assertSays(adu(1, 1, "41 07"))

    def test_in_flight(self) -> None:
        """
        Beyond the limit requests are refused with 06 at once; it is of the connection.
        """
        self.serve(in_flight=16)
        self.ask(*(adu(each, 1, READ) for each in range(18)))
        self.assertSays(adu(16, 1, "83 06"), adu(17, 1, "83 06"))
        other, socket = self.connect()
        other.dataReceived(adu(1, 1, READ))
        self.assertEqual((len(self.bus.asked), socket.value()), (17, b""))
        self.bus.asked[0].reply(GOOD)
        self.assertSays(adu(0, 1, GOOD))
        self.ask(adu(18, 1, READ))
        self.assertEqual(len(self.bus.asked), 18)

    def test_requests_are_kept(self) -> None:
        """
        Requests that are asked again are not read again, and do not fill the memory.
        """
        requests = Requests()
        self.assertIs(requests[READ], requests[READ])
        for address in range(KEPT + 10):
            requests[ReadHoldingRegisters(address, 1).encode()]
        self.assertLessEqual(len(requests), KEPT)


class RouteTests(GatewayCase):
    def test_nowhere(self) -> None:
        """
        A unit id that leads nowhere is answered as the operator has chosen, or not at all.
        """
        for unknown, answer in ((0x0B, adu(1, 240, "83 0B")), (0x0A, adu(1, 240, "83 0A")), (None, b"")):
            self.serve(unknown=unknown)
            self.ask(adu(1, 240, READ), adu(2, 1, READ))
            self.assertSays(answer)
            self.assertEqual(len(self.bus.asked), 1)

    def test_broadcast(self) -> None:
        """
        A broadcast that was sent is not answered, unless a listener is told to.
        """
        write = WriteRegister(1, 2)
        many = WriteCoils(0, (True,) * 9)
        mask = MaskWriteRegister(1, 2, 3)
        for confirms, answers in ((False, (b"", b"", b"")), (True, (write.encode(), many.answer(), b""))):
            self.serve(confirms_broadcasts=confirms)
            for request, answer in zip((write, many), answers, strict=False):
                self.ask(adu(1, 0, request.encode()))
                self.bus.asked[-1].reply(b"")
                self.assertSays(adu(1, 0, answer) if answer else b"")
        self.ask(adu(1, 0, mask.encode()))
        self.bus.asked[-1].reply(b"")
        self.assertSays(adu(1, 0, mask.encode()))

    def test_broadcast_refused(self) -> None:
        """
        A broadcast that cannot be sent is refused; a question to all has no answer, and the client is told.
        """
        self.ask(adu(1, 0, WriteRegister(1, 2).encode()))
        self.bus.asked[0].fail(Denied("not enabled"))
        self.assertSays(adu(1, 0, "86 01"))
        self.ask(adu(1, 0, READ))
        self.bus.asked[1].reply(b"")
        self.assertSays(adu(1, 0, "83 0B"))

    def test_priority(self) -> None:
        """
        A client's requests have the class of its network, else that of the listener.
        """
        priorities = Priorities(Priority.LOW)
        self.serve(priorities=priorities, patience=2.5)
        self.ask(adu(1, 1, READ))
        terms = self.bus.asked[0].terms
        self.assertEqual((terms.priority, terms.patience, terms.timeout), (Priority.LOW, 2.5, None))


class StreamTests(GatewayCase):
    def test_any_pieces(self) -> None:
        """
        Requests are understood wherever the stream is cut.
        """
        self.serve(lambda unit, request: GOOD)
        stream = adu(1, 1, READ) + adu(2, 2, READ)
        for cut in range(1, len(stream)):
            self.ask(stream[:cut])
            self.ask(stream[cut:])
            self.assertSays(adu(1, 1, GOOD), adu(2, 2, GOOD))

    def test_another_protocol(self) -> None:
        """
        A message of another protocol is passed over in silence; the connection stays.
        """
        self.ask(b"\0\1\0\7" + adu(1, 1, READ)[4:], adu(2, 1, READ))
        self.bus.asked[0].reply(GOOD)
        self.assertSays(adu(2, 1, GOOD))
        self.assertTrue(self.socket.is_open)

    def test_lying_length(self) -> None:
        """
        A length that cannot be is the end: what came before is answered, then the connection is closed.
        """
        for length in (0, 1, 255, 0xFFFF):
            self.serve()
            self.ask(adu(1, 1, READ), b"\0\2\0\0" + length.to_bytes(2, "big") + b"\1\3\0\0\0\1")
            self.assertTrue(self.socket.is_open)
            self.ask(adu(3, 1, READ))
            self.bus.asked[0].reply(GOOD)
            self.assertSays(adu(1, 1, GOOD))
            self.assertFalse(self.socket.is_open)
            self.assertEqual((len(self.bus.asked), self.factory.broken.count), (1, 1))

    def test_broken_streams_in_the_log(self) -> None:
        """
        All of them are counted, and no more than one each second is logged.
        """
        logged: list[str] = []

        @implementer(ILogObserver)
        def observer(event: Any) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for _ in range(3):
            self.connect()[0].dataReceived(b"\0\1\0\0\xff\xff\1")
        self.clock.advance(LOG_PACE)
        self.connect()[0].dataReceived(b"\0\1\0\0\xff\xff\1")
        said = "modbus: 192.0.2.7:1234 is disconnected: length: 65535 in the header is not within 2 to 254"
        self.assertEqual(logged, [f"{said}; 1 so far", f"{said}; 4 so far"])

    def test_half_a_frame(self) -> None:
        """
        A message has a few seconds to come whole, from its first byte on.
        """
        message = adu(1, 1, READ)
        self.ask(message[:5])
        self.clock.advance(4)
        self.ask(message[5:8])
        self.clock.advance(0.9)
        self.assertTrue(self.socket.is_open)
        self.clock.advance(0.2)
        self.assertFalse(self.socket.is_open)
        self.assertEqual(self.factory.broken.count, 1)

    def test_frames_one_after_the_other(self) -> None:
        """
        A stream may be cut inside of each message for as long as each one comes whole in its time.
        """
        self.serve(lambda unit, request: GOOD)
        message = adu(1, 1, READ)
        self.ask(message[:5])
        for _ in range(5):
            self.clock.advance(4)
            self.ask(message[5:] + message[:5])
        self.assertTrue(self.socket.is_open)
        self.ask(message[5:])
        self.clock.advance(60)
        self.assertTrue(self.socket.is_open)
        self.assertSays(*[adu(1, 1, GOOD)] * 6)


class LimitTests(GatewayCase):
    def test_socket(self) -> None:
        """
        Answers are not held back, and little is taken from one client at a time.
        """
        self.assertTrue(self.socket.no_delay)
        self.assertEqual(self.socket.bufferSize, 2048)

    def test_shown(self) -> None:
        """
        Connections are shown while they last.
        """
        (client,) = self.overview.clients()
        self.assertEqual(
            (client.name, client.listener, client.peer), ("modbus#1", "modbus", "192.0.2.7:1234")
        )
        self.lost()
        self.assertEqual(self.overview.clients(), [])

    def test_too_many(self) -> None:
        """
        Beyond the limit a connection is closed at once.
        """
        self.serve(connections=1)
        _, socket = self.connect()
        self.assertTrue(socket.disconnecting)
        self.lost()
        _, socket = self.connect()
        self.assertFalse(socket.disconnecting)

    def test_idle(self) -> None:
        """
        A connection with nothing to do is closed in time, counted from its last byte.
        """
        self.serve(idle=10.0)
        self.clock.advance(9)
        self.ask(adu(1, 1, READ))
        self.clock.advance(9)
        self.assertTrue(self.socket.is_open)
        self.clock.advance(10)
        self.assertTrue(self.socket.is_open)  # something is under way
        self.bus.asked[0].reply(GOOD)
        self.clock.advance(10)
        self.assertFalse(self.socket.is_open)

    def test_client_leaves(self) -> None:
        """
        What a client has asked and was not sent yet is withdrawn when it leaves.
        """
        self.ask(adu(1, 1, READ), adu(2, 101, READ))
        self.lost()
        self.assertEqual((len(self.bus.withdrawn), len(self.device.withdrawn)), (1, 1))
        self.assertSays()

    def test_slow_reader(self) -> None:
        """
        From a client that does not read its answers no more is taken, and in time it is dropped.
        """
        self.socket.producer.pauseProducing()
        self.assertEqual(self.socket.producerState, "paused")
        self.clock.advance(UNREAD)
        self.assertTrue(self.socket.aborted)

    def test_long_turn(self) -> None:
        """
        When its share of a turn is over, a client's requests wait for the next turn, and all are answered.
        """

        def slow(unit: int, request: Request) -> bytes:
            self.clock.rightNow += 0.0001
            return GOOD

        self.serve(slow)
        self.ask(*(adu(each, 1, READ) for each in range(100)))
        first = len(self.bus.asked)
        self.assertLess(first, 50)
        self.assertEqual(self.socket.producerState, "paused")
        self.ask(adu(100, 1, READ))
        for _ in range(10):
            self.clock.advance(0)
        self.assertSays(*(adu(each, 1, GOOD) for each in range(101)))
        self.assertEqual(self.socket.producerState, "producing")

    def test_close(self) -> None:
        """
        When lumina stops, answers that are due are delivered before a connection is closed.
        """
        self.ask(adu(1, 1, READ))
        closed = self.factory.close()
        self.ask(adu(2, 1, READ))
        self.assertTrue(self.socket.is_open)
        self.bus.asked[0].reply(GOOD)
        self.assertSays(adu(1, 1, GOOD))
        self.assertFalse(self.socket.is_open)
        self.lost()
        self.successResultOf(closed)
        self.assertEqual(len(self.bus.asked), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
