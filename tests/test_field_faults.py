"""
Faults that the field taught, each as a test of what happens here.

L1 to L21 were measured on programs and libraries that share serial buses; the
names of the tests are their numbers, and L19 and L20, of Modbus TCP, are not
among them.
"""

from lumina.errors import BadReply, ExceptionReply, NoReply
from lumina.interfaces import Terms
from lumina.modbus.pdu import (
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadDeviceIdentification,
    ReadHoldingRegisters,
    ReadWriteRegisters,
    Request,
    WriteCoil,
)
from lumina.modbus.rtu import Line, encode
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Echo, Effect, Fault, When
from lumina.testing import FakeBus, pass_time
from tests.field_case import LINE, READ, SILENT, WRITE, FieldCase, device

#: Functions whose confirmation is a copy of the request.
COPIED = (WriteCoil(1, True), WRITE, Diagnostics(0, 7), MaskWriteRegister(3, 0xF0, 0x0F))


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
