"""How long a PDU is, told by its first bytes."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus import pdu
from lumina.modbus.pdu import (
    Request,
)
from tests.pdus import exchanges


class SizeTests(SynchronousTestCase):
    def test_first_bytes(self) -> None:
        """
        The first bytes tell the least that must come.
        """
        for head, size in (
            ("", 1),
            ("03", 2),
            ("0304", 6),
            ("0304 00", 6),
            ("83", 2),
            ("07", 2),
            ("0B", 5),
            ("06", 5),
            ("16", 7),
            ("18", 3),
            ("1800", 3),
            ("180006", 9),
            ("2B", 2),
            ("2B0E", 7),
            ("2B0E0101000002", 11),
            ("2B0E0101000002 0003", 14),
            ("2B0E0101000002 0003414141", 14),
            ("2B0E0101000002 0003414141 0101", 15),
        ):
            self.assertEqual(pdu.reply_size(bytes.fromhex(head)), size, head)
        for head, size in (
            ("", 1),
            ("03", 5),
            ("10", 6),
            ("100000000204", 10),
            ("17", 10),
            ("2B0E", 4),
            ("07", 1),
        ):
            self.assertEqual(pdu.request_size(bytes.fromhex(head)), size, head)

    def test_unknown(self) -> None:
        """
        Nobody can tell the length of what is not the specification's.
        """
        for head in ("41", "00", "2B0D", "4100000000"):
            self.assertIsNone(pdu.request_size(bytes.fromhex(head)), head)
            self.assertIsNone(pdu.reply_size(bytes.fromhex(head)), head)
        self.assertIsNone(pdu.request_size(b"\x83\x02"))

    def grows(self, size: int | None, body: bytes, end: int) -> None:
        self.assertIsNotNone(size)
        assert size is not None
        self.assertLessEqual(size, len(body))
        self.assertEqual(size <= end, end == len(body), (body, end))

    @given(exchanges())
    def test_prefixes(self, exchange: tuple[Request, bytes]) -> None:
        """
        Byte by byte, a PDU counts as whole with its last byte and never before.
        """
        request, body = exchange
        sent = request.encode()
        for end in range(len(sent) + 1):
            self.grows(pdu.request_size(sent[:end]), sent, end)
        for end in range(len(body) + 1):
            self.grows(pdu.reply_size(body[:end]), body, end)

    @given(exchanges(), st.binary(max_size=10))
    def test_what_follows(self, exchange: tuple[Request, bytes], rest: bytes) -> None:
        """
        Bytes behind a PDU do not change its length.
        """
        request, body = exchange
        self.assertEqual(pdu.request_size(request.encode() + rest), len(request.encode()))
        self.assertEqual(pdu.reply_size(body + rest), len(body))

    @given(st.one_of(st.binary(max_size=300), st.binary(max_size=30).map(lambda rest: b"\x2b\x0e" + rest)))
    def test_any_bytes(self, body: bytes) -> None:
        """
        Any bytes have a size or none, and more bytes never make it smaller.
        """
        for size in (pdu.request_size, pdu.reply_size):
            known = [size(body[:end]) or 0 for end in range(1, len(body) + 1)]
            if known and known[-1]:
                self.assertEqual(known, sorted(known))
