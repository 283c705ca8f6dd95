"""The text front end, from a client's seat."""

import re
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import Denied, LuminaError, NoReply
from lumina.frontends.connection import LINGER, UNREAD
from lumina.frontends.telnet import TelnetFilter
from lumina.frontends.text import BACKLOG, LINE_LIMIT, PATIENCE, TURN_LINES, TextFactory
from lumina.interfaces import Asker, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Reply
from lumina.readings import Point, Reading
from lumina.status import (
    Cycles,
    DeviceStatus,
    PointStatus,
    PortStatistics,
    PortStatus,
    SinkStatus,
    Times,
    Traffic,
    UnitStatistics,
)
from lumina.testing import FakeBus, FakeOverview, site
from tests.sockets import Socket

EXAMPLE = b"test:THC:/dev/ttyAMA1:9600:010300000002C40B:9:0.5\n"
READ = b":THC:/dev/ttyAMA1:9600:010300000002:9\n"
GOOD = bytes.fromhex("030400000001")
SHIPPING = b"ttyAMA1_THC_010300000002_20251124174603_aZ"

TRAFFIC = Traffic(
    requests=8,
    words={"ok": 6, "timeout": 1, "exception_02": 1},
    failure_rate=0.25,
    shared=1,
    unknown=1,
    exchanges=7,
    replies=6,
    exceptions={0x02: 1},
    timeouts=1,
    late=4,
    foreign=5,
    noise=6,
    stale=7,
    damaged=2,
    short=3,
    reply_time=Times(6, 0.02, 0.01, 0.05, 0.015, 0.04, 0.045),
    wait=Times(7, 1.5, 0.0002, 120.0, 0.1, 2.0, 3.0),
)


class TextCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.bus = FakeBus()
        self.ports = [PortStatus("bus", "/dev/ttyAMA1", ("/dev/ttyAMA2",), "9600 8N1", "idle")]
        self.overview = FakeOverview(
            self.ports,
            [PortStatistics("bus", TRAFFIC, 7200.0, 0.456, 0.123, 3, 17)],
            [UnitStatistics("bus", 1, TRAFFIC, "suspended", 90.0, "timeout"), UnitStatistics("bus", 18)],
        )
        self.client()

    def client(self, answer: Any = None, **options: Any) -> None:
        if answer is not None:
            self.bus = FakeBus(answer)
        buses = {"bus": self.bus, "/dev/ttyAMA1": self.bus}
        self.factory = TextFactory(site(buses, self.clock, self.overview, "text"), **options)
        self.connection, self.socket = self.connect()

    def connect(self, host: str = "127.0.0.1") -> tuple[Any, Socket]:
        peer = IPv4Address("TCP", host, 1234)
        socket = Socket(peerAddress=peer)
        connection = self.factory.buildProtocol(peer)
        connection.makeConnection(socket)
        return connection, socket

    def lost(self) -> None:
        self.connection.connectionLost(Failure(ConnectionError("gone")))

    def said(self) -> bytes:
        """What the client has read since the last call."""
        data: bytes = self.socket.value()
        self.socket.clear()
        return data


class AnswerTests(TextCase):
    def test_documented_example(self) -> None:
        """
        The documented request reaches the bus with its terms, and its reply comes back.
        """
        self.connection.dataReceived(EXAMPLE)
        asked = self.bus.asked[0]
        self.assertEqual((asked.unit, asked.request), (1, ReadHoldingRegisters(0, 2)))
        self.assertEqual(
            asked.terms,
            Terms(
                "text#1",
                "test",
                "THC",
                patience=0.5,
                timeout=0.5,
                baudrate=9600,
                hint=9,
                asker=Asker("text", "127.0.0.1"),
            ),
        )
        asked.reply(GOOD)
        self.assertEqual(self.said(), b"OK:test:010304000000013BF3\n")

    def test_no_timeout(self) -> None:
        """
        Without a timeout a request waits five seconds for its turn, and the port's own for its reply.
        """
        self.connection.dataReceived(b"a" + READ)
        terms = self.bus.asked[0].terms
        self.assertEqual((terms.patience, terms.timeout), (PATIENCE, None))

    def test_order_of_finishing(self) -> None:
        """
        Answers come as they are ready, each under its own id, also where ids repeat.
        """
        self.connection.dataReceived(b"a" + READ + b"b" + READ + b"a" + READ)
        for asked in reversed(self.bus.asked):
            asked.reply(GOOD)
        self.assertEqual([line[:5] for line in self.said().split(b"\n")[:-1]], [b"OK:a:", b"OK:b:", b"OK:a:"])

    def test_dialects(self) -> None:
        """
        A listener speaks its dialect; left to itself it tells the shipping client by its ids.
        """
        for dialect, name, line in [
            ("auto", b"test", b"OK:test:010304000000013BF3"),
            ("auto", SHIPPING, SHIPPING + b":01 03 04 00 00 00 01 3B F3:1732467890.1234"),
            ("documented", SHIPPING, b"OK:" + SHIPPING + b":010304000000013BF3"),
            ("timestamped", b"test", b"test:01 03 04 00 00 00 01 3B F3:1732467890.1234"),
            ("bare", SHIPPING, SHIPPING + b":010304000000013bf3"),
        ]:
            self.client(lambda unit, request: GOOD, dialect=dialect)
            self.connection.dataReceived(name + READ)
            self.assertEqual(self.said(), line + b"\n")

    def test_stamp_of_a_reply_that_is_remembered(self) -> None:
        """
        The stamp is the time at which the reply came, however long ago that was.
        """
        self.client(dialect="timestamped")
        self.clock.advance(50.0)
        self.connection.dataReceived(b"test" + READ)
        asked = self.bus.asked[0]
        asked.done.callback(Reply(asked.request, GOOD, 49.5, 49.75))
        self.assertTrue(self.said().endswith(b":1732467889.8734\n"))

    def test_error(self) -> None:
        """
        An error is a line with its word and a sentence.
        """
        self.connection.dataReceived(b"a" + READ)
        self.bus.asked[0].fail(NoReply("unit 1 did not reply within 0.5 s"))
        self.assertEqual(self.said(), b"ERROR:a:timeout: unit 1 did not reply within 0.5 s\n")

    def test_malformed(self) -> None:
        """
        Each line that is wrong gets one line that names the field, and nothing is asked.
        """
        for line, answer in [
            (b"a:b:c\n", b"ERROR:a:bad_request: a request has 6 or 7 fields"),
            (b"a:b:/dev/x:9600:0103:0\n", b"ERROR:a:invalid_port: '/dev/x' is not"),
            (b"a:b:bus:9600:xx:0\n", b"ERROR:a:bad_request: hex: 'xx'"),
            (b"\xff\xfe:b:bus:9600:0103:0\n", b"ERROR:"),
            (b"helo\n", b"ERROR:-:bad_request: 'helo'"),
            (b":\n", b"ERROR:-:bad_request"),
        ]:
            self.connection.dataReceived(line)
            said = self.said()
            self.assertTrue(said.startswith(answer), said)
            self.assertEqual(said.count(b"\n"), 1)
        self.assertEqual(self.bus.asked, [])

    def test_fault_in_lumina(self) -> None:
        """
        A bug is answered with an honest error, and logged with its traceback.
        """
        self.connection.dataReceived(b"a" + READ)
        self.bus.asked[0].done.errback(ZeroDivisionError())
        self.assertIn(b"ERROR:a:error: a fault in lumina itself", self.said())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_line_ends(self) -> None:
        """
        Both line ends work, lines may share a segment, and a line may come in many.
        """
        for cut in range(1, len(EXAMPLE)):
            self.client(lambda unit, request: GOOD)
            text = EXAMPLE.replace(b"\n", b"\r\n")
            self.connection.dataReceived(text[:cut])
            self.connection.dataReceived(text[cut:] + EXAMPLE)
            self.assertEqual(self.said(), 2 * b"OK:test:010304000000013BF3\n")

    def test_empty_lines(self) -> None:
        """
        An empty line gets no answer.
        """
        self.connection.dataReceived(b"\n\r\n \n")
        self.assertEqual(self.said(), b"")

    def test_heartbeat(self) -> None:
        """
        The 2024 client's heartbeat comes back as it is.
        """
        self.connection.dataReceived(b"FF:F0:AA:AF\n")
        self.assertEqual(self.said(), b"FF:F0:AA:AF\n")

    def test_pace(self) -> None:
        """
        In the shipping client's dialect answers leave at least five milliseconds
        apart, each in a segment of its own, and none is lost.
        """
        self.client(lambda unit, request: GOOD)
        self.connection.dataReceived(3 * (SHIPPING + READ))
        self.assertEqual(len(self.socket.segments), 1)
        for number in (2, 3):
            self.clock.advance(0.0049)
            self.assertEqual(len(self.socket.segments), number - 1)
            self.clock.advance(0.0002)
            self.assertEqual(len(self.socket.segments), number)
        self.assertTrue(self.socket.no_delay)

    def test_pace_of_others(self) -> None:
        """
        A paced answer stands alone also behind a line that needs no pause.
        """
        self.client(dialect="timestamped")
        self.connection.dataReceived(b"FF:F0:AA:AF\nq:x:y\n")
        self.assertEqual(self.said(), b"FF:F0:AA:AF\n")
        self.clock.advance(0.0051)
        self.assertIn(b"q:ERROR:bad_request:", self.said())

    def test_port_names(self) -> None:
        """
        A port answers to its key and to its other names.
        """
        self.client(lambda unit, request: GOOD)
        self.connection.dataReceived(b"a:b:bus:9600:010300000002:0\n")
        self.assertEqual(self.said(), b"OK:a:010304000000013BF3\n")

    def test_denied(self) -> None:
        """
        What the bus does not allow is denied.
        """

        def refuse(unit: int, request: object) -> bytes:
            raise Denied("listener text is read-only")

        self.client(refuse)
        self.connection.dataReceived(b"a" + READ)
        self.assertEqual(self.said(), b"ERROR:a:denied: listener text is read-only\n")


class PeopleTests(TextCase):
    def test_help(self) -> None:
        """
        Help shows how to ask, and every command; an empty line ends it.
        """
        self.connection.dataReceived(b"help\r\n")
        said = self.said()
        for word in (b"id:type:port", b"ports", b"stats", b"units", b"version", b"quit"):
            self.assertIn(word, said)
        self.assertTrue(said.endswith(b"\n\n"))

    def test_ports(self) -> None:
        """
        Each port is a line: names, line, state.
        """
        self.connection.dataReceived(b"ports\n")
        self.assertEqual(self.said(), b"bus: /dev/ttyAMA1, 9600 8N1, idle; also /dev/ttyAMA2; waiting=0\n\n")

    def test_stats(self) -> None:
        """
        Each port is a row: what it has carried, how fast, and how busy it is.
        """
        self.connection.dataReceived(b"stats\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "port  requests  failed  exchanges  reply mean    p95  wait mean    busy  queue  most",
                "bus          8  25.0 %          7       20 ms  40 ms      1.5 s  12.3 %      3    17",
                "",
                "",
            ],
        )

    def test_stats_of_one(self) -> None:
        """
        All about one port fits on a screen, whichever of its names is used.
        """
        said = set()
        for name in (b"bus", b"/dev/ttyAMA1", b"/dev/ttyAMA2"):
            self.connection.dataReceived(b"stats " + name + b"\n")
            said.add(self.said().decode())
        self.assertEqual(
            said.pop().split("\n"),
            [
                "bus",
                "  line         /dev/ttyAMA1, 9600 8N1, idle",
                "  watched for  2 h",
                "  requests     8, 25.0 % failed, 1 shared an exchange, 1 writes unconfirmed",
                "  ended as     exception_02=1 ok=6 timeout=1",
                "  exchanges    7, of them 6 with a sound reply",
                "  exceptions   1, 1 of code 02",
                "  no reply     1 timeouts, 2 wrong CRCs, 3 short",
                "  astray       4 late and 5 foreign frames, 6 bytes of noise, 7 stale bytes",
                "  reply time   mean 20 ms, min 10 ms, max 50 ms",
                "  percentiles  half under 15 ms, 95 % under 40 ms, 99 % under 45 ms",
                "  wait         mean 1.5 s, min 0.2 ms, max 120 s",
                "  queue        3 waiting now, 17 at most",
                "  line busy    12.3 % of the last minute, 45.6 % of all time",
                "  echo         not known yet",
                "",
                "",
            ],
        )
        self.assertEqual(said, set())

    def test_from_memory(self) -> None:
        """
        Where a port remembers replies, `stats` and `units` show how many were given so, and the oldest.
        """
        traffic = replace(TRAFFIC, remembered=5, oldest=0.4871)
        self.overview = FakeOverview(
            self.ports,
            [PortStatistics("bus", traffic)],
            [UnitStatistics("bus", 1, traffic), UnitStatistics("bus", 2, TRAFFIC)],
        )
        self.client()
        self.connection.dataReceived(b"stats bus\n")
        self.assertIn("  from memory  5 requests, 487 ms old at most\n", self.said().decode())
        self.connection.dataReceived(b"units\n")
        head, one, two = self.said().decode().splitlines()[:3]
        place = head.index("from memory")
        self.assertEqual(one[place:].split()[:3], ["5", "487", "ms"])
        self.assertEqual(two[place:].split()[:3], ["0", "0", "ms"])

    def test_spool(self) -> None:
        """
        `spool` tells of each sink what has become of the readings that it took, and what is wrong.
        """
        self.overview = FakeOverview(
            sinks=[
                SinkStatus("api", "post", "holding", 100, 90, 2, 3, 5, 7200.0, 1, error="401 Unauthorized"),
                SinkStatus("file", "jsonl", taken=7, delivered=7),
            ]
        )
        self.client()
        self.connection.dataReceived(b"spool\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "sink  kind   taken  delivered  dead  gap  queued  oldest  missed  state",
                "api   post     100         90     2    3       5     2 h       1  holding",
                "file  jsonl      7          7     0    0       0       -       0  idle",
                "api: 401 Unauthorized",
                "",
                "",
            ],
        )

    def test_devices(self) -> None:
        """
        `devices` tells how the polling of each device goes, and `devices ID` all values of one; what a device
        has in its texts breaks no line.
        """
        point = Point("pump 1", "State", unit="")
        seen = PointStatus("State", "", Reading(point, "on\noff", 0.0), 12.0)
        both = seen, PointStatus("Flow", "L/min", Reading(point, None, 0.0, "timeout", "no answer"), 3.0)
        self.overview = FakeOverview(
            devices=[
                DeviceStatus("pump 1", "plant", 7, True, 130, "", 1, 1, 3, both, Cycles(9, 1, 0, 0.25)),
                DeviceStatus(2, "plant", 8, points=(PointStatus("V", "V"),)),
            ]
        )
        self.client()
        self.connection.dataReceived(b"devices\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "device  bus    unit  state      for  good  bad     read  cycles  failed  skipped    took",
                "pump 1  plant     7  online   2 min     1    1  3 s ago       9       1        0  250 ms",
                "2       plant     8  unknown      -     0    0    never       0       0        0       -",
                "",
                "",
            ],
        )
        self.connection.dataReceived(b"devices pump 1\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "pump 1: unit 7 on plant, online for 2 min",
                "  parameter   value  in         read  quality",
                "  State      on?off  -      12 s ago  good",
                "  Flow            -  L/min   3 s ago  timeout no answer",
                "",
                "",
            ],
        )
        self.connection.dataReceived(b"devices 3\n")
        sentence = b"'3' is not a device that is polled; there are: pump 1, 2"
        self.assertEqual(self.said(), b"ERROR:-:bad_request: " + sentence + b"\n")

    def test_units(self) -> None:
        """
        Each unit is a row: how it has answered, when it was last seen, and what was wrong last.
        """
        self.connection.dataReceived(b"units /dev/ttyAMA2\n")
        self.assertEqual(
            [re.split(" {2,}", line) for line in self.said().decode().split("\n")[1:-2]],
            [
                ["bus", "1", "8", "6", "25.0 %", "90 s ago", "20 ms", "50 ms", "suspended", "timeout"],
                ["bus", "18", "0", "0", "0.0 %", "never", "-", "-", "-", "-"],
            ],
        )

    def test_nothing_known(self) -> None:
        """
        Where nothing has happened there are no times, and where no unit was asked only the heading.
        """
        self.overview = FakeOverview(self.ports, [PortStatistics("bus")])
        self.client()
        self.connection.dataReceived(b"stats bus\nunits\n")
        said = self.said().decode().split("\n")
        self.assertIn("  reply time   -", said)
        self.assertIn("  percentiles  -", said)
        self.assertIn("  ended as     -", said)
        self.assertTrue(said[-3].startswith("port"))

    def test_unknown_port(self) -> None:
        """
        A port that is not there is told the ones that are.
        """
        for command in (b"stats", b"units"):
            self.connection.dataReceived(command + b" nowhere else\n")
            self.assertEqual(
                self.said(),
                b"ERROR:-:invalid_port: 'nowhere else' is neither a serial bus nor a device;"
                b" there are: bus\n",
            )

    def test_version(self) -> None:
        """
        The version is said.
        """
        self.connection.dataReceived(b"VERSION\n")
        self.assertRegex(self.said().decode(), r"^lumina \d+\.\d+\.\d+\n\n$")

    def test_quit(self) -> None:
        """
        Quit closes the connection, after the answers that are due.
        """
        self.connection.dataReceived(b"a" + READ + b"quit\n" + b"b" + READ)
        self.assertTrue(self.socket.is_open)
        self.assertEqual(len(self.bus.asked), 1)
        self.bus.asked[0].reply(GOOD)
        self.assertIn(b"OK:a:", self.said())
        self.assertFalse(self.socket.is_open)


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


class TelnetTests(SynchronousTestCase):
    def test_dropped(self) -> None:
        """
        Options, subnegotiations and other commands leave what was typed.
        """
        for sent, typed in [
            (b"\xff\xfd\x03help\r\n", b"help\r\n"),
            (b"he\xff\xfb\x18lp\n", b"help\n"),
            (b"\xff\xfa\x18\x00xterm\xff\xf0help\n", b"help\n"),
            (b"he\xff\xf1lp\n", b"help\n"),
            (b"he\xff\xfflp\n", b"help\n"),
        ]:
            self.assertEqual(TelnetFilter()(sent), typed)
            for cut in range(len(sent)):
                telnet = TelnetFilter()
                self.assertEqual(telnet(sent[:cut]) + telnet(sent[cut:]), typed)

    def test_broken(self) -> None:
        """
        No broken command swallows the end of a line.
        """
        for sent in (b"\xff\n", b"\xff\xfb\n", b"\xff\xfa\x18no end\n", b"\xff\xfa\x18\xff\n"):
            telnet = TelnetFilter()
            self.assertEqual(telnet(sent) + telnet(b"help\n"), b"\nhelp\n")


class ErrorTests(SynchronousTestCase):
    def test_words(self) -> None:
        """
        No word has a colon or a capital: clients split at colons and compare.
        """

        def all_below(error: type[LuminaError]) -> set[type[LuminaError]]:
            return {error}.union(*(all_below(each) for each in error.__subclasses__()))

        for error in all_below(LuminaError):
            self.assertRegex(error.word, r"^[a-z_]+$")
