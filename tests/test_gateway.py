"""Modbus TCP requests and their answers, from a client's seat."""

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
from lumina.frontends.priorities import Priorities
from lumina.frontends.serving import KEPT, RequestCache
from lumina.interfaces import Asker, Priority, Terms
from lumina.modbus.pdu import MaskWriteRegister, Opaque, ReadHoldingRegisters, WriteCoils, WriteRegister
from tests.gateway_case import GOOD, READ, Broken, GatewayCase, adu


class AnswerTests(GatewayCase):
    def test_one(self) -> None:
        """
        A request reaches its bus with its terms, and the answer has its transaction and unit id.
        """
        self.ask(adu(0xABCD, 7, READ))
        (asked,) = self.bus.asked
        self.assertEqual((asked.unit, asked.request), (7, ReadHoldingRegisters(0, 1)))
        asker = Asker("modbus", "192.0.2.7")
        self.assertEqual(asked.terms, Terms("modbus#1", "43981", patience=5.0, asker=asker))
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
        requests = RequestCache()
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
