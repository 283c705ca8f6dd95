"""Requests in lines of text and their answers, from a client's seat."""

from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import Denied, LuminaError, NoReply
from lumina.frontends.telnet import TelnetFilter
from lumina.frontends.text import PATIENCE
from lumina.interfaces import Asker, Terms
from lumina.modbus.pdu import ReadHoldingRegisters, Reply
from tests.text_case import EXAMPLE, GOOD, READ, TextCase

SHIPPING = b"ttyAMA1_THC_010300000002_20251124174603_aZ"


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
            (b"help\r\0", b"help\r\n"),
            (b"help\r\0\n", b"help\r\n\n"),
            (b"he\0lp\r\n\0\n", b"he\0lp\r\n\0\n"),
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
