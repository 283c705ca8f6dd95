"""RTU frames and the time they take."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadCRC, BadRequest
from lumina.modbus import rtu
from lumina.modbus.rtu import Line


def bitwise_crc(data: bytes) -> int:
    """The CRC as the specification's flow chart draws it, bit by bit."""
    remainder = 0xFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            odd = remainder & 1
            remainder >>= 1
            if odd:
                remainder ^= 0xA001
    return remainder


class FrameTests(SynchronousTestCase):
    def test_specification_example(self) -> None:
        """
        The serial line specification's example, unit 2 and function 07, gets its CRC.
        """
        self.assertEqual(rtu.encode(2, b"\x07"), bytes.fromhex("02 07 41 12"))

    @given(st.binary(max_size=300))
    def test_crc_bit_by_bit(self, data: bytes) -> None:
        """
        The table gives the CRC that the specification's flow chart gives.
        """
        self.assertEqual(rtu.crc(data), bitwise_crc(data))

    @given(st.integers(0, 255), st.binary(min_size=1, max_size=253))
    def test_round_trip(self, unit: int, pdu: bytes) -> None:
        """
        What was framed comes out of the frame.
        """
        frame = rtu.encode(unit, pdu)
        self.assertTrue(rtu.fits(frame))
        self.assertEqual(rtu.decode(frame), (unit, pdu))

    @given(st.binary(min_size=1, max_size=253), st.data())
    def test_damage(self, pdu: bytes, data: st.DataObject) -> None:
        """
        A frame with one wrong byte does not fit, wherever the byte is.
        """
        frame = bytearray(rtu.encode(1, pdu))
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
        self.assertFalse(rtu.fits(bytes(frame)))
        self.assertRaises(BadCRC, rtu.decode, bytes(frame))

    def test_wrong_crc_is_named(self) -> None:
        """
        The error says which CRC came and which one fits.
        """
        error = self.assertRaises(BadCRC, rtu.decode, bytes.fromhex("02 07 12 41"))
        self.assertEqual(str(error), "crc: 12 41 came, 41 12 fits")

    def test_sizes(self) -> None:
        """
        A frame has 4 to 256 bytes; fewer or more are refused, fitting CRC or not.
        """
        self.assertEqual(rtu.decode(rtu.encode(1, b"\x07")), (1, b"\x07"))
        self.assertEqual(len(rtu.decode(rtu.encode(1, bytes(253)))[1]), 253)
        for frame in (b"", rtu.encode(1, b""), rtu.encode(1, bytes(254))):
            error = self.assertRaises(BadRequest, rtu.decode, frame)
            self.assertEqual(str(error), f"frame: {len(frame)} bytes are not within 4 to 256")

    @given(st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever comes, a frame is read or refused with one of two errors.
        """
        try:
            unit, pdu = rtu.decode(data)
        except (BadCRC, BadRequest):
            return
        self.assertEqual(rtu.encode(unit, pdu), data)


class LineTests(SynchronousTestCase):
    def test_names(self) -> None:
        """
        A line is named as people name it.
        """
        self.assertEqual(str(Line()), "9600 8N1")
        self.assertEqual(str(Line(19200, "E", 2.0)), "19200 8E2")
        self.assertEqual(str(Line(9600, "N", 1.5)), "9600 8N1.5")

    def test_character_bits(self) -> None:
        """
        A character is start, data, parity and stop bits; 10 in 8N1, 11 in 8E1.
        """
        self.assertEqual(Line().character_bits, 10)
        self.assertEqual(Line(parity="E").character_bits, 11)
        self.assertEqual(Line(stopbits=1.5).character_bits, 10.5)
        self.assertEqual(Line(bytesize=7, parity="O", stopbits=2.0).character_bits, 11)

    def test_duration(self) -> None:
        """
        Time on the wire counts the bits that the line really sends.
        """
        self.assertAlmostEqual(Line(9600).duration(96), 0.1)
        self.assertAlmostEqual(Line(9600, "E").duration(96), 0.11)
        self.assertEqual(Line().duration(0), 0)

    def test_gap(self) -> None:
        """
        The gap is 3.5 characters of 11 bits, whatever the parity.
        """
        self.assertAlmostEqual(Line(9600).gap, 0.0040104, 7)
        self.assertAlmostEqual(Line(19200).gap, 0.0020052, 7)
        self.assertEqual(Line(9600, "E", 2.0).gap, Line(9600).gap)

    def test_gap_at_speed(self) -> None:
        """
        Above 19200 baud the gap never gets shorter than 1.75 ms.
        """
        self.assertGreater(Line(19201).gap, 0.00175)
        for baudrate in (22000, 38400, 115200, 921600):
            self.assertEqual(Line(baudrate).gap, 0.00175)
