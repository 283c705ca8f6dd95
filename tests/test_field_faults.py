"""
Faults that the field taught, each as a test of what happens here.

L1 to L21 were measured on programs and libraries that share serial buses; the
names of the tests are their numbers, and L19 and L20, of Modbus TCP, are not
among them. The rest are what a predecessor was mended for, more than once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.bus.settings import PortSettings
from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply
from lumina.frontends.slave import Slave
from lumina.frontends.text import TextFactory
from lumina.interfaces import Bus, Terms
from lumina.modbus.pdu import (
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadDeviceIdentification,
    ReadHoldingRegisters,
    ReadWriteRegisters,
    Reply,
    Request,
    WriteCoil,
    WriteRegister,
    WriteRegisters,
)
from lumina.modbus.rtu import Line, encode
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Babble, Echo, Effect, Fault, Faults, Rule, When
from lumina.simulator.tables import bits, registers
from lumina.simulator.unit import Unit
from lumina.testing import Cable, FakeBus, FakeWatcher, pass_time, site
from lumina.watch.logs import observer
from tests.test_text import Socket

LINE = Line(9600)
READ = ReadHoldingRegisters(0, 1)
WRITE = WriteRegister(3, 99)
SILENT = Fault(When(), Effect(lost="request"))

#: Functions whose confirmation is a copy of the request.
COPIED = (WriteCoil(1, True), WRITE, Diagnostics(0, 7), MaskWriteRegister(3, 0xF0, 0x0F))


def device(unit: int) -> Unit:
    """A unit that has its number, a hundredfold, and its address in each register."""
    held = {place: 100 * unit + place for place in range(30)}
    return Unit(coils=bits(0x400), holding_registers=registers(0x300, held=held))


class Hasty(Protocol):
    """Echoes what it hears, and replies without a pause."""

    _heard = b""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self._heard += data
        self.transport.write(data)
        if self._heard == encode(1, READ.encode()):
            self.transport.write(encode(1, b"\x03\x02\x00\x2a"))


class Client:
    """A program that speaks the text protocol."""

    def __init__(self, factory: TextFactory, clock: Clock) -> None:
        self._clock = clock
        self.socket = Socket()
        self._connection: Any = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1234))
        self._connection.makeConnection(self.socket)

    def say(self, *lines: bytes, seconds: float = 2.0) -> list[str]:
        """What has been answered since the last time, after so long."""
        self._connection.dataReceived(b"".join(line + b"\n" for line in lines))
        pass_time(self._clock, seconds)
        data: bytes = self.socket.value()
        self.socket.clear()
        return data.decode().splitlines()

    def hang_up(self) -> None:
        self._connection.connectionLost(Failure(ConnectionError("gone")))


class FieldCase(SynchronousTestCase):
    """
    A port, text clients, and units whose line misbehaves, in virtual time.

    @ivar build: may exchange parts of the port before it starts.
    @ivar text_factory: makes the text front end.
    """

    build: Callable[[Port], Port] = staticmethod(lambda port: port)
    text_factory: type[TextFactory] = TextFactory

    def setUp(self) -> None:
        self.clock, self.seen = Clock(), FakeWatcher()
        self.cable = Cable(self.clock, LINE)
        self.clients: list[Client] = []

    def start(self, *rules: Rule, bus: Bus | None = None, **changed: Any) -> None:
        """@param bus: what is at the other end of the line; else units 1, 2, 17 and 34."""
        self.bank = Bank({unit: device(unit) for unit in (1, 2, 0x11, 0x22)}, self.clock.seconds)
        slave = self.slave(LINE, bus or self.bank, *rules)
        settings = PortSettings("bus", "cable", **{"line": LINE, "timeout": 0.2, **changed})
        self.port = self.build(Port(settings, self.cable, self.clock, [self.seen]))
        self.text = self.text_factory(site({"bus": self.port}, self.clock))
        self.port.startService()
        pass_time(self.clock, 0.2)
        self.addCleanup(self.stop, self.clock, self.port, slave, self.clients)

    def slave(self, line: Line, bus: Bus, *rules: Rule) -> ClientService:
        faults = Faults(rules, self.clock.seconds)

        factory = Factory.forProtocol(lambda: Slave(bus, line, self.clock, faults=faults))
        service = ClientService(self.cable.slaves, factory, retryPolicy=faults.pause, clock=self.clock)
        service.startService()
        self.cable.drops[-1].reconfigure(line)
        return service

    def stop(self, clock: Clock, port: Port, slave: ClientService, clients: list[Client]) -> None:
        stopped = port.stopService()
        pass_time(clock, 5)
        self.successResultOf(stopped)
        gone: Deferred[None] = slave.stopService()
        for client in clients:
            client.hang_up()
        pass_time(clock, 1)
        self.successResultOf(gone)
        self.assertEqual(clock.getDelayedCalls(), [])

    def client(self) -> Client:
        self.clients.append(Client(self.text, self.clock))
        return self.clients[-1]

    def ask(
        self, request: Request = READ, unit: int = 1, seconds: float = 2.0, **terms: Any
    ) -> Deferred[Reply]:
        """Ask, and let time pass."""
        done = self.port.execute(unit, request, Terms(**terms))
        pass_time(self.clock, seconds)
        return done

    def value(self, request: Request = READ, unit: int = 1) -> int:
        """The first register that comes."""
        registers: tuple[int, ...] = self.successResultOf(self.ask(request, unit)).registers
        return registers[0]

    def error(
        self, kind: type[LuminaError], request: Request = READ, unit: int = 1, seconds: float = 2.0
    ) -> str:
        """What is said of a request that fails."""
        return str(self.failureResultOf(self.ask(request, unit, seconds), kind).value)

    def times_sent(self, request: Request, unit: int = 1) -> int:
        """How often a request was on the wire; an echo is no second time."""
        return sum(each.outgoing == encode(unit, request.encode()) for each in self.seen.exchanges)


class MeasuredTests(FieldCase):
    def test_L1_exception_is_as_quick_as_a_reply(self) -> None:
        """
        A refusal took half a second, until a timer ran out. Here it is
        delivered with its last byte, as a reply is.
        """
        self.start(Fault(When(units=frozenset({2})), Effect(exception=2)), timeout=1.0)
        self.error(ExceptionReply, unit=2, seconds=0.05)
        outcome, exchange = self.seen.outcomes[0], self.seen.exchanges[0]
        self.assertEqual((outcome.word, outcome.answered), ("exception_02", exchange.last))

    def test_L2_frame_of_another_unit_is_no_reply(self) -> None:
        """
        Unit 11h was asked, unit 22h spoke, and the client took that for a
        success. Here it is told who spoke, and a right reply that follows is taken.
        """
        stranger = encode(0x22, b"\x03\x02\xbb\xbb")
        self.start(
            Fault(When(times=1), Effect(as_unit=0x22)), Fault(When(skip=1), Effect(noise_before=stranger))
        )
        self.assertIn("unit 34 replied instead of unit 17", self.error(BadReply, unit=0x11))
        self.assertEqual(self.value(unit=0x11), 1700)
        self.assertEqual(self.seen.exchanges[1].foreign, (stranger,))

    def test_L3_late_reply_to_one_client_is_not_another_clients(self) -> None:
        """
        A reply that came 50 ms too late was handed to the next client, who
        had asked for another register. Here that client gets its own.
        """
        self.start(Fault(When(times=1), Effect(delay=(0.25, 0.25))))
        first = self.port.execute(1, ReadHoldingRegisters(0, 1), Terms(client="first"))
        second = self.port.execute(1, ReadHoldingRegisters(7, 1), Terms(client="second"))
        pass_time(self.clock, 3)
        self.failureResultOf(first, NoReply)
        self.assertEqual(self.successResultOf(second).registers, (107,))

    def test_L4_nobody_behind_an_echoing_adapter(self) -> None:
        """
        An adapter that echoes, and no device: the write was reported
        successful, and the read gave the request's own bytes as data. Here
        both fail, even the read of bits whose request could be its reply.
        """
        self.start(Echo(), SILENT, misses=0)
        self.error(NoReply, ReadCoils(0x0300, 24))
        self.assertIs(self.port.status().echo, True)
        self.assertIn("outcome unknown", self.error(NoReply, WRITE))
        self.error(NoReply)

    def test_L5_read_behind_an_echoing_adapter(self) -> None:
        """
        With a device behind the echo a read failed after two seconds and four
        transmissions. Here the echo is known as such, and the reply is taken at once.
        """
        self.start(Echo())
        self.assertEqual(self.value(), 100)
        exchange = self.seen.exchanges[0]
        self.assertEqual((self.times_sent(READ), exchange.noise, exchange.foreign), (1, 0, ()))
        self.assertEqual((exchange.echoed, self.port.status().echo), (True, True))
        self.assertLess((exchange.last or 0) - exchange.sent, 0.05)

    def test_L6_write_goes_out_once(self) -> None:
        """
        A write that nobody confirmed went out four times: one click, up to
        four pulses. Here it goes out once, however often reads may be sent.
        """
        relay = FakeBus(lambda unit, request: request.encode())
        self.start(Fault(When(), Effect(lost="reply")), bus=relay, retries=3)
        self.assertIn("outcome unknown", self.error(NoReply, WRITE))
        self.assertEqual([asked.request for asked in relay.asked], [WRITE])

    def test_L7_queued_write_of_a_client_that_left(self) -> None:
        """
        A client hung up while its write was queued, and it was sent all the
        same. Here it is never sent.
        """
        self.start(Fault(When(), Effect(delay=(0.1, 0.1))))
        busy, leaving = self.client(), self.client()
        busy.say(b"a:x:bus:9600:010300000001:7", seconds=0.01)
        leaving.say(b"b:x:bus:9600:010600030063:8", seconds=0.01)
        leaving.hang_up()
        self.clients.remove(leaving)
        self.assertEqual(busy.say(), ["OK:a:0103020064B9AF"])
        self.assertEqual(self.times_sent(WRITE), 0)
        self.assertEqual(self.value(ReadHoldingRegisters(3, 1)), 103)

    def test_L8_port_that_disappears(self) -> None:
        """
        When the adapter was pulled out, the whole process stopped answering,
        to old clients and new ones. Here each is told at once, and served
        again when it is back, on the same connection.
        """
        self.start()
        old = self.client()
        self.cable.unplug()
        new = self.client()
        for client in (old, new):
            (line,) = client.say(b"a:x:bus:9600:010300000001:7:5", seconds=0.001)
            self.assertIn("ERROR:a:serial_error: cable:", line)
        pass_time(self.clock, 1)
        self.cable.plug()
        pass_time(self.clock, 6)
        self.assertEqual(old.say(b"b:x:bus:9600:010300000001:7"), ["OK:b:0103020064B9AF"])

    def test_L9_every_function(self) -> None:
        """
        Sound replies to functions 17h, 2Bh and 41h all became exception 04.
        Here each arrives, the unknown one too.
        """
        identity = ReadDeviceIdentification()
        asked: list[tuple[Request, bytes]] = [
            (ReadWriteRegisters(0, 20, 3, (1,)), b"\x17\x28" + bytes(range(40))),
            (identity, b"\x2b\x0e\x01\x01\x00\x00\x01\x00\x03abc"),
            (Opaque(b"\x41\x01\x02"), b"\x41\x09\x08\x07\x06\x05"),
        ]
        answers = {request.encode(): pdu for request, pdu in asked}
        self.start(bus=FakeBus(lambda unit, request: answers[request.encode()]))
        for request, pdu in asked:
            self.assertEqual(self.successResultOf(self.ask(request)).pdu, pdu)

    def test_L10_each_request_at_its_own_speed(self) -> None:
        """
        After requests at 9600, 19200 and 9600 baud the third went out at
        19200, and without its pause. Here two units of two speeds share the line.
        """
        self.start()
        fast = self.slave(Line(19200), Bank({5: device(5)}, self.clock.seconds))
        self.addCleanup(fast.stopService)
        pass_time(self.clock, 0.1)
        for unit, baudrate in ((1, 9600), (5, 19200), (1, 9600)):
            done = self.ask(unit=unit, baudrate=baudrate)
            self.assertEqual(self.successResultOf(done).registers, (100 * unit,))
        both = [self.ask(unit=unit, seconds=0, baudrate=speed) for unit, speed in ((5, 19200), (1, 9600))]
        pass_time(self.clock, 2)
        for done in both:
            self.successResultOf(done)
        before, after = self.seen.exchanges[-2:]
        self.assertGreater(after.sent - (before.last or 0), LINE.gap - 1e-6)

    def test_L11_echoed_write_is_not_confirmed(self) -> None:
        """
        A write to no device was reported successful, since its echo is what a
        confirmation looks like. Here only a second copy confirms it.
        """
        self.start(Echo(), Fault(When(times=1), Effect(lost="request")), echo=True)
        client = self.client()
        (line,) = client.say(b"a:relay:bus:9600:010600030063:8:0.5")
        self.assertIn("ERROR:a:timeout: ", line)
        self.assertIn("outcome unknown", line)
        self.assertEqual(client.say(b"b:relay:bus:9600:010600030063:8"), ["OK:b:01060003006339E3"])

    def test_L12_exception_where_more_bytes_were_expected(self) -> None:
        """
        The refusal of a read, five bytes for seven, took the whole timeout, and
        behind an echo it was incomplete. Here it is delivered at once, both times.
        """
        refused = Fault(When(), Effect(exception=2))
        for rules in ((refused,), (refused, Echo())):
            self.setUp()
            self.start(*rules)
            (line,) = self.client().say(b"a:x:bus:9600:010300000001:7:1", seconds=0.05)
            self.assertIn("ERROR:a:exception_02: ", line)
            self.assertEqual(self.seen.outcomes[0].answered, self.seen.exchanges[0].last)
            self.assertEqual(self.seen.exchanges[0].noise, 0)

    def test_L13_request_whose_time_runs_out_in_the_queue(self) -> None:
        """
        A request that waited in the queue for longer than its timeout was
        dropped without a word. Here it is answered when its time is up.
        """
        self.start(SILENT, timeout=3.0)
        busy, waiting = self.client(), self.client()
        busy.say(b"a:x:bus:9600:010300000001:7:3", seconds=0.01)
        self.assertEqual(waiting.say(b"b:x:bus:9600:010600030063:8:0.5", seconds=0.49), [])
        (line,) = waiting.say(seconds=0.02)
        self.assertIn("ERROR:b:expired: 0.5 s", line)
        waiting.say(seconds=9)
        self.assertEqual(self.times_sent(WRITE), 0)

    def test_L14_wrong_length_and_broadcast(self) -> None:
        """
        A client that expected nine bytes where seven came, and a broadcast,
        both failed after the whole timeout. Here the first has its reply with
        the last byte, the second is answered as sent when the line is free.
        """
        self.start(broadcast=True, turnaround=0.1, timeout=2.0)
        client = self.client()
        for length in (b"9", b"5", b"0"):
            line = b"a:x:bus:9600:010300000001:" + length
            self.assertEqual(client.say(line, seconds=0.05), ["OK:a:0103020064B9AF"])
        self.assertEqual(client.say(b"b:x:bus:9600:000600030063:8", seconds=0.15), ["OK:b:"])
        self.assertEqual(self.value(ReadHoldingRegisters(3, 1), unit=2), 99)

    def test_L15_late_reply_is_not_the_next_answer(self) -> None:
        """
        A late reply was accepted as the answer to the next read, which so
        reported a value from before a write. Here the old value is dropped,
        and recorded as late.
        """
        self.start(Fault(When(times=1), Effect(delay=(0.4, 0.4))))
        where = ReadHoldingRegisters(3, 1)
        self.error(NoReply, where, seconds=0.3)
        self.bank.execute(1, WRITE)
        self.assertEqual(self.value(where), 99)
        self.assertEqual(self.seen.exchanges[-1].late, (encode(1, b"\x03\x02\x00\x67"),))

    def test_L16_pause_inside_a_frame(self) -> None:
        """
        At 9600 baud a pause of 10 ms inside a reply lost it. Here it is taken,
        and so is one that an adapter hands over in lumps.
        """
        self.start(Fault(When(), Effect(pieces=(1, 3), pause=(0.01, 0.01))))
        for lump in (1, 4):
            self.cable.lump = lump
            self.assertEqual(self.value(), 100)
        self.assertEqual([exchange.noise for exchange in self.seen.exchanges], [0, 0])

    def test_L17_reply_of_another_shape(self) -> None:
        """
        Function 03 was asked and 04 came, five registers and one came: both
        were returned as success. Here both are bad replies that say what is wrong.
        """
        self.start(Fault(When(times=1), Effect(as_function=4)), Fault(When(skip=1), Effect(count=1)))
        self.assertIn("04", self.error(BadReply))
        pass_time(self.clock, 3)
        self.assertIn("4 came, 12 fits", self.error(BadReply, ReadHoldingRegisters(0, 5)))

    def test_L18_echo_that_nobody_configured(self) -> None:
        """
        Writes to no device were reported successful where nobody had said that
        the adapter echoes. Here none is, though nothing is known of the line yet.
        """
        for request in COPIED:
            self.setUp()
            self.start(Echo(), SILENT)
            message = self.error(NoReply, request)
            self.assertEqual("outcome unknown" in message, request.writes)
            self.assertEqual(self.times_sent(request), 1)

    def test_L21_every_line_is_answered(self) -> None:
        """
        A malformed line got no reply, a byte that is no UTF-8 closed the
        connection, an empty command was answered "index out of range". Here
        each gets one line that says what is wrong, and the connection stays.
        """
        self.start()
        client = self.client()
        for line, said in (
            (b"a:b", "ERROR:a:bad_request: "),
            (b"a:x:bus:9600:01 03 \xc3(:7", "ERROR:a:bad_request: "),
            (b"a:x:bus:9600::7", "ERROR:a:bad_request: "),
        ):
            (answer,) = client.say(line)
            self.assertIn(said, answer)
        self.assertTrue(client.socket.is_open)
        self.assertEqual(client.say(b"b:x:bus:9600:010300000001:7"), ["OK:b:0103020064B9AF"])


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
