"""What is asked of a Modbus TCP device."""

from lumina.bus.settings import UnitSettings
from lumina.errors import (
    BadRequest,
    Cancelled,
    Denied,
    ExceptionReply,
    Expired,
    NoReply,
    QueueFull,
)
from lumina.interfaces import Priority
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters
from tests.device_case import GOOD, READ, WRITE, DeviceCase


class RequestTests(DeviceCase):
    def test_reply(self) -> None:
        """
        A request goes out at once, and its reply comes back decoded; both are published.
        """
        self.device()
        done = self.ask()
        (adu,) = self.sent()
        self.assertEqual((adu.unit, adu.pdu), (1, READ.encode()))
        self.clock.advance(0.25)
        self.answer(adu.transaction)
        reply = self.successResultOf(done)
        self.assertEqual((reply.registers, reply.began, reply.ended), ((42, 43), 0.0, 0.25))
        self.assertEqual(self.words(), ["ok"])
        (exchange,) = self.seen.exchanges
        self.assertEqual((exchange.verdict, exchange.last, exchange.baudrate), ("ok", 0.25, 0))
        self.assertEqual(exchange.outgoing, mbap.encode(adu.transaction, 1, READ.encode()))
        self.assertEqual(exchange.incoming, mbap.encode(adu.transaction, 1, GOOD))

    def test_exception(self) -> None:
        """
        A refusal is an error with the unit's own code.
        """
        self.device()
        done = self.ask()
        self.answer(self.one(), b"\x83\x02")
        self.assertEqual(self.failureResultOf(done, ExceptionReply).value.code, 2)
        self.assertEqual(self.words(), ["exception_02"])

    def test_any_pieces(self) -> None:
        """
        A reply is understood wherever the network happens to cut it.
        """
        self.device()
        for cut in range(1, mbap.HEADER + len(GOOD)):
            done = self.ask()
            reply = mbap.encode(self.one(), 1, GOOD)
            self.line.receive(reply[:cut])
            self.assertNoResult(done)
            self.line.receive(reply[cut:])
            self.successResultOf(done)

    def test_one_at_a_time(self) -> None:
        """
        Without pipelining the second request waits for the end of the first.
        """
        self.device()
        first, second = self.ask(client="a"), self.ask(unit=2, client="b")
        (one,) = self.ids()
        self.answer(one)
        (two,) = self.ids()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.answer(two, unit=2)
        self.successResultOf(second)

    def test_silent_device(self) -> None:
        """
        A request that is not answered says how long was waited; the connection serves the next.
        """
        self.device(timeout=0.5)
        done = self.ask()
        self.clock.pump([0.5, 0])
        self.assertIn("unit 1 did not reply within 0.5 s", str(self.failureResultOf(done, NoReply).value))
        done = self.ask()
        self.answer(self.ids()[-1])
        self.successResultOf(done)
        self.assertEqual(self.line.opened, 1)

    def test_timeouts(self) -> None:
        """
        The request's own timeout wins over the unit's, and that over the device's.
        """
        self.device(timeout=0.5, misses=0, units={7: UnitSettings(timeout=1.5)})
        for unit, stated, patience in ((1, None, 0.5), (7, None, 1.5), (8, 2.5, 2.5)):
            done = self.ask(unit=unit, timeout=stated)
            self.clock.pump([patience - 0.01, 0])
            self.assertNoResult(done)
            self.clock.pump([0.02, 0])
            self.failureResultOf(done, NoReply)

    def test_refused_at_once(self) -> None:
        """
        What cannot be carried is refused before anything is sent.
        """
        self.device()
        for error, request, unit, terms in (
            (BadRequest, READ, 256, {}),
            (BadRequest, READ, 0, {}),
            (BadRequest, READ, 1, {"baudrate": 100}),
            (Denied, WRITE, 0, {}),
        ):
            self.failureResultOf(self.ask(request, unit, **terms), error)
        self.assertEqual(self.sent(), [])

    def test_broadcast(self) -> None:
        """
        A broadcast is sent, answered at once, and a reply to it is dropped.
        """
        self.device(broadcast=True)
        done = self.ask(WRITE, 0)
        (adu,) = self.sent()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(done).pdu, b"")
        self.answer(adu.transaction, WRITE.encode(), unit=0)
        after = self.ask()
        self.answer(self.one())
        self.successResultOf(after)
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["sent", "ok"])

    def test_queue_full(self) -> None:
        """
        What waits is bounded, for the device and for each client.
        """
        self.device(queue=2, queue_per_client=1)
        for client in "abc":
            self.ask(client=client)
        self.failureResultOf(self.ask(client="b", unit=2), QueueFull)
        self.failureResultOf(self.ask(client="d", unit=2), QueueFull)

    def test_expired(self) -> None:
        """
        A request whose patience ends while it waits is not sent; one that is under way does not expire.
        """
        self.device()
        first = self.ask(patience=0.1)
        second = self.ask(unit=2, patience=0.1)
        self.clock.pump([0.2])
        self.failureResultOf(second, Expired)
        self.answer(self.one())
        self.successResultOf(first)
        self.assertEqual(self.sent(), [])

    def test_withdrawn(self) -> None:
        """
        A request whose asker leaves is not sent; under way, it is finished for nobody.
        """
        self.device()
        under_way, waiting = self.ask(), self.ask(unit=2)
        for done in (waiting, under_way):
            done.addErrback(lambda failure: None)
            done.cancel()
        self.answer(self.one())
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.words(), [Cancelled.word, "ok"])

    def test_priority(self) -> None:
        """
        Of those that wait the more urgent goes first.
        """
        self.device()
        self.ask()
        self.ask(unit=2, client="a", priority=Priority.LOW)
        self.ask(unit=3, client="b", priority=Priority.HIGH)
        self.answer(self.one())
        self.assertEqual([adu.unit for adu in self.sent()], [3])

    def test_fair(self) -> None:
        """
        A client that asks for much does not keep the others waiting: they take turns.
        """
        self.device()
        self.ask()
        for number in range(20):
            self.ask(ReadHoldingRegisters(number, 2), unit=2, client="greedy")
        for number in range(3):
            self.ask(ReadHoldingRegisters(number, 2), unit=3, client="modest")
        units = []
        for _ in range(8):
            (adu,) = self.sent()
            units.append(adu.unit)
            self.clock.advance(0.01)
            self.answer(adu.transaction, GOOD, adu.unit)
        self.assertEqual(units[1:7].count(3), 3)

    def test_shared(self) -> None:
        """
        Identical reads of several clients that wait together are one exchange; each is
        answered within its own time.
        """
        self.device()
        self.ask(unit=2)
        hasty = self.ask(client="a", timeout=0.2)
        patient = self.ask(client="b", timeout=0.6)
        apart = self.ask(ReadHoldingRegisters(5, 2), client="c")
        self.answer(self.one(), unit=2)
        (one,) = self.ids()
        self.clock.pump([0.2, 0])
        self.failureResultOf(hasty, NoReply)
        self.clock.advance(0.3)
        self.answer(one)
        self.successResultOf(patient)
        self.assertNoResult(apart)
        self.assertEqual(self.seen.exchanges[-1].served, 2)

    def test_max_age(self) -> None:
        """
        A young reply answers the same question again, until something is written.
        """
        self.device(max_age=1.0)
        for again in (False, True):
            done = self.ask()
            if not again:
                self.answer(self.one())
            self.successResultOf(done)
        self.assertEqual(self.sent(), [])
        self.ask(WRITE)
        self.answer(self.one(), WRITE.encode())
        self.ask()
        self.assertEqual(len(self.sent()), 1)
