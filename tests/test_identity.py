"""What a device says of itself."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import BadRequest, ExceptionReply, LuminaError
from lumina.modbus.identity import Identity, Page, ReadDeviceIdentification, ReportServerId, ServerId

BASIC = {0: "lumina", 1: "bus", 2: "1.0"}


def ask(identity: Identity, code: int, object_id: int = 0) -> Page:
    """Ask over the wire: the request's bytes, the reply's bytes, checked and decoded."""
    request = ReadDeviceIdentification.parse(ReadDeviceIdentification(code, object_id).encode())
    body = request.answer(identity)
    request.check(body)
    return request.decode(body)


def ask_all(identity: Identity, code: int) -> dict[int, bytes]:
    """Ask page by page, as a client does."""
    page = ask(identity, code)
    found = dict(page.objects)
    while page.next_id is not None:
        assert page.next_id not in found, page
        page = ask(identity, code, page.next_id)
        found.update(page.objects)
    return found


class IdentityTests(SynchronousTestCase):
    def test_bytes(self) -> None:
        """
        The three mandatory objects go out as the specification lays them out.
        """
        request = ReadDeviceIdentification(1, 0)
        head = bytes.fromhex("2B 0E 01 81 00 00 03")
        body = head + b"\x00\x06lumina" + b"\x01\x03bus" + b"\x02\x031.0"
        self.assertEqual(request.answer(Identity(BASIC)), body)
        self.assertEqual(
            request.decode(body).names,
            {"VendorName": "lumina", "ProductCode": "bus", "MajorMinorRevision": "1.0"},
        )

    def test_level(self) -> None:
        """
        The conformity level is that of the highest object, single objects being readable.
        """
        for number, level in ((2, 0x81), (3, 0x82), (0x7F, 0x82), (0x80, 0x83), (0xFF, 0x83)):
            self.assertEqual(Identity({**BASIC, number: "x"}).level, level)

    def test_levels(self) -> None:
        """
        Each code gives the objects up to its level, all of them from object 0 on.
        """
        identity = Identity({**BASIC, 4: "name", 0x80: b"\xff\x00"})
        self.assertEqual([number for number, _ in ask(identity, 1).objects], [0, 1, 2])
        self.assertEqual([number for number, _ in ask(identity, 2).objects], [0, 1, 2, 4])
        self.assertEqual([number for number, _ in ask(identity, 3).objects], [0, 1, 2, 4, 0x80])
        self.assertEqual(ask(identity, 3).names["object 80h"], "\xff\0")

    def test_beyond_own_level(self) -> None:
        """
        A device that is asked for more than it has answers at its own level.
        """
        page = ask(Identity(BASIC), 3)
        self.assertEqual((page.level, len(page.objects)), (0x81, 3))

    def test_start(self) -> None:
        """
        A stream begins at the object asked for; at 0 if that is not in the stream.
        """
        identity = Identity({**BASIC, 4: "name"})
        self.assertEqual([number for number, _ in ask(identity, 2, 2).objects], [2, 4])
        self.assertEqual([number for number, _ in ask(identity, 2, 3).objects], [0, 1, 2, 4])
        self.assertEqual([number for number, _ in ask(identity, 1, 4).objects], [0, 1, 2])

    def test_single(self) -> None:
        """
        One object comes alone, whatever its level; one that is not there is an illegal address.
        """
        identity = Identity({**BASIC, 0x90: "x"})
        self.assertEqual(ask(identity, 4, 0x90), Page(0x83, None, ((0x90, b"x"),)))
        error = self.assertRaises(ExceptionReply, ask, identity, 4, 3)
        self.assertEqual(error.pdu, b"\xab\x02")

    def test_cut(self) -> None:
        """
        Objects are never cut: one that does not fit comes with the next reply.
        """
        fits = Identity({**BASIC, 3: "x" * (253 - 7 - 18 - 2)})
        self.assertEqual(len(ReadDeviceIdentification(2).answer(fits)), 253)
        self.assertIsNone(ask(fits, 2).next_id)
        over = Identity({**BASIC, 3: "x" * (253 - 7 - 18 - 1)})
        first = ReadDeviceIdentification(2).answer(over)
        self.assertEqual(first[:7].hex(), "2b0e0282ff0303")
        self.assertEqual([number for number, _ in ask(over, 2, 3).objects], [3])

    def test_wrong(self) -> None:
        """
        Objects that no reply could carry are refused when the device is described.
        """
        Identity({**BASIC, 0xFF: bytes(244)})
        for objects, sentence in (
            ({0: "a", 1: "b"}, "objects: 2 (MajorMinorRevision) is missing; 0 to 2 are mandatory"),
            ({**BASIC, 256: "x"}, "object id: 256 is not within 0 to 255"),
            ({**BASIC, 3: "x" * 245}, "VendorUrl: length: 245 is not within 0 to 244"),
            ({**BASIC, 0x80: bytes(245)}, "object 80h: length: 245 is not within 0 to 244"),
            ({**BASIC, 4: "naïve"}, "ProductName: 'naïve' is not ASCII"),
        ):
            error = self.assertRaises(BadRequest, Identity, objects)
            self.assertEqual(str(error), sentence)

    @given(st.dictionaries(st.integers(3, 255), st.binary(max_size=244), max_size=20), st.integers(1, 3))
    def test_all(self, more: dict[int, bytes], code: int) -> None:
        """
        Page by page a client gets each object of the level once, whole, in replies that fit.
        """
        mandatory = {number: text.encode() for number, text in BASIC.items()}
        last = {1: 2, 2: 0x7F, 3: 0xFF}[code]
        objects = mandatory | more
        wanted = {number: value for number, value in objects.items() if number <= last}
        self.assertEqual(ask_all(Identity(objects), code), wanted)


class ServerIdTests(SynchronousTestCase):
    def test_bytes(self) -> None:
        """
        Function 17 gives an identifier, a run indicator and what the device adds.
        """
        request, server = ReportServerId(), ServerId(b"\x2a", True, b"lumina")
        self.assertEqual(request.answer(server), b"\x11\x08\x2a\xfflumina")
        self.assertEqual(request.decode(b"\x11\x08\x2a\xfflumina"), server)
        self.assertIs(request.decode(b"\x11\x02\x2a\x00").running, False)

    def test_short(self) -> None:
        """
        A device that tells less than the specification wants is still understood.
        """
        for data in (b"", b"\x2a"):
            server = ReportServerId().decode(bytes((0x11, len(data))) + data)
            self.assertEqual(server, ServerId(data, None))
            self.assertEqual(server.encode(), data)

    def test_long_identifier(self) -> None:
        """
        How long the identifier is the caller must know; the specification does not say.
        """
        server = ServerId(b"\x01\x02", False, b"x")
        self.assertEqual(ServerId.decode(server.encode(), size=2), server)

    def test_limits(self) -> None:
        """
        It must fit into one PDU, and an addition needs a run indicator before it.
        """
        self.assertEqual(len(ReportServerId().answer(ServerId(b"1", True, bytes(249)))), 253)
        error = self.assertRaises(LuminaError, ServerId(b"1", True, bytes(250)).encode)
        self.assertEqual(str(error), "server id: 252 is not within 0 to 251")
        error = self.assertRaises(LuminaError, ServerId(b"1", None, b"xy").encode)
        self.assertEqual(str(error), "additional: 2 bytes need a run indicator before them")
