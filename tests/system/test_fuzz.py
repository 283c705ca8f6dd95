"""
Any bytes, in any pieces, over TCP, over RTU frames and inside TLS.

`LUMINA_FUZZ=600 python -m twisted.trial tests.system.test_fuzz` goes on for ten minutes.
"""

import os
from pathlib import Path
from random import Random
from time import monotonic

from twisted.internet import reactor
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.trial.unittest import TestCase

from lumina.modbus import mbap, pdu, rtu
from lumina.modbus.pdu import ReadHoldingRegisters
from tests.pdus import VECTORS
from tests.pki import Authority
from tests.system import programs
from tests.system.test_gateway import Client
from tests.test_tls import Client as Handshake

CONFIGURATION = """\
simulators: {{plant: {{preset: basic}}}}
listen:
  mbap: {{kind: modbus-tcp, endpoint: "tcp:{ports[0]}", routes: {{default: plant}}}}
  rtu: {{kind: rtu-tcp, endpoint: "tcp:{ports[1]}", routes: {{default: plant}}}}
  tls:
    kind: modbus-tcp
    endpoint: "mbaps:{ports[2]}:certificate={certificate}:key={key}"
    routes: {{1-99: plant}}
  text: {{kind: text, endpoint: "tcp:{ports[3]}"}}
access:
  - {{deny: write, addresses: [50, 60]}}
  - {{allow: all}}
log: {{audit: {audit}}}
"""

#: The listeners.
MBAP, RTU, TLS, TEXT = range(4)

#: Added to `TLS`: one who comes to that listener without it.
PLAIN = 4

READ = ReadHoldingRegisters(0, 100).encode()
ANSWER = bytes((3, 200))

#: Seconds of it, in each run of the tests.
SECONDS = float(os.environ.get("LUMINA_FUZZ", "4"))
REQUESTS = 50
BODIES = [bytes.fromhex(frame.replace(" ", ""))[1:-2] for frame, *_ in VECTORS]


class FuzzTests(TestCase):
    timeout = SECONDS + 60

    async def serve(self) -> programs.Program:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        certificate, key = Authority().issue("lumina", server=True).save(folder, "lumina")
        self.ports = [programs.free_port() for _ in range(4)]
        audit = folder / "audit.log"
        text = CONFIGURATION.format(ports=self.ports, certificate=certificate, key=key, audit=audit)
        return await programs.lumina(self, text, *self.ports)

    async def connect(self, kind: int) -> Client:
        """@param kind: which listener, or `PLAIN`."""
        endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, "127.0.0.1", self.ports[kind % PLAIN])
        if kind == TLS:
            endpoint = wrapClientTLS(Handshake(), endpoint)
        client = Client()
        await connectProtocol(endpoint, client)
        self.addCleanup(lambda: client.transport.abortConnection() if client.is_open else None)
        return client

    async def test_any_bytes(self) -> None:
        """
        Whatever some clients send: one beside them on each listener is answered, all answers are well
        formed, and the log has no traceback.
        """
        program = await self.serve()
        honest = [await self.connect(MBAP), await self.connect(TLS)]
        random = Random(int(os.environ.get("LUMINA_SEED", "20261125")))
        fuzzers: list[tuple[int, Client]] = []
        asked, until = 0, monotonic() + SECONDS
        while monotonic() < until:
            for kind, client in fuzzers:
                if not client.is_open:
                    self.assertWellFormed(kind, bytes(client.came))
            fuzzers = [each for each in fuzzers if each[1].is_open and len(each[1].came) < 1_000_000]
            while len(fuzzers) < 10:
                kind = random.choice((MBAP, RTU, TLS, TLS, TEXT, PLAIN + TLS))
                fuzzers.append((kind, await self.connect(kind)))
            for kind, client in fuzzers:
                for piece in pieces(random, anything(random, kind)):
                    client.transport.write(piece)
                # One that is gone already has no TLS any more that could be ended.
                if random.random() < 0.02 and client.is_open:
                    random.choice((client.transport.loseConnection, client.transport.abortConnection))()
            asked += 1
            for each in honest:
                each.transport.write(mbap.encode(asked % 65536, 1, READ))
                await each.bytes(209)
                (answer,) = mbap.Frames().received(bytes(each.came))
                self.assertEqual((answer[:2], answer[2][:2]), ((asked % 65536, 1), ANSWER))
                each.came.clear()
        self.assertGreater(asked, REQUESTS)
        self.assertEqual(await program.stop(), 0)
        self.assertNotIn("Traceback", program.output)

    def assertWellFormed(self, kind: int, came: bytes) -> None:
        """
        All that came are messages of Modbus TCP, and the last may be cut off; one who speaks no TLS where
        he should is told at most that (RFC 8446, 6: an alert).
        """
        if kind == PLAIN + TLS:
            self.assertIn(came[:1], (b"", b"\x15"))
        if kind not in (MBAP, TLS):
            return
        for answer in mbap.Frames().received(came):
            self.assertTrue(1 <= answer.pdu[0] <= 0xFF and len(answer.pdu) <= pdu.MAX_PDU)
            if answer.pdu[0] & 0x80:
                self.assertEqual(len(answer.pdu), 2)


def anything(random: Random, kind: int) -> bytes:
    """Bytes that may be requests, begin like some, or be nothing of the kind."""
    body = bytearray(random.choice(BODIES))
    for _ in range(random.choice((0, 0, 1, 2, 5))):
        place = random.randrange(len(body))
        body[place] = random.randrange(256)
    if random.random() < 0.2:
        body = body[: random.randrange(1, len(body) + 1)] + random.randbytes(random.randrange(4))
    unit = random.choice((0, 1, 1, 2, 100, 247, 255, random.randrange(256)))
    frames = {
        RTU: rtu.encode(unit, bytes(body[:250])),
        TEXT: f"{random.choice('ab')}:x:plant:9600:{rtu.encode(unit, bytes(body)).hex()}:7:1\n".encode(),
    }
    sound = frames.get(kind) or mbap.encode(random.randrange(65536), unit, bytes(body))
    broken = bytearray(sound)
    broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    return random.choice(
        (
            sound,
            sound,
            sound * random.randrange(1, 60),
            bytes(broken),
            sound[: random.randrange(len(sound))],
            random.randbytes(random.randrange(1, 600)),
            b"\0" * random.randrange(1, 600),
        )
    )


def pieces(random: Random, data: bytes) -> list[bytes]:
    """The same bytes, cut anywhere."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 3, 12))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
