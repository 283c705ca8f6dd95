"""What the specification's limits let through, on both sides of each."""

from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadRequest
from lumina.modbus import pdu
from lumina.modbus.pdu import (
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadDeviceIdentification,
    ReadDiscreteInputs,
    ReadFIFOQueue,
    ReadFileRecord,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadWriteRegisters,
    RecordData,
    RecordRange,
    Request,
    WriteCoil,
    WriteCoils,
    WriteFileRecord,
    WriteRegister,
    WriteRegisters,
)


class LimitTests(SynchronousTestCase):
    def refused(self, code: int, sentence: str, kind: type[Request], *fields: object) -> None:
        error = self.assertRaises(BadRequest, kind, *fields)
        self.assertEqual((str(error), error.code), (sentence, code))

    def test_counts(self) -> None:
        """
        Each function takes 1 to its own most, and says so when asked for less or more.
        """
        for kind, most in (
            (ReadCoils, 2000),
            (ReadDiscreteInputs, 2000),
            (ReadHoldingRegisters, 125),
            (ReadInputRegisters, 125),
        ):
            for count in (1, most):
                self.assertEqual(pdu.parse(kind(0, count).encode()), kind(0, count))
            for count in (0, most + 1):
                self.refused(3, f"count: {count} is not within 1 to {most}", kind, 0, count)

    def test_written_counts(self) -> None:
        """
        What is written has a most as well: 1968 coils, 123 registers, 121 with function 23.
        """
        for count in (1, 1968):
            self.assertLessEqual(len(WriteCoils(0, (True,) * count).encode()), pdu.MAX_PDU)
        for count in (0, 1969):
            self.refused(3, f"count: {count} is not within 1 to 1968", WriteCoils, 0, (True,) * count)
        for count in (1, 123):
            self.assertLessEqual(len(WriteRegisters(0, (1,) * count).encode()), pdu.MAX_PDU)
        for count in (0, 124):
            self.refused(3, f"count: {count} is not within 1 to 123", WriteRegisters, 0, (1,) * count)
        for count in (1, 121):
            self.assertLessEqual(len(ReadWriteRegisters(0, 125, 0, (1,) * count).encode()), pdu.MAX_PDU)
        for count in (0, 122):
            sentence = f"write count: {count} is not within 1 to 121"
            self.refused(3, sentence, ReadWriteRegisters, 0, 1, 0, (1,) * count)
        for count in (0, 126):
            sentence = f"read count: {count} is not within 1 to 125"
            self.refused(3, sentence, ReadWriteRegisters, 0, count, 0, (1,))

    def test_values(self) -> None:
        """
        A register holds 0 to 65535; any of these is allowed, nothing else is.
        """
        WriteRegister(0, 0), WriteRegister(0, 65535), MaskWriteRegister(0, 0, 65535)
        for value in (-1, 65536):
            self.refused(3, f"value: {value} is not within 0 to 65535", WriteRegister, 0, value)
            self.refused(3, f"values: {value} is not within 0 to 65535", WriteRegisters, 0, (1, value))
            self.refused(
                3, f"values: {value} is not within 0 to 65535", ReadWriteRegisters, 0, 1, 0, (value,)
            )
            self.refused(3, f"and mask: {value} is not within 0 to 65535", MaskWriteRegister, 0, value, 0)
            self.refused(3, f"or mask: {value} is not within 0 to 65535", MaskWriteRegister, 0, 0, value)

    def test_addresses(self) -> None:
        """
        The last address is 65535; a range beyond it is an illegal address, never wrapped.
        """
        self.assertEqual(ReadCoils(65535, 1).encode().hex(), "01ffff0001")
        self.assertEqual(ReadHoldingRegisters(65534, 2).encode().hex(), "03fffe0002")
        single: tuple[tuple[type[Request], object], ...] = (
            (WriteCoil, True),
            (WriteRegister, 0),
            (WriteCoils, (True,)),
            (WriteRegisters, (1,)),
            (ReadCoils, 1),
        )
        for kind, rest in single:
            for address in (-1, 65536):
                self.refused(2, f"address: {address} is not within 0 to 65535", kind, address, rest)
        double: tuple[tuple[type[Request], object], ...] = (
            (ReadInputRegisters, 2),
            (WriteCoils, (True,) * 2),
            (WriteRegisters, (1,) * 2),
        )
        for kind, rest in double:
            self.refused(2, "address: 65535 with count 2 goes beyond 65535", kind, 65535, rest)
        for fields, name in (((65535, 2, 0, (1,)), "read"), ((0, 1, 65535, (1, 2)), "write")):
            sentence = f"{name} address: 65535 with count 2 goes beyond 65535"
            self.refused(2, sentence, ReadWriteRegisters, *fields)
        self.refused(2, "address: 65536 is not within 0 to 65535", ReadFIFOQueue, 65536)
        self.refused(2, "address: 65536 is not within 0 to 65535", MaskWriteRegister, 65536, 0, 0)

    def test_files(self) -> None:
        """
        Files are 1 to 65535, records 0 to 9999, and groups must fit into one PDU.
        """
        RecordRange(1, 9999, 1), RecordRange(65535, 0, 1)
        for file, record, count in (
            (0, 0, 1),
            (65536, 0, 1),
            (1, -1, 1),
            (1, 10000, 1),
            (1, 9999, 2),
            (1, 0, 0),
        ):
            for kind, last in ((RecordRange, count), (RecordData, (7,) * count)):
                error = self.assertRaises(BadRequest, kind, file, record, last)
                self.assertEqual(error.code, 2)
        self.refused(3, "byte count: 0 is not within 7 to 245", ReadFileRecord, ())
        self.refused(
            3, "byte count: 252 is not within 7 to 245", ReadFileRecord, (RecordRange(1, 0, 1),) * 36
        )
        self.assertEqual(ReadFileRecord((RecordRange(1, 0, 124),)).reply_length, 252)
        self.refused(3, "reply length: 254 is not within 2 to 253", ReadFileRecord, (RecordRange(1, 0, 125),))
        self.refused(3, "byte count: 0 is not within 9 to 251", WriteFileRecord, ())
        self.assertEqual(len(WriteFileRecord((RecordData(1, 0, (7,) * 122),)).encode()), 253)
        self.refused(
            3, "byte count: 253 is not within 9 to 251", WriteFileRecord, (RecordData(1, 0, (7,) * 123),)
        )
        self.assertRaises(BadRequest, RecordData, 1, 0, (65536,))

    def test_diagnostics(self) -> None:
        """
        An unknown sub-function is an illegal function; data must fit the sub-function.
        """
        for subfunction in (5, 9, 19, 21, 65535):
            sentence = f"sub-function: {subfunction} is not 0 to 4, 10 to 18 or 20"
            self.refused(1, sentence, Diagnostics, subfunction)
        for subfunction, data in ((1, 1), (2, 1), (3, 0x0A01), (4, 1), (10, 1), (18, 1), (20, 0xFF00)):
            self.refused(
                3, f"data: {data:04X} does not fit sub-function {subfunction}", Diagnostics, subfunction, data
            )
        self.refused(3, "data: 65536 is not within 0 to 65535", Diagnostics, 0, 65536)

    def test_identification(self) -> None:
        """
        Identification has the codes 1 to 4 and the objects 0 to 255.
        """
        for code in (0, 5):
            self.refused(3, f"code: {code} is not within 1 to 4", ReadDeviceIdentification, code)
        for number in (-1, 256):
            sentence = f"object id: {number} is not within 0 to 255"
            self.refused(3, sentence, ReadDeviceIdentification, 4, number)

    def test_opaque(self) -> None:
        """
        Any other function goes as it is, 01 to 7F and up to 253 bytes.
        """
        for body in (b"\x01", b"\x7f" + bytes(252)):
            self.assertEqual(Opaque(body).encode(), body)
        for body in (b"", b"\x00", b"\x80", b"\xff\x00"):
            self.refused(1, f"function: {body[0] if body else 0:02X} is not within 01 to 7F", Opaque, body)
        self.refused(3, "length: 254 is not within 1 to 253", Opaque, b"\x41" + bytes(253))
