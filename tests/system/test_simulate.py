"""`lumina simulate` as its users meet it: a process, a port, Ctrl-C."""

import socket
import sys
from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.system import programs


class SimulateTests(TestCase):
    timeout = 90

    def setUp(self) -> None:
        self.port = programs.free_port()

    def start(self, *arguments: str) -> programs.Program:
        run = "from lumina.cli.main import main; main()"
        where = {"PYTHONPATH": str(programs.CHECKOUT)}
        options = ("simulate", "--port", str(self.port), *arguments)
        return programs.start(self, sys.executable, "-c", run, *options, environment=where)

    async def ask(self, request: str, unit: int = 1) -> str:
        """The reply PDU to one, on a connection of its own, in hexadecimal digits."""

        def exchange() -> str:
            body = bytes.fromhex(request)
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                connection.sendall(b"\0\7\0\0" + (len(body) + 1).to_bytes(2, "big") + bytes((unit,)) + body)
                answer = connection.recv(300)
                return answer[7:].hex(" ")

        return await deferToThread(exchange)

    async def test_industrial(self) -> None:
        """
        The document's server: it serves, prints its table each second, and Ctrl-C ends it with status 0.
        """
        program = self.start("--preset", "industrial", "--table")
        await program.says("Modbus TCP server running.*interface=127.0.0.1")
        table = r"^=+\nModbus Table\nHolding Register \n R1000: \[(\d+)\]\nCoil \n R1000: \[([01])\]$"
        first = await program.says(table)
        second = await program.says(table, first.end())
        for found in (first, second):
            self.assertTrue(380 <= int(found[1]) <= 420, found[0])
        for unit in (0, 1, 255):
            answer = bytes.fromhex(await self.ask("03 03e8 0001", unit))
            self.assertTrue(380 <= int.from_bytes(answer[2:], "big") <= 420, answer)
        self.assertEqual(await self.ask("01 03e9 0001"), "81 02")
        self.assertEqual(await program.stop("INT"), 0)
        self.assertNotIn("Traceback", program.output)

    async def test_taken_port(self) -> None:
        """
        A port that is taken is one sentence, and status 1.
        """
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            program = self.start()
            self.assertEqual(await program.ended(), 1)
        self.assertEqual(
            program.output.splitlines(),
            [
                f"lumina: listen.modbus: cannot listen on tcp:{self.port}:interface=127.0.0.1: "
                "Address already in use; another program listens there, which `ss -ltnp` names"
            ],
        )

    async def test_kept(self) -> None:
        """
        What a client wrote is there after a restart; what it missed is in a map.
        """
        saved, missing = str(Path(self.mktemp()).resolve()), f"{Path(self.mktemp()).resolve()}.csv"
        program = self.start("--save", saved, "--save-missing", missing)
        await program.says("Ctrl-C")
        await programs.listening(self.port, program)
        self.assertEqual(await self.ask("06 0007 1234"), "06 00 07 12 34")
        self.assertEqual(await self.ask("04 0063 0003"), "84 02")
        self.assertEqual(await program.stop("TERM"), 0)
        self.assertEqual(Path(missing).read_text(), "unit,table,address,count\nany,input_registers,100,2\n")
        again = self.start("--save", saved)
        await programs.listening(self.port, again)
        self.assertEqual(await self.ask("03 0006 0003", 9), "03 06 00 06 12 34 00 08")
        self.assertEqual(await again.stop("INT"), 0)

    async def test_nobody_reads_the_table(self) -> None:
        """
        Whoever has seen enough of the table (`| head -5`) ends it, without a complaint.
        """
        command = f"{sys.executable} -c 'from lumina.cli.main import main; main()' simulate --table"
        piped = f"set -o pipefail; {command} --port {self.port} | head -5"
        program = programs.start(
            self, "bash", "-c", piped, environment={"PYTHONPATH": str(programs.CHECKOUT)}
        )
        self.assertEqual(await program.ended(), 0)
        self.assertEqual(program.output.count("\n"), 5, program.output)
