"""Which of the bytes on a line are the reply."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadReply, NoReply
from lumina.modbus.pdu import Opaque, ReadCoils, ReadHoldingRegisters, Request, WriteRegister, WriteRegisters
from lumina.modbus.rtu import encode
from lumina.modbus.transaction import Transaction

READ = ReadHoldingRegisters(0, 2)
GOOD = bytes.fromhex("0304002A002B")
REPLY = encode(1, GOOD)
WRITE = WriteRegister(10, 1234)


def heard(request: Request, *pieces: bytes, echo: bool = False) -> bytes | None:
    """What unit 1 is taken to reply when these pieces come, with silence after the last."""
    transaction = Transaction(1, request, echo)
    for piece in pieces:
        if (pdu := transaction.received(piece)) is not None:
            return pdu
    return transaction.quiet()


def excuse(request: Request, *pieces: bytes, echo: bool = False) -> str:
    """Why these pieces are no reply."""
    transaction = Transaction(1, request, echo)
    for piece in pieces:
        assert transaction.received(piece) is None
    assert transaction.quiet() is None
    return str(transaction.failure())


class ReplyTests(SynchronousTestCase):
    def test_any_cut(self) -> None:
        """
        A reply is given out with its last byte, wherever the driver cuts it.
        """
        for cut in range(1, len(REPLY)):
            transaction = Transaction(1, READ)
            self.assertIsNone(transaction.received(REPLY[:cut]))
            self.assertEqual(transaction.received(REPLY[cut:]), GOOD)

    def test_byte_by_byte(self) -> None:
        """
        Also one byte at a time, and not before the last.
        """
        transaction = Transaction(1, READ)
        heard = [transaction.received(bytes([byte])) for byte in REPLY]
        self.assertEqual(heard, [None] * (len(REPLY) - 1) + [GOOD])

    def test_exception_is_as_quick(self) -> None:
        """
        An exception is complete with its fifth byte; no silence is waited for.
        """
        refusal = bytes.fromhex("8302")
        self.assertEqual(Transaction(1, READ).received(encode(1, refusal)), refusal)

    def test_every_function(self) -> None:
        """
        A write is confirmed by its echoed address and value.
        """
        self.assertEqual(Transaction(1, WRITE).received(encode(1, WRITE.encode())), WRITE.encode())
        several = WriteRegisters(10, (1, 2))
        confirmed = bytes.fromhex("10000A0002")
        self.assertEqual(Transaction(1, several).received(encode(1, confirmed)), confirmed)

    def test_unknown_function_ends_with_silence(self) -> None:
        """
        Only silence can end a reply whose length nobody knows.
        """
        pdu = bytes.fromhex("4101020304")
        transaction = Transaction(1, Opaque(b"\x41\x00"))
        self.assertIsNone(transaction.received(encode(1, pdu)))
        self.assertEqual(transaction.quiet(), pdu)

    def test_unknown_function_and_zeros(self) -> None:
        """
        Zeros behind such a reply, which its CRC does not notice, are none of it;
        and four bytes that look like an exception are none.
        """
        pdu = bytes.fromhex("4101020304")
        for zeros in (b"\0", b"\0\0", bytes(20)):
            self.assertEqual(heard(Opaque(b"\x41"), encode(1, pdu) + zeros), pdu)
        self.assertIsNone(heard(Opaque(b"\x41"), encode(1, b"\xc1")))

    def test_confirmation_that_begins_as_its_request(self) -> None:
        """
        A sound confirmation is one also where the request happens to begin with the same bytes.
        """
        request = WriteRegisters(2064, (0x6C05,))
        confirmed = bytes.fromhex("1008100001")
        self.assertTrue(encode(1, request.encode()).startswith(encode(1, confirmed)))
        self.assertEqual(heard(request, encode(1, confirmed)), confirmed)

    def test_unknown_function_refused(self) -> None:
        """
        Its exception needs no silence.
        """
        refusal = bytes.fromhex("C101")
        self.assertEqual(Transaction(1, Opaque(b"\x41\x00")).received(encode(1, refusal)), refusal)


class NoiseTests(SynchronousTestCase):
    def test_before(self) -> None:
        """
        Up to eight bytes of any noise before a reply do not hide it.
        """
        for noise in map(bytes.fromhex, ("00", "FF", "00FF00", "01", "0103", "0310FF00018355AA")):
            self.assertEqual(heard(READ, noise + REPLY), GOOD, noise.hex())
            self.assertEqual(heard(READ, noise, REPLY), GOOD, noise.hex())

    def test_after(self) -> None:
        """
        Bytes after a reply do not delay it, and are counted.
        """
        transaction = Transaction(1, READ)
        self.assertEqual(transaction.received(REPLY + b"\xff\xff"), GOOD)
        self.assertEqual(transaction.noise, 2)

    def test_inside(self) -> None:
        """
        A byte too many inside a reply makes it none.
        """
        for at in range(1, len(REPLY)):
            for byte in (0x00, 0x55, 0xFF):
                pieces = REPLY[:at] + bytes([byte]) + REPLY[at:]
                if pieces.startswith(REPLY):
                    continue
                self.assertIsNone(heard(READ, pieces), pieces.hex())

    def test_one_wrong_bit(self) -> None:
        """
        One wrong bit anywhere makes a reply none; whole but damaged, it is said to be so.
        """
        for bit in range(8 * len(REPLY)):
            wrong = bytearray(REPLY)
            wrong[bit // 8] ^= 1 << bit % 8
            transaction = Transaction(1, READ)
            self.assertIsNone(transaction.received(bytes(wrong)) or transaction.quiet(), wrong.hex())
            self.assertIsInstance(transaction.failure(), BadReply)
            self.assertEqual(transaction.damaged, bit >= 24 or bit == 15, wrong.hex())

    def test_short(self) -> None:
        """
        A reply that stops is said to be short.
        """
        self.assertIn("short, 7 of 9 bytes", excuse(READ, REPLY[:7]))

    def test_only_noise(self) -> None:
        """
        Noise alone is said to be noise, with its bytes.
        """
        self.assertIn("2 bytes came", excuse(READ, b"\x00\xff"))
        self.assertIn("00 FF", excuse(READ, b"\x00\xff"))

    def test_nothing(self) -> None:
        """
        Nothing at all is no reply.
        """
        self.assertIsInstance(Transaction(1, READ).failure(), NoReply)


class ForeignTests(SynchronousTestCase):
    def test_another_unit(self) -> None:
        """
        Another unit's reply is dropped; the right one, after it, is still taken.
        """
        foreign = encode(2, GOOD)
        self.assertIn("unit 2 replied", excuse(READ, foreign))
        self.assertEqual(heard(READ, foreign + REPLY), GOOD)
        self.assertEqual(heard(READ, foreign, REPLY), GOOD)

    def test_another_unit_refuses(self) -> None:
        """
        Another unit's exception is not this unit's.
        """
        self.assertIn("unit 2 replied", excuse(READ, encode(2, b"\x83\x02")))

    def test_another_function(self) -> None:
        """
        A reply of another function is dropped, an exception of another function too.
        """
        self.assertIsNone(heard(READ, encode(1, bytes.fromhex("0404002A002B"))))
        self.assertIsNone(heard(READ, encode(1, bytes.fromhex("8402"))))

    def test_another_count(self) -> None:
        """
        Fewer or more registers than were asked for are no answer.
        """
        for other in ("0302002A", "0306002A002B002C"):
            frame = encode(1, bytes.fromhex(other))
            self.assertIsNone(heard(READ, frame))
            self.assertEqual(heard(READ, frame + REPLY), GOOD)

    def test_another_address_confirmed(self) -> None:
        """
        A write is not confirmed by the confirmation of another one.
        """
        self.assertIsNone(heard(WRITE, encode(1, WriteRegister(11, 1234).encode())))
        self.assertIsNone(heard(WRITE, encode(1, WriteRegister(10, 1235).encode())))

    def test_foreign_frames_without_end(self) -> None:
        """
        Of foreign frames without end the first are kept, the others are noise, and the reply is still found.
        """
        transaction = Transaction(1, READ)
        foreign = encode(2, GOOD)
        self.assertIsNone(transaction.received(foreign * 1000))
        self.assertEqual(transaction.foreign, [foreign] * 64)
        self.assertEqual(transaction.noise, 936 * len(foreign))
        self.assertEqual(transaction.received(REPLY), GOOD)

    def test_a_reply_inside_a_foreign_one(self) -> None:
        """
        A device that stores frames may send one of them as data: what stands
        inside another unit's frame is not taken for the reply.
        """
        foreign = encode(2, bytes([3, len(REPLY) + 1]) + REPLY + b"\x00")
        self.assertIsNone(heard(READ, foreign))
        self.assertIsNone(heard(READ, foreign[: 3 + len(REPLY)], foreign[3 + len(REPLY) :]))

    def test_own_request_comes_back(self) -> None:
        """
        An echo that nobody expected does not hide the reply of a read.
        """
        outgoing = encode(1, READ.encode())
        for cut in range(len(outgoing)):
            self.assertEqual(heard(READ, outgoing[:cut], outgoing[cut:] + REPLY), GOOD)


class EchoTests(SynchronousTestCase):
    def test_read(self) -> None:
        """
        On a port with echo, the request that comes back is passed over.
        """
        outgoing = encode(1, READ.encode())
        self.assertEqual(heard(READ, outgoing + REPLY, echo=True), GOOD)
        self.assertIsNone(heard(READ, outgoing, echo=True))

    def test_write_needs_two_copies(self) -> None:
        """
        The echo of a write does not confirm it; a second copy does.
        """
        copy = encode(1, WRITE.encode())
        self.assertIsNone(heard(WRITE, copy, echo=True))
        self.assertEqual(heard(WRITE, copy, copy, echo=True), WRITE.encode())

    def test_damaged_echo(self) -> None:
        """
        A damaged echo is not the damaged reply: the reply is still waited for.
        """
        copy = encode(1, WRITE.encode())
        transaction = Transaction(1, WRITE, True)
        self.assertIsNone(transaction.received(copy[:-1] + b"\0") or transaction.quiet())
        self.assertFalse(transaction.damaged)

    def test_echo_that_could_be_a_reply(self) -> None:
        """
        The echo of this request has the form of its reply; it is the echo all the same.
        """
        request = ReadCoils(0x0300, 24)
        outgoing = encode(1, request.encode())
        self.assertIsNone(heard(request, outgoing, echo=True))
        reply = bytes.fromhex("0103AABBCC")
        self.assertEqual(heard(request, outgoing + encode(1, reply), echo=True), reply)


class PropertyTests(SynchronousTestCase):
    @given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
    def test_any_bytes(self, data: bytes, cuts: list[int]) -> None:
        """
        Any bytes in any pieces: no error escapes, every byte is judged in the
        end, and a reply is given out only where one stands.
        """
        transaction = Transaction(1, READ)
        pdu = None
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
            pdu = pdu or transaction.received(data[start:end])
        pdu = pdu or transaction.quiet()
        if pdu is not None:
            self.assertIn(encode(1, pdu), data)
        self.assertEqual(transaction.missing, 0)

    @given(st.binary(max_size=12), st.lists(st.integers(0, 40), max_size=5))
    def test_pieces_make_no_difference(self, noise: bytes, cuts: list[int]) -> None:
        """
        However the same bytes are cut, the same is heard.
        """
        data = noise + REPLY
        pieces = [data[start:end] for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 40], strict=True)]
        self.assertEqual(heard(READ, *pieces), heard(READ, data))
