"""Modbus TCP clients whose bytes come in pieces, are no Modbus, or come too slowly, and too many clients."""

from typing import Any

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import implementer

from lumina.frontends.connection import UNREAD
from lumina.frontends.serving import LOG_PACE
from lumina.modbus.pdu import Request
from tests.gateway_case import GOOD, READ, GatewayCase, adu


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

    def test_slow_reader_in_mid_message(self) -> None:
        """
        A client that was not taken from for long has time for the rest of its message, once it is again.
        """
        self.serve(frame_timeout=5.0)
        message = adu(1, 1, READ)
        self.ask(message[:5])
        self.socket.producer.pauseProducing()
        self.clock.pump([4.9, 4.9, 4.9])
        self.socket.producer.resumeProducing()
        self.clock.pump([4.0, 0.9])
        self.assertTrue(self.socket.is_open)
        self.ask(message[5:], message[:5])
        self.assertEqual(len(self.bus.asked), 1)
        self.bus.asked[0].reply(GOOD)
        self.clock.pump([4.9, 0.2])
        self.assertFalse(self.socket.is_open)

    def test_slow_reader_is_not_idle(self) -> None:
        """
        A client from which nothing is taken, since it does not read, is not closed for being idle.
        """
        self.serve(idle=10.0)
        self.ask(adu(1, 1, READ))
        self.bus.asked[0].reply(GOOD)
        self.socket.producer.pauseProducing()
        self.clock.pump([10.0, 10.0])
        self.assertTrue(self.socket.is_open)
        self.socket.producer.resumeProducing()
        self.clock.pump([10.0, 10.0])
        self.assertFalse(self.socket.is_open)

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
