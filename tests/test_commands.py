"""The text language, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.commands import (
    COMMANDS,
    RequestLine,
    answer_id,
    help_lines,
    parse_command,
    parse_frame,
    parse_request,
)
from lumina.errors import (
    BadCRC,
    BadRequest,
    InvalidPort,
    NotSent,
)
from lumina.modbus.pdu import Opaque, ReadHoldingRegisters
from lumina.modbus.rtu import encode

PORTS = ("greenhouse", "/dev/ttyAMA1", "/dev/serial/by-path/usb-0:1.2:1.0-port0", "/dev/serial/by-path/usb-0")
READ = ReadHoldingRegisters(0, 2)
REPLY = bytes.fromhex("0103040000000" + "13BF3")
NOW = 1732467890.1234


def ask(**changed: object) -> RequestLine:
    fields: dict[str, object] = {
        "id": "test",
        "type": "THC",
        "port": "/dev/ttyAMA1",
        "baudrate": 9600,
        "unit": 1,
        "request": READ,
        "length": 9,
        "timeout": 0.5,
    }
    return RequestLine(**(fields | changed))  # type: ignore[arg-type]


class RequestTests(SynchronousTestCase):
    def test_documented_example(self) -> None:
        """
        The line of the documentation is understood.
        """
        line = "test:THC:/dev/ttyAMA1:9600:010300000002C40B:9:0.5"
        self.assertEqual(parse_request(line, PORTS), ask())

    def test_no_timeout(self) -> None:
        """
        The timeout may be empty or left out.
        """
        for line in ("test:THC:greenhouse:9600:010300000002:9", "test:THC:greenhouse:9600:010300000002:9:"):
            self.assertEqual(parse_request(line, PORTS), ask(port="greenhouse", timeout=None))

    def test_port_with_colons(self) -> None:
        """
        A path may contain colons; the longest configured name that fits is the port.
        """
        for port in PORTS:
            self.assertEqual(parse_request(f"a:b:{port}:9600:010300000002:9", PORTS).port, port)

    def test_wrong_fields(self) -> None:
        """
        Each field that is wrong is named, with its value and the limit, and nothing else is.
        """
        for line, error, words in [
            ("a:b:c", BadRequest, ["6 or 7 fields", "not 3"]),
            (":b:greenhouse:9600:0103:0", BadRequest, ["id", "1 to 128"]),
            ("a\x01:b:greenhouse:9600:0103:0", BadRequest, ["id", "printable"]),
            ("ä:b:greenhouse:9600:0103:0", BadRequest, ["id", "ASCII"]),
            (f"{'a' * 129}:b:greenhouse:9600:0103:0", BadRequest, ["id", "128"]),
            (f"a:{'b' * 65}:greenhouse:9600:0103:0", BadRequest, ["type", "64"]),
            ("a:b:/dev/ttyAMA9:9600:0103:0", InvalidPort, ["/dev/ttyAMA9"]),
            ("a:b:greenhouse:9600:0103:0:1:2", InvalidPort, ["3 or 4 fields"]),
            ("a:b:/dev/serial/by-path/usb-0:7.1:1.0:9600:0103:0", InvalidPort, ["usb-0"]),
            ("a:b:greenhouse:fast:010300000002:0", BadRequest, ["baudrate", "fast"]),
            ("a:b:greenhouse:-9600:010300000002:0", BadRequest, ["baudrate", "-9600"]),
            ("a:b:greenhouse:9600:01030000000:0", BadRequest, ["hex", "01030000000"]),
            ("a:b:greenhouse:9600:01 03  00:0", BadRequest, ["hex", "one blank"]),
            ("a:b:greenhouse:9600:0x0103:0", BadRequest, ["hex"]),
            ("a:b:greenhouse:9600::0", BadRequest, ["hex"]),
            ("a:b:greenhouse:9600:01:0", BadRequest, ["hex", "1 bytes", "2 to 256"]),
            ("a:b:greenhouse:9600:0100000000:0", BadRequest, ["hex", "function 00", "01 to 7F"]),
            ("a:b:greenhouse:9600:0180000000:0", BadRequest, ["hex", "function 80"]),
            ("a:b:greenhouse:9600:0103000000:0", BadRequest, ["hex", "function 03", "6 bytes", "not 5"]),
            ("a:b:greenhouse:9600:010300000002C40C:0", BadCRC, ["hex", "C40C", "C40B"]),
            ("a:b:greenhouse:9600:010300000002C40B0001:0", BadCRC, ["hex", "0001", "0000"]),
            ("a:b:greenhouse:9600:010300000002:nine", BadRequest, ["length", "nine"]),
            ("a:b:greenhouse:9600:010300000002:-1", BadRequest, ["length", "-1"]),
            ("a:b:greenhouse:9600:010300000002:0:soon", BadRequest, ["timeout", "soon", "0.01 to 300"]),
            ("a:b:greenhouse:9600:010300000002:0:0", BadRequest, ["timeout", "0.01"]),
            ("a:b:greenhouse:9600:010300000002:0:301", BadRequest, ["timeout", "300"]),
            ("a:b:greenhouse:9600:010300000002:0:nan", BadRequest, ["timeout", "nan"]),
            ("a:b:greenhouse:9600:010300000002:0:inf", BadRequest, ["timeout", "inf"]),
            ("a:b:greenhouse:9600:010300000002:0:-1", BadRequest, ["timeout", "-1"]),
        ]:
            raised = self.assertRaises(NotSent, parse_request, line, PORTS)
            self.assertIs(type(raised), error, line)
            for word in words:
                self.assertIn(word, str(raised), line)

    def test_limits_are_inside(self) -> None:
        """
        The longest id and type, and the shortest and longest timeout, are taken.
        """
        taken = parse_request(f"{'i' * 128}:{'t' * 64}:greenhouse:9600:010300000002:0:300", PORTS)
        self.assertEqual((len(taken.id), len(taken.type), taken.timeout), (128, 64, 300.0))
        self.assertEqual(parse_request("i::greenhouse:9600:010300000002:0:.01", PORTS).timeout, 0.01)

    @given(st.text(max_size=120))
    def test_any_line(self, line: str) -> None:
        """
        No line raises anything but an error that can be answered, in one line of its own.
        """
        for text in (line, f"a:b:greenhouse:{line}", f"a:b:greenhouse:9600:{line}:0"):
            try:
                parse_request(text, PORTS)
            except NotSent as error:
                self.assertNotIn("\n", str(error))
            self.assertTrue(1 <= len(answer_id(text)) <= 128 and answer_id(text).isprintable())


class FrameTests(SynchronousTestCase):
    def test_any_number_of_crcs(self) -> None:
        """
        With no CRC, with one and with two, upper or lower case, with blanks or
        without, the same request is meant.
        """
        for digits in (
            "010300000002",
            "010300000002C40B",
            "010300000002C40B0000",
            "010300000002c40b0000",
            "01 03 00 00 00 02 C4 0B 00 00",
            "0103 0000 0002",
        ):
            self.assertEqual(parse_frame(digits), (1, READ), digits)

    def test_unknown_function(self) -> None:
        """
        Two last bytes that fit are the CRC; without such the frame is taken as it is.
        """
        body = bytes.fromhex("0141AABB")
        frame = encode(1, body[1:])
        for sent in (body, frame, frame + b"\0\0"):
            self.assertEqual(parse_frame(sent.hex()), (1, Opaque(body[1:])))
        self.assertEqual(parse_frame((frame + bytes(4)).hex()), (1, Opaque(frame[1:])))

    def test_beyond_the_limits(self) -> None:
        """
        A relay's own value for a coil goes out as it is.
        """
        self.assertEqual(parse_frame("010500015500"), (1, Opaque(bytes.fromhex("0500015500"))))

    def test_longest(self) -> None:
        """
        A frame of 256 bytes with its CRC is taken, with a second CRC too; a longer one is not.
        """
        body = bytes([1, 0x41]) + bytes(252)
        frame = encode(1, body[1:])
        self.assertEqual(len(frame), 256)
        for data in (body, frame, frame + b"\0\0"):
            self.assertEqual(parse_frame(data.hex())[1], Opaque(body[1:]))
        for data in (body + b"\1", frame + b"\0\0\0"):
            self.assertIn("256", str(self.assertRaises(BadRequest, parse_frame, data.hex())))


class CommandTests(SynchronousTestCase):
    def test_help_is_complete(self) -> None:
        """
        Every command that is understood is in the help, with what it is for.
        """
        text = "\n".join(help_lines())
        for talk in COMMANDS:
            self.assertIn(talk.meaning, text)
            self.assertEqual(parse_command(talk.name.upper()), (talk.name, []))

    def test_unknown(self) -> None:
        """
        A slip of the finger is told what was probably meant.
        """
        self.assertIn("did you mean help", str(self.assertRaises(BadRequest, parse_command, "hepl")))
        self.assertIn("did you mean help", str(self.assertRaises(BadRequest, parse_command, "\x00xyzzy")))
        self.assertIn("did you mean quit", str(self.assertRaises(BadRequest, parse_command, "exit")))

    def test_slip_in_a_port(self) -> None:
        """
        A port that is known in other letters, or without blanks, is told; of others, how to list them.
        """
        for port, hint in (
            ("GREENHOUSE", "did you mean 'greenhouse'?"),
            (" greenhouse ", "did you mean 'greenhouse'?"),
            ("pump", "'ports' lists the ports"),
        ):
            error = self.assertRaises(InvalidPort, parse_request, f"a:b:{port}:9600:0103:0", ["greenhouse"])
            self.assertTrue(str(error).endswith(hint), error)

    def test_surplus_words(self) -> None:
        """
        A word too many is named.
        """
        self.assertIn("'now'", str(self.assertRaises(BadRequest, parse_command, "quit now")))

    def test_ids_of_broken_lines(self) -> None:
        """
        The answer to a broken line bears an id that can be printed.
        """
        self.assertEqual(answer_id(":b"), "-")
        self.assertEqual(answer_id("a\x00ä:b"), "a??")
        self.assertEqual(answer_id("x" * 500), "x" * 128)
