"""What a text client may cost the others: long lines, backlogs, idle and slow connections, too many."""

from hypothesis import given
from hypothesis import strategies as st

from lumina.frontends.connection import LINGER, UNREAD
from lumina.frontends.telnet import TelnetFilter
from lumina.frontends.text import BACKLOG, LINE_LIMIT, TURN_LINES
from tests.text_case import EXAMPLE, GOOD, READ, TextCase


class BoundTests(TextCase):
    def test_long_line(self) -> None:
        """
        A line over the limit is refused, earlier answers are delivered, and the
        connection is closed although the client goes on sending.
        """
        self.connection.dataReceived(b"a" + READ + b"b:" + LINE_LIMIT * b"x")
        for _ in range(100):
            self.connection.dataReceived(65536 * b"x")
        self.assertEqual(self.said(), b"ERROR:b:bad_request: the line is longer than 2048 bytes\n")
        self.bus.asked[0].reply(GOOD)
        self.assertEqual(self.said(), b"OK:a:010304000000013BF3\n")
        self.assertTrue(self.socket.half_closed)
        self.clock.advance(LINGER)
        self.assertTrue(self.socket.aborted)

    def test_longest_line(self) -> None:
        """
        A line of exactly the limit is read, with either line end; one byte more is too long.
        """
        for end in (b"\n", b"\r\n"):
            self.client()
            self.connection.dataReceived(LINE_LIMIT * b"x" + end)
            self.assertIn(b"'xxx", self.said())
            self.assertTrue(self.socket.is_open)
            self.connection.dataReceived(LINE_LIMIT * b"x" + b"y" + end)
            self.assertIn(b"longer than 2048", self.said())

    def test_many_lines_in_a_turn(self) -> None:
        """
        One client's flood is worked off in portions, turn by turn, and every line is answered.
        """
        self.connection.dataReceived(120 * b"x\n")
        self.assertEqual(self.said().count(b"\n"), TURN_LINES)
        self.assertEqual(self.socket.producerState, "paused")
        self.clock.advance(0)
        self.clock.advance(0)
        self.assertEqual(self.said().count(b"\n"), 120 - TURN_LINES)
        self.assertEqual(self.socket.producerState, "producing")

    def test_backlog_of_paced_answers(self) -> None:
        """
        When answers that must be paced pile up, no more lines are read until they have left.
        """
        self.client(dialect="timestamped")
        for _ in range(20):
            self.connection.dataReceived(50 * b"x\n")
            self.clock.advance(0)
        self.assertEqual(self.socket.producerState, "paused")
        self.clock.pump([0.005] * (BACKLOG // 2 + 60))
        self.assertLess(len(self.connection._answers), BACKLOG + TURN_LINES)
        self.clock.pump([0.005] * 2000)
        self.assertEqual(self.said().count(b"\n"), 1000)

    def test_backlog_of_anything(self) -> None:
        """
        Commands and heartbeats behind paced answers are bounded as well, and none is lost.
        """
        for line in (b"version\n", b"FF:F0:AA:AF\n"):
            self.client(dialect="timestamped")
            self.connection.dataReceived(2 * b"x\n")
            for _ in range(20):
                if self.socket.producerState == "producing":
                    self.connection.dataReceived(50 * line)
                    self.clock.advance(0)
            self.assertEqual(self.socket.producerState, "paused")
            self.assertLess(len(self.connection._answers), BACKLOG + TURN_LINES)
            self.clock.pump([0.005] * 300)
            self.assertEqual(self.socket.producerState, "producing")

    def test_waited_behind_a_brake(self) -> None:
        """
        A request whose time went by before its client was read from again is not sent.
        """
        self.socket.producer.pauseProducing()
        self.connection.dataReceived(b"a:x:bus:9600:010600010002:8:0.5\n")
        self.clock.advance(20)
        self.socket.producer.resumeProducing()
        self.assertIn(b"ERROR:a:expired:", self.said())
        self.assertEqual(self.bus.asked, [])

    def test_parting_is_bounded(self) -> None:
        """
        A client that asked to quit and never reads the rest is cut off in the end.
        """
        self.connection.dataReceived(b"quit\n")
        self.assertTrue(self.socket.disconnecting)
        self.clock.advance(UNREAD)
        self.assertTrue(self.socket.aborted)

    def test_slow_reader(self) -> None:
        """
        A client that does not read is not read from, and dropped in the end; one
        that catches up goes on.
        """
        self.socket.producer.pauseProducing()
        self.assertEqual(self.socket.producerState, "paused")
        self.socket.producer.resumeProducing()
        self.assertEqual(self.socket.producerState, "producing")
        self.clock.advance(UNREAD)
        self.assertFalse(self.socket.aborted)
        self.socket.producer.pauseProducing()
        self.clock.advance(UNREAD)
        self.assertTrue(self.socket.aborted)

    def test_idle(self) -> None:
        """
        An hour without a byte and without outstanding work ends a connection; either keeps it.
        """
        self.client(idle=3600)
        self.clock.advance(3599)
        self.connection.dataReceived(b"a" + READ)
        self.clock.advance(3601)
        self.assertTrue(self.socket.is_open)
        self.bus.asked[0].reply(GOOD)
        self.clock.advance(3601)
        self.assertFalse(self.socket.is_open)

    def test_web_page(self) -> None:
        """
        An HTTP request is not answered and reaches no bus, whatever its body says.
        """
        self.connection.dataReceived(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n" + EXAMPLE)
        self.assertEqual((self.said(), self.bus.asked), (b"", []))
        self.assertTrue(self.socket.aborted)

    def test_too_many(self) -> None:
        """
        A connection over the limit is told so, and closed; a place that becomes free is given away.
        """
        self.client(connections=1)
        _, second = self.connect()
        self.assertIn(b"queue_full: 1 connections are open", second.value())
        self.assertTrue(second.disconnecting)
        self.lost()
        _, third = self.connect()
        self.assertEqual(third.value(), b"")

    def test_too_many_from_one_address(self) -> None:
        """
        One address cannot take all places; programs on this machine may.
        """
        self.client(connections_per_address=1)
        self.connect("192.0.2.1")
        _, second = self.connect("192.0.2.1")
        self.assertIn(b"1 connections from 192.0.2.1", second.value())
        for host in ("192.0.2.2", "127.0.0.1", "127.0.0.1"):
            self.assertEqual(self.connect(host)[1].value(), b"")

    def test_client_leaves(self) -> None:
        """
        The work of a client that has left is withdrawn, and no timer of it remains.
        """
        self.connection.dataReceived(b"a" + READ + b"b" + READ)
        self.assertEqual([client.peer for client in self.overview.clients()], ["127.0.0.1:1234"])
        self.lost()
        self.assertEqual(len(self.bus.withdrawn), 2)
        self.assertEqual(self.overview.clients(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shutting_down(self) -> None:
        """
        When lumina stops, the last answers are delivered before connections close.
        """
        self.connection.dataReceived(b"a" + READ)
        closed = self.factory.close()
        self.assertTrue(self.socket.is_open)
        self.bus.asked[0].reply(GOOD)
        self.assertTrue(self.socket.disconnecting)
        self.assertIn(b"OK:a:", self.said())
        self.lost()
        self.successResultOf(closed)

    @given(st.lists(st.binary(max_size=80), max_size=20), st.lists(st.integers(0, 2000), max_size=6))
    def test_any_lines(self, lines: list[bytes], cuts: list[int]) -> None:
        """
        Whatever bytes come, in whatever pieces: each line is answered exactly
        once, an empty one not at all, and nothing escapes.
        """
        self.setUp()
        lines = [line.replace(b"\n", b"") for line in lines]
        data = b"".join(line + b"\n" for line in lines)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 2000], strict=True):
            self.connection.dataReceived(data[start:end])
            self.clock.advance(0)
        heard = [TelnetFilter()(line + b"\n")[:-1].removesuffix(b"\r") for line in lines]
        due = sum(bool(line.decode("utf-8", "surrogateescape").strip()) for line in heard)
        self.assertEqual(self.said().count(b"\n"), due)
