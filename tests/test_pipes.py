"""Lines through pipes: whole, or not at all, and nobody waits for a reader that stands still."""

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.pipes import Pipe, is_pipe
from tests.spools import directory

LINES = b"".join(b"%06d %s\n" % (number, b"x" * 90) for number in range(3000))


class PipeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.addCleanup(os.close, self.reader)
        self.addCleanup(os.close, self.writer)
        self.pipe = Pipe(patience=0.0)

    def read(self) -> bytes:
        """All that is there."""
        found = b""
        while True:
            try:
                found += os.read(self.reader, 1 << 20)
            except BlockingIOError:
                return found

    def test_read(self) -> None:
        """
        What is read comes as it was written.
        """
        for line in LINES.splitlines(keepends=True)[:1000]:
            self.pipe.write(self.writer, line)
            self.assertEqual(self.read(), line)

    def test_stands_still(self) -> None:
        """
        A reader that stands still gets an error, at once, and only whole lines when it reads on.
        """
        error = self.assertRaises(OSError, self.pipe.write, self.writer, LINES)
        self.assertEqual(
            (error.errno, error.strerror), (errno.ETIMEDOUT, "whoever reads it does not read on")
        )
        self.assertRaises(OSError, self.pipe.write, self.writer, b"lost\n")
        found = self.read()
        self.pipe.write(self.writer, b"more\n")
        found += self.read()
        self.assertTrue(found.endswith(b"\nmore\n"))
        told = found.removesuffix(b"more\n")
        self.assertTrue(LINES.startswith(told))
        self.assertTrue(told.endswith(b"\n"))
        self.assertLess(len(told), len(LINES))

    def test_nobody(self) -> None:
        """
        Where nobody reads any more, or not yet, that is an error too.
        """
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        self.assertRaises(BrokenPipeError, self.pipe.write, writer, b"a\n")
        fifo = directory(self) / "fifo"
        os.mkfifo(fifo)
        self.assertTrue(is_pipe(fifo))
        error = self.assertRaises(OSError, self.pipe.write_to, fifo, b"a\n")
        self.assertEqual(error.errno, errno.ENXIO)

    def test_fifo(self) -> None:
        """
        A FIFO is opened for each write, and a file is none.
        """
        place = directory(self)
        fifo = place / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        for line in (b"a\n", b"b\n"):
            self.pipe.write_to(fifo, line)
            self.assertEqual(os.read(reader, 100), line)
        (place / "file").touch()
        self.assertEqual([is_pipe(place / name) for name in ("file", "absent")], [False, False])
