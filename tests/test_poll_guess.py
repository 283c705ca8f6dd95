"""What bytes mean in other orders."""

from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.values import Format
from lumina.poll.guess import Guess, orders
from lumina.readings import COILS, Point


def guesses(registers: str, format: Format) -> list[Guess]:
    return orders(Point(1, "x", format=format), bytes.fromhex(registers))


class OrderTests(SynchronousTestCase):
    def test_float(self) -> None:
        """
        Of four orders of a float the one that gives 228.6 is likely, wherever it stands.
        """
        for registers, due in (("4364999A", "ABCD"), ("999A4364", "CDAB"), ("64439A99", "BADC")):
            found = guesses(registers, Format("float32"))
            self.assertEqual([guess.order for guess in found], ["ABCD", "CDAB", "BADC", "DCBA"])
            self.assertEqual(
                [(guess.order, guess.value) for guess in found if guess.plausible], [(due, 228.6)]
            )

    def test_whole_number(self) -> None:
        """
        Of whole numbers the smaller one is likelier; it is scaled like the point.
        """
        found = guesses("08EE", Format("uint16", scale=Decimal("0.1")))
        self.assertEqual(found, [Guess("ABCD", 228.6, "", True), Guess("BADC", 6093.6, "", False)])

    def test_configured_first(self) -> None:
        """
        The configured order comes first, and is taken where another one is as likely.
        """
        found = guesses("00010001", Format("uint32", "CDAB"))
        self.assertEqual(
            [(guess.order, guess.plausible) for guess in found], [("CDAB", True), ("BADC", False)]
        )

    def test_text(self) -> None:
        """
        Text that can be printed in one order only is that; of two that can, the configured one.
        """
        found = guesses("01410242", Format("string", length=2))
        self.assertEqual(sum(guess.plausible for guess in found), 1)
        self.assertTrue(guesses("4D65", Format("string"))[0].plausible)

    def test_no_value(self) -> None:
        """
        An order in which the bytes are no value says why, and is not likely.
        """
        found = guesses("1A23", Format("bcd16"))
        self.assertEqual([(guess.value, guess.plausible) for guess in found], [(None, True), (None, False)])
        self.assertIn("beyond 9", found[0].reason)

    def test_bits(self) -> None:
        """
        A coil has no order.
        """
        self.assertEqual(orders(Point(1, "on", COILS), b"\1"), [])
