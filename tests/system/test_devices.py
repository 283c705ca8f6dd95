"""Modbus TCP devices that others wrote behind lumina, and serial lines behind a network."""

import re
import socket
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pymodbus.client import ModbusTcpClient
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from lumina.bus.pipeline import Pipeline
from lumina.bus.wire import Wire
from lumina.modbus import mbap
from lumina.modbus.rtu import Line
from tests.system import programs
from tests.system.clients import Lines, connected
from tests.system.paced_slave import sealed

SERVERS = ("pymodbus", "pyModbusTCP", "libmodbus")


def frame(function: int, *words: int) -> str:
    """A request to unit 1, as hex with its CRC."""
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return sealed(bytes((1, function)) + data).hex()


def reply(*values: int) -> str:
    """The reply with holding registers of unit 1."""
    data = b"".join(value.to_bytes(2, "big") for value in values)
    return sealed(bytes((1, 3, len(data))) + data).hex().upper()


class BusCase(TestCase):
    """lumina with one bus, and text clients."""

    timeout = 90

    async def start(self, section: str, *more: str) -> programs.Program:
        self.port = programs.free_port()
        listen = f'listen:\n  text: {{kind: text, endpoint: "tcp:{self.port}:interface=127.0.0.1"}}\n'
        return await programs.lumina(self, "\n".join((section, listen, *more)), self.port)

    async def client(self) -> Lines:
        client: Lines = await connected(self.port)
        assert client.transport is not None
        self.addCleanup(client.transport.loseConnection)
        return client

    async def read(self, client: Lines, name: str, address: int = 7, count: int = 2) -> str:
        return await client.ask(f"{name}:PLC:bus:9600:{frame(3, address, count)}:0")


class DeviceTests(BusCase):
    async def device(self, kind: str, keys: str = "") -> programs.Program:
        self.far = programs.free_port()
        server = await programs.tcp_server(self, kind, self.far)
        self.log = await self.start(f'devices:\n  bus: {{endpoint: "tcp:127.0.0.1:{self.far}"{keys}}}')
        return server

    async def check(self, kind: str, refused: str, exception: str = "02") -> None:
        """Read, write, read back, be refused; all is counted."""
        await self.device(kind)
        client = await self.client()
        self.assertEqual(await self.read(client, "a"), f"OK:a:{reply(7, 8)}")
        for name, sent in (("b", frame(6, 7, 1234)), ("c", frame(16, 8, 1)[:12] + "02ABCD")):
            self.assertRegex(await client.ask(f"{name}:PLC:bus:9600:{sent}:0"), f"^OK:{name}:01")
        self.assertEqual(await self.read(client, "d"), f"OK:d:{reply(1234, 0xABCD)}")
        answer = await client.ask(f"e:PLC:bus:9600:{refused}:0")
        self.assertRegex(answer, f"^ERROR:e:exception_{exception}:")
        status = await client.ask("ports")
        self.assertRegex(status, rf"^bus: tcp:127\.0\.0\.1:{self.far}, Modbus TCP, idle; .*ok=4")

    async def test_pymodbus(self) -> None:
        """
        A pymodbus server is read and written through the text protocol.
        """
        await self.check("pymodbus", frame(3, 65000, 125))

    async def test_py_modbus_tcp(self) -> None:
        """
        A pyModbusTCP server is read and written through the text protocol.
        """
        await self.check("pyModbusTCP", frame(3, 65000, 125))

    async def test_libmodbus(self) -> None:
        """
        A libmodbus server is read and written through the text protocol.
        """
        await self.check("libmodbus", frame(24, 0), "01")

    async def test_one_connection(self) -> None:
        """
        A server that takes one connection at a time serves twenty clients, as one.
        """
        server = await self.device("libmodbus")
        clients = [await self.client() for _ in range(20)]
        for turn in range(5):
            asked = [self.read(client, f"t{turn}", number, 1) for number, client in enumerate(clients)]
            answers = await gatherResults([ensureDeferred(each) for each in asked])
            self.assertEqual(answers, [f"OK:t{turn}:{reply(number)}" for number in range(20)])
        self.assertEqual(server.output.count("client"), 1)

    async def test_comes_back(self) -> None:
        """
        While the server is away clients are told so at once; when it is back they are served
        on the same connections.
        """
        server = await self.device("pymodbus")
        client = await self.client()
        await self.read(client, "a")
        await server.stop("KILL")
        await self.log.says("refused")
        self.assertRegex(await self.read(client, "b"), "^ERROR:b:serial_error:.*refused")
        await programs.tcp_server(self, "pymodbus", self.far)
        await self.log.says(": connected", self.log.output.index("refused"))
        self.assertEqual(await self.read(client, "c"), f"OK:c:{reply(7, 8)}")

    async def test_pipelining(self) -> None:
        """
        Eight requests at a time reach a server, and each client has its own answers.
        """
        await self.device("pyModbusTCP", ", pipelining: 8")
        clients = [await self.client() for _ in range(16)]
        asked = [self.read(client, f"n{number}", number, 3) for number, client in enumerate(clients)]
        answers = await gatherResults([ensureDeferred(each) for each in asked])
        expected = [f"OK:n{number}:{reply(number, number + 1, number + 2)}" for number in range(16)]
        self.assertEqual(answers, expected)

    async def test_behind_tls(self) -> None:
        """
        A device behind TLS is reached when its certificate can be trusted, and only then.
        """
        file = programs.certificate(self)
        far, near = programs.free_port(), programs.free_port()
        await programs.tcp_server(self, "pymodbus", far)
        tunnel(self, file, near, f"TCP:127.0.0.1:{far}")
        trust = f"trustRoots={file.parent}"
        log = await self.start(f'devices:\n  bus: {{endpoint: "tls:localhost:{near}:{trust}"}}')
        await log.says("connected")
        client = await self.client()
        self.assertEqual(await self.read(client, "a"), f"OK:a:{reply(7, 8)}")
        log = await self.start(f'devices:\n  bus: {{endpoint: "tls:localhost:{near}"}}')
        await log.says("certificate verify failed")
        stranger = await self.client()
        self.assertRegex(await self.read(stranger, "a"), "^ERROR:a:serial_error:")

    async def test_shown_to_a_serial_master(self) -> None:
        """
        mbpoll on a terminal reads and writes a Modbus TCP server, as if it were wired to it.
        """
        mbpoll = programs.require("mbpoll")
        path = Path(self.mktemp()).resolve()
        self.far = programs.free_port()
        await programs.tcp_server(self, "pymodbus", self.far)
        slave = f'  line: {{kind: rtu-slave, endpoint: "pty:{path}:baudrate=9600", bus: bus}}'
        await self.start(f'devices:\n  bus: {{endpoint: "tcp:127.0.0.1:{self.far}"}}', slave)
        line = ["-m", "rtu", "-b", "9600", "-P", "none", "-0", "-1", "-a", "1", "-t", "4", "-r", "20"]
        for values, due in ((["-c", "3"], [20, 21, 22]), ([], []), (["-c", "3"], [555, 21, 22])):
            written = [] if values else ["555"]
            output, errors, status = await getProcessOutputAndValue(
                mbpoll, [*line, *values, str(path), *written]
            )
            said = (output + errors).decode()
            self.assertEqual(status, 0, said)
            if values:
                found = [int(value) for value in re.findall(r"^\[\d+\]:\s+(\d+)", said, re.MULTILINE)]
                self.assertEqual(found, due)


class Upstream(Protocol):
    """
    A device that answers each read twice, and no write at all.

    @cvar asked: the PDUs of all requests, of all connections.
    """

    asked: ClassVar[list[bytes]] = []

    def connectionMade(self) -> None:
        self._frames = mbap.Frames()

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        for transaction, unit, pdu in self._frames.received(data):
            self.asked.append(pdu)
            if pdu[0] == 3:
                self.transport.write(2 * mbap.encode(transaction, unit, b"\x03\x02" + pdu[1:3]))


class GatewayTests(BusCase):
    """A Modbus TCP client that is not ours, lumina, and a device that does what L19 and L20 tell."""

    async def test_doubled_and_missing_replies(self) -> None:
        """
        Doubled replies shift nothing, a write that is not answered goes upstream once and is
        refused with 0B, and the client's connection lasts through all of it.
        """
        Upstream.asked.clear()
        far = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(
            Factory.forProtocol(Upstream)
        )
        self.addCleanup(far.stopListening)
        near = programs.free_port()
        where = f'"tcp:{near}:interface=127.0.0.1"'
        gateway = f"  modbus: {{kind: modbus-tcp, endpoint: {where}, routes: {{default: bus}}}}"
        device = f'{{endpoint: "tcp:127.0.0.1:{far.getHost().port}", timeout: 0.3, misses: 0}}'
        log = await self.start(f"devices:\n  bus: {device}", gateway)
        await programs.listening(near, log)
        await deferToThread(self.poll, near)
        self.assertEqual(sum(pdu[0] == 6 for pdu in Upstream.asked), 1)
        await log.stop()

    def poll(self, port: int) -> None:
        client = ModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
        self.assertTrue(client.connect())
        connection = client.socket
        for address in range(20):
            self.assertEqual(client.read_holding_registers(address, count=1).registers, [address])
        refused = client.write_register(7, 1)
        self.assertEqual(refused.exception_code, 0x0B)
        for address in range(20, 40):
            self.assertEqual(client.read_holding_registers(address, count=1).registers, [address])
        self.assertIs(client.socket, connection)
        client.close()


class SerialServerTests(BusCase):
    """RTU frames over a network, as serial servers pass them on."""

    async def slave(self) -> str:
        """The near end of a line with a unit that is not ours on it."""
        near, far, _ = await programs.cable(self)
        await programs.libmodbus_slave(self, far)
        return near

    async def check(self) -> None:
        client = await self.client()
        self.assertEqual(await self.read(client, "a"), f"OK:a:{reply(7, 8)}")
        self.assertRegex(await client.ask(f"b:PLC:bus:9600:{frame(6, 7, 1234)}:0"), "^OK:b:0106")
        self.assertEqual(await self.read(client, "c"), f"OK:c:{reply(1234, 8)}")
        self.assertEqual(
            await self.read(client, "d", 0, 125), f"OK:d:{reply(*range(7), 1234, *range(8, 125))}"
        )

    async def test_ser2net(self) -> None:
        """
        A line behind ser2net in raw mode is a bus like one of this machine.
        """
        program = programs.require("ser2net")
        port = programs.free_port()
        file = Path(self.mktemp()).resolve().with_suffix(".yaml")  # by this it tells what is in it
        file.write_text(
            f"connection: &line\n  accepter: tcp,127.0.0.1,{port}\n"
            f"  connector: serialdev(nouucplock=true),{await self.slave()},9600n81,local\n"
        )
        server = programs.start(self, program, "-n", "-d", "-c", file)
        await programs.listening(port, server)
        log = await self.start(f'ports:\n  bus: {{endpoint: "tcp:127.0.0.1:{port}"}}')
        await log.says(": open,")
        await self.check()

    async def test_behind_tls(self) -> None:
        """
        A line behind a serial server that speaks TLS is a bus, too.
        """
        file = programs.certificate(self)
        port = programs.free_port()
        tunnel(self, file, port, f"{await self.slave()},raw,echo=0")
        trust = f"trustRoots={file.parent}"
        log = await self.start(f'ports:\n  bus: {{endpoint: "tls:localhost:{port}:{trust}"}}')
        await log.says(": open,")
        await self.check()


class SocketTests(TestCase):
    timeout = 30

    async def test_small_messages_and_vanished_peers(self) -> None:
        """
        Connections to devices and to serial servers, TLS or not, send small messages at once,
        take little in one turn, and notice within a minute that the peer has vanished.
        """
        file, plain, encrypted = programs.certificate(self), programs.free_port(), programs.free_port()
        socat = programs.require("socat")
        echo = programs.start(self, socat, f"TCP-LISTEN:{plain},bind=127.0.0.1,reuseaddr,fork", "PIPE")
        tls = tunnel(self, file, encrypted, "PIPE")
        await programs.listening(plain, echo)
        await programs.listening(encrypted, tls)
        wire = partial(Wire, reactor, "bus", Line(), 0.02)
        pipeline = partial(Pipeline, reactor, 0, print, print)
        for text in (f"tcp:127.0.0.1:{plain}", f"tls:localhost:{encrypted}:trustRoots={file.parent}"):
            for protocol in (wire, pipeline):
                made: Any = await clientFromString(reactor, text).connect(Factory.forProtocol(protocol))
                handle = made.transport.socket
                self.assertEqual(made.transport.bufferSize, 4096)
                self.assertTrue(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
                keepalive = [
                    handle.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                ]
                self.assertLessEqual(keepalive[0] + keepalive[1] * keepalive[2], 60)
                made.transport.abortConnection()
                await made.lost


def tunnel(test: TestCase, file: Path, port: int, to: str) -> programs.Program:
    """Take TLS connections on a port of the loopback interface, and pass on what is in them."""
    listen = f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,cert={file},verify=0"
    return programs.start(test, programs.require("socat"), "-d", listen, to)
