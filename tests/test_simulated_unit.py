"""A simulated device: the functions beside the four tables, and what it counts."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import ExceptionReply, NoReply
from lumina.modbus import pdu
from lumina.modbus.identity import Identity, ServerId
from lumina.modbus.pdu import Diagnostics, RecordData, RecordRange, Request
from lumina.simulator.bank import Bank
from lumina.simulator.files import Files, Queues
from lumina.simulator.tables import BitsOf, Table, bits, registers
from lumina.simulator.traits import Traits
from lumina.simulator.unit import Unit

#: The counters of function 08, by what they count.
MESSAGES, ERRORS, EXCEPTIONS, ADDRESSED, SILENT, NEGATIVE, BUSY, OVERRUN = range(0x0B, 0x13)


class UnitTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.unit = self.device()
        self.bank = Bank({17: self.unit, 18: Unit()}, Clock().seconds)

    def device(self) -> Unit:
        traits = Traits(
            Identity({0: "Company", 1: "Product", 2: "V2.11"}), ServerId(b"\x07", True, b"pump"), 0x6D, 0x0102
        )
        files = Files({4: [0, 0x0DFE, 0x0020, 0, 0, 0, 0, 0, 0, 0], 3: [*range(9), 0x33CD, 0x40]})
        queues = Queues({0x04DE: [440, 4740], 1: range(31), 2: range(32), 3: []})
        return Unit(bits(8), bits(8), registers(8), registers(8), files, queues, traits)

    def ask(self, request: Request, unit: int = 17) -> str:
        """The reply PDU in hexadecimal digits."""
        return self.successResultOf(self.bank.execute(unit, request)).pdu.hex(" ").upper()

    def refused(self, request: Request, unit: int = 17) -> int:
        code: int = self.failureResultOf(self.bank.execute(unit, request), ExceptionReply).value.code
        return code

    def count(self, counter: int) -> int:
        reply = self.successResultOf(self.bank.execute(17, Diagnostics(counter)))
        return int.from_bytes(reply.pdu[3:], "big")


class OtherFunctionTests(UnitTestCase):
    def test_read_file_record(self) -> None:
        """
        Function 20 reads groups of several files; the specification's example.
        """
        groups = (RecordRange(4, 1, 2), RecordRange(3, 9, 2))
        self.assertEqual(self.ask(pdu.ReadFileRecord(groups)), "14 0C 05 06 0D FE 00 20 05 06 33 CD 00 40")

    def test_write_file_record(self) -> None:
        """
        Function 21 writes records, which function 20 reads back; the specification's example.
        """
        request = pdu.WriteFileRecord((RecordData(4, 7, (0x06AF, 0x04BE, 0x100D)),))
        self.assertEqual(self.ask(request), "15 0D 06 00 04 00 07 00 03 06 AF 04 BE 10 0D")
        read = pdu.ReadFileRecord((RecordRange(4, 7, 3),))
        self.assertEqual(self.ask(read), "14 08 07 06 06 AF 04 BE 10 0D")

    def test_files_that_are_not_there(self) -> None:
        """
        A file that is not there, or records beyond its end, are exception 02.
        """
        for file, record, count in ((5, 0, 1), (4, 9, 2), (4, 10, 1)):
            self.assertEqual(self.refused(pdu.ReadFileRecord((RecordRange(file, record, count),))), 2)
            self.assertEqual(self.refused(pdu.WriteFileRecord((RecordData(file, record, (1,) * count),))), 2)

    def test_write_of_which_a_group_is_refused(self) -> None:
        """
        Function 21 writes all of its groups, or none.
        """
        before = self.ask(pdu.ReadFileRecord((RecordRange(4, 0, 10),)))
        self.assertEqual(
            self.refused(pdu.WriteFileRecord((RecordData(4, 0, (9, 9)), RecordData(9, 0, (9,))))), 2
        )
        self.assertEqual(self.ask(pdu.ReadFileRecord((RecordRange(4, 0, 10),))), before)

    def test_fifo(self) -> None:
        """
        Function 24 tells a queue and leaves it; none is exception 02, more than 31 registers are 03.
        """
        for _ in range(2):
            self.assertEqual(self.ask(pdu.ReadFIFOQueue(0x04DE)), "18 00 06 00 02 01 B8 12 84")
        self.assertEqual(self.ask(pdu.ReadFIFOQueue(3)), "18 00 02 00 00")
        self.assertTrue(self.ask(pdu.ReadFIFOQueue(1)).startswith("18 00 40 00 1F"))
        self.assertEqual(self.refused(pdu.ReadFIFOQueue(2)), 3)
        self.assertEqual(self.refused(pdu.ReadFIFOQueue(4)), 2)

    def test_what_it_says_of_itself(self) -> None:
        """
        Functions 07, 17 and 43/14 tell what the device was given to tell.
        """
        self.assertEqual(self.ask(pdu.ReadExceptionStatus()), "07 6D")
        self.assertEqual(self.ask(pdu.ReportServerId()), "11 06 07 FF 70 75 6D 70")
        self.assertEqual(
            self.ask(pdu.ReadDeviceIdentification(1, 0)),
            "2B 0E 01 81 00 00 03 00 07 43 6F 6D 70 61 6E 79 01 07 50 72 6F 64 75 63 74 02 05 56 32 2E 31 31",
        )
        self.assertEqual(self.refused(pdu.ReadDeviceIdentification(4, 9)), 2)

    def test_what_came_as_it_was(self) -> None:
        """
        A request that its carrier did not read is read here: answered, refused with 03, or with 01.
        """
        self.assertEqual(self.ask(pdu.Opaque(bytes.fromhex("03 0000 0001"))), "03 02 00 00")
        self.assertEqual(self.refused(pdu.Opaque(bytes.fromhex("03 0000 0000"))), 3)
        self.assertEqual(self.refused(pdu.Opaque(b"\x42")), 1)


class SharedMemoryTests(UnitTestCase):
    def device(self) -> Unit:
        holding = registers(4, 100, held={100: 0x8001, 101: 0x0002})
        inputs = Table(holding.memory, start=7, first=1)
        return Unit(BitsOf(holding, start=20), BitsOf(holding), holding, inputs)

    def test_coils_are_bits_of_registers(self) -> None:
        """
        The first coil is the lowest bit of the first register, the seventeenth that of the second.
        """
        self.assertEqual(self.ask(pdu.ReadCoils(20, 18)), "01 03 01 80 02")
        self.ask(pdu.WriteCoils(34, (True, False, True, False, True)))
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(100, 2)), "03 04 40 01 00 05")
        self.ask(pdu.WriteRegister(103, 0x8000))
        self.assertEqual(self.ask(pdu.ReadCoils(83, 1)), "01 01 01")
        self.assertEqual(self.refused(pdu.ReadCoils(83, 2)), 2)
        self.assertEqual(self.refused(pdu.WriteCoil(84, True)), 2)
        self.assertEqual(self.refused(pdu.ReadCoils(19, 1)), 2)

    def test_input_registers_are_a_part_of_the_holding_registers(self) -> None:
        """
        What is written to a holding register is in the input register over the same memory.
        """
        self.ask(pdu.WriteRegisters(101, (5, 6, 7)))
        self.assertEqual(self.ask(pdu.ReadInputRegisters(7, 3)), "04 06 00 05 00 06 00 07")
        self.assertEqual(self.refused(pdu.ReadInputRegisters(7, 4)), 2)
        self.assertEqual(self.ask(pdu.ReadDiscreteInputs(16, 3)), "02 01 05")


class DiagnosticsTests(UnitTestCase):
    def test_returns(self) -> None:
        """
        Sub-function 0 gives back what was sent, 2 the diagnostic register, 3 echoes the delimiter.
        """
        self.assertEqual(self.ask(Diagnostics(0, 0xA537)), "08 00 00 A5 37")
        self.assertEqual(self.ask(Diagnostics(2)), "08 00 02 01 02")
        self.assertEqual(self.ask(Diagnostics(3, 0x0D00)), "08 00 03 0D 00")

    def test_messages(self) -> None:
        """
        Counter 0B has every sound message on the line, 0E those to this unit; the question is one of them.
        """
        self.ask(pdu.ReadCoils(0, 1))
        self.refused(pdu.ReadCoils(0, 1), unit=18)
        self.failureResultOf(self.bank.execute(99, pdu.ReadCoils(0, 1)), NoReply)
        self.assertEqual((self.count(MESSAGES), self.count(ADDRESSED)), (4, 3))

    def test_exceptions(self) -> None:
        """
        Counter 0D has the exceptions, those to broadcasts included, of which nobody was told.
        """
        self.refused(pdu.ReadCoils(0, 9))
        self.refused(pdu.Opaque(bytes.fromhex("03 0000 0000")))
        self.ask(pdu.WriteRegister(99, 1), unit=0)
        self.assertEqual(self.count(EXCEPTIONS), 3)

    def test_no_response(self) -> None:
        """
        Counter 0F has the messages that got no answer: each broadcast.
        """
        self.ask(pdu.WriteRegister(0, 1), unit=0)
        self.ask(pdu.WriteRegister(99, 1), unit=0)
        self.assertEqual((self.count(SILENT), self.count(ADDRESSED)), (2, 4))

    def test_communication_errors(self) -> None:
        """
        Counter 0C has the damaged frames, which are not in 0B.
        """
        self.bank.damaged()
        self.assertEqual((self.count(ERRORS), self.count(MESSAGES)), (1, 2))

    def test_clear(self) -> None:
        """
        Sub-function 0A sets all counters and the diagnostic register to 0.
        """
        self.refused(pdu.ReadCoils(0, 9))
        self.ask(pdu.WriteRegister(0, 1), unit=0)
        self.bank.damaged()
        self.assertEqual(self.ask(Diagnostics(0x0A)), "08 00 0A 00 00")
        self.assertEqual(self.ask(pdu.ReadCommEventCounter()), "0B 00 00 00 00")
        for counter in (ERRORS, EXCEPTIONS, SILENT, NEGATIVE, BUSY, OVERRUN):
            self.assertEqual(self.count(counter), 0)
        self.assertEqual((self.count(MESSAGES), self.count(ADDRESSED)), (8, 9))
        self.assertEqual(self.ask(Diagnostics(2)), "08 00 02 00 00")

    def test_clear_overrun(self) -> None:
        """
        Sub-function 14 sets the overrun counter to 0 and leaves the others.
        """
        self.unit.communication.damaged(overrun=True)
        self.bank.damaged()
        self.assertEqual((self.count(OVERRUN), self.count(ERRORS)), (1, 1))
        self.assertEqual(self.ask(Diagnostics(0x14)), "08 00 14 00 00")
        self.assertEqual((self.count(OVERRUN), self.count(ERRORS)), (0, 1))

    def test_listen_only(self) -> None:
        """
        After sub-function 4, which is not answered, nothing is carried out or answered, until sub-function 1.
        """
        silent = [Diagnostics(4), pdu.WriteRegister(0, 7), Diagnostics(0, 1), Diagnostics(4), Diagnostics(1)]
        for request in silent:
            self.failureResultOf(self.bank.execute(17, request), NoReply)
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(0, 1)), "03 02 00 00")

    def test_listen_only_by_broadcast(self) -> None:
        """
        A broadcast sets all units to listen only, and another one restarts them.
        """
        self.ask(Diagnostics(4), unit=0)
        self.ask(pdu.WriteRegister(0, 7), unit=0)
        self.failureResultOf(self.bank.execute(17, pdu.ReadCoils(0, 1)), NoReply)
        self.ask(Diagnostics(1), unit=0)
        self.assertEqual(self.ask(pdu.ReadHoldingRegisters(0, 1)), "03 02 00 00")

    def test_restart(self) -> None:
        """
        Sub-function 1 is answered, sets all counters to 0, and clears the event log if it is told to.
        """
        self.refused(pdu.ReadCoils(0, 9))
        self.assertEqual(self.ask(Diagnostics(1)), "08 00 01 00 00")
        self.assertEqual(self.ask(pdu.ReadCommEventLog()), "0C 0B 00 00 00 00 00 01 00 40 80 41 80")
        self.assertEqual(self.ask(Diagnostics(1, 0xFF00)), "08 00 01 FF 00")
        self.assertEqual(self.ask(pdu.ReadCommEventLog()), "0C 07 00 00 00 00 00 01 00")


class EventTests(UnitTestCase):
    def test_event_counter(self) -> None:
        """
        Function 11 tells how many requests were completed: neither refusals nor questions for events.
        """
        self.ask(pdu.ReadCoils(0, 1))
        self.refused(pdu.ReadCoils(0, 9))
        self.ask(pdu.WriteRegister(0, 1), unit=0)
        self.ask(pdu.ReadCommEventLog())
        for _ in range(2):
            self.assertEqual(self.ask(pdu.ReadCommEventCounter()), "0B 00 00 00 02")

    def test_event_log(self) -> None:
        """
        Function 12 tells the events, newest first: each message, and what it was answered with.
        """
        self.ask(pdu.ReadCoils(0, 1))
        self.refused(pdu.ReadCoils(0, 9))
        self.ask(pdu.WriteRegister(0, 1), unit=0)
        self.bank.damaged()
        self.failureResultOf(self.bank.execute(17, Diagnostics(4)), NoReply)
        self.failureResultOf(self.bank.execute(17, Diagnostics(1)), NoReply)
        self.assertEqual(
            self.ask(pdu.ReadCommEventLog()),
            "0C 10 00 00 00 00 00 01 00 A0 04 80 82 C0 41 80 40 80",
        )

    def test_log_is_bounded(self) -> None:
        """
        The log has the last 64 events.
        """
        for _ in range(100):
            self.ask(pdu.ReadCoils(0, 1))
        reply = self.ask(pdu.ReadCommEventLog())
        self.assertEqual(reply, "0C 46 00 00 00 64 00 65 " + " ".join(["40 80"] * 32))
