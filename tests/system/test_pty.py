"""Pseudo-terminals that take as long as a serial line."""

import contextlib
import os
import select
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import PortDown
from lumina.modbus.rtu import Line
from lumina.simulator.pty import PtyTransport, endpoint


class Terminals(Clock):
    """A reactor whose readers are asked when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def turn(self) -> None:
        for reader in list(self.readers):
            reader.doRead()


class Recorder(Protocol):
    """Keeps what comes, and when."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self.came: list[tuple[float, bytes]] = []
        self.reasons: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.came.append((self.seconds(), data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reasons.append(reason)


class PtyTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Terminals()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "bus")

    def connect(self, **options: str) -> Recorder:
        made = endpoint(self.reactor, self.path, **options)
        factory = Factory.forProtocol(lambda: Recorder(self.reactor.seconds))
        recorder: Recorder = self.successResultOf(made.connect(factory))
        self.addCleanup(recorder.transport.connectionLost, Failure(ConnectionLost()))  # type: ignore[union-attr]
        return recorder

    def refusal(self) -> str:
        made = endpoint(self.reactor, self.path)
        factory = Factory.forProtocol(lambda: Recorder(self.reactor.seconds))
        return str(self.failureResultOf(made.connect(factory), PortDown).value)

    def open(self) -> int:
        program = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.addCleanup(os.close, program)
        return program

    def read(self, program: int, count: int) -> bytes:
        """What a program gets, which the kernel hands over a moment after it was written."""
        got = b""
        while len(got) < count and select.select([program], [], [], 1)[0]:
            got += os.read(program, count - len(got))
        return got

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.0005)):
            self.reactor.turn()
            self.reactor.advance(0.0005)


class TrafficTests(PtyTestCase):
    def test_to_the_protocol(self) -> None:
        """
        What a program writes arrives unchanged, every byte value, when the line has carried it.
        """
        recorder = self.connect()
        program = self.open()
        sent = bytes(range(256))
        os.write(program, sent)
        self.pass_time(Line(9600).duration(256) - 0.001)
        self.assertLess(sum(len(data) for _, data in recorder.came), 256)
        self.pass_time(0.002)
        self.assertEqual(b"".join(data for _, data in recorder.came), sent)

    def test_from_the_protocol(self) -> None:
        """
        What the protocol writes reaches the program unchanged, when the line has carried it.
        """
        recorder = self.connect(baudrate="19200", parity="E")
        program = self.open()
        sent = bytes(range(256))
        assert recorder.transport is not None
        recorder.transport.writeSequence([sent[:100], sent[100:]])
        self.assertRaises(BlockingIOError, os.read, program, 256)
        self.pass_time(Line(19200, "E").duration(256) - 0.001)
        came = self.read(program, 250)
        self.assertRaises(BlockingIOError, os.read, program, 256)
        self.pass_time(0.002)
        self.assertEqual(came + self.read(program, 256 - len(came)), sent)

    def test_a_program_that_writes_without_end(self) -> None:
        """
        A program that writes faster than the line is held up by its terminal, and nothing is lost.
        """
        recorder = self.connect(baudrate="115200")
        program = self.open()
        at_first = self.fill(program)
        self.pass_time(0.1)
        later = self.fill(program)
        self.assertLess(later, at_first / 2)
        self.pass_time(Line(115200).duration(at_first + later) + 0.1)
        self.assertEqual(sum(len(data) for _, data in recorder.came), at_first + later)

    def fill(self, program: int) -> int:
        """Write until the terminal takes no more. @return: how many bytes it took."""
        written = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                written += os.write(program, b"x" * 100)
        return written

    def test_nobody_reads(self) -> None:
        """
        Where nobody listens, what is sent is lost and harms nothing.
        """
        recorder = self.connect(baudrate="4000000")
        assert recorder.transport is not None
        recorder.transport.write(b"x" * 200_000)
        self.pass_time(1)
        self.assertEqual(recorder.reasons, [])

    def test_programs_come_and_go(self) -> None:
        """
        The terminal stays when a program closes it, and serves the next.
        """
        recorder = self.connect()
        for _ in range(2):
            program = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
            os.write(program, b"?")
            os.close(program)
            self.pass_time(0.01)
        self.assertEqual((b"".join(data for _, data in recorder.came), recorder.reasons), (b"??", []))


class PathTests(PtyTestCase):
    def test_closed(self) -> None:
        """
        Closing lets what was written leave, then the path is gone, and no descriptor or timer is left.
        """
        before = len(os.listdir("/proc/self/fd"))
        recorder = self.connect()
        program = self.open()
        assert recorder.transport is not None
        recorder.transport.write(b"last words")
        recorder.transport.loseConnection()
        recorder.transport.write(b"too late")
        self.pass_time(0.009)
        self.assertEqual((self.read(program, 8), recorder.reasons), (b"last wor", []))
        self.pass_time(0.003)
        self.assertTrue(recorder.reasons[0].check(ConnectionDone))
        self.assertFalse(os.path.lexists(self.path))
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), ([], []))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)

    def test_closed_at_once(self) -> None:
        """
        With nothing to send it closes in the next turn, once.
        """
        recorder = self.connect()
        assert recorder.transport is not None
        recorder.transport.loseConnection()
        recorder.transport.loseConnection()
        self.assertEqual(recorder.reasons, [])
        self.pass_time(0.001)
        self.assertEqual(len(recorder.reasons), 1)

    def test_left_over(self) -> None:
        """
        A link that a former run has left, to a terminal that is gone, is replaced.
        """
        os.symlink("/dev/pts/987654", self.path)
        self.connect()
        self.assertTrue(os.path.exists(self.path))

    def test_left_over_and_used_again(self) -> None:
        """
        A link is left over too when its terminal's number has been given to a younger one.
        """
        recorder = self.connect()
        os.utime(self.path, (1e9, 1e9), follow_symlinks=False)
        first = os.readlink(self.path)
        self.connect()
        self.assertNotEqual(os.readlink(self.path), first)
        assert isinstance(recorder.transport, PtyTransport)
        recorder.transport.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(os.path.exists(self.path), "the link of another was removed")

    def test_in_use(self) -> None:
        """
        A link to a terminal that lives is left alone, and the start refused.
        """
        self.connect()
        target = os.readlink(self.path)
        self.assertEqual(self.refusal(), f"pty: {self.path}: File exists")
        self.assertEqual(os.readlink(self.path), target)

    def test_anything_else(self) -> None:
        """
        Files, directories, and links to other places are never replaced.
        """
        descriptors = len(os.listdir("/proc/self/fd"))
        for make in (
            lambda: os.mkdir(self.path),
            lambda: open(self.path, "w").close(),
            lambda: os.symlink("/etc/passwd", self.path),
            lambda: os.symlink("/nowhere/at/all", self.path),
        ):
            make()
            self.assertEqual(self.refusal(), f"pty: {self.path}: File exists")
            os.rmdir(self.path) if os.path.isdir(self.path) else os.unlink(self.path)
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)

    def test_no_directory(self) -> None:
        """
        The directory is not made: the path is named in the refusal.
        """
        self.path += "/not/there"
        self.assertEqual(self.refusal(), f"pty: {self.path}: No such file or directory")

    def test_not_a_number(self) -> None:
        """
        A speed that is no number is refused before anything is made.
        """
        self.assertRaises(ValueError, endpoint, self.reactor, self.path, baudrate="fast")
