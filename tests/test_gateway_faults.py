"""What goes wrong on TCP connections, by rule."""

from typing import Any

from twisted.internet.task import Clock

from lumina.frontends.framings import RTU
from lumina.modbus import rtu
from lumina.simulator.faults import Effect, Fault, Faults, When
from tests.gateway_case import GOOD, READ, GatewayCase, adu


class FaultTests(GatewayCase):
    def rule(self, effect: Effect, **when: Any) -> None:
        """Serve, with one rule."""
        clock = Clock()
        self.serve(lambda unit, request: GOOD, faults=Faults([Fault(When(**when), effect)], clock.seconds))

    def test_transaction(self) -> None:
        """
        An answer can have the transaction id of another request.
        """
        self.rule(Effect(transaction=1), every=2)
        self.ask(adu(0xFFFF, 1, READ), adu(0xFFFF, 1, READ))
        self.assertSays(adu(0xFFFF, 1, GOOD), adu(0, 1, GOOD))

    def test_close(self) -> None:
        """
        A connection can be closed after an answer, or in place of it.
        """
        for lost, said in (("", adu(1, 1, GOOD)), ("reply", b"")):
            self.rule(Effect(close=True, lost=lost))  # type: ignore[arg-type]
            self.ask(adu(1, 1, READ))
            self.assertSays(said)
            self.assertTrue(self.socket.disconnecting)

    def test_close_on_a_slow_reader(self) -> None:
        """
        It is closed even where answers lie unread, once they have gone.
        """
        self.rule(Effect(close=True))
        self.socket.producer.pauseProducing()
        self.ask(adu(1, 1, READ))
        self.assertFalse(self.socket.is_open)

    def test_pieces(self) -> None:
        """
        An answer can come byte by byte.
        """
        self.rule(Effect(pieces=(1,), pause=(0.1, 0.1)))
        self.ask(adu(1, 1, READ))
        self.assertSays(b"\0")
        self.clock.advance(0.1)
        self.assertSays(b"\1")
        for _ in range(20):
            self.clock.advance(0.1)
        self.assertSays(adu(1, 1, GOOD)[2:])

    def test_delay(self) -> None:
        """
        An answer can be late, and the next of that unit waits for it; other units do not.
        """
        self.rule(Effect(delay=(2, 2)), times=1)
        self.ask(adu(1, 1, READ), adu(2, 1, READ), adu(3, 2, READ))
        self.assertSays(adu(3, 2, GOOD))
        self.clock.advance(2)
        self.assertSays(adu(1, 1, GOOD), adu(2, 1, GOOD))

    def test_refused(self) -> None:
        """
        A unit can refuse, or not hear what it is asked: then nothing happens.
        """
        for effect, said in (
            (Effect(exception=6), adu(1, 1, "83 06")),
            (Effect(lost="request"), b""),
        ):
            self.rule(effect)
            self.ask(adu(1, 1, READ))
            self.assertSays(said)
            self.assertEqual(self.bus.asked, [])

    def test_twice(self) -> None:
        """
        An answer can come twice.
        """
        self.rule(Effect(again=(0.5, 0.5)))
        self.ask(adu(1, 1, READ))
        self.assertSays(adu(1, 1, GOOD))
        self.clock.advance(0.5)
        self.assertSays(adu(1, 1, GOOD))

    def test_client_leaves(self) -> None:
        """
        Nothing is left to do for a client that has left.
        """
        self.rule(Effect(delay=(2, 2)))
        self.ask(adu(1, 1, READ)[:3])
        self.ask(adu(1, 1, READ)[3:])
        self.lost()
        self.clock.advance(2)
        self.assertSays()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rtu(self) -> None:
        """
        With RTU frames a CRC can be wrong.
        """
        faults = Faults([Fault(When(), Effect(bad_crc=True))], Clock().seconds)
        self.serve(lambda unit, request: GOOD, framing=RTU, faults=faults)
        self.ask(rtu.encode(1, READ))
        self.assertSays(rtu.encode(1, GOOD)[:-1] + bytes((rtu.encode(1, GOOD)[-1] ^ 0xFF,)))
