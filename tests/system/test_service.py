"""lumina as its users meet it: real processes, sockets, terminals, and programs of others."""

import re
import socket
import sys
from pathlib import Path
from signal import SIGUSR1
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import DeferredList, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from lumina.services import Listener
from tests.system import programs
from tests.system.clients import Lines, ShippingClient, connected
from tests.system.paced_slave import register, sealed

CONFIGURATION = """
ports:
  bus:
    endpoint: serial:{device}:baudrate={baudrate}
    names: [/dev/ttyAMA1]
    timeout: 1
    slack: {slack}
listen:
  text: {{kind: text, endpoint: "tcp:{port}:interface=127.0.0.1", dialect: {dialect}}}
"""


def configuration(
    device: str, port: int, baudrate: int = 9600, dialect: str = "auto", slack: float = 0.02
) -> str:
    return CONFIGURATION.format(device=device, port=port, baudrate=baudrate, dialect=dialect, slack=slack)


def read(unit: int, address: int, count: int = 1) -> bytes:
    """A request for holding registers."""
    return sealed(bytes([unit, 3]) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def reply(unit: int, *values: int) -> bytes:
    """The reply with holding registers."""
    data = b"".join(value.to_bytes(2, "big") for value in values)
    return sealed(bytes([unit, 3, len(data)]) + data)


class ServiceCase(TestCase):
    timeout = 90

    async def start(
        self, device: str, baudrate: int = 9600, dialect: str = "auto", slack: float = 0.02
    ) -> programs.Program:
        self.port = programs.free_port()
        text = configuration(device, self.port, baudrate, dialect, slack)
        lumina = await programs.lumina(self, text, self.port)
        await lumina.says("is open|: open,|no such device|is held by")
        return lumina

    async def client(self, protocol: Any = None) -> Any:
        client = await connected(self.port, protocol)
        self.addCleanup(client.transport.abortConnection)
        return client


class ClientTests(ServiceCase):
    """A unit built on libmodbus answers; those who ask are the clients of the field."""

    async def bus(self, dialect: str = "auto") -> None:
        near, far, _ = await programs.cable(self)
        await programs.libmodbus_slave(self, far)
        await self.start(near, dialect=dialect)

    async def test_telnet(self) -> None:
        """
        Somebody at a terminal pastes the documented line, and asks for help.
        """
        await self.bus()
        telnet = programs.start(self, programs.require("telnet"), "127.0.0.1", str(self.port))
        await telnet.says("Connected")
        telnet.tell("test:THC:/dev/ttyAMA1:9600:010300000002C40B:9:0.5")
        await telnet.says("^OK:test:" + reply(1, 0, 1).hex().upper())
        telnet.tell("help")
        await telnet.says("^version +which lumina")
        telnet.tell("quit")
        await telnet.says("closed by foreign host")

    async def test_documented(self) -> None:
        """
        A client written from the documentation: with no CRC, with one, with two.
        """
        await self.bus()
        client = await self.client()
        for digits in ("010300050002", "010300050002D40A", "010300050002D40A0000"):
            answer = await client.ask(f"x:EC:bus:9600:{digits}:9:1")
            self.assertEqual(answer, "OK:x:" + reply(1, 5, 6).hex().upper())

    async def test_shipping(self) -> None:
        """
        The client that ships today pipelines its own calls, which state two
        bytes too many and carry a second CRC, and gets every answer whole.
        """
        await self.bus()
        client = await self.client(ShippingClient())
        asked = {}
        for number in range(20):
            frame = read(1, number, 2).hex().upper()
            asked[client.ask("/dev/ttyAMA1", "THC", frame, 9, 5, number)] = reply(1, number, number + 1)
        refused = client.ask("/dev/ttyAMA1", "EC", read(1, 65535, 2).hex().upper(), 7, 5, 98)
        await client.answers(21)
        absent = client.ask("/dev/ttyAMA1", "relay_x", read(9, 0).hex().upper(), 7, 0.1, 99)
        await client.answers(22)
        self.assertEqual({name: got.frame for name, got in client.readings.items()}, asked)
        self.assertEqual(client.errors, {refused: "exception_02", absent: "timeout"})
        self.assertEqual(client.lost, [])

    async def test_shipping_in_bursts(self) -> None:
        """
        Two shipping clients ask the same fifty things at once: each gets every
        answer whole, from about one client's exchanges; and when all is
        refused at once, no refusal is lost either.
        """
        slave = await programs.paced_slave(self, "--baud", "38400")
        await self.start(slave.device, baudrate=38400)
        clients = [await self.client(ShippingClient()) for _ in range(2)]
        asked = {}
        for number in range(50):
            for client in clients:
                frame = read(1, number, 2).hex().upper()
                name = client.ask("/dev/ttyAMA1", "THC", frame, 9, 5, number, 38400)
                asked[name] = reply(1, register(1, number), register(1, number + 1))
        for client in clients:
            await client.answers(50)
            self.assertEqual({name: got.frame for name, got in client.readings.items()}, asked)
        self.assertLess((await slave.report())["requests"], 60)
        await slave.program.stop()
        await deferLater(reactor, 0.2)
        for client in clients:
            for number in range(50, 100):
                client.ask("/dev/ttyAMA1", "THC", read(1, number).hex().upper(), 7, 5, number)
        for client in clients:
            await client.answers(100)
            self.assertEqual(set(client.errors.values()), {"serial_error"})
            self.assertEqual((len(client.errors), client.lost), (50, []))

    async def test_2024(self) -> None:
        """
        The 2024 client states seven bytes and gets seven; its heartbeat comes back.
        """
        await self.bus(dialect="bare")
        client = await self.client()
        name = "ttyAMA1_read_holding_010300000002_20241124174603_aZ"
        answer = await client.ask(f"{name}:read_holding:/dev/ttyAMA1:9600:010300000002C40B:7")
        self.assertEqual(answer, f"{name}:{reply(1, 0, 1)[:-2].hex()}")
        self.assertEqual(await client.ask("FF:F0:AA:AF"), "FF:F0:AA:AF")
        self.assertEqual(await client.ask("x:b:bus:9600:0103FFFF0002:9"), "x:MISMATCH")
        self.assertEqual(await client.ask("x:b:bus:9600:090300000001:7:0.1"), "x:TIMEOUT")

    async def test_asyncio(self) -> None:
        """
        Another event loop's client is served as well, with a write and what it changed.
        """
        await self.bus()
        script = (
            "import asyncio\n"
            "async def main():\n"
            f"    reader, writer = await asyncio.open_connection('127.0.0.1', {self.port})\n"
            "    for line in ('w:r:bus:9600:0106000A04D2:8', 'r:r:bus:9600:0103000A0001:7'):\n"
            "        writer.write(line.encode() + b'\\n')\n"
            "        print((await reader.readline()).decode().strip())\n"
            "asyncio.run(main())\n"
        )
        program = await programs.run(self, sys.executable, "-c", script)
        written = sealed(bytes.fromhex("0106000A04D2")).hex().upper()
        self.assertEqual(program.output.split(), [f"OK:w:{written}", f"OK:r:{reply(1, 1234).hex().upper()}"])


class CrowdTests(ServiceCase):
    async def test_fifty_clients(self) -> None:
        """
        Fifty at once: each gets the answer to its own question, and the line
        is never used before it was silent for three and a half characters.
        """
        slave = await programs.paced_slave(self, "--baud", "38400", "--turnaround", "0.002")
        await self.start(slave.device, baudrate=38400)
        clients = [await self.client() for _ in range(50)]

        async def ask(number: int, client: Lines) -> None:
            for turn in range(4):
                unit, address = 1 + number, 10 * turn
                answer = await client.ask(f"{number}:x:bus:38400:{read(unit, address).hex()}:7:5")
                due = reply(unit, register(unit, address)).hex().upper()
                self.assertEqual(answer, f"OK:{number}:{due}")

        await gathered(ask(number, client) for number, client in enumerate(clients))
        report = await slave.report()
        self.assertEqual((report["requests"], report["violations"]), (200, 0))

    async def test_vanished_clients_are_noticed(self) -> None:
        """
        The system looks after connections whose other end has gone without a word.
        """
        factory = Factory.forProtocol(Protocol)
        listener = Listener("text", "tcp:0:interface=127.0.0.1", factory, reactor)
        listener.startService()
        self.addCleanup(listener.stopService)
        listening = socket.socket(fileno=socket.dup(listener._listening.fileno()))  # type: ignore[union-attr]
        self.addCleanup(listening.close)
        with socket.create_connection(listening.getsockname()) as client:
            self.assertTrue(client)
            for level, option, limit in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
                (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000),
            ):
                self.assertEqual(listening.getsockopt(level, option), limit)

    async def test_left_work_is_dropped(self) -> None:
        """
        What a client had waiting when it hung up is not sent.
        """
        slave = await programs.paced_slave(self, "--baud", "9600", "--turnaround", "0.1")
        await self.start(slave.device)
        client = await self.client()
        client.write("".join(f"{n}:x:bus:9600:{read(1, n).hex()}:7:5\n" for n in range(20)))
        await client.lines(1)
        client.transport.loseConnection()
        await deferLater(reactor, 1)
        self.assertLess((await slave.report())["requests"], 5)


class UnpluggedTests(ServiceCase):
    async def test_under_load(self) -> None:
        """
        The adapter is pulled out and put in again while ten clients ask:
        every request has exactly one answer, those in between say so at once,
        and afterwards there is data again, without anybody connecting anew.
        """
        near, far, cable = await programs.cable(self)
        slave = await programs.libmodbus_slave(self, far)
        lumina = await self.start(near)
        clients = [await self.client() for _ in range(10)]
        answers: list[str] = []
        running = True

        async def ask(number: int, client: Lines) -> None:
            turn = 0
            while running:
                turn += 1
                answer = await client.ask(f"{number}-{turn}:x:bus:9600:{read(1, number).hex()}:7:1")
                self.assertIn(f":{number}-{turn}:", answer)
                answers.append(answer)
                if "serial_error" in answer:
                    await deferLater(reactor, 0.02)

        load = ensureDeferred(gathered(ask(number, client) for number, client in enumerate(clients)))
        await programs.until(lambda: len(answers) > len(clients))
        self.assertTrue(all(answer.startswith("OK:") for answer in answers), answers[:3])
        await cable.stop()
        await slave.stop()
        await lumina.says("gone|no such device")
        await programs.until(lambda: ":serial_error: " in answers[-1])
        ends = [f"pty,raw,echo=0,link={end}" for end in (near, far)]
        again = programs.start(self, programs.require("socat"), "-d", "-d", *ends)
        await again.says("starting data transfer loop")
        await programs.libmodbus_slave(self, far)
        before = len(answers)
        await programs.until(
            lambda: len(answers) > before and all(answer.startswith("OK:") for answer in answers[-20:])
        )
        running = False
        await load
        self.assertTrue(answers[-1].startswith("OK:"), answers[-1])
        self.assertEqual({len(client.got) for client in clients} & {0}, set())

    async def test_absent_at_start(self) -> None:
        """
        A device that is not there yet is no reason not to start; it is used when it comes.
        """
        missing = str(Path(self.mktemp()).resolve())
        await self.start(missing)
        client = await self.client()
        answer = await client.ask(f"x:x:bus:9600:{read(1, 0).hex()}:7:1")
        self.assertEqual(answer, f"ERROR:x:serial_error: {missing}: there is no such device")
        slave = await programs.paced_slave(self, "--baud", "9600")
        Path(missing).symlink_to(slave.device)
        for _ in range(200):
            answer = await client.ask(f"x:x:bus:9600:{read(1, 0).hex()}:7:1")
            if answer.startswith("OK:"):
                return
            await deferLater(reactor, 0.1)
        self.fail(answer)

    async def test_held_by_another(self) -> None:
        """
        A device that another process holds is said to be, with its name; when
        it lets go, the port is used.
        """
        slave = await programs.paced_slave(self, "--baud", "9600")
        holder = programs.start(
            self,
            sys.executable,
            "-c",
            f"import serial, time; port = serial.Serial({slave.device!r}, exclusive=True)\n"
            "print('ready', flush=True); time.sleep(60)",
        )
        await holder.says("ready")
        lumina = await self.start(slave.device)
        client = await self.client()
        answer = await client.ask(f"x:x:bus:9600:{read(1, 0).hex()}:7:1")
        self.assertRegex(answer, r"^ERROR:x:serial_error: .*it is held by python.* \(pid \d+\)")
        await holder.stop()
        await lumina.says(": open,")
        answer = await client.ask(f"x:x:bus:9600:{read(1, 0).hex()}:7:1")
        self.assertEqual(answer, f"OK:x:{reply(1, register(1, 0)).hex().upper()}")


class EndTests(ServiceCase):
    async def test_stopping(self) -> None:
        """
        Asked to stop, by either signal: the exchange in flight is answered,
        what waits is told, the exit status is 0, and the device is free at once.
        """
        for signal in ("TERM", "INT"):
            slave = await programs.paced_slave(self, "--baud", "9600", "--turnaround", "0.3")
            lumina = await self.start(slave.device)
            client = await self.client()
            client.write("".join(f"{n}:x:bus:9600:{read(1, n).hex()}:7:5\n" for n in range(3)))
            await deferLater(reactor, 0.2)
            lumina.transport.signalProcess(signal)
            await lumina.says("Closed")
            self.assertEqual(await lumina.stop(signal), 0)  # who is asked twice, stops once
            self.assertEqual(
                sorted(client.got),
                [
                    "ERROR:1:shutting_down: lumina is stopping",
                    "ERROR:2:shutting_down: lumina is stopping",
                    f"OK:0:{reply(1, register(1, 0)).hex().upper()}",
                ],
            )
            self.assertNotIn("Traceback", lumina.output)
            again = await self.start(slave.device)
            await again.says(": open,")
            self.assertEqual(await again.stop(), 0)

    async def test_rotation_without_a_log_file(self) -> None:
        """
        To be asked for a new log file, as logrotate asks all services, ends none that has no log file.
        """
        slave = await programs.paced_slave(self, "--baud", "9600")
        lumina = await self.start(slave.device)
        lumina.transport.signalProcess(SIGUSR1)
        client = await self.client()
        self.assertRegex(await client.ask("version"), "lumina")
        self.assertEqual(await lumina.stop(), 0)

    async def test_second_instance(self) -> None:
        """
        An address that is taken ends the start with a sentence and status 1;
        the first goes on.
        """
        slave = await programs.paced_slave(self, "--baud", "9600")
        await self.start(slave.device)
        text = configuration(slave.device, self.port)
        second = await programs.lumina(self, text)
        self.assertEqual(await second.ended(), 1)
        self.assertIn(f"cannot listen on tcp:{self.port}:interface=127.0.0.1: Address", second.output)
        self.assertNotIn("Traceback", second.output)
        client = await self.client()
        self.assertRegex(await client.ask("version"), "lumina")

    async def test_taken_address_of_a_daemon(self) -> None:
        """
        Started as a daemon where the address is taken, the command ends with
        status 1, and leaves nothing behind.
        """
        slave = await programs.paced_slave(self, "--baud", "9600")
        await self.start(slave.device)
        file, pid, log = (Path(self.mktemp()).resolve().with_suffix(end) for end in (".yaml", ".pid", ".log"))
        file.write_text(configuration(slave.device, self.port))
        run = "from twisted.scripts.twistd import run; run()"
        arguments = (f"--pidfile={pid}", f"--logfile={log}", "lumina", "-c", file)
        daemon = programs.start(self, sys.executable, "-c", run, *arguments)
        self.assertEqual(await daemon.ended(), 1)
        # The daemon tells its status first, and tidies up then.
        await programs.until(lambda: not pid.exists() and "cannot listen on" in log.read_text())

    async def test_certificate_that_is_not_there(self) -> None:
        """
        What only shows when an address is prepared is a sentence as well.
        """
        listener = "{kind: text, endpoint: 'ssl:0:privateKey=/no.pem'}"
        program = await programs.lumina(
            self, f"simulators: {{s: {{preset: meter}}}}\nlisten: {{t: {listener}}}\n"
        )
        self.assertEqual(await program.ended(), 1)
        self.assertIn("listen.t.endpoint: privateKey '/no.pem' cannot be read: No such", program.output)
        self.assertNotIn("Traceback", program.output)

    async def test_wrong_configuration(self) -> None:
        """
        A wrong file ends the start with the place and the reason, and status 1.
        """
        program = await programs.lumina(self, "ports:\n  bus: {endpont: serial:/dev/ttyS0}\n")
        self.assertEqual(await program.ended(), 1)
        self.assertRegex(program.output, r"\.yaml:2:\d+: ports\.bus\.endpont: .*did you mean 'endpoint'\?")
        self.assertNotIn("Traceback", program.output)

    async def test_log_that_cannot_be_written(self) -> None:
        """
        A log file that cannot be written ends the start with its path and the reason, and status 1.
        """
        file = Path(self.mktemp())
        file.write_text("simulators: {s: {preset: meter}}\nlisten: {t: {kind: text, endpoint: 'tcp:0'}}\n")
        program = programs.twistd(self, "-l", "/no/such/lumina.log", "lumina", "-c", str(file.resolve()))
        self.assertEqual(await program.ended(), 1)
        self.assertEqual(
            program.output.strip(),
            "lumina: the log file /no/such/lumina.log cannot be written: No such file or directory",
        )

    async def test_no_configuration(self) -> None:
        """
        A file that is named must exist.
        """
        program = programs.twistd(self, "lumina", "-c", "/no/such/file.yaml")
        self.assertEqual(await program.ended(), 1)
        self.assertRegex(program.output, r"/no/such/file\.yaml: cannot be read: ")
        self.assertNotIn("Traceback", program.output)


class DemonstrationTests(ServiceCase):
    async def demonstration(self) -> programs.Program:
        """
        Start it. Its addresses are fixed: where they are taken, such as by
        another run of the tests, it is started again until they are free.
        """
        for _ in range(20):
            lumina = programs.twistd(self, "lumina")
            said = await lumina.says("modbus: listening on|Address already in use")
            if said[0].startswith("modbus"):
                return lumina
            await lumina.ended()
            await deferLater(reactor, 0.5)
        raise AssertionError(f"another program has port 8888 or 5020:\n{lumina.output}")

    async def test_documented_example(self) -> None:
        """
        With no configuration the demonstration says what it is; the line that
        it prints is answered with a temperature and a humidity that can be.
        """
        lumina = await self.demonstration()
        await lumina.says("This is the demonstration")
        example = await lumina.says(r"paste this line: (\S+)$")
        self.assertIn(example[1], (programs.CHECKOUT / "README.md").read_text())
        self.port = 8888
        client = await self.client()
        for line in (example[1], example[1].replace("0103", "1203").replace("C40B", "")):
            answer = await client.ask(line)
            self.assertRegex(answer, r"^OK:test:(01|12)0304[0-9A-F]{12}$")
            temperature, humidity = (int(answer[start : start + 4], 16) / 10 for start in (14, 18))
            self.assertTrue(5 < temperature < 45 and 10 < humidity < 100, answer)
        meter = await client.ask("m:EM:/dev/ttyAMA3:19200:010400000002:9:1")
        self.assertRegex(meter, r"^OK:m:01040443[0-9A-F]{10}$")
        modbus = re.search(r"by Modbus TCP: (mbpoll .*)", lumina.output)
        assert modbus is not None
        self.assertIn(modbus[1], (programs.CHECKOUT / "README.md").read_text())
        program, *arguments = modbus[1].split()
        asked = await programs.run(self, programs.require(program), *arguments)
        self.assertRegex(asked.output, r"(?s)\[0\]:\s+\d{2,3}\s+\[1\]:\s+\d{3}")
        self.assertEqual(await lumina.stop(), 0)

    async def test_not_as_a_service(self) -> None:
        """
        Invented values never stand in for real ones where systemd starts lumina.
        """
        run = "from twisted.scripts.twistd import run; run()"
        program = programs.start(
            self,
            sys.executable,
            "-c",
            run,
            "-n",
            "--pidfile=",
            "lumina",
            environment={"NOTIFY_SOCKET": "/run/systemd/notify", "PYTHONPATH": str(programs.CHECKOUT)},
        )
        self.assertEqual(await program.ended(), 1)
        self.assertIn("does not run as a system service", program.output)
        self.assertNotIn("Traceback", program.output)


async def gathered(coroutines: Any) -> None:
    """Run all of them at the same time; the first failure is raised."""
    results = await DeferredList([ensureDeferred(each) for each in coroutines], consumeErrors=True)
    for succeeded, result in results:
        if not succeeded:
            result.raiseException()
