"""Clients that do everything wrong, and one that does everything right beside them."""

from pathlib import Path
from random import Random

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater

from tests.system import programs
from tests.system.clients import Lines, connected
from tests.system.paced_slave import register
from tests.system.test_service import ServiceCase, read, reply

#: How much more memory lumina may hold than at rest, in MiB.
ROOM = 40


class HostileTests(ServiceCase):
    async def bus(self) -> programs.Program:
        slave = await programs.paced_slave(self, "--baud", "38400")
        # A program that stands for a unit may lose its processor in the middle of a reply.
        lumina = await self.start(slave.device, baudrate=38400, slack=0.5)
        self.at_rest = memory(lumina)
        return lumina

    async def honest(self, client: Lines, number: int) -> None:
        """Ask as one should, and be answered as one should be."""
        answer = await client.ask(f"h{number}:x:bus:38400:{read(3, number % 200).hex()}:7:5")
        due = reply(3, register(3, number % 200)).hex().upper()
        self.assertEqual(answer, f"OK:h{number}:{due}")

    async def test_malformed_lines(self) -> None:
        """
        Ten thousand wrong lines, every byte value among them: each is answered
        once, with an error, while another client is served.
        """
        lumina = await self.bus()
        random = Random(1)
        wrong = [
            b"a:b:bus:9600:zz:0",
            b"a:b:bus:9600:010300000001:0:never",
            b"a:b:nowhere:9600:010300000001:0",
            b"a:b:bus:1:010300000001:0",
            b":::::::",
            *(b"x" + random.randbytes(60).replace(b"\n", b"").replace(b"\xff", b"") for _ in range(95)),
        ]
        every_byte = bytes(byte for byte in range(256) if byte not in b"\n\xff")
        bad, good = await self.client(), await self.client()
        bad.write(b"".join(line + b"\n" for line in [*wrong[:-1], b"x" + every_byte]) * 100)
        for number in range(30):
            await self.honest(good, number)
        answers = await bad.lines(10_000)
        self.assertEqual(len(answers), 10_000)
        for answer in answers:
            self.assertRegex(answer, r"^ERROR:[ -~]{1,128}:(bad_request|invalid_port): ")
        for field in ("hex: 'zz'", "timeout: 'never'", "'nowhere' is not", "baudrate 1 is not", "id: ''"):
            self.assertTrue(any(field in answer for answer in answers[:100]), field)
        self.assertLess(memory(lumina), self.at_rest + ROOM)

    async def test_no_line_end(self) -> None:
        """
        Ten megabytes without a line end: refused once, closed, and not kept.
        """
        lumina = await self.bus()
        bad, good = await self.client(), await self.client()
        for _ in range(160):
            bad.write(b"x" * 65536)
        await bad.closed.addTimeout(programs.PATIENCE, reactor)
        self.assertLess(memory(lumina), self.at_rest + ROOM)
        self.assertEqual(bad.got, [f"ERROR:{'x' * 128}:bad_request: the line is longer than 2048 bytes"])
        await self.honest(good, 1)

    async def test_slow_reader(self) -> None:
        """
        A client that asks without end and never reads is not read from, so that
        what it leaves unread stays bounded; the other is served.
        """
        lumina = await self.bus()
        bad, good = await self.client(), await self.client()
        bad.transport.pauseProducing()
        for number in range(100):
            bad.write(b"a:b:bus:9600:zz:0\n" * 5000)
            await self.honest(good, number)
        self.assertLess(memory(lumina), self.at_rest + ROOM)

    async def test_idle_connections(self) -> None:
        """
        A thousand connections that say nothing cost little, and keep nobody out.
        """
        lumina = await self.bus()
        idle = []
        for _ in range(1000):
            idle.append(await connected(self.port))
            self.addCleanup(idle[-1].transport.abortConnection)
        good = await self.client()
        for number in range(30):
            await self.honest(good, number)
        self.assertEqual(sum(len(each.got) for each in idle), 0)
        self.assertLess(memory(lumina), self.at_rest + ROOM)

    async def test_floods_of_requests(self) -> None:
        """
        One that asks two thousand things at once is answered two thousand
        times, most of them refused; the other waits for its turn only.
        """
        await self.bus()
        bad, good = await self.client(), await self.client()
        flood = "".join(f"f{n}:x:bus:38400:{read(2, n % 200).hex()}:7:60\n" for n in range(2000))
        bad.write(flood)
        served = ensureDeferred(self.served(good))
        answers = await bad.lines(2000)
        await served
        words = {answer.split(":")[2] if answer.startswith("ERROR") else "OK" for answer in answers}
        self.assertEqual(words, {"OK", "queue_full"})
        self.assertEqual(len({answer.split(":")[1] for answer in answers}), 2000)

    async def served(self, good: Lines) -> None:
        for number in range(20):
            began = reactor.seconds()
            await self.honest(good, number)
            self.assertLess(reactor.seconds() - began, 1)
            await deferLater(reactor, 0.001)


def memory(program: programs.Program) -> float:
    """What a process holds, in MiB."""
    status = Path(f"/proc/{program.transport.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
