"""What a predecessor was mended for, more than once, each as a test of what happens here."""

from pathlib import Path

from twisted.internet.protocol import Factory
from twisted.logger import Logger

from lumina.errors import BadReply, NoReply
from lumina.modbus.pdu import ReadHoldingRegisters, WriteRegisters
from lumina.modbus.rtu import encode
from lumina.simulator.faults import Babble, Echo, Effect, Fault, When
from lumina.testing import pass_time
from lumina.watch.logs import observer
from tests.field_case import READ, SILENT, FieldCase, Hasty


class HistoryTests(FieldCase):
    """What a predecessor was mended for again and again."""

    def test_stale_bytes(self) -> None:
        """
        Bytes that were lying about when a client connected spoilt its first
        reply. Here they are counted, and nobody's reply; nor is a whole frame.
        """
        self.start(Babble(encode(1, b"\x03\x02\xde\xad"), pace=1.0, after=0.5, until=1.0))
        pass_time(self.clock, 1)
        self.assertEqual(self.value(), 100)
        self.assertEqual(self.seen.exchanges[0].stale, 7)

    def test_late_reply_hits_the_repetition(self) -> None:
        """
        A read was sent again, and the late reply to the first one came then;
        the second reply was taken for the next answer. Here the first answers
        the read, and the next read gets its own.
        """
        self.start(Fault(When(times=1), Effect(delay=(0.24, 0.24))), retries=1)
        first, second = (self.port.execute(1, ReadHoldingRegisters(place, 1)) for place in (0, 7))
        pass_time(self.clock, 2)
        found = [self.successResultOf(done).registers for done in (first, second)]
        self.assertEqual((found, self.times_sent(READ)), ([(100,), (107,)], 2))

    def test_bad_replies_do_not_reopen_the_port(self) -> None:
        """
        The port was reopened after each error, and the first requests
        afterwards failed. Here bad replies and silences leave it open.
        """
        self.start(Fault(When(times=1), Effect(bad_crc=True)), Fault(When(skip=1), Effect(lost="reply")))
        self.error(BadReply)
        self.error(NoReply)
        self.error(NoReply, unit=2)
        self.assertEqual(self.cable.opened, 1)

    def test_reply_right_behind_the_echo(self) -> None:
        """
        A flush after sending, and a drain by a timer, each ate replies that
        came soon. Here the reply may follow the echo without any pause.
        """
        self.start(SILENT, echo=True)
        self.cable.slaves.connect(Factory.forProtocol(Hasty))
        self.assertEqual(self.value(), 42)

    def test_refusal_of_another_unit(self) -> None:
        """
        Unit 12h refused while unit 20h was asked; that had the request sent
        again, into the reply. Here it is recorded as foreign, and waited on.
        """
        stranger = encode(0x12, b"\x83\x02")
        self.start(Fault(When(), Effect(noise_before=stranger, pause=(0.0, 0.0))))
        self.assertEqual(self.value(unit=0x22), 3400)
        self.assertEqual((self.seen.exchanges[0].foreign, self.times_sent(READ, 0x22)), ((stranger,), 1))

    def test_echo_that_looks_like_a_reply(self) -> None:
        """
        The echo of a request for address 02xxh begins as a reply of two
        bytes, and some replies are shorter than their request. Here neither
        is mistaken, with the echo known or not.
        """
        for echo in (None, True):
            self.setUp()
            self.start(Echo(), echo=echo)
            self.assertEqual(self.value(ReadHoldingRegisters(0x0200, 1)), 0)
            self.successResultOf(self.ask(WriteRegisters(0x0200, (7, 8, 9))))
            self.assertEqual(self.value(ReadHoldingRegisters(0x0202, 1)), 9)
            self.assertEqual(sum(exchange.noise for exchange in self.seen.exchanges), 0)

    def test_log_is_rotated(self) -> None:
        """
        A service died without a word while its own code rotated the log. Here
        Twisted does that, and no line is lost.
        """
        path = Path(self.mktemp())
        log = Logger(observer=observer("info", str(path)))
        for number in range(5000):
            log.info("{number} {filling}", number=number, filling=250 * "x")
        lines = [each.read_text().count("\n") for each in path.parent.iterdir()]
        self.assertEqual((len(lines), sum(lines)), (2, 5000))
