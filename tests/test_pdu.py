"""Requests and replies: vectors, how a server reads, how a client decodes."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply, ExceptionReply
from lumina.modbus import pdu, rtu
from lumina.modbus.pdu import (
    CommEventLog,
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadCommEventLog,
    ReadDiscreteInputs,
    ReadFIFOQueue,
    ReadHoldingRegisters,
    ReadWriteRegisters,
    Reply,
    Request,
    WriteCoils,
    WriteRegister,
)
from tests.examples import tries
from tests.pdus import OPAQUE, REQUESTS, VECTORS


class VectorTests(SynchronousTestCase):
    def test_requests(self) -> None:
        """
        Requests recorded from others' programs and printed in the specification are
        written and read alike, CRC included.
        """
        for frame, request, _, _ in VECTORS:
            unit, body = rtu.decode(bytes.fromhex(frame))
            self.assertEqual(pdu.parse(body), request)
            self.assertEqual(rtu.encode(unit, request.encode()), bytes.fromhex(frame))

    def test_replies(self) -> None:
        """
        Their replies are accepted, and give the values that were there.
        """
        for _, request, frame, values in VECTORS:
            if frame:
                _, body = rtu.decode(bytes.fromhex(frame))
                request.check(body)
                if values is not None:
                    self.assertEqual(Reply(request, body).values, values)

    def test_answers(self) -> None:
        """
        A server that holds those values answers with those bytes.
        """
        for _, request, frame, values in VECTORS:
            if frame and (values is not None or request.writes):
                given = () if values is None or isinstance(request, Diagnostics) else (values,)
                body = request.answer(*given)
                self.assertEqual(rtu.encode(bytes.fromhex(frame)[0], body), bytes.fromhex(frame))

    def test_exceptions(self) -> None:
        """
        A refusal is no good reply, and is two bytes: function with 80h, and code.
        """
        for sent, came in (("0103006000 0585D7", "018302C0F1"), ("0111C02C", "0191018C50")):
            _, asked = rtu.decode(bytes.fromhex(sent))
            _, body = rtu.decode(bytes.fromhex(came))
            request = pdu.parse(asked)
            self.assertEqual(ExceptionReply(request.function, body[1]).pdu, body)
            self.assertEqual(pdu.reply_size(body), 2)
            self.assertRaises(BadReply, request.check, body)

    def test_masked(self) -> None:
        """
        The specification's example of function 22: 12h with F2h and 25h becomes 17h.
        """
        self.assertEqual(MaskWriteRegister(4, 0xF2, 0x25).applied(0x12), 0x17)


class NatureTests(SynchronousTestCase):
    def test_known(self) -> None:
        """
        What writes, what may be asked twice, and what answers with an echo, by function.
        """
        kinds = pdu.KINDS.items()
        self.assertEqual(len(kinds), 19)
        self.assertEqual({code for code, kind in kinds if kind.writes}, {5, 6, 8, 15, 16, 21, 22, 23})
        self.assertEqual({code for code, kind in kinds if kind.repeatable}, {1, 2, 3, 4, 17, 43})
        self.assertEqual({code for code, kind in kinds if kind.echoes}, {5, 6, 8, 21, 22})

    def test_opaque(self) -> None:
        """
        An unknown function may write and is never repeated; a known one beyond its limits echoes still.
        """
        for function in range(1, 0x80):
            request = Opaque(bytes((function,)))
            self.assertEqual((request.function, request.writes, request.repeatable), (function, True, False))
            self.assertEqual(request.echoes, function in (5, 6, 8, 21, 22))

    def test_equal(self) -> None:
        """
        Requests are equal when they ask the same, and can be looked up by that.
        """
        self.assertEqual(len({ReadCoils(1, 2), ReadCoils(1, 2), ReadDiscreteInputs(1, 2)}), 2)
        self.assertEqual(repr(WriteRegister(1, 2)), "WriteRegister(address=1, value=2)")
        self.assertEqual(repr(Opaque(b"A")), "Opaque(pdu=b'A')")


class ParseTests(SynchronousTestCase):
    def code(self, body: str) -> int:
        """The exception code that a request is refused with."""
        error: ExceptionReply = self.assertRaises(ExceptionReply, pdu.parse, bytes.fromhex(body))
        self.assertEqual(error.function, bytes.fromhex(body)[0])
        return error.code

    def test_functions(self) -> None:
        """
        Function 00 and those from 80h on are illegal functions; unknown ones are handed on.
        """
        self.assertEqual(self.assertRaises(ExceptionReply, pdu.parse, b"").pdu, b"\x80\x01")
        self.assertEqual(self.assertRaises(ExceptionReply, pdu.parse, b"\0\1").pdu, b"\x80\x01")
        for function in range(0x80, 0x100):
            error = self.assertRaises(ExceptionReply, pdu.parse, bytes((function, 3)))
            self.assertEqual(error.pdu, bytes((function, 1)))
        for function in set(range(1, 0x80)) - set(pdu.KINDS):
            self.assertEqual(pdu.parse(bytes((function, 1))), Opaque(bytes((function, 1))))

    def test_value_before_address(self) -> None:
        """
        A request wrong in count or value and in address is refused for the count or value.
        """
        for body in (
            "01FFFF07D1",
            "02FFFF0000",
            "03FFFF007E",
            "04FFFF0000",
            "05FFFF1234",
            "0FFFFF07B1 01 00",
            "0FFFFF0009 01 00",
            "10FFFF0000 02 0001",
            "10FFFF0002 02 0001",
            "17FFFF0002 FFFF0002 02 0001",
            "17FFFF007E 00000001 02 0001",
            "1700000001 FFFF007A 02 0001",
        ):
            self.assertEqual(self.code(body), 3, body)

    def test_address(self) -> None:
        """
        A request good in all but a range that goes beyond 65535 is an illegal address.
        """
        for body in (
            "01FFFF0002",
            "02FFFF0002",
            "03FFFF0002",
            "04FFFF0002",
            "0FFFFF0002 01 03",
            "10FFFF0002 04 00010002",
            "17FFFF0002 00000001 02 0001",
            "1700000001 FFFF0002 04 00010002",
        ):
            self.assertEqual(self.code(body), 2, body)

    def test_files(self) -> None:
        """
        Of file records the byte counts are looked at first, then each group.
        """
        for body, code in (
            ("1400", 3),
            ("1406 060001000000", 3),
            ("1408 06000100000001 06", 3),
            ("14FC" + "07000100000001" * 36, 3),
            ("1407 07000100000001", 2),
            ("1407 06000000000001", 2),
            ("1407 06000127100001", 2),
            ("1407 06000100000000", 2),
            ("1407 06000100000080", 3),
            ("1507 06000100000000", 3),
            ("1509 06000100000002 0001", 3),
            ("150B 06000100000001 0001 0001", 3),
            ("1509 07000100000001 0001", 2),
            ("1509 06000000000001 0001", 2),
            ("1509 06000127100001 0001", 2),
            ("1509 07000100000003 0001", 3),
            ("1510 07000100000001 0001 06000100000001", 3),
        ):
            self.assertEqual(self.code(body), code, body)

    def test_lengths(self) -> None:
        """
        Every known request with a byte missing or left over is an illegal value.
        """
        for frame, request, _, _ in VECTORS:
            body = bytes.fromhex(frame)[1:-2]
            for wrong in (body[:-1], body + b"\0", body[:1] if len(body) > 1 else body * 2):
                if wrong:
                    self.assertEqual(self.code(wrong.hex()), 3, request)

    def test_subfunctions(self) -> None:
        """
        Function 08 is illegal with an unknown sub-function, before its data is looked at.
        """
        self.assertEqual(self.code("080005 0001"), 1)
        self.assertEqual(self.code("080005"), 1)
        self.assertEqual(self.code("0800010001"), 3)
        self.assertEqual(self.code("0800"), 3)

    def test_encapsulated(self) -> None:
        """
        Function 43 is illegal with another MEI than 14; a code beyond 4 is an illegal value.
        """
        self.assertEqual(self.code("2B0D0100"), 1)
        self.assertEqual(self.code("2B0D"), 1)
        self.assertEqual(self.code("2B"), 3)
        self.assertEqual(self.code("2B0E0000"), 3)
        self.assertEqual(self.code("2B0E0500"), 3)

    @given(st.one_of(REQUESTS, OPAQUE))
    def test_round_trip(self, request: Request) -> None:
        """
        Every request is read as it was written, within the longest PDU.
        """
        body = request.encode()
        self.assertLessEqual(len(body), pdu.MAX_PDU)
        self.assertEqual(body[0], request.function)
        self.assertEqual(pdu.parse(body), request)

    @tries(500)
    @given(st.sampled_from((*sorted(pdu.KINDS), 0, 0x41, 0x80, 0xFF)), st.binary(max_size=260))
    def test_any_bytes(self, function: int, rest: bytes) -> None:
        """
        Whatever comes is a request, which is written as it came, or is refused with 01, 02 or 03.
        """
        body = bytes((function,)) + rest
        try:
            request = pdu.parse(body)
        except ExceptionReply as error:
            self.assertIn(error.code, (1, 2, 3))
            self.assertEqual(len(error.pdu), 2)
            return
        self.assertEqual(len(request.encode()), len(body))
        # Unused bits behind the last coil may be anything.
        if not isinstance(request, WriteCoils):
            self.assertEqual(request.encode(), body)


class ReplyTests(SynchronousTestCase):
    def test_registers_and_bits(self) -> None:
        """
        A reply gives its registers or bits, and tells when it has neither.
        """
        read, inputs = ReadHoldingRegisters(0, 2), ReadCoils(0, 2)
        self.assertEqual(Reply(read, read.answer((7, 8))).registers, (7, 8))
        self.assertEqual(Reply(inputs, inputs.answer((True, False))).bits, (True, False))
        fifo, both = ReadFIFOQueue(0), ReadWriteRegisters(0, 1, 0, (1,))
        self.assertEqual(Reply(fifo, fifo.answer(())).registers, ())
        self.assertEqual(Reply(both, both.answer((9,))).registers, (9,))
        self.assertRaises(TypeError, lambda: Reply(inputs, inputs.answer((True, False))).registers)
        self.assertRaises(TypeError, lambda: Reply(read, read.answer((7, 8))).bits)

    def test_broadcast(self) -> None:
        """
        A broadcast has no reply and no values.
        """
        self.assertIsNone(Reply(WriteRegister(1, 2), b"").values)
        self.assertIsNone(Reply(Diagnostics(1), b"").values)

    def test_event_log(self) -> None:
        """
        The event log gives its counters and its events, newest first.
        """
        request = ReadCommEventLog()
        log = CommEventLog(False, 0x108, 0x121, b"\x04\x00")
        self.assertEqual(request.answer(log).hex(), "0c080000010801210400")
        self.assertEqual(Reply(request, request.answer(log)).values, log)
