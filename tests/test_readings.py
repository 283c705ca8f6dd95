"""From the bytes of a reply to a reading."""

import math
import struct
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply
from lumina.modbus.request import unpack
from lumina.modbus.tables import COIL
from lumina.modbus.values import ORDERS, TYPES, Format, Value
from lumina.readings import Judged, Point, decoder

SCALES = ("1", "10", "0.1", "-0.001", "3", "1E-6", "0.3")


def judged(data: bytes, point: Point) -> Judged:
    return decoder(point)(data)


def value(registers: str, format: Format, precision: int | None = None) -> Value | None:
    """The value in registers that are written in hexadecimal."""
    point = Point(1, "x", format=format, precision=precision)
    decoded, quality, reason = judged(bytes.fromhex(registers), point)
    assert quality == "good", reason
    return decoded


class ValueTests(SynchronousTestCase):
    def test_documented(self) -> None:
        """
        The documents' 228.6 V is 228.6, and not 228.60000610351562.
        """
        self.assertEqual(repr(value("4364999A", Format("float32"))), "228.6")

    def test_scaled_in_decimal(self) -> None:
        """
        A scale is a decimal: a tenth of 2286 is 228.6, a tenth of a float32 of 2286.1 is 228.61.
        """
        tenth = Decimal("0.1")
        self.assertEqual(repr(value("08EE", Format(scale=tenth))), "228.6")
        self.assertEqual(repr(value("450EE19A", Format("float32", scale=tenth))), "228.61")
        self.assertEqual(repr(value("0003", Format(scale=tenth, offset=Decimal("-0.3")))), "0.0")

    def test_rounded_to_zero(self) -> None:
        """
        A small negative number that is rounded to zero has no sign.
        """
        self.assertEqual(str(value("BD23 D70A", Format("float32"), 1)), "0.0")
        self.assertEqual(str(value("FFFC", Format("int16", scale=Decimal("0.01")), 1)), "0.0")

    def test_precision(self) -> None:
        """
        Rounded half to even, in decimal; to no digits, it is a whole number.
        """
        cent = Decimal("0.001")
        for registers, digits, due in (("0A73", 2, "2.68"), ("0A6E", 2, "2.67"), ("09C4", 0, "2")):
            self.assertEqual(repr(value(registers, Format(scale=cent), digits)), due)
        self.assertEqual(value("7F7FFFFF", Format("float32"), 3), 3.4028235e38)
        self.assertEqual(value("7E37E43C8800759C", Format("float64"), 15), 1e300)

    @given(st.data())
    def test_like_format(self, data: st.DataObject) -> None:
        """
        Every type, order, scale and offset gives what `Format.decode` gives.
        """
        kind = data.draw(st.sampled_from(TYPES))
        plain = kind in ("bit", "string")
        format = Format(
            kind,
            data.draw(st.sampled_from(ORDERS)),
            Decimal(1 if plain else data.draw(st.sampled_from(SCALES))),
            Decimal(0 if plain else data.draw(st.sampled_from(("0", "0.5", "-40")))),
            length=data.draw(st.integers(1, 5)),
            bit=data.draw(st.integers(0, 8)),
            width=data.draw(st.integers(1, 8)),
        )
        size = 2 * format.registers
        raw = data.draw(st.binary(min_size=size, max_size=size))
        decoded, quality, _ = judged(raw, Point(1, "x", format=format))
        try:
            due = format.decode(unpack(raw))
        except BadReply:
            self.assertEqual((decoded, quality), (None, "invalid"))
            return
        if isinstance(due, float) and not math.isfinite(due):
            self.assertEqual((decoded, quality), (None, "absent" if math.isnan(due) else "invalid"))
        else:
            self.assertEqual((decoded, type(decoded), quality), (due, type(due), "good"))

    @given(st.integers(0, 0xFFFFFFFF))
    def test_shortest(self, bits: int) -> None:
        """
        A float32 comes as the shortest decimal that is the same float32.
        """
        raw = bits.to_bytes(4, "big")
        due = Format("float32").decode(unpack(raw))
        assert isinstance(due, float)
        if math.isfinite(due):
            decoded = value(raw.hex(), Format("float32"))
            self.assertEqual(repr(decoded), repr(due))
            self.assertEqual(struct.pack(">f", decoded), raw)

    def test_sparse(self) -> None:
        """
        Where floats are farther apart than decimals of seven digits, a shorter one is found too.
        """
        self.assertEqual(value("500001C6", Format("float32")), 8590400000)

    def test_powers_of_two(self) -> None:
        """
        Where floats lie closer below than above, and where they are tiny, it is the shortest too.
        """
        for bits in (*range(0, 0x7F800000, 0x00800000), *range(40), *range(0x007FFFF0, 0x00800010)):
            raw = bits.to_bytes(4, "big")
            self.assertEqual(value(raw.hex(), Format("float32")), Format("float32").decode(unpack(raw)))


class NoValueTests(SynchronousTestCase):
    def test_sentinel(self) -> None:
        """
        A number that stands for "no value" is none; it is given before scaling, of signed types either way.
        """
        tenth = Decimal("0.1")
        for kind, registers, absent in (
            ("uint16", "FFFF", "65535"),
            ("int16", "8000", "-32768"),
            ("int16", "8000", "32768"),
            ("int32", "80000000", "2147483648"),
            ("float32", "C61C3C00", "-9999"),
        ):
            point = Point(1, "x", format=Format(kind, scale=tenth), absent=(Decimal(absent),))
            decoded, quality, reason = judged(bytes.fromhex(registers), point)
            self.assertEqual((decoded, quality), (None, "absent"))
            self.assertIn("no value", reason)
            self.assertEqual(judged(bytes(len(registers) // 2), point)[1], "good")

    def test_not_a_number(self) -> None:
        """
        Not-a-number is no value, and so are the infinities.
        """
        point = Point(1, "x", format=Format("float32", scale=Decimal(10)))
        self.assertEqual(judged(bytes.fromhex("7FC00000"), point)[:2], (None, "absent"))
        self.assertEqual(judged(bytes.fromhex("FF800000"), point)[:2], (None, "invalid"))

    def test_bad_digits(self) -> None:
        """
        A digit of BCD beyond 9 is said, and is not zero.
        """
        decoded, quality, reason = judged(b"\x12\x3a", Point(1, "x", format=Format("bcd16")))
        self.assertEqual((decoded, quality), (None, "invalid"))
        self.assertIn("123A", reason)


class NameTests(SynchronousTestCase):
    def test_enumeration(self) -> None:
        """
        A number that has a name is that name; another one stays a number.
        """
        point = Point(1, "mode", names=((0, "off"), (2, "heating")))
        self.assertEqual(judged(b"\0\2", point), ("heating", "good", ""))
        self.assertEqual(judged(b"\0\1", point), (1, "good", ""))

    def test_bits(self) -> None:
        """
        Coils, and bits in registers, are true or false, or have names.
        """
        self.assertIs(judged(b"\1", Point(1, "on", COIL))[0], True)
        self.assertIs(judged(b"\0\4", Point(1, "on", format=Format("bit", bit=2)))[0], True)
        self.assertEqual(judged(b"\0", Point(1, "door", COIL, names=((0, "shut"), (1, "open"))))[0], "shut")

    def test_repeated(self) -> None:
        """
        The same bytes again mean the same, and others something else.
        """
        decode = decoder(Point(1, "x"))
        self.assertEqual([decode(bytes((0, each)))[0] for each in (5, 5, 6, 5, 0, 0)], [5, 5, 6, 5, 0, 0])
