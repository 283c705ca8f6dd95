"""RTU over TCP, and whatever bytes may come to either kind of server."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumina.errors import Denied, ExceptionReply, NoReply
from lumina.frontends.framings import RTU
from lumina.modbus import mbap, rtu
from lumina.modbus.pdu import Opaque, Request, WriteRegister
from tests.examples import tries
from tests.gateway_case import GOOD, READ, GatewayCase, adu


class RTUTests(GatewayCase):
    def setUp(self) -> None:
        self.serve(framing=RTU)

    def test_answer(self) -> None:
        """
        An RTU frame is answered with one.
        """
        self.ask(rtu.encode(7, READ))
        self.bus.asked[0].reply(GOOD)
        self.assertSays(rtu.encode(7, GOOD))

    def test_numbers(self) -> None:
        """
        RTU frames have no transaction id: the log and the audit log have their numbers.
        """
        self.ask(rtu.encode(7, READ), rtu.encode(8, READ))
        self.assertEqual([asked.terms.id for asked in self.bus.asked], ["1", "2"])

    def test_any_pieces(self) -> None:
        """
        Frames are understood wherever the stream is cut.
        """
        self.serve(lambda unit, request: GOOD, framing=RTU)
        stream = rtu.encode(1, READ) + rtu.encode(2, READ)
        for cut in range(1, len(stream)):
            self.ask(stream[:cut])
            self.ask(stream[cut:])
            self.assertSays(rtu.encode(1, GOOD), rtu.encode(2, GOOD))

    def test_unknown_function(self) -> None:
        """
        A frame of an unknown function is told by its CRC.
        """
        self.ask(rtu.encode(1, b"\x41\1\2\3"))
        self.assertEqual(self.bus.asked[0].request, Opaque(b"\x41\1\2\3"))

    def test_damaged(self) -> None:
        """
        A frame whose CRC does not fit is passed over, and so is noise; what follows is understood.
        """
        damaged = rtu.encode(1, READ)[:-1] + b"\0"
        for noise in (damaged, b"\0", b"\xff" * 2000, rtu.encode(1, READ)[:5]):
            self.serve(lambda unit, request: GOOD, framing=RTU)
            self.ask(noise)
            self.assertSays()
            self.ask(rtu.encode(2, READ))
            self.clock.advance(5)
            self.ask(rtu.encode(3, READ))
            self.assertEqual(self.said()[-7:], rtu.encode(3, GOOD))
            self.assertTrue(self.socket.is_open)

    def test_asks_anew(self) -> None:
        """
        A client that asks anew gets the answer to that, and none to what it asked before.
        """
        self.ask(rtu.encode(1, READ))
        self.ask(rtu.encode(2, READ))
        self.assertEqual(len(self.bus.withdrawn), 1)
        self.assertSays()
        self.bus.asked[1].reply(GOOD)
        self.assertSays(rtu.encode(2, GOOD))

    def test_broadcast(self) -> None:
        """
        As on a serial line a broadcast has no answer, whatever becomes of it; one that waits for its turn
        is not given up by the next request.
        """
        self.ask(rtu.encode(0, WriteRegister(1, 2).encode()), rtu.encode(7, READ))
        self.assertEqual(self.bus.withdrawn, [])
        self.bus.asked[0].reply(b"")
        self.assertSays()
        self.bus.asked[1].reply(GOOD)
        self.assertSays(rtu.encode(7, GOOD))
        for refused in (b"\x03\0\0\0\0", READ, b"\x41"):
            self.ask(rtu.encode(0, refused))
            if len(self.bus.asked) > 2:
                self.bus.asked.pop().fail(Denied("not enabled"))
            self.assertSays()

    def test_broadcast_to_nobody(self) -> None:
        """
        Nor has one an answer where unit id 0 leads nowhere, or to a single unit.
        """
        for route in (None, 1):
            self.serve(lambda unit, request: request.encode(), framing=RTU, routes={0: route})
            self.ask(rtu.encode(0, WriteRegister(1, 2).encode()))
            self.assertSays()

    def test_broadcast_confirmed(self) -> None:
        """
        A listener that is told to confirms it.
        """
        self.serve(framing=RTU, confirms_broadcasts=True)
        self.ask(rtu.encode(0, WriteRegister(1, 2).encode()))
        self.bus.asked[0].reply(b"")
        self.assertSays(rtu.encode(0, WriteRegister(1, 2).encode()))


unit_ids = st.integers(0, 255)
pdus = st.binary(min_size=1, max_size=253)


def echoing(unit: int, request: Request) -> bytes:
    """A bus that answers some, refuses others, and is silent to the rest."""
    if unit % 3 == 0:
        raise NoReply("nothing came")
    if unit % 3 == 1:
        raise ExceptionReply(request.function, 2)
    return request.encode()[:200]


class AnyBytesTests(GatewayCase):
    streams = st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                mbap.encode, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253)
            ),
            st.builds(rtu.encode, unit_ids, pdus),
            st.just(adu(1, 2, READ)),
        ),
        max_size=8,
    )

    @tries(200)
    @given(streams, st.lists(st.integers(1, 300), min_size=1, max_size=8), st.booleans(), st.booleans())
    def test_any_bytes(self, stream: list[bytes], sizes: list[int], is_rtu: bool, at_once: bool) -> None:
        """
        Whatever comes, in whatever pieces: nothing escapes, what is answered is well formed, and
        another client is not disturbed.
        """
        options: dict[str, Any] = {"framing": RTU} if is_rtu else {}
        self.serve(echoing if at_once else None, **options)
        other, _ = self.connect()
        data = b"".join(stream)
        turn = 0
        while data and self.socket.is_open:
            size = sizes[turn % len(sizes)]
            self.ask(data[:size])
            data, turn = data[size:], turn + 1
            self.clock.advance(0.01)
        for asked in self.bus.asked + self.device.asked:
            if not asked.done.called:
                asked.reply(bytes((asked.request.function, 0)))
        self.assertWellFormed(self.said(), is_rtu)
        asked_before = len(self.bus.asked)
        other.dataReceived(rtu.encode(2, READ) if is_rtu else adu(7, 2, READ))
        self.assertEqual(len(self.bus.asked), asked_before + 1)
        self.lost()
        self.assertFalse([call for call in self.clock.getDelayedCalls() if call.getTime() < 3600])

    def assertWellFormed(self, said: bytes, is_rtu: bool) -> None:
        """What was said is whole answers and nothing else."""
        if is_rtu:
            return
        frames = mbap.Frames()
        answers: Sequence[mbap.ADU] = frames.received(said)
        self.assertFalse(frames)
        self.assertEqual(frames.alien, 0)
        for answer in answers:
            self.assertTrue(answer.pdu[0] < 0x80 or len(answer.pdu) == 2, answer)
