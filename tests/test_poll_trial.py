"""Reading as a test: what the bytes of a value could mean, and which is likeliest."""

import math
import struct
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import ExceptionReply
from lumina.interfaces import Bus
from lumina.modbus.pdu import Request
from lumina.modbus.tables import COIL
from lumina.modbus.values import Format
from lumina.poll.lane import Lane
from lumina.poll.plan import Plan
from lumina.poll.rounds import Polled
from lumina.poll.trial import Way, attempt, marked, orders, words
from lumina.readings import Point
from lumina.testing import FakeBus


def likely(kind: str, data: bytes, order: str = "ABCD") -> str:
    """The order that is marked for these bytes."""
    (found,) = [way.name for way in orders(Point(1, "x", format=Format(kind, order)), data) if way.likely]
    return found


class OrderTests(SynchronousTestCase):
    def test_float(self) -> None:
        """
        Of a measurement as a float32, the true order is the likely one, whichever that is.
        """
        true = struct.pack(">f", 228.6)
        for order, data in (
            ("ABCD", true),
            ("CDAB", true[2:] + true[:2]),
            ("BADC", bytes((true[1], true[0], true[3], true[2]))),
            ("DCBA", true[::-1]),
        ):
            self.assertEqual(likely("float32", data), order)

    def test_integer(self) -> None:
        """
        Of a counter, the smaller number is likelier.
        """
        self.assertEqual(likely("uint32", bytes.fromhex("00012345")), "ABCD")
        self.assertEqual(likely("uint32", bytes.fromhex("23450001")), "CDAB")

    def test_as_it_is_configured(self) -> None:
        """
        Of values that could both be, what is configured is marked, be the other a little smaller.
        """
        ways = marked([Way("modicon", 715), Way("one-based", 653)])
        self.assertEqual([way.likely for way in ways], [True, False])
        ways = marked([Way("modicon", 50000001), Way("one-based", 653)])
        self.assertEqual([way.likely for way in ways], [False, True])

    def test_text(self) -> None:
        """
        Of text, that which can be read.
        """
        point = Point(1, "x", format=Format("string", length=2))
        found = {way.name: way.value for way in orders(point, b"\x01aMU")}
        self.assertEqual(found["BADC"], "a\x01UM")

    def test_no_difference(self) -> None:
        """
        Orders that give the same value are not listed, and a single one is not marked.
        """
        self.assertEqual(len(orders(Point(1, "x"), b"\x00\x01")), 2)
        (only,) = orders(Point(1, "x"), b"\x11\x11")
        self.assertFalse(only.likely)

    def test_absent(self) -> None:
        """
        Where the device says that it has no value, other orders are not thought to be likelier.
        """
        point = Point(1, "x", format=Format("int16"), absent=(Decimal(-32768),))
        self.assertEqual(orders(point, b"\x80\x00"), [Way("ABCD", None), Way("BADC", 128)])
        point = Point(1, "x", format=Format("float32"))
        self.assertFalse(any(way.likely for way in orders(point, b"\x7f\xc0\x00\x00")))

    def test_bits(self) -> None:
        """
        A coil has no order, nor has what was not read.
        """
        self.assertEqual(orders(Point(1, "x", COIL), b"\x01"), [])
        self.assertEqual(orders(Point(1, "x"), b""), [])

    @given(st.sampled_from(("float32", "int32", "float64", "bcd32", "string", "bits")), st.data())
    def test_any_bytes(self, kind: str, data: st.DataObject) -> None:
        """
        Whatever the bytes are, at most one way is marked, and the configured order comes first.
        """
        format = Format(kind, "CDAB")
        size = 2 * format.registers
        ways = orders(Point(1, "x", format=format), data.draw(st.binary(min_size=size, max_size=size)))
        self.assertEqual(ways[0].name, "CDAB")
        self.assertLessEqual(sum(way.likely for way in ways), 1)
        self.assertTrue(all(not (way.likely and way.value is None) for way in ways))
        self.assertTrue(all(way.value is None or way.value == way.value for way in ways), math.nan)


class AttemptTests(SynchronousTestCase):
    def test_bytes(self) -> None:
        """
        Each value comes with its bytes, one that was refused without.
        """

        def answer(unit: int, request: Request) -> bytes:
            start, count = getattr(request, "address", 0), getattr(request, "count", 0)
            if start + count > 100:
                raise ExceptionReply(3, 2)
            return request.answer(tuple(range(start, start + count)))  # type: ignore[attr-defined, no-any-return]

        bus: Bus = FakeBus(answer)
        plan = Plan([Point(1, "a", address=7), Point(1, "b", address=200), Point(1, "c", address=8)])
        clock = Clock()
        lane = Lane(bus, clock, clock.seconds)
        found = self.successResultOf(attempt(Polled(1, bus, "bus", 1, plan, {}), plan, lane, clock.seconds))
        self.assertEqual(
            [(each.reading.point.parameter, each.reading.value, words(each.raw)) for each in found],
            [("a", 7, "0007"), ("b", None, ""), ("c", 8, "0008")],
        )
