"""Serial devices as endpoints, on pseudo-terminals: what those carry, and what they refuse."""

import os
import sys
import termios
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from lumina.bus.hardware import Hardware
from lumina.bus.serial import SerialEndpoint, SerialTransport, endpoint, holders
from lumina.errors import PortDown
from lumina.modbus.rtu import Line
from tests.system import programs

CFLAG, IFLAG = 2, 0

#: A program that makes a pseudo-terminal, keeps both ends of it open, and says its name.
MAKER = "import os; print(os.ttyname(os.openpty()[1]), flush=True); input()"

#: A program that opens a device.
OPENER = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); input()"


class Recorder(Protocol):
    """Keeps what comes; `changed` fires at the next that happens."""

    transport: SerialTransport

    def __init__(self) -> None:
        self.came = b""
        self.lost = False
        self.changed: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.came += data
        self._tell()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self._tell()

    def _tell(self) -> None:
        changed, self.changed = self.changed, Deferred()
        changed.callback(None)


class SerialCase(TestCase):
    timeout = 20

    def terminal(self) -> tuple[int, str]:
        """The far end of a device, and the device."""
        far, near = os.openpty()
        device = os.ttyname(near)
        os.close(near)
        os.set_blocking(far, False)
        self.addCleanup(os.close, far)
        return far, device

    async def opened(self, made: SerialEndpoint) -> Recorder:
        recorder: Recorder = await made.connect(Factory.forProtocol(Recorder))
        self.addCleanup(self.closed, recorder)
        return recorder

    async def closed(self, recorder: Recorder) -> None:
        if not recorder.lost:
            recorder.transport.loseConnection()
        while not recorder.lost:
            await recorder.changed

    async def refusal(self, made: SerialEndpoint) -> str:
        error = await self.assertFailure(made.connect(Factory.forProtocol(Recorder)), PortDown)
        return str(error)


class OpeningTests(SerialCase):
    async def test_plain(self) -> None:
        """
        A device carries bytes both ways, without what its driver has not; that is noted once.
        """
        far, device = self.terminal()
        made = endpoint(reactor, device)
        with capturedLogs() as events:
            for _ in range(2):
                recorder = await self.opened(made)
                recorder.transport.write(b"\x01\x03\x11\x13\x0a\x0d")
                self.assertEqual(os.read(far, 99), b"\x01\x03\x11\x13\x0a\x0d")
                os.write(far, b"\x01\x83\x11\x13\x0d")
                while len(recorder.came) < 5:
                    await recorder.changed
                self.assertEqual(recorder.came, b"\x01\x83\x11\x13\x0d")
                self.assertIsNone(recorder.transport.line_errors())
                await self.closed(recorder)
                self.assertIsNone(recorder.transport.line_errors())
        notes = [event for event in events if event["log_namespace"].startswith("lumina")]
        self.assertEqual([note["log_level"] for note in notes], [LogLevel.debug])
        self.assertIn("no low-latency mode", notes[0]["missing"])

    async def test_refused(self) -> None:
        """
        What was asked for and cannot be had is an error with its name, and leaves the device free.
        """
        _, device = self.terminal()
        for name, value in {"lowlatency": "1", "rs485": "1", "rts": "0", "dtr": "1"}.items():
            self.assertEqual(
                await self.refusal(endpoint(reactor, device, **{name: value})),
                f"{name}={value} is refused by {device}: the driver cannot do that",
            )
        await self.opened(endpoint(reactor, device, lowlatency="0", rs485="0"))

    async def test_flow_control(self) -> None:
        """
        Nothing holds up a line unless it is asked for.
        """
        for flow, wanted in {"": (0, 0), "rtscts": (1, 0), "xonxoff": (0, 1), "none": (0, 0)}.items():
            _, device = self.terminal()
            made = endpoint(reactor, device, **({"flow": flow} if flow else {}))
            flags = termios.tcgetattr((await self.opened(made)).transport.fileno())
            by_lines = bool(flags[CFLAG] & termios.CRTSCTS)
            by_characters = bool(flags[IFLAG] & (termios.IXON | termios.IXOFF))
            self.assertEqual((by_lines, by_characters), wanted)

    async def test_held(self) -> None:
        """
        A device that is locked is not shared, not even between two ports of one service.
        """
        _, device = self.terminal()
        await self.opened(endpoint(reactor, device))
        self.assertEqual(
            await self.refusal(endpoint(reactor, device)),
            "it is held by another port of lumina, or by a process that cannot be seen",
        )

    async def test_who_else_has_it_open(self) -> None:
        """
        Another program that opens a device is named. The one that made a
        pseudo-terminal is at its other end, and takes no bytes from anybody.
        """
        maker = programs.start(self, sys.executable, "-c", MAKER)
        device = (await maker.says(r"^/dev/pts/\d+$"))[0]
        self.assertEqual(holders(device), "")
        opener = programs.start(self, sys.executable, "-c", OPENER, device)
        await opener.says("open")
        self.assertRegex(holders(device), r"^python\S* \(pid \d+\)$")

    async def test_no_serial_device(self) -> None:
        """
        What is no serial device, or is not there, is told in a sentence.
        """
        for device, sentence in {
            "/dev/null": "it is not a serial device",
            "/dev/ttyNONE": "there is no such device",
        }.items():
            self.assertEqual(await self.refusal(endpoint(reactor, device)), sentence)

    async def test_from_string(self) -> None:
        """
        All of it can be said in an endpoint string.
        """
        _, device = self.terminal()
        made = clientFromString(reactor, f"serial:{device}:lowlatency=0:flow=none:rs485=1:rtsbefore=0.001")
        self.assertIn("rs485=1 is refused", await self.refusal(made))
        by_identity = clientFromString(reactor, "serial:usb=dead.beef.x:baudrate=19200")
        self.assertIn("no USB serial port is dead.beef.x", await self.refusal(by_identity))
        for wrong in ({}, {"device": "/dev/ttyUSB0", "usb": "0403.6001"}):
            self.assertRaises(ValueError, endpoint, reactor, **wrong)


class WhileOpenTests(SerialCase):
    async def test_speed(self) -> None:
        """
        Speed changes while the device is open, and flow control stays as it was.
        """
        _, device = self.terminal()
        transport = (await self.opened(endpoint(reactor, device, flow="rtscts"))).transport
        transport.reconfigure(Line(19200))
        flags = termios.tcgetattr(transport.fileno())
        self.assertEqual(flags[4:6], [termios.B19200, termios.B19200])
        self.assertTrue(flags[CFLAG] & termios.CRTSCTS)

    async def test_format_refused(self) -> None:
        """
        A format that the driver does not take is an error that names it; a pseudo-terminal has no parity.
        """
        _, device = self.terminal()
        transport = (await self.opened(endpoint(reactor, device))).transport
        error = self.assertRaises(PortDown, transport.reconfigure, Line(9600, "E"))
        self.assertEqual(str(error), "the driver does not take 9600 8E1")


class FoundAgainTests(SerialCase):
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        (self.root / "dev").mkdir(parents=True)
        (self.root / "sys/class/tty").mkdir(parents=True)

    def plug(self, name: str, device: str) -> None:
        """A USB adapter whose port is really a pseudo-terminal."""
        adapter = self.root / "sys/devices/usb1/1-1"
        port = adapter / "1-1:1.0" / name / "tty" / name
        port.mkdir(parents=True)
        for key, value in (("idVendor", "0403"), ("idProduct", "6001"), ("serial", "A5")):
            (adapter / key).write_text(f"{value}\n")
        (port / "device").symlink_to(port.parent.parent)
        (self.root / "sys/class/tty" / name).symlink_to(port)
        (self.root / "dev" / name).symlink_to(device)

    def unplug(self, name: str) -> None:
        (self.root / "sys/class/tty" / name).unlink()
        (self.root / "dev" / name).unlink()

    async def test_by_usb_identity(self) -> None:
        """
        An adapter that comes back under another name is opened there, by one and the same endpoint.
        """
        made = SerialEndpoint(reactor, "usb=0403.6001.A5", Line(), Hardware(), self.root)
        self.assertIn("no USB serial port was found", await self.refusal(made))
        for name in ("ttyUSB0", "ttyUSB1"):
            far, device = self.terminal()
            self.plug(name, device)
            recorder = await self.opened(made)
            recorder.transport.write(b"asked")
            self.assertEqual(os.read(far, 99), b"asked")
            await self.closed(recorder)
            self.unplug(name)

    async def test_by_link(self) -> None:
        """
        So is a device that is given by a link, as those in /dev/serial/by-id are.
        """
        link = self.root / "dev/by-id"
        made = endpoint(reactor, str(link))
        for _ in range(2):
            far, device = self.terminal()
            link.unlink(missing_ok=True)
            link.symlink_to(device)
            recorder = await self.opened(made)
            recorder.transport.write(b"asked")
            self.assertEqual(os.read(far, 99), b"asked")
            await self.closed(recorder)
