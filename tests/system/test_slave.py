"""A serial master that is not ours reads and writes simulated units through a pseudo-terminal."""

import os
import re
import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from lumina.assembly.simulators import bank
from lumina.config.maps import preset
from lumina.frontends.slave import Slave
from lumina.interfaces import Bus
from lumina.modbus.rtu import Line
from tests.system.programs import require


class Closing(Slave):
    """A slave that tells when its line is gone."""

    def __init__(self, bus: Bus, line: Line) -> None:
        super().__init__(bus, line, reactor)
        self.closed: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.closed.callback(None)


class MasterTests(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.mbpoll = require("mbpoll")
        self.path = os.path.abspath(self.mktemp())
        self.bank = bank(preset("greenhouse"), time.monotonic, 1)

    async def serve(self, baudrate: int) -> None:
        line = Line(baudrate)
        endpoint = clientFromString(reactor, f"pty:{self.path}:baudrate={baudrate}")
        slave: Closing = await endpoint.connect(Factory.forProtocol(lambda: Closing(self.bank, line)))
        self.addCleanup(self.close, slave)

    def close(self, slave: Closing) -> Deferred[None]:
        assert isinstance(slave, Protocol) and slave.transport is not None
        slave.transport.loseConnection()
        return slave.closed

    async def poll(self, unit: int, *arguments: str, baudrate: int = 9600) -> tuple[str, int]:
        """Run mbpoll once, with PDU addresses. @return: what it said, and its exit status."""
        line = ("-m", "rtu", "-b", str(baudrate), "-P", "none", "-0", "-1", "-o", "1", "-a", str(unit))
        options = [one for one in arguments if not one.startswith("=")]
        values = [one[1:] for one in arguments if one.startswith("=")]
        output, errors, status = await getProcessOutputAndValue(
            self.mbpoll, [*line, *options, self.path, *values]
        )
        return (output + errors).decode(), status

    async def read(self, unit: int, *arguments: str, baudrate: int = 9600) -> list[int]:
        said, status = await self.poll(unit, *arguments, baudrate=baudrate)
        self.assertEqual(status, 0, said)
        return [int(value) for value in re.findall(r"^\[\d+\]:\s+(-?\d+)", said, re.MULTILINE)]

    async def test_reads(self) -> None:
        """
        A temperature and a humidity come from each table, from two units, at two speeds.
        """
        for baudrate in (9600, 115200):
            await self.serve(baudrate)
            for unit, table in ((1, "4"), (1, "3"), (18, "4")):
                values = await self.read(unit, "-t", table, "-r", "0", "-c", "2", baudrate=baudrate)
                self.assertEqual(len(values), 2)
                self.assertTrue(150 <= values[0] <= 300 and 400 <= values[1] <= 900, values)
            self.path += "-fast"

    async def test_writes(self) -> None:
        """
        Registers and relays are written, one or several at once, and read back.
        """
        await self.serve(9600)
        for table, value in (
            ("4", ("=1234",)),
            ("4", ("=7", "=8", "=9")),
            ("0", ("=1",)),
            ("0", ("=1", "=0", "=1")),
        ):
            said, status = await self.poll(18, "-t", table, "-r", "5" if table == "0" else "12", *value)
            self.assertEqual(status, 0, said)
        self.assertEqual(await self.read(18, "-t", "4", "-r", "12", "-c", "4"), [7, 8, 9, 0])
        self.assertEqual(await self.read(18, "-t", "0", "-r", "0", "-c", "8"), [0, 0, 0, 0, 0, 1, 0, 1])

    async def test_refused(self) -> None:
        """
        The master is told of an address that is not there, in its own words.
        """
        await self.serve(9600)
        said, status = await self.poll(1, "-t", "4", "-r", "900", "-c", "2")
        self.assertNotEqual(status, 0)
        self.assertIn("Illegal data address", said)

    async def test_silence(self) -> None:
        """
        A unit that is not there does not answer, and the next request is not harmed.
        """
        await self.serve(9600)
        said, status = await self.poll(99, "-t", "4", "-r", "0", "-c", "2")
        self.assertNotEqual(status, 0)
        self.assertIn("timed out", said)
        self.assertEqual(len(await self.read(1, "-t", "4", "-r", "0", "-c", "2")), 2)
