"""A line that misbehaves on demand: what its slave does, and what a port makes of it."""

from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port, PortSettings
from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply, PortLost
from lumina.frontends.slave import Slave
from lumina.interfaces import Terms
from lumina.modbus.pdu import ReadHoldingRegisters, ReadInputRegisters, Reply, Request, WriteRegister
from lumina.modbus.rtu import encode
from lumina.simulator.bank import Bank
from lumina.simulator.faults import Babble, Echo, Effect, Fault, Faults, Rule, When
from lumina.simulator.tables import registers
from lumina.simulator.unit import Unit
from lumina.testing import Cable, FakeBus, FakeWatcher, pass_time
from tests.test_slave import ANSWER, LINE, READ, SILENCE, WRITE, SlaveTestCase, device

READ_ONE = ReadHoldingRegisters(0, 1)
WRITE_ONE = WriteRegister(3, 99)


def units() -> dict[int, Unit]:
    """Units 1 to 3; in each register is its unit's number, a hundredfold, and its address."""
    return {
        unit: Unit(
            holding_registers=registers(10, held={address: 100 * unit + address for address in range(10)}),
            input_registers=registers(10, held={address: 100 * unit + 50 + address for address in range(10)}),
        )
        for unit in (1, 2, 3)
    }


class SlaveTests(SlaveTestCase):
    def misbehave(self, *rules: Rule) -> None:
        """From now on the line is faulty."""
        self.start(FakeBus(device), faults=Faults(rules, self.clock.seconds))

    def test_not_heard(self) -> None:
        """
        What a unit does not hear is asked of nobody.
        """
        self.misbehave(Fault(When(), Effect(lost="request")))
        self.assertEqual((self.exchange(WRITE), self.bus.asked), (b"", []))

    def test_refused(self) -> None:
        """
        What a unit is made to refuse is asked of nobody, whatever the code.
        """
        for code in (6, 0, 255):
            self.misbehave(Fault(When(), Effect(exception=code)))
            self.assertEqual((self.exchange(WRITE), self.bus.asked), (encode(1, bytes((0x86, code))), []))

    def test_malformed_request(self) -> None:
        """
        The refusal of a malformed request can go wrong like any other answer.
        """
        self.misbehave(Fault(When(), Effect(as_unit=2)))
        self.assertEqual(self.exchange(encode(1, b"\x03\0\0\0\0")), encode(2, b"\x83\x03"))

    def test_broadcast(self) -> None:
        """
        Broadcasts are carried out whatever the rules, and not counted.
        """
        self.misbehave(Fault(When(times=1), Effect(lost="request")))
        self.assertEqual(self.exchange(encode(0, WRITE[1:-2])), b"")
        self.assertEqual(len(self.bus.asked), 1)
        self.assertEqual(self.exchange(READ), b"")
        self.assertEqual(self.exchange(READ), ANSWER)

    def test_late_whatever_follows(self) -> None:
        """
        A late answer comes although the master asks anew, and before the answer to that.
        """
        self.misbehave(Fault(When(times=1), Effect(delay=(1, 1))))
        self.assertEqual(self.exchange(WRITE), b"")
        self.assertEqual(self.exchange(READ), b"")
        self.pass_time(1)
        self.pass_time(1)
        self.assertEqual(self.line.value(), WRITE + ANSWER)

    def test_others_do_not_wait(self) -> None:
        """
        While one unit is late, another answers.
        """
        self.misbehave(Fault(When(times=1), Effect(delay=(1, 1))))
        self.assertEqual(self.exchange(READ), b"")
        self.assertEqual(self.exchange(encode(2, READ[1:-2])), encode(2, ANSWER[1:-2]))
        self.pass_time(1)
        self.assertEqual(self.line.value(), ANSWER)

    def test_pauses_are_silence(self) -> None:
        """
        A pause begins when the piece before it has left.
        """
        self.misbehave(Fault(When(), Effect(pieces=(6, 3), pause=(0.01, 0.01))))
        self.slave.dataReceived(READ)
        self.clock.advance(LINE.gap)
        self.assertEqual(self.line.value(), ANSWER[:6])
        self.clock.advance(LINE.duration(6) + 0.0099)
        self.assertEqual(self.line.value(), ANSWER[:6])
        self.clock.advance(0.0002)
        self.assertEqual(self.line.value(), ANSWER)

    def test_echo(self) -> None:
        """
        On an echoing line all that comes is given back at once, frame or not.
        """
        self.misbehave(Echo())
        self.slave.dataReceived(b"\xff")
        self.assertEqual(self.line.value(), b"\xff")
        self.pass_time(SILENCE)
        self.assertEqual(self.exchange(READ), b"\xff" + READ + ANSWER)

    def test_gone(self) -> None:
        """
        A line that goes away is closed, once the answer has left.
        """
        self.misbehave(Fault(When(), Effect(gone=5)))
        self.slave.dataReceived(READ)
        self.clock.advance(LINE.gap)
        self.assertEqual((self.line.value(), self.line.disconnecting), (ANSWER, False))
        self.clock.advance(LINE.duration(len(ANSWER)) + 0.0001)
        self.assertTrue(self.line.disconnecting)

    def test_lost_in_the_midst(self) -> None:
        """
        When the line is lost, nothing is sent any more, and no timer is left.
        """
        self.misbehave(Fault(When(), Effect(delay=(1, 1))), Babble(b"\x55", pace=0.7))
        self.slave.dataReceived(READ)
        self.clock.advance(LINE.gap)
        self.slave.connectionLost()
        self.clock.advance(5)
        self.assertEqual(self.line.value(), b"")


class PortTests(SynchronousTestCase):
    """A port, and units whose line misbehaves, with a cable between them."""

    def setUp(self) -> None:
        self.clock, self.seen = Clock(), FakeWatcher()
        self.cable = Cable(self.clock, LINE)

    def start(self, *rules: Rule, **changed: Any) -> Port:
        """A port in use; its service is stopped in the end, and nothing of it is left."""
        faults = Faults(rules, self.clock.seconds)
        bank = Bank(units(), self.clock.seconds)
        factory = Factory.forProtocol(lambda: Slave(bank, LINE, self.clock, faults=faults))
        slave = ClientService(self.cable.slaves, factory, retryPolicy=faults.pause, clock=self.clock)
        slave.startService()
        self.bus = Port(
            PortSettings("bus", "cable", line=LINE, timeout=0.2, **changed),
            self.cable,
            self.clock,
            [self.seen],
        )
        self.bus.startService()
        pass_time(self.clock, 0.2)
        self.addCleanup(self.stop, slave)
        return self.bus

    def stop(self, slave: ClientService) -> None:
        stopped = self.bus.stopService()
        pass_time(self.clock, 5)
        self.successResultOf(stopped)
        gone: Deferred[None] = slave.stopService()
        pass_time(self.clock, 1)
        self.successResultOf(gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def ask(self, unit: int = 1, request: Request = READ_ONE, seconds: float = 2.0) -> Deferred[Reply]:
        """Ask, and let time pass."""
        done = self.bus.execute(unit, request, Terms())
        pass_time(self.clock, seconds)
        return done

    def read(self, unit: int = 1, request: Request = READ_ONE) -> tuple[int, ...]:
        """The registers that come."""
        return self.successResultOf(self.ask(unit, request)).registers

    def error(self, kind: type[LuminaError], unit: int = 1, request: Request = READ_ONE) -> str:
        """What is said of a request that fails."""
        return str(self.failureResultOf(self.ask(unit, request), kind).value)

    def test_sound_line(self) -> None:
        """
        Without rules every unit answers, in the time that the bytes take on the wire.
        """
        self.start()
        self.assertEqual([self.read(unit) for unit in (1, 2, 3)], [(100,), (200,), (300,)])
        exchange = self.seen.exchanges[0]
        assert exchange.last is not None
        self.assertAlmostEqual(exchange.last - exchange.sent, LINE.duration(8 + 7) + LINE.gap)

    def test_silence(self) -> None:
        """
        A silent unit is a timeout, and other units are served.
        """
        self.start(Fault(When(units=frozenset({1})), Effect(lost="request")))
        self.assertIn("unit 1 did not reply", self.error(NoReply))
        self.assertEqual(self.read(2), (200,))

    def test_lost_reply(self) -> None:
        """
        A write whose reply is lost has happened, and one that was not heard has not.
        """
        lost = Fault(When(functions=frozenset({6}), times=1), Effect(lost="reply"))
        deaf = Fault(When(functions=frozenset({6})), Effect(lost="request"))
        self.start(lost, deaf)
        where = ReadHoldingRegisters(3, 1)
        self.assertIn("outcome unknown", self.error(NoReply, request=WRITE_ONE))
        self.assertEqual(self.read(request=where), (99,))
        self.error(NoReply, request=WriteRegister(3, 77))
        self.assertEqual(self.read(request=where), (99,))

    def test_wrong_crc(self) -> None:
        """
        An answer with a wrong CRC is a bad reply, and the next is good.
        """
        self.start(Fault(When(times=1), Effect(bad_crc=True)))
        self.assertIn("CRC", self.error(BadReply))
        self.assertEqual(self.read(), (100,))

    def test_other_unit_first(self) -> None:
        """
        An answer of another unit is passed over; the right one, which follows, is taken.
        """
        stranger = encode(2, b"\x03\x02\x00\x63")
        self.start(Fault(When(), Effect(noise_before=stranger)))
        self.assertEqual(self.read(), (100,))
        self.assertEqual(self.seen.exchanges[0].foreign, (stranger,))

    def test_other_unit_only(self) -> None:
        """
        An answer under the number of another unit is no answer.
        """
        self.start(Fault(When(), Effect(as_unit=2)))
        self.assertIn("unit 2 replied", self.error(BadReply))

    def test_refusal(self) -> None:
        """
        A unit can be made to refuse, and then does nothing.
        """
        self.start(Fault(When(functions=frozenset({6})), Effect(exception=6)))
        self.assertIn("exception 06", self.error(ExceptionReply, request=WRITE_ONE))
        self.assertEqual(self.read(request=ReadHoldingRegisters(3, 1)), (103,))

    def test_in_pieces(self) -> None:
        """
        An answer in pieces, with pauses shorter than the slack, is an answer.
        """
        self.start(Fault(When(), Effect(pieces=(1, 2), pause=(0.005, 0.015))))
        self.assertEqual(self.read(), (100,))

    def test_late(self) -> None:
        """
        A late answer comes, even though the master asks another unit meanwhile, and answers nobody.
        """
        self.start(Fault(When(times=1), Effect(delay=(0.2, 0.2))))
        first, second = self.bus.execute(1, READ_ONE), self.bus.execute(2, READ_ONE)
        pass_time(self.clock, 2)
        self.failureResultOf(first, NoReply)
        self.assertEqual(self.successResultOf(second).registers, (200,))
        heard = sum(len(each.incoming) + each.stale for each in self.seen.exchanges)
        self.assertEqual(heard, 7 + 7)

    def test_in_turn(self) -> None:
        """
        A unit that is late with one answer gives the next one after it, never before.
        """
        self.start(Fault(When(times=1), Effect(delay=(0.25, 0.25))))
        first = self.bus.execute(1, READ_ONE)
        second = self.bus.execute(1, ReadInputRegisters(0, 1))
        pass_time(self.clock, 2)
        self.failureResultOf(first, NoReply)
        self.assertEqual(self.successResultOf(second).registers, (150,))
        heard = b"".join(each.incoming for each in self.seen.exchanges)
        self.assertEqual(heard, encode(1, b"\x03\x02\x00\x64") + encode(1, b"\x04\x02\x00\x96"))

    def test_echo(self) -> None:
        """
        A port that knows of the echo is served on an echoing line.
        """
        self.start(Echo(), echo=True)
        self.assertEqual(self.read(), (100,))
        self.assertEqual(self.successResultOf(self.ask(1, WRITE_ONE)).pdu, WRITE_ONE.encode())
        heard = self.seen.exchanges[1].incoming
        self.assertEqual(heard, 2 * encode(1, WRITE_ONE.encode()))

    def test_babble(self) -> None:
        """
        A babbling line is jammed, and used again when it is quiet.
        """
        self.start(Babble(8, pace=0.01, after=1, until=4))
        self.assertEqual(self.read(), (100,))
        self.failureResultOf(self.ask(), LuminaError)
        self.assertEqual(self.bus.status().state, "jammed")
        pass_time(self.clock, 4)
        self.assertEqual(self.read(), (100,))
        self.assertEqual(self.bus.status().state, "idle")

    def test_gone(self) -> None:
        """
        A line that goes away in the midst of an answer is lost, and back after its time.
        """
        self.start(Fault(When(times=1), Effect(cut=4, gone=3)))
        done = self.bus.execute(1, READ_ONE)
        pass_time(self.clock, 0.1)
        self.failureResultOf(done, PortLost)
        self.assertEqual(len(self.seen.exchanges[0].incoming), 3)
        pass_time(self.clock, 2.7)
        self.assertEqual((self.bus.status().state, self.cable.opened), ("closed", 1))
        pass_time(self.clock, 5)
        self.assertEqual(self.cable.opened, 2)
        self.assertEqual(self.read(), (100,))

    def test_unplugged(self) -> None:
        """
        A cable that is pulled out ends the exchange, and can be put back.
        """
        self.start()
        done = self.bus.execute(1, READ_ONE)
        pass_time(self.clock, 0.005)
        self.cable.unplug()
        self.failureResultOf(done, PortLost)
        pass_time(self.clock, 1)
        self.assertEqual(self.bus.status().state, "closed")
        self.cable.plug()
        pass_time(self.clock, 5)
        self.assertEqual(self.read(), (100,))

    def test_wrong_speed(self) -> None:
        """
        A request at another speed than the unit's is not understood, and harms nothing that follows.
        """
        self.start()
        done = self.bus.execute(1, READ_ONE, Terms(baudrate=19200))
        pass_time(self.clock, 2)
        self.failureResultOf(done, NoReply)
        self.assertEqual(self.read(), (100,))

    def test_same_again(self) -> None:
        """
        The same rules and requests give the same bytes at the same times.
        """
        runs = []
        for _ in range(2):
            self.setUp()
            self.start(
                Fault(When(chance=0.4), Effect(noise_before=4, delay=(0.0, 0.1), pieces=(2, 3))),
                Fault(When(chance=0.4), Effect(bad_crc=True)),
            )
            for unit in (1, 2, 3) * 3:
                self.ask(unit).addErrback(lambda failure: None)
            runs.append(self.seen.exchanges)
        self.assertEqual(*runs)
