"""Registers as numbers and strings, both ways."""

import math
import struct
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply, BadRequest
from lumina.modbus.values import ORDERS, TYPES, Format

TENTH = Decimal("0.1")
NUMBERS = tuple(name for name in TYPES if name not in ("string", "bit", "bits"))
WHOLE = tuple(name for name in NUMBERS if not name.startswith("float"))
WORD = st.integers(0, 0xFFFF)
SCALES = st.sampled_from(("0.1", "-0.25", "3", "1E-6"))


def registers_of(code: str, number: float) -> tuple[int, ...]:
    data = struct.pack(code, number)
    return struct.unpack(f">{len(data) // 2}H", data)


class OrderTests(SynchronousTestCase):
    def test_two_registers(self) -> None:
        """
        The letters of an order say where each byte of 0A0B0C0Dh lies.
        """
        for order, registers in (
            ("ABCD", (0x0A0B, 0x0C0D)),
            ("CDAB", (0x0C0D, 0x0A0B)),
            ("BADC", (0x0B0A, 0x0D0C)),
            ("DCBA", (0x0D0C, 0x0B0A)),
        ):
            self.assertEqual(Format("uint32", order).encode(0x0A0B0C0D), registers)
            self.assertEqual(Format("uint32", order).decode(registers), 0x0A0B0C0D)

    def test_four_registers(self) -> None:
        """
        64 bits are ordered alike: words reversed, bytes swapped in words, or both.
        """
        for order, registers in (
            ("ABCD", (0x0102, 0x0304, 0x0506, 0x0708)),
            ("CDAB", (0x0708, 0x0506, 0x0304, 0x0102)),
            ("BADC", (0x0201, 0x0403, 0x0605, 0x0807)),
            ("DCBA", (0x0807, 0x0605, 0x0403, 0x0201)),
        ):
            self.assertEqual(Format("uint64", order).encode(0x0102030405060708), registers)
            self.assertEqual(Format("uint64", order).decode(registers), 0x0102030405060708)

    def test_one_register(self) -> None:
        """
        In one register only the bytes can be swapped.
        """
        for order, register in (("ABCD", 0x0A0B), ("CDAB", 0x0A0B), ("BADC", 0x0B0A), ("DCBA", 0x0B0A)):
            self.assertEqual(Format("uint16", order).decode((register,)), 0x0A0B)


class IntegerTests(SynchronousTestCase):
    def test_signs(self) -> None:
        """
        All ones is -1 where there is a sign, and the highest number where there is none.
        """
        for bits, count in ((16, 1), (32, 2), (64, 4)):
            ones = (0xFFFF,) * count
            self.assertEqual(Format(f"int{bits}").decode(ones), -1)
            self.assertEqual(Format(f"uint{bits}").decode(ones), 2**bits - 1)
            self.assertEqual(Format(f"int{bits}").encode(-1), ones)

    def test_limits(self) -> None:
        """
        What does not fit is refused, with the value and the limits.
        """
        for name, low, high in (
            ("int16", -(2**15), 2**15 - 1),
            ("uint16", 0, 2**16 - 1),
            ("int32", -(2**31), 2**31 - 1),
            ("uint32", 0, 2**32 - 1),
            ("int64", -(2**63), 2**63 - 1),
            ("uint64", 0, 2**64 - 1),
            ("bcd16", 0, 9999),
            ("bcd32", 0, 99999999),
        ):
            form = Format(name)
            self.assertEqual(form.limits, (low, high))
            for value in (low, high):
                self.assertEqual(form.decode(form.encode(value)), value)
            for value in (low - 1, high + 1):
                error = self.assertRaises(BadRequest, form.encode, value)
                self.assertEqual(str(error), f"value: {value} is not within {low} to {high}")

    def test_whole_numbers_stay_whole(self) -> None:
        """
        A whole scale and offset give an exact int, however large; a fraction gives a float.
        """
        large = Format("uint64", scale=Decimal(10), offset=Decimal(-1))
        self.assertEqual(large.decode((0xFFFF,) * 4), (2**64 - 1) * 10 - 1)
        self.assertIsInstance(Format("uint16", scale=Decimal("10")).decode((1,)), int)
        self.assertIsInstance(Format("uint16", scale=TENTH).decode((10,)), float)

    def test_bcd(self) -> None:
        """
        Each four bits of BCD are a decimal digit; a digit beyond 9 is no number.
        """
        self.assertEqual(Format("bcd16").decode((0x1234,)), 1234)
        self.assertEqual(Format("bcd32").decode((0x0012, 0x3456)), 123456)
        self.assertEqual(Format("bcd32", "CDAB").encode(123456), (0x3456, 0x0012))
        error = self.assertRaises(BadReply, Format("bcd16").decode, (0x12A4,))
        self.assertEqual(str(error), "bcd16: 12A4 has a digit beyond 9")

    @given(st.sampled_from(WHOLE), st.sampled_from(ORDERS), st.data())
    def test_round_trip(self, name: str, order: str, data: st.DataObject) -> None:
        """
        Every integer that fits comes back, in every type and order.
        """
        form = Format(name, order)
        low, high = (int(limit) for limit in form.limits)
        value = data.draw(st.integers(low, high))
        self.assertEqual(form.decode(form.encode(value)), value)

    @given(
        st.sampled_from(ORDERS),
        st.integers(-(2**31), 2**31 - 1),
        st.sampled_from(("0.1", "-0.25", "3", "1E-6")),
    )
    def test_scaled_round_trip(self, order: str, number: int, scale: str) -> None:
        """
        A scaled value that was read can be written back, and gives the same registers.
        """
        plain, form = Format("int32", order), Format("int32", order, Decimal(scale), Decimal("-40"))
        registers = plain.encode(number)
        self.assertEqual(form.encode(form.decode(registers)), registers)


class ScaleTests(SynchronousTestCase):
    def test_decimal(self) -> None:
        """
        228.6 comes out as 228.6, be it a scaled integer or a float32.
        """
        self.assertEqual(Format("uint16", scale=TENTH).decode((2286,)), 228.6)
        self.assertEqual(Format("float32").decode(registers_of(">f", 228.6)), 228.6)
        self.assertEqual(Format("float32", scale=TENTH).decode(registers_of(">f", 228.6)), 22.86)
        self.assertEqual(Format("int16", scale=TENTH, offset=Decimal("-40")).decode((3,)), -39.7)
        self.assertEqual(Format("float16").decode(registers_of(">e", 0.1)), 0.1)

    def test_written(self) -> None:
        """
        What people see is what they write: 22.86 and a scale of 0.1 put 228.6 into the registers.
        """
        self.assertEqual(Format("uint16", scale=TENTH).encode(228.6), (2286,))
        self.assertEqual(Format("float32", scale=TENTH).encode(22.86), registers_of(">f", 228.6))
        self.assertEqual(Format("int16", scale=TENTH, offset=Decimal("-40")).encode(Decimal("-39.7")), (3,))

    def test_nearest_step(self) -> None:
        """
        Between two steps the nearer one is written, and half way the even one.
        """
        form = Format("int16", scale=TENTH)
        for value, step in ((0.1 + 0.2, 3), (22.54, 225), (22.56, 226), (0.25, 2), (0.35, 4), (-0.25, -2)):
            self.assertEqual(form.decode(form.encode(value)), step / 10)

    def test_scaled_limits(self) -> None:
        """
        Limits are named as the person sees them, scaled, the lower one first.
        """
        form = Format("int16", scale=Decimal("-0.1"), offset=Decimal(5))
        self.assertEqual(form.limits, (-3271.7, 3281.8))
        error = self.assertRaises(BadRequest, form.encode, 3281.9)
        self.assertEqual(str(error), "value: 3281.9 is not within -3271.7 to 3281.8")


class FloatTests(SynchronousTestCase):
    def same(self, one: object, other: object) -> None:
        """Equal, the sign of 0 included."""
        self.assertEqual(repr(one), repr(other))

    @given(st.floats(width=32, allow_nan=False), st.sampled_from(ORDERS))
    def test_round_trip_32(self, number: float, order: str) -> None:
        """
        Every float32 comes out as a decimal of at most 9 digits that goes back in as the same registers.
        """
        form = Format("float32", order)
        registers = form.encode(number)
        value = form.decode(registers)
        self.assertEqual(form.encode(value), registers)
        self.assertLessEqual(len(Decimal(repr(value)).normalize().as_tuple().digits), 9)

    @given(st.floats(width=16, allow_nan=False), st.sampled_from(ORDERS))
    def test_round_trip_16(self, number: float, order: str) -> None:
        """
        The same for float16, with at most 5 digits.
        """
        form = Format("float16", order)
        registers = form.encode(number)
        value = form.decode(registers)
        self.assertEqual(form.encode(value), registers)
        self.assertLessEqual(len(Decimal(repr(value)).normalize().as_tuple().digits), 5)

    @given(st.floats(allow_nan=False), st.sampled_from(ORDERS))
    def test_round_trip_64(self, number: float, order: str) -> None:
        """
        Every float64 comes back as it is, -0.0 too.
        """
        form = Format("float64", order)
        self.same(form.decode(form.encode(number)), number)

    @example(0, "-2.5")
    @given(st.integers(-(10**5), 10**5), st.sampled_from(("0.1", "0.001", "-2.5")))
    def test_scaled_round_trip(self, number: int, scale: str) -> None:
        """
        A scaled float32 that was read can be written back, and gives the same registers.
        """
        form = Format("float32", scale=Decimal(scale), offset=Decimal(20))
        registers = registers_of(">f", number / 100)
        self.assertEqual(form.encode(form.decode(registers)), registers)

    def test_shortest(self) -> None:
        """
        A float32 has no more digits than tell it apart from its neighbours.
        """
        for pattern, text in (
            (0x00000001, "1e-45"),
            (0x7F7FFFFF, "3.4028235e+38"),
            (0x4B800000, "16777216.0"),
            (0x3DCCCCCD, "0.1"),
            (0x80000000, "-0.0"),
            (0x6B000000, "1.5474251e+26"),
            (0x3EAAAAAB, "0.33333334"),
        ):
            value = Format("float32").decode((pattern >> 16, pattern & 0xFFFF))
            self.assertEqual(repr(value), text)

    def test_not_finite(self) -> None:
        """
        Not-a-number and the infinities pass through floats, scaled or not; integers refuse them.
        """
        for name in ("float16", "float32", "float64"):
            for scale in (Decimal(1), TENTH):
                form = Format(name, scale=scale)
                for value in (math.nan, math.inf, -math.inf):
                    self.same(form.decode(form.encode(value)), value)
        for name in WHOLE:
            for value in (math.nan, math.inf, -math.inf):
                self.assertRaises(BadRequest, Format(name).encode, value)

    def test_limits(self) -> None:
        """
        A finite number beyond the width is refused, not made infinite.
        """
        for name, value, limit in (
            ("float16", 65520, "65504.0"),
            ("float32", Decimal("3.5E+38"), "3.4028234663852886e+38"),
            ("float64", Decimal("1.8E+308"), "1.7976931348623157e+308"),
        ):
            error = self.assertRaises(BadRequest, Format(name).encode, value)
            self.assertEqual(str(error), f"value: {value} is not within -{limit} to {limit}")


class FieldTests(SynchronousTestCase):
    def test_bit(self) -> None:
        """
        Bit 0 is the lowest; a written bit leaves the others as they are.
        """
        form = Format("bit", bit=3)
        self.assertIs(form.decode((0x0008,)), True)
        self.assertIs(form.decode((0xFFF7,)), False)
        self.assertEqual(form.encode(True, (0x8001,)), (0x8009,))
        self.assertEqual(form.encode(False, (0xFFFF,)), (0xFFF7,))
        self.assertEqual(form.encode(True), (0x0008,))
        error = self.assertRaises(BadRequest, form.encode, 2)
        self.assertEqual(str(error), "value: 2 is not within 0 to 1")

    def test_bits(self) -> None:
        """
        Some bits of a register are a number of their own, scaled if need be.
        """
        form = Format("bits", bit=4, width=8, scale=Decimal("0.5"))
        self.assertEqual(form.decode((0xA12B,)), 9.0)
        self.assertEqual(form.encode(127.5, (0xA00B,)), (0xAFFB,))
        self.assertRaises(BadRequest, form.encode, 128)
        self.assertRaises(BadRequest, form.encode, 1, (1, 2))

    @given(WORD, WORD, st.integers(0, 15), st.sampled_from(ORDERS), st.data())
    def test_round_trip(self, held: int, other: int, bit: int, order: str, data: st.DataObject) -> None:
        """
        A field read from one register and written into another comes back, in every order.
        """
        width = data.draw(st.integers(1, 16 - bit))
        for form in (Format("bit", order, bit=bit), Format("bits", order, bit=bit, width=width)):
            written = form.encode(form.decode((held,)), (other,))
            self.assertEqual(form.decode(written), form.decode((held,)))
            self.assertEqual(form.encode(form.decode((other,)), written), (other,))


class StringTests(SynchronousTestCase):
    def test_text(self) -> None:
        """
        Two characters go into a register, the first one high; the rest is padding.
        """
        form = Format("string", length=3)
        self.assertEqual(form.encode("abc"), (0x6162, 0x6300, 0))
        self.assertEqual(form.decode((0x6162, 0x6300, 0)), "abc")
        self.assertEqual(Format("string", length=2, padding=" ").encode("abc"), (0x6162, 0x6320))
        self.assertEqual(Format("string", length=2, padding=" ").decode((0x6162, 0x2020)), "ab")
        self.assertEqual(Format("string", "BADC", length=2).decode((0x6261, 0x0063)), "abc")

    def test_what_follows_nul(self) -> None:
        """
        What a device left behind the NUL is not part of the text.
        """
        self.assertEqual(Format("string", length=3).decode((0x6100, 0x7A7A, 0x7A7A)), "a")

    def test_beyond_ascii(self) -> None:
        """
        Text is in UTF-8; where it is not, it is taken for Latin-1.
        """
        form = Format("string", length=2)
        self.assertEqual(form.encode("3 °"), (0x3320, 0xC2B0))
        self.assertEqual(form.decode((0x3320, 0xC2B0)), "3 °")
        self.assertEqual(form.decode((0x3320, 0xB043)), "3 °C")

    def test_refused(self) -> None:
        """
        Text that is too long, or holds NUL, is refused.
        """
        form = Format("string", length=1)
        for value, sentence in (
            ("abc", "value: 'abc' takes 3 bytes, 2 at most fit"),
            ("a\0", "value: 'a\\x00' holds NUL, which ends a string"),
            ("€", "value: '€' takes 3 bytes, 2 at most fit"),
            (7, "value: 7 is not a string"),
        ):
            error = self.assertRaises(BadRequest, form.encode, value)
            self.assertEqual(str(error), sentence)
        error = self.assertRaises(BadRequest, Format("uint16").encode, "7")
        self.assertEqual(str(error), "value: '7' is not a number")

    @given(
        st.text(st.characters(min_codepoint=1, codec="utf-8"), max_size=10),
        st.sampled_from(ORDERS),
        st.sampled_from("\0 "),
    )
    def test_round_trip(self, text: str, order: str, padding: str) -> None:
        """
        A string comes back, except for padding at its end.
        """
        form = Format("string", order, length=20, padding=padding)
        self.assertEqual(form.decode(form.encode(text)), text.rstrip(padding))


class FormatTests(SynchronousTestCase):
    def test_wrong(self) -> None:
        """
        A format that makes no sense is refused when it is made, and the field is named.
        """
        for settings_, field in (
            ({"type": "float"}, "type"),
            ({"order": "ACBD"}, "order"),
            ({"scale": Decimal(0)}, "scale"),
            ({"scale": Decimal("nan")}, "scale"),
            ({"scale": Decimal("1E+31")}, "scale"),
            ({"offset": Decimal("-1E+31")}, "offset"),
            ({"offset": Decimal("inf")}, "offset"),
            ({"type": "string", "scale": TENTH}, "scale"),
            ({"type": "bit", "offset": TENTH}, "scale"),
            ({"type": "string", "length": 0}, "length"),
            ({"type": "string", "length": 126}, "length"),
            ({"padding": ""}, "padding"),
            ({"padding": "é"}, "padding"),
            ({"bit": 16}, "bit"),
            ({"bit": 9, "width": 8}, "width"),
            ({"width": 0}, "width"),
        ):
            error = self.assertRaises(BadRequest, Format, **settings_)
            self.assertTrue(str(error).startswith(f"{field}: "), error)

    def test_registers(self) -> None:
        """
        A format knows how many registers it takes, and refuses another number.
        """
        for name, count in (("int16", 1), ("float32", 2), ("float64", 4), ("bcd32", 2), ("bits", 1)):
            self.assertEqual(Format(name).registers, count)
            error = self.assertRaises(BadReply, Format(name).decode, (0,) * (count + 1))
            self.assertEqual(str(error), f"registers: {count + 1} came, {count} fits")
        self.assertEqual(Format("string", length=7).registers, 7)

    @given(
        st.sampled_from(TYPES),
        st.sampled_from(ORDERS),
        st.sampled_from(("1", "0.1", "-1E+30", "1E-30")),
        st.lists(WORD, max_size=5),
    )
    def test_any_registers(self, name: str, order: str, scale: str, registers: list[int]) -> None:
        """
        Whatever lies in the registers is a value, or a bad reply.
        """
        plain = name in ("bit", "string")
        form = Format(name, order, Decimal(1 if plain else scale))
        try:
            value = form.decode(registers)
        except BadReply:
            return
        self.assertIsInstance(value, (bool, int, float, str))
