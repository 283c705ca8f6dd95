"""The programs that other tests rely on do what those tests believe."""

from time import monotonic

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol
from twisted.internet.serialport import SerialPort
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from tests.system import programs
from tests.system.paced_slave import register, sealed, silence

BAUD = 9600
CHARACTER = 11 / BAUD


def read(unit: int, address: int, count: int = 1) -> bytes:
    """A request of holding registers."""
    return sealed(bytes((unit, 3)) + address.to_bytes(2) + count.to_bytes(2))


class Master(Protocol):
    """Sends frames, and collects what comes."""

    transport: ITransport

    def __init__(self) -> None:
        self.received = b""
        self._wanted: tuple[int, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._wanted and len(self.received) >= self._wanted[0]:
            (_, wanted), self._wanted = self._wanted, None
            wanted.callback(self.received)

    def ask(self, frame: bytes, size: int) -> Deferred[bytes]:
        """@return: fires with the first `size` bytes that come."""
        self.received, self._wanted = b"", (size, Deferred())
        self.transport.write(frame)
        return self._wanted[1]


def master(test: TestCase, device: str) -> Master:
    """Open a serial device until the test is over."""
    from twisted.internet import reactor

    protocol = Master()
    port = SerialPort(protocol, device, reactor, baudrate=BAUD)
    test.addCleanup(port.loseConnection)
    return protocol


def rest(seconds: float) -> Deferred[None]:
    """Let time pass."""
    from twisted.internet import reactor

    return deferLater(reactor, seconds)


class PacedSlaveTests(TestCase):
    timeout = 30

    async def test_proves_its_replies(self) -> None:
        """
        A reply tells by its values which unit and registers were read; a written register keeps its value.
        """
        slave = await programs.paced_slave(self)
        line = master(self, slave.device)
        values = b"".join(register(7, address).to_bytes(2) for address in (40, 41))
        self.assertEqual(await line.ask(read(7, 40, 2), 9), sealed(b"\x07\x03\x04" + values))
        write = sealed(b"\x07\x06\x00\x28\x12\x34")
        self.assertEqual(await line.ask(write, 8), write)
        self.assertEqual(await line.ask(read(7, 40), 7), sealed(b"\x07\x03\x02\x12\x34"))
        self.assertEqual((await slave.report())["writes"], [[7, 40, 0x1234]])

    async def test_takes_the_time_of_the_line(self) -> None:
        """
        Request, turnaround and reply take their time on the wire, never less.
        """
        slave = await programs.paced_slave(self, "--turnaround", "0.01")
        line = master(self, slave.device)
        began = monotonic()
        await line.ask(read(1, 0, 10), 25)
        self.assertGreaterEqual(monotonic() - began, (8 + 25) * CHARACTER + 0.01)
        report = await slave.report()
        self.assertAlmostEqual(report["wire"], (8 + 25) * CHARACTER)
        self.assertEqual(len(report["ends"]), 1)
        self.assertLess(began, report["ends"][0])
        self.assertLess(report["ends"][0], monotonic())

    async def test_notices_a_short_gap(self) -> None:
        """
        A request that follows a reply at once breaks the silence between frames; one that waits does not.
        """
        slow = 1200  # so slow that the short gap is short on a busy machine, too
        slave = await programs.paced_slave(self, "--baud", str(slow))
        line = master(self, slave.device)
        await line.ask(read(1, 0), 7)
        await rest(2 * silence(slow))
        await line.ask(read(1, 1), 7)
        report = await slave.report()
        self.assertEqual((report["requests"], report["violations"]), (2, 0))
        self.assertGreaterEqual(report["gap_min"], 2 * silence(slow))
        await rest(2 * silence(slow))
        await line.ask(read(1, 2), 7)
        await line.ask(read(1, 3), 7)
        report = await slave.report()
        self.assertEqual((report["requests"], report["violations"]), (4, 1))
        self.assertLess(report["gap_min"], silence(slow))

    async def test_faults(self) -> None:
        """
        Units are silent, refuse, or are slow as they are told; a frame that is damaged is not answered.
        """
        slave = await programs.paced_slave(self, "--silent", "9", "--exception", "5=2", "--slow", "3=0.2")
        line = master(self, slave.device)
        self.assertEqual(await line.ask(read(1, 5), 5), sealed(b"\x01\x83\x02"))
        began = monotonic()
        await line.ask(read(3, 0), 7)
        self.assertGreaterEqual(monotonic() - began, 0.2)
        line.ask(read(9, 0), 1)
        await rest(0.05)
        line.ask(read(1, 0)[:-1] + b"\x00", 1)
        await rest(0.05)
        self.assertEqual(line.received, b"")
        report = await slave.report()
        counts = [report[kind] for kind in ("requests", "replies", "exceptions", "silent", "garbled")]
        self.assertEqual(counts, [4, 2, 1, 1, 1])

    async def test_forgets(self) -> None:
        """
        A report covers what came since the last reset.
        """
        slave = await programs.paced_slave(self)
        await master(self, slave.device).ask(read(1, 0), 7)
        slave.reset()
        self.assertEqual((await slave.report())["requests"], 0)

    async def test_follows_the_speed(self) -> None:
        """
        With a speed of 0 it takes the one that the other end has set.
        """
        slave = await programs.paced_slave(self, "--baud", "0")
        await master(self, slave.device).ask(read(1, 0), 7)
        report = await slave.report()
        self.assertEqual((report["speeds"], report["bauds"]), ({str(BAUD): 1}, [BAUD]))

    async def test_tells_when_requests_began(self) -> None:
        """
        The report has for each request when its first byte came.
        """
        slave = await programs.paced_slave(self)
        line = master(self, slave.device)
        before = monotonic()
        await line.ask(read(1, 0), 7)
        between = monotonic()
        await line.ask(read(1, 1), 7)
        first, second = (await slave.report())["begins"]
        self.assertTrue(before < first < between < second < monotonic())

    async def test_units_die_and_return(self) -> None:
        """
        Units fall silent when told to, the others do not; they answer again when told to.
        """
        slave = await programs.paced_slave(self, "--silent", "9")
        line = master(self, slave.device)
        slave.program.tell("silence 3 4")
        await slave.report()
        for unit in (3, 4, 9):
            line.ask(read(unit, 0), 1)
            await rest(0.05)
        self.assertEqual(line.received, b"")
        await line.ask(read(5, 0), 7)
        slave.program.tell("speak 4 9")
        await slave.report()
        await line.ask(read(4, 0), 7)
        await line.ask(read(9, 0), 7)
        line.ask(read(3, 0), 1)
        await rest(0.05)
        self.assertEqual(line.received, b"")


class LibmodbusSlaveTests(TestCase):
    async def test_answers(self) -> None:
        """
        libmodbus answers for its unit over a cable, and a register holds its own address.
        """
        near, far, _ = await programs.cable(self)
        await programs.libmodbus_slave(self, far, 18, BAUD)
        self.assertEqual(
            await master(self, near).ask(read(18, 300, 2), 9), sealed(b"\x12\x03\x04\x01\x2c\x01\x2d")
        )


class LuminaTests(TestCase):
    timeout = 60

    async def test_starts_and_stops(self) -> None:
        """
        lumina listens where it is told to, its log can be read, and it ends with status 0 when asked to.
        """
        slave, port = await programs.paced_slave(self), programs.free_port()
        service = await programs.lumina(
            self,
            f"""
            ports: {{bus: {{endpoint: "serial:{slave.device}:baudrate={BAUD}"}}}}
            listen: {{text: {{kind: text, endpoint: "tcp:{port}:interface=127.0.0.1"}}}}
            """,
            port,
        )
        await service.says(f"listening on .*{port}")
        self.assertEqual(await service.stop(), 0)

    async def test_does_not_start(self) -> None:
        """
        A configuration that is wrong ends the start with status 1, and the fixture says what lumina said.
        """
        with self.assertRaisesRegex(AssertionError, "(?s)ended with 1:.*unknown key 'prts'"):
            await programs.lumina(self, "prts: {}", programs.free_port())


class ProgramTests(TestCase):
    def test_require(self) -> None:
        """
        A program that is not there skips the test, with the words that count as failed in CI.
        """
        self.assertIn("/sh", programs.require("sh"))
        with self.assertRaisesRegex(SkipTest, "no-such-program is not installed"):
            programs.require("no-such-program")

    async def test_status(self) -> None:
        """
        A program's exit status and all that it printed can be had.
        """
        program = await programs.run(self, "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
        self.assertEqual((program.status, sorted(program.output.split())), (3, ["err", "out"]))

    async def test_says_nothing_more(self) -> None:
        """
        To wait for what a program never says fails with what it said.
        """
        program = programs.start(self, "/bin/sh", "-c", "echo something else")
        with self.assertRaisesRegex(AssertionError, "something else"):
            await program.says("ready")
