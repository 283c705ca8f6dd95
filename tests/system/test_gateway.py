"""Modbus TCP over real sockets: clients that read slowly, and broadcasts."""

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from lumina.modbus import mbap, rtu
from lumina.modbus.pdu import ReadHoldingRegisters, WriteRegister
from tests.system import programs

CONFIGURATION = """\
simulators: {{plant: {{preset: basic}}}}
listen:
  modbus: {{kind: modbus-tcp, endpoint: "tcp:{port}", routes: {{default: plant}}, frame_timeout: 0.3}}
  rtu: {{kind: rtu-tcp, endpoint: "tcp:{other}", routes: {{default: plant}}}}
"""
READ = ReadHoldingRegisters(0, 100).encode()
ANSWER = bytes((3, 200)) + b"".join(each.to_bytes(2, "big") for each in range(100))

#: Requests of the client that reads slowly: their answers are far more than the system holds.
MANY = 60_000

#: Nine bytes of another protocol, which are passed over: whatever is read behind them ends within a message.
ASKEW = bytes.fromhex("0000 0001 0003 00 0000")


class Client(Protocol):
    """A connection that keeps what comes."""

    transport: Any

    def __init__(self) -> None:
        self.came = bytearray()
        self.wanted = 0
        self.there: Deferred[None] = Deferred()
        self.is_open = True

    def dataReceived(self, data: bytes) -> None:
        self.came += data
        if self.wanted and len(self.came) >= self.wanted:
            self.wanted = 0
            self.there.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_open = False

    def bytes(self, count: int) -> "Deferred[None]":
        """Wait for so many in all."""
        self.wanted, self.there = count, Deferred()
        self.dataReceived(b"")
        return self.there.addTimeout(programs.PATIENCE, reactor)


class GatewayTests(TestCase):
    timeout = 60

    async def serve(self) -> tuple[programs.Program, int, int]:
        """A running lumina, and its two ports."""
        port, other = programs.free_port(), programs.free_port()
        program = await programs.lumina(self, CONFIGURATION.format(port=port, other=other), port, other)
        return program, port, other

    async def connect(self, port: int) -> Client:
        client = Client()
        await connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), client)
        self.addCleanup(client.transport.abortConnection)
        return client

    async def test_slow_reader(self) -> None:
        """
        A client that asks without reading loses no answer, once it reads, and gets them in order,
        though for longer than a message may take nothing more was read from it.
        """
        _, port, _ = await self.serve()
        client = await self.connect(port)
        client.transport.pauseProducing()
        client.transport.write(ASKEW + b"".join(mbap.encode(each % 65536, 1, READ) for each in range(MANY)))
        await deferLater(reactor, 1.0)
        client.transport.resumeProducing()
        await client.bytes(MANY * (7 + len(ANSWER)))
        for place, answer in enumerate(mbap.Frames().received(bytes(client.came))):
            self.assertEqual(answer, (place % 65536, 1, ANSWER))

    async def test_broadcast(self) -> None:
        """
        A broadcast in an RTU frame is obeyed by a simulator, and not answered.
        """
        _, _, other = await self.serve()
        client = await self.connect(other)
        write, read = WriteRegister(1, 7).encode(), ReadHoldingRegisters(1, 1).encode()
        client.transport.write(rtu.encode(0, write) + rtu.encode(1, read))
        answer = rtu.encode(1, b"\3\2\0\7")
        await client.bytes(len(answer))
        self.assertEqual(client.came, answer)
