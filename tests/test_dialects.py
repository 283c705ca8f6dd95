"""How a line of text is answered, byte for byte, in each dialect."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from lumina.commands import EXAMPLE, parse_request
from lumina.dialects import DIALECTS, dialect_of
from lumina.errors import (
    BadCRC,
    BadReply,
    BadRequest,
    Denied,
    ExceptionReply,
    Expired,
    InvalidPort,
    LuminaError,
    NoReply,
    PortDown,
    QueueFull,
    ShuttingDown,
    Suspended,
)

ASK = parse_request(EXAMPLE, ["/dev/ttyAMA1"])
REPLY = bytes.fromhex("0103040000000" + "13BF3")
NOW = 1732467890.1234


class DialectTests(SynchronousTestCase):
    def test_good(self) -> None:
        """
        A reply in each dialect.
        """
        for name, line in {
            "documented": "OK:test:010304000000013BF3",
            "timestamped": "test:01 03 04 00 00 00 01 3B F3:1732467890.1234",
            "bare": "test:010304000000013bf3",
        }.items():
            self.assertEqual(DIALECTS[name].good(ASK, REPLY, NOW), line)

    def test_broadcast(self) -> None:
        """
        A broadcast that was sent is answered with no digits.
        """
        for name, line in {
            "documented": "OK:test:",
            "timestamped": "test::1732467890.1234",
            "bare": "test:",
        }.items():
            self.assertEqual(DIALECTS[name].good(ASK, b"", NOW), line)

    def test_bare_without_crc(self) -> None:
        """
        The 2024 client gets exactly as many bytes as it stated, when that is two less.
        """
        self.assertEqual(DIALECTS["bare"].good(replace(ASK, length=7), REPLY, NOW), "test:01030400000001")
        self.assertEqual(DIALECTS["bare"].good(replace(ASK, length=8), REPLY, NOW), "test:010304000000013bf3")

    def test_bad(self) -> None:
        """
        Each error in each dialect; the word has no colon, and the stamp is last.
        """
        for error, word, bare in [
            (BadRequest("no"), "bad_request", "MISMATCH"),
            (BadCRC("no"), "bad_crc", "MISMATCH"),
            (InvalidPort("no"), "invalid_port", "TIMEOUT"),
            (Denied("no"), "denied", "TIMEOUT"),
            (QueueFull("no"), "queue_full", "TIMEOUT"),
            (Expired("no"), "expired", "TIMEOUT"),
            (PortDown("no"), "serial_error", "TIMEOUT"),
            (Suspended("no"), "suspended", "TIMEOUT"),
            (ShuttingDown("no"), "shutting_down", "TIMEOUT"),
            (NoReply("no"), "timeout", "TIMEOUT"),
            (BadReply("no"), "bad_reply", "MISMATCH"),
            (ExceptionReply(3, 2), "exception_02", "MISMATCH"),
            (LuminaError("no"), "error", "TIMEOUT"),
        ]:
            self.assertEqual(DIALECTS["documented"].bad("x", error, NOW), f"ERROR:x:{word}: {error}")
            self.assertEqual(
                DIALECTS["timestamped"].bad("x", error, NOW), f"x:ERROR:{word}:1732467890.123400"
            )
            self.assertEqual(DIALECTS["bare"].bad("x", error, NOW), f"x:{bare}")

    def test_told_by_the_id(self) -> None:
        """
        The shipping client is known by its ids; everybody else gets what is documented.
        """
        for name in (
            "ttyAMA3_THC_010300000002_20251124174603_aZ",
            "ttyAMA3_write_relay_0105_20251124174603_09",
            "usb-FTDI_FT232R-if00-port0_EC__20251124174603_xx",
        ):
            self.assertIs(dialect_of(name), DIALECTS["timestamped"], name)
        for name in (
            "test",
            "-",
            "THC_20251124174603_aZ",
            "ttyAMA3_THC_010300000002_2025112417460_aZ",
            "ttyAMA3_THC_010300000002_20251124174603_a",
            "ttyAMA3_THC_010300000002_20251124174603_a-",
        ):
            self.assertIs(dialect_of(name), DIALECTS["documented"], name)
