"""The RTU slave: what a serial master sends, and what it is answered."""

import struct
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply, QueueFull
from lumina.frontends.slave import Slave
from lumina.interfaces import Terms
from lumina.modbus import pdu, rtu
from lumina.modbus.pdu import Reply, Request
from lumina.simulator.faults import Faults
from lumina.testing import FakeBus

LINE = rtu.Line(9600)
SLACK = 0.02
SILENCE = LINE.gap + SLACK + 0.001

READ = bytes.fromhex("01 03 00 00 00 02 C4 0B")
ANSWER = bytes.fromhex("01 03 04 00 00 00 01 3B F3")
WRITE = bytes.fromhex("01 06 00 0A 04 D2 2B 55")
#: Function 10h, whose length only its own byte count tells.
WRITE_TWO = bytes.fromhex("01 10 00 0A 00 02 04 04 D2 16 2E 5C A5")
UNKNOWN = rtu.encode(1, b"\x42\x07\x08")

OTHER_READ = rtu.encode(9, b"\x03\x00\x00\x00\x02")
OTHER_REPLY = rtu.encode(9, b"\x03\x04\x01\x02\x03\x04")


def device(unit: int, request: Request) -> bytes:
    """A device with every address from 0 to 99, and no other function."""
    match request:
        case pdu.ReadHoldingRegisters(0x60, _):
            raise ExceptionReply(3, 2)
        case pdu.ReadRegisters():
            return request.answer(range(request.count))
        case pdu.WriteRegister() | pdu.WriteRegisters():
            return request.answer()
    raise ExceptionReply(request.function, 1)


class SlaveTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.start(FakeBus(device))
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def start(
        self,
        bus: FakeBus,
        units: set[int] | None = None,
        turnaround: float | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.bus = bus
        self.line = StringTransport()
        self.slave = Slave(bus, LINE, self.clock, turnaround, units, SLACK, faults=faults)
        self.slave.makeConnection(self.line)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([seconds, 0, 0])

    def exchange(self, *pieces: bytes) -> bytes:
        """What is answered to the pieces, until long after the last."""
        for piece in pieces:
            self.slave.dataReceived(piece)
        self.pass_time(SILENCE)
        self.pass_time(SILENCE)
        answer: bytes = self.line.value()
        self.line.clear()
        return answer


class AnswerTests(SlaveTestCase):
    def test_documented_vectors(self) -> None:
        """
        Reads and writes are answered as other slaves answer them, byte for byte.
        """
        for asked, answered in (
            (READ, ANSWER),
            (WRITE, WRITE),
            (WRITE_TWO, bytes.fromhex("01 10 00 0A 00 02 61 CA")),
            (bytes.fromhex("01 03 00 60 00 05 85 D7"), bytes.fromhex("01 83 02 C0 F1")),
            (bytes.fromhex("01 11 C0 2C"), bytes.fromhex("01 91 01 8C 50")),
        ):
            self.assertEqual(self.exchange(asked), answered)

    def test_cut_anywhere(self) -> None:
        """
        A request is understood wherever the driver happens to cut it.
        """
        for frame in (READ, WRITE, WRITE_TWO, UNKNOWN):
            whole = self.exchange(frame)
            self.assertTrue(whole)
            for cut in range(1, len(frame)):
                self.assertEqual(self.exchange(frame[:cut], frame[cut:]), whole, cut)
            self.assertEqual(self.exchange(*(bytes((byte,)) for byte in frame)), whole)

    def test_pauses_within_a_request(self) -> None:
        """
        A request that an adapter holds up for less than the slack is still one.
        """
        for byte in READ:
            self.slave.dataReceived(bytes((byte,)))
            self.pass_time(SLACK)
        self.assertEqual(self.line.value(), ANSWER)

    def test_what_waits_in_the_driver_counts(self) -> None:
        """
        Where the service was busy beyond the silence, bytes that had come in time are no new frame.
        """
        self.slave.dataReceived(READ[:4])
        self.clock.callLater(SILENCE + 0.1, self.slave.dataReceived, READ[4:])
        self.clock.advance(SILENCE + 0.2)
        self.pass_time(SILENCE)
        self.assertEqual(self.line.value(), ANSWER)

    def test_one_after_the_other(self) -> None:
        """
        Each request has its answer.
        """
        for _ in range(3):
            self.assertEqual(self.exchange(READ), ANSWER)

    def test_terms(self) -> None:
        """
        The bus is asked on the terms that the slave was given, each request by its number.
        """
        terms = Terms(client="plc", patience=0.5)
        self.slave = Slave(self.bus, LINE, self.clock, terms=terms)
        self.slave.makeConnection(self.line)
        for number in ("1", "2"):
            self.exchange(READ)
            expected = (1, pdu.ReadHoldingRegisters(0, 2), replace(terms, id=number))
            self.assertEqual(self.bus.asked[-1][:3], expected)

    def test_malformed_requests(self) -> None:
        """
        A sound frame with a request that the specification forbids gets its exception, and asks nobody.
        """
        for body, code in (
            (b"\x03\x00\x00\x00\x00", 3),
            (b"\x03\x00\x00\x00\x7e", 3),
            (b"\x03\x00\x00\x00\x02\x00\x00", 3),
            (b"\x03\x00\x00", 3),
            (b"\x05\x00\x00\x12\x34", 3),
            (b"\x10\x00\x00\x00\x02\x02\x00\x00", 3),
            (b"\x03\xff\xff\x00\x02", 2),
        ):
            refused = bytes((body[0] | 0x80, code))
            self.assertEqual(self.exchange(rtu.encode(1, body)), rtu.encode(1, refused), body.hex())
        self.assertEqual(self.bus.asked, [])


class TurnaroundTests(SlaveTestCase):
    def test_the_gap(self) -> None:
        """
        Between a request and its reply lie 3.5 characters, and no more.
        """
        self.slave.dataReceived(READ)
        self.pass_time(LINE.gap - 0.0001)
        self.assertEqual(self.line.value(), b"")
        self.pass_time(0.0002)
        self.assertEqual(self.line.value(), ANSWER)

    def test_of_its_own(self) -> None:
        """
        A turnaround that is given is kept, from the end of the request, whatever part of it the bus needs.
        """
        self.start(FakeBus(), turnaround=0.05)
        self.slave.dataReceived(READ)
        self.pass_time(0.03)
        self.bus.asked[0].reply(ANSWER[1:-2])
        self.pass_time(0.0199)
        self.assertEqual(self.line.value(), b"")
        self.pass_time(0.0002)
        self.assertEqual(self.line.value(), ANSWER)

    def test_late_answer(self) -> None:
        """
        When the bus took longer than the turnaround, its answer goes out at once.
        """
        self.start(FakeBus())
        self.slave.dataReceived(READ)
        self.pass_time(0.7)
        self.bus.asked[0].reply(ANSWER[1:-2])
        self.pass_time(0)
        self.assertEqual(self.line.value(), ANSWER)


class ErrorTests(SlaveTestCase):
    def test_errors_of_another_bus(self) -> None:
        """
        What goes wrong on the bus behind is told by the exception code of its error.
        """
        for error, code in ((QueueFull("full"), 6), (BadReply("noise"), 0x0B), (LuminaError("fault"), 4)):
            self.start(FakeBus())
            self.slave.dataReceived(READ)
            self.bus.asked[0].fail(error)
            self.assertEqual(self.exchange(), rtu.encode(1, bytes((0x83, code))))

    def test_no_reply(self) -> None:
        """
        A unit that does not reply is silent here too.
        """
        self.start(FakeBus())
        self.slave.dataReceived(READ)
        self.bus.asked[0].fail(NoReply("silence"))
        self.assertEqual(self.exchange(), b"")

    def test_fault(self) -> None:
        """
        A fault in lumina is exception 04 to the master, and logged.
        """
        self.start(FakeBus())
        self.slave.dataReceived(READ)
        self.bus.asked[0].done.errback(ZeroDivisionError("oops"))
        self.assertEqual(self.exchange(), rtu.encode(1, b"\x83\x04"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class SilenceTests(SlaveTestCase):
    def test_bad_crc(self) -> None:
        """
        A damaged request gets silence, and the next one its answer.
        """
        for place in range(len(READ)):
            damaged = bytearray(READ)
            damaged[place] ^= 0x10
            self.assertEqual(self.exchange(bytes(damaged)), b"", place)
            self.assertEqual(self.exchange(READ), ANSWER)

    def test_cut_off(self) -> None:
        """
        A request that was never finished does not harm the next one.
        """
        for length in range(1, len(WRITE_TWO)):
            self.assertEqual(self.exchange(WRITE_TWO[:length]), b"")
            self.assertEqual(self.exchange(READ), ANSWER)

    def test_noise_before(self) -> None:
        """
        A request right behind noise is answered once the line is silent.
        """
        for noise in (b"\x00", b"\xff\xfe", b"\x01\x03", b"\x01\x10\x00\x00\x00\x02\xff", bytes(range(250))):
            self.assertEqual(self.exchange(noise + READ), ANSWER, noise.hex())

    def test_endless_noise(self) -> None:
        """
        However long the noise lasts, little of it is kept, and a request after it is answered.
        """
        for _ in range(100):
            self.slave.dataReceived(b"\x55" * 1000)
        self.assertLessEqual(len(self.slave._bytes), rtu.MAX_FRAME)
        self.pass_time(SILENCE)
        self.assertEqual(self.exchange(READ), ANSWER)

    def test_broadcast(self) -> None:
        """
        A broadcast write is passed on and never answered, not even refused.
        """
        self.assertEqual(self.exchange(rtu.encode(0, WRITE[1:-2])), b"")
        self.assertEqual(self.exchange(rtu.encode(0, b"\x42\x00")), b"")
        self.assertEqual(self.exchange(rtu.encode(0, b"\x05\x00\x00\x12\x34")), b"")
        self.assertEqual(self.bus.asked[0][:2], (0, pdu.WriteRegister(10, 1234)))

    def test_broadcast_read(self) -> None:
        """
        To read from all units means nothing, and asks nobody.
        """
        self.assertEqual(self.exchange(rtu.encode(0, READ[1:-2])), b"")
        self.assertEqual(self.bus.asked, [])

    def test_other_unit(self) -> None:
        """
        Of several slaves on a line only the one that is meant asks its bus.
        """
        self.start(FakeBus(device), units={1, 2})
        self.assertEqual(self.exchange(OTHER_READ), b"")
        self.assertEqual(self.bus.asked, [])
        self.assertEqual(self.exchange(READ), ANSWER)


class SharedLineTests(SlaveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.start(FakeBus(device), units={1})

    def test_traffic_of_others(self) -> None:
        """
        Requests to other units, and their replies, pass without harm, even where no silence is seen between.
        """
        for others in (
            OTHER_READ + OTHER_REPLY,
            OTHER_READ + rtu.encode(9, b"\x83\x02"),
            rtu.encode(9, WRITE[1:-2]) * 2,
            rtu.encode(9, b"\x11") + rtu.encode(9, b"\x11\x03\x05\xff\x07"),
            rtu.encode(9, b"\x42\x01") + rtu.encode(9, b"\x42\x01\x02"),
            OTHER_READ + OTHER_REPLY[:-1] + b"\x00",
        ):
            self.assertEqual(self.exchange(others + READ), ANSWER, others.hex())
            self.assertEqual(self.exchange(others, READ), ANSWER, others.hex())
        self.assertEqual(len(self.bus.asked), 12)

    def test_without_delay(self) -> None:
        """
        Right behind sound traffic of others a request is answered as soon as any other.
        """
        for others in (OTHER_READ + OTHER_REPLY, rtu.encode(9, b"\x83\x02"), OTHER_READ, OTHER_REPLY):
            self.slave.dataReceived(others + READ)
            self.pass_time(LINE.gap + 0.0001)
            self.assertEqual(self.line.value(), ANSWER, others.hex())
            self.line.clear()

    def test_reply_that_holds_a_request(self) -> None:
        """
        Another slave's reply whose data look like a request to us is data.
        """
        reply = rtu.encode(9, b"\x03\x08" + READ)
        for cut in range(1, len(reply)):
            self.assertEqual(self.exchange(reply[:cut], reply[cut:]), b"")
        self.assertEqual(self.bus.asked, [])

    def test_reply_of_our_address(self) -> None:
        """
        A reply is not a request, even from our own address.
        """
        self.assertEqual(self.exchange(ANSWER), b"")
        for body in (b"\x83\x02", b"\x83\x02\x00", b"\xff"):
            self.assertEqual(self.exchange(rtu.encode(1, body)), b"", body.hex())


class GiveUpTests(SlaveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.start(FakeBus())

    def test_asked_anew(self) -> None:
        """
        Of two requests only the second is answered; the first is withdrawn from the bus.
        """
        self.slave.dataReceived(WRITE)
        self.pass_time(1)
        self.slave.dataReceived(READ)
        self.assertEqual(self.bus.withdrawn, self.bus.asked[:1])
        self.bus.asked[1].reply(ANSWER[1:-2])
        self.assertEqual(self.exchange(), ANSWER)

    def test_answered_but_not_sent(self) -> None:
        """
        A request that comes before the reply to the last is on the wire takes its place.
        """
        self.slave.dataReceived(WRITE)
        self.bus.asked[0].reply(WRITE[1:-2])
        self.slave.dataReceived(READ)
        self.bus.asked[1].reply(ANSWER[1:-2])
        self.assertEqual(self.exchange(), ANSWER)

    def test_asked_another_unit(self) -> None:
        """
        A master that turns to another unit is not answered by us any more.
        """
        self.start(FakeBus(), units={1})
        self.slave.dataReceived(READ)
        self.slave.dataReceived(OTHER_READ)
        self.assertEqual(len(self.bus.withdrawn), 1)
        self.assertEqual(self.exchange(), b"")

    def test_answer_that_comes_too_late(self) -> None:
        """
        A bus that cannot withdraw a request any more answers nobody with it.
        """
        ends: list[Deferred[Reply]] = [Deferred(), Deferred()]

        class Stubborn:
            def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
                return Deferred.fromCoroutine(self.carry(ends[isinstance(request, pdu.ReadHoldingRegisters)]))

            async def carry(self, end: Deferred[Reply]) -> Reply:
                try:
                    return await Deferred()
                except CancelledError:
                    return await end

        self.slave = Slave(Stubborn(), LINE, self.clock)
        self.slave.makeConnection(self.line)
        self.slave.dataReceived(WRITE)
        self.slave.dataReceived(READ)
        ends[0].callback(Reply(pdu.parse(WRITE[1:-2]), WRITE[1:-2]))
        self.assertEqual(self.exchange(), b"")

    def test_withdrawn_without_a_word(self) -> None:
        """
        A bus that says nothing about a withdrawal is taken at that.
        """

        class Silent:
            def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
                return Deferred()

        self.slave = Slave(Silent(), LINE, self.clock)
        self.slave.makeConnection(self.line)
        self.slave.dataReceived(WRITE)
        self.slave.connectionLost()
        self.assertEqual(self.exchange(), b"")

    def test_a_broadcast_is_not_given_up(self) -> None:
        """
        Nobody waits for a broadcast: the next request does not withdraw it, nor does its end answer that.
        """
        self.slave.dataReceived(rtu.encode(0, WRITE[1:-2]))
        self.slave.dataReceived(READ)
        self.assertEqual(self.bus.withdrawn, [])
        self.bus.asked[0].reply(b"")
        self.slave.dataReceived(READ)
        self.assertEqual(self.bus.withdrawn, self.bus.asked[1:2])
        self.bus.asked[2].reply(ANSWER[1:-2])
        self.assertEqual(self.exchange(), ANSWER)

    def test_lost(self) -> None:
        """
        When the line is gone, what was asked is withdrawn, and no timer is left.
        """
        self.slave.dataReceived(READ + b"\x01")
        self.slave.connectionLost()
        self.assertEqual(self.bus.withdrawn, self.bus.asked)
        self.assertEqual(self.exchange(), b"")


FRAMES = st.builds(rtu.encode, st.integers(0, 255), st.binary(min_size=1, max_size=12))
READS = st.builds(
    lambda unit, count: rtu.encode(unit, struct.pack(">BHH", 3, 0, count)), st.just(1), st.integers(1, 4)
)


class AnythingTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(st.binary(max_size=300) | FRAMES | READS, st.sampled_from((0, 0.001, 1.0))), max_size=8
        )
    )
    def test_any_bytes(self, pieces: list[tuple[bytes, float]]) -> None:
        """
        Any bytes in any pieces raise nothing, and what is sent is a sound frame each time.
        """
        clock, line = Clock(), StringTransport()
        slave = Slave(FakeBus(device), LINE, clock, slack=SLACK)
        slave.makeConnection(line)
        for piece, pause in pieces:
            slave.dataReceived(piece)
            clock.pump([pause, 0, 0])
            if sent := line.value():
                line.clear()
                self.assertTrue(rtu.fits(sent), sent.hex())
                body = sent[1:-2]
                self.assertEqual(len(body), pdu.reply_size(body))
        clock.pump([1, 0, 1])
        line.clear()
        slave.dataReceived(READ)
        clock.advance(LINE.gap)
        self.assertEqual(line.value(), ANSWER)
