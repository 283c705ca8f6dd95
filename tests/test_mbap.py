"""Modbus TCP framing: messages come whole, in whatever pieces."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.mbap import ADU, Frames, LyingLength, encode

adus = st.builds(ADU, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253))


class FramesTests(SynchronousTestCase):
    def test_known_bytes(self) -> None:
        """
        A message is the header of the specification and the PDU.
        """
        data = bytes.fromhex("0001 0000 0006 01 03 0060 0004")
        self.assertEqual(Frames().received(data), [ADU(1, 1, data[7:])])
        self.assertEqual(encode(1, 1, data[7:]), data)

    @given(st.lists(adus, max_size=5), st.lists(st.integers(1, 40), min_size=1))
    def test_any_pieces(self, sent: list[ADU], sizes: list[int]) -> None:
        """
        The same messages come out, however the stream is cut.
        """
        data, frames = b"".join(encode(*adu) for adu in sent), Frames()
        found: list[ADU] = []
        while data:
            size = sizes[len(found) % len(sizes)]
            found += frames.received(data[:size])
            data = data[size:]
        self.assertEqual(found, sent)
        self.assertFalse(frames)

    def test_another_protocol(self) -> None:
        """
        A message of another protocol is dropped and counted, and what follows it is understood.
        """
        frames = Frames()
        alien, good = bytes.fromhex("0001 0001 0006 01 03 0000 0001"), ADU(2, 1, b"\x07")
        self.assertEqual(frames.received(alien + encode(*good)), [good])
        self.assertEqual(frames.alien, 1)

    def test_lying_length(self) -> None:
        """
        A length of 0, 1 or more than 254 ends the stream; what came before it is not lost.
        """
        good = ADU(2, 1, b"\x07")
        for length in (0, 1, 255, 0xFFFF):
            header = b"\0\x01\0\0" + length.to_bytes(2, "big") + b"\x01"
            error = self.assertRaises(LyingLength, Frames().received, encode(*good) + header)
            self.assertEqual(error.before, [good])
            self.assertIn(str(length), str(error))
