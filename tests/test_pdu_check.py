"""Which replies belong to a request, and which answers a server can give."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply, LuminaError
from lumina.modbus import pdu
from lumina.modbus.pdu import (
    CommEventCounter,
    CommEventLog,
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadCommEventCounter,
    ReadCommEventLog,
    ReadDeviceIdentification,
    ReadExceptionStatus,
    ReadFIFOQueue,
    ReadFileRecord,
    ReadHoldingRegisters,
    ReadWriteRegisters,
    RecordData,
    RecordRange,
    Reply,
    ReportServerId,
    Request,
    WriteCoil,
    WriteCoils,
    WriteFileRecord,
    WriteRegister,
    WriteRegisters,
)
from tests.examples import tries
from tests.pdus import OPAQUE, REQUESTS, TEN, exchanges


class CheckTests(SynchronousTestCase):
    def complaint(self, request: Request, body: str) -> str:
        return str(self.assertRaises(BadReply, request.check, bytes.fromhex(body)))

    def test_foreign(self) -> None:
        """
        A reply that is not to this request is refused, and the sentence names what does not fit.
        """
        read = ReadHoldingRegisters(0, 2)
        for request, body, sentence in (
            (read, "", "function: none came, 03 fits"),
            (read, "0404 00000001", "function: 04 came, 03 fits"),
            (read, "8302", "function: 83 came, 03 fits"),
            (read, "0302 0000", "PDU length: 4 came, 6 fits"),
            (read, "0306 00000001", "byte count: 6 came, 4 fits"),
            (ReadCoils(0, 9), "0101 00 00", "byte count: 1 came, 2 fits"),
            (WriteCoil(5, True), "050006FF00", "address: 00 06 came, 00 05 fits"),
            (WriteCoil(5, True), "0500050000", "value: 00 00 came, FF 00 fits"),
            (WriteRegister(5, 7), "0600050008", "value: 00 08 came, 00 07 fits"),
            (WriteRegisters(5, (7, 8)), "1000050001", "count: 00 01 came, 00 02 fits"),
            (WriteCoils(5, TEN), "0F0004000A", "address: 00 04 came, 00 05 fits"),
            (MaskWriteRegister(4, 1, 2), "16000400010003", "or mask: 00 03 came, 00 02 fits"),
            (ReadWriteRegisters(0, 1, 0, (1,)), "1703 0001", "byte count: 3 came, 2 fits"),
            (Diagnostics(0, 7), "08 0001 0007", "sub-function: 1 came, 0 fits"),
            (Diagnostics(0, 7), "08 0000 0008", "data: 8 came, 7 fits"),
            (ReadCommEventLog(), "0C06 0000 0000", "PDU length: 6 came, at least 8 fits"),
            (ReadCommEventLog(), "0C05 0000 0000 0000", "byte count: 5 is not within 6 to 70"),
            (ReadCommEventLog(), "0C07 0000 0000 0000", "PDU length: 8 came, 9 fits"),
            (ReportServerId(), "11", "PDU length: 1 came, at least 2 fits"),
            (ReportServerId(), "1103 01FF", "byte count: 3 came, 2 fits"),
            (ReadFIFOQueue(1), "18 0002", "PDU length: 3 came, at least 5 fits"),
            (ReadFIFOQueue(1), "18 0006 0003 00010002", "byte count: 6 came, 8 fits"),
            (ReadFIFOQueue(1), "18 0006 0002 0001", "PDU length: 7 came, 9 fits"),
            (ReadFIFOQueue(1), "18 0042 0020" + "0001" * 32, "count: 32 is not within 0 to 31"),
        ):
            self.assertEqual(self.complaint(request, body), sentence)

    def test_files(self) -> None:
        """
        Each group of a file's reply is checked, and the whole echo of what is written.
        """
        read = ReadFileRecord((RecordRange(1, 0, 1), RecordRange(1, 0, 2)))
        self.assertEqual(self.complaint(read, "1409 03060001 050600010002"), "byte count: 9 came, 10 fits")
        self.assertEqual(self.complaint(read, "140A 03060001 030600010002"), "group length: 3 came, 5 fits")
        self.assertEqual(self.complaint(read, "140A 03060001 050700010002"), "reference type: 7 came, 6 fits")
        write = WriteFileRecord((RecordData(1, 0, (7,)),))
        self.assertEqual(
            self.complaint(write, "1509 06000100000001 0008"), "byte 10 of the echo: 08 came, 07 fits"
        )

    def test_identification(self) -> None:
        """
        The objects of an identification must fill its reply exactly.
        """
        stream, single = ReadDeviceIdentification(1, 0), ReadDeviceIdentification(4, 1)
        stream.check(bytes.fromhex("2B0E0101000001 000141"))
        for request, body, sentence in (
            (stream, "2B0E01010000", "PDU length: 6 came, at least 7 fits"),
            (stream, "2B0D0101000001 000141", "MEI type: 13 came, 14 fits"),
            (stream, "2B0E0201000001 000141", "code: 2 came, 1 fits"),
            (stream, "2B0E0101010001 000141", "more follows: 01 came, 00 or FF fits"),
            (stream, "2B0E0101000001 00014142", "PDU length: 11 came, 10 fits"),
            (
                stream,
                "2B0E0101000002 000141",
                "object length: the object at byte 10 goes beyond the 10 bytes that came",
            ),
            (single, "2B0E0481000000", "objects: 0 came, 1 fits"),
            (single, "2B0E0481000001 000141", "object id: 0 came, 1 fits"),
        ):
            self.assertEqual(self.complaint(request, body), sentence)

    def test_diagnostic_counter(self) -> None:
        """
        A counter asked for by function 08 may have any value.
        """
        request = Diagnostics(11)
        request.check(request.answer(1234))
        self.assertEqual(Reply(request, request.answer(1234)).values, 1234)

    def test_opaque(self) -> None:
        """
        Of an unknown function's reply only the function code is checked.
        """
        request = Opaque(b"\x41\x01")
        request.check(b"\x41")
        request.check(request.answer(b"\x09\x09"))
        self.assertEqual(Reply(request, request.answer(b"\x09")).values, b"\x09")
        self.assertEqual(self.complaint(request, "42"), "function: 42 came, 41 fits")

    @given(exchanges())
    def test_good(self, exchange: tuple[Request, bytes]) -> None:
        """
        What a server answers is what a client accepts, and it tells its length beforehand.
        """
        request, body = exchange
        request.check(body)
        self.assertLessEqual(len(body), pdu.MAX_PDU)
        self.assertIn(request.reply_length, (None, len(body)))

    @given(exchanges(), st.data())
    def test_cut_and_longer(self, exchange: tuple[Request, bytes], data: st.DataObject) -> None:
        """
        A reply with bytes missing or left over is no reply.
        """
        request, body = exchange
        cut = data.draw(st.integers(0, len(body) - 1))
        self.assertRaises(BadReply, request.check, body[:cut])
        self.assertRaises(BadReply, request.check, body + b"\0")

    @tries(500)
    @given(st.one_of(REQUESTS, OPAQUE), st.booleans(), st.binary(max_size=260))
    def test_any_bytes(self, request: Request, ours: bool, rest: bytes) -> None:
        """
        Whatever comes is refused as a bad reply, or is accepted and can be decoded.
        """
        body = bytes((request.function,)) + rest if ours else rest
        try:
            request.check(body)
        except BadReply as error:
            self.assertIn(": ", str(error))
            return
        Reply(request, body).values  # noqa: B018


class AnswerTests(SynchronousTestCase):
    def test_impossible(self) -> None:
        """
        A server cannot send what is no answer to the request: too few, too many, too large.
        """
        for call, values in (
            (ReadCoils(0, 2).answer, (True,)),
            (ReadHoldingRegisters(0, 2).answer, (1,)),
            (ReadHoldingRegisters(0, 2).answer, (1, 2, 3)),
            (ReadHoldingRegisters(0, 1).answer, (65536,)),
            (ReadWriteRegisters(0, 1, 0, (1,)).answer, (1, 2)),
            (ReadFIFOQueue(0).answer, (1,) * 32),
            (ReadFileRecord((RecordRange(1, 0, 1),)).answer, ()),
            (ReadFileRecord((RecordRange(1, 0, 1),)).answer, ((1, 2),)),
            (ReadExceptionStatus().answer, 256),
            (Diagnostics(11).answer, 65536),
            (ReadCommEventCounter().answer, CommEventCounter(False, 65536)),
            (ReadCommEventLog().answer, CommEventLog(False, 65536, 0, b"")),
            (ReadCommEventLog().answer, CommEventLog(False, 0, 65536, b"")),
            (ReadCommEventLog().answer, CommEventLog(False, 0, 0, bytes(65))),
            (Opaque(b"A").answer, bytes(253)),
        ):
            error = self.assertRaises(LuminaError, call, values)
            self.assertEqual((type(error), error.code), (LuminaError, 4))
