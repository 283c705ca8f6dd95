"""`lumina poll` against a Modbus server and an API that are not ours."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from lumina.sinks.file import lock
from tests.system import programs
from tests.system.laravel import Readings

#: The documents' example: 228.6 as a float32 in the first two registers.
VOLTAGE = ("0x4364", "0x999A")


def documented(port: int, **more: object) -> list[dict[str, Any]]:
    """The documents' `config.json`, with a device on this machine."""
    register = {
        "address": 40001,
        "parameter": "Voltage (L-N)",
        "data_type": "float",
        "scale": 1.0,
        "unit": "V",
        "description": "Line to Neutral Voltage",
    }
    device = {"device_id": 1, "ip": "127.0.0.1", "port": port, "slave_id": 1, "timeout": 10}
    return [{**device, "registers": [register]} | more]


class PollTests(TestCase):
    """Each test has a directory of its own, with a config.json and a .env in it."""

    timeout = 90

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).resolve()
        self.directory.mkdir()
        self.port = programs.free_port()

    def configure(self, devices: list[dict[str, Any]], api: int | None = None) -> None:
        (self.directory / "config.json").write_text(json.dumps(devices, indent=2))
        url = f"http://127.0.0.1:{api or programs.free_port()}/api/readings"
        (self.directory / ".env").write_text(
            f"LARAVEL_API_URL={url}\nMODBUS_CONFIG=config.json\nLOG_LEVEL=INFO\n"
        )

    def api(self, readings: Resource) -> int:
        """Serve it; the port that it has got."""
        global_reactor: Any = reactor
        listening = global_reactor.listenTCP(0, Site(readings), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        return int(listening.getHost().port)

    def poll(
        self, *options: str, environment: Mapping[str, str | None] = programs.NOTHING
    ) -> programs.Program:
        """`lumina poll` in the directory."""
        run = f"import os; os.chdir({str(self.directory)!r}); from lumina.cli.main import main; main()"
        variables = {
            "PYTHONPATH": str(programs.CHECKOUT),
            "STATE_DIRECTORY": str(self.directory / "state"),
            "LARAVEL_API_URL": None,
            "MODBUS_CONFIG": None,
            "LOG_LEVEL": None,
            **environment,
        }
        return programs.start(self, sys.executable, "-c", run, "poll", *options, environment=variables)

    def test_documented(self) -> Deferred[None]:
        """
        The documents' example, once: the eight keys and the value arrive as documented, and the status is 0.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port, *VOLTAGE)
            readings = Readings({(1, "Voltage (L-N)")})
            self.configure(documented(self.port), self.api(readings))
            program = self.poll("--once")
            self.assertEqual(await program.ended(), 0, program.output)
            (reading,) = readings.stored
            self.assertRegex(reading.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(
                reading,
                {
                    "device_id": 1,
                    "parameter": "Voltage (L-N)",
                    "value": 228.6,
                    "unit": "V",
                    "register_address": 40001,
                    "data_type": "float",
                    "description": "Line to Neutral Voltage",
                },
            )
            self.assertEqual(readings.refused, [])
            self.assertIn("holding register 40001 by pdu", program.output)

        return ensureDeferred(test())

    def test_limited(self) -> Deferred[None]:
        """
        An API that lets through a few requests a minute gets everything nevertheless, each once.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port)
            registers = [
                {"address": index, "parameter": f"r{index}", "data_type": "uint16"} for index in range(20)
            ]
            readings = Readings({(1, f"r{index}") for index in range(20)}, limit=5)
            self.configure(documented(self.port, registers=registers), self.api(readings))
            program = self.poll("--once")
            self.assertEqual(await program.ended(), 0, program.output)
            self.assertEqual([each["value"] for each in readings.stored], list(range(20)))
            self.assertEqual({status for status, _ in readings.refused}, {429})

        return ensureDeferred(test())

    def test_no_device(self) -> Deferred[None]:
        """
        A device that is not there is status 3; nothing is invented in its place.
        """

        async def test() -> None:
            readings = Readings({(1, "Voltage (L-N)")})
            self.configure(documented(self.port), self.api(readings))
            program = self.poll("--once")
            self.assertEqual(await program.ended(), 3, program.output)
            self.assertIn("0 of 1 values of 1 devices were read", program.output)
            self.assertEqual((readings.stored, readings.refused), ([], []))

        return ensureDeferred(test())

    def test_unknown_register(self) -> Deferred[None]:
        """
        What the API does not take, one among others that it takes, is status 4.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port)
            registers = [
                {"address": index, "parameter": f"r{index}", "data_type": "int"} for index in range(6)
            ]
            readings = Readings({(1, f"r{index}") for index in range(5)})
            self.configure(documented(self.port, registers=registers), self.api(readings))
            program = self.poll("--once")
            self.assertEqual(await program.ended(), 4, program.output)
            self.assertEqual(len(readings.stored), 5)

        return ensureDeferred(test())

    def test_test(self) -> Deferred[None]:
        """
        A test shows registers, value, JSON, orders, conventions and the plan, and sends nothing.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port, *VOLTAGE)
            readings = Readings({(1, "Voltage (L-N)")})
            self.configure(documented(self.port), self.api(readings))
            program = self.poll("--test")
            self.assertEqual(await program.ended(), 0, program.output)
            for line in (
                r"plan: 1 request, about \d+ ms",
                r"function 03: holding 0 to 1 \(2 registers, 1 value\)",
                r"Voltage \(L-N\): 228\.6 V",
                r"raw   4364 999A",
                r'json  \{"device_id":1,"parameter":"Voltage \(L-N\)","value":228\.6,"unit":"V",',
                r"ABCD  228\.6 V <- likely",
                r"CDAB  -1\.5950446e-23 V$",
                r"modicon    holding 0: 228\.6 V <- likely",
                r"pdu        holding 40001: exception_02",
            ):
                self.assertTrue(re.search(line, program.output, re.MULTILINE), (line, program.output))
            self.assertEqual((readings.stored, readings.refused), ([], []))
            self.assertFalse((self.directory / "state").exists())

        return ensureDeferred(test())

    def test_output_that_nobody_reads(self) -> Deferred[None]:
        """
        It ends, quietly, when whoever reads what it says has read enough.
        """

        async def test() -> None:
            self.configure(documented(self.port))
            run = "from lumina.cli.main import main; main()"
            command = f"cd {self.directory} && {sys.executable} -c '{run}' poll --test 2>&1 | true"
            environment = {"PYTHONPATH": str(programs.CHECKOUT)}
            shell = programs.start(self, "/bin/sh", "-c", command, environment=environment)
            self.assertEqual(await shell.ended().addTimeout(30, reactor), 0)

        return ensureDeferred(test())

    def test_continuous(self) -> Deferred[None]:
        """
        Without an option it goes on until it is told to stop, which is no error; its log is scheduler.log.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port, *VOLTAGE)
            got: Deferred[None] = Deferred()

            class Counting(Readings):
                def _judged(self, body: bytes) -> int:
                    status = super()._judged(body)
                    if len(self.stored) == 3 and not got.called:
                        got.callback(None)
                    return status

            readings = Counting({(1, "Voltage (L-N)")})
            self.configure(documented(self.port, interval="1s"), self.api(readings))
            program = self.poll("--log-dir", "logs")
            await got
            self.assertEqual(await program.stop(), 0)
            self.assertIn("connected", (self.directory / "logs" / "scheduler.log").read_text())

        return ensureDeferred(test())

    def test_stopped(self) -> Deferred[None]:
        """
        Who is told to stop while the API hangs says what is not delivered; that waits for the next start.
        """

        async def test() -> None:
            await programs.tcp_server(self, "pymodbus", self.port, *VOLTAGE)
            asked: Deferred[None] = Deferred()

            class Hanging(Resource):
                isLeaf = True

                def render_POST(self, request: Request) -> int:
                    if not asked.called:
                        asked.callback(None)
                    return NOT_DONE_YET

            self.configure(documented(self.port), self.api(Hanging()))
            program = self.poll("--once")
            await asked
            program.transport.signalProcess("INT")
            self.assertEqual(await program.stop("INT"), 4, program.output)
            self.assertNotIn("Traceback", program.output)
            self.assertIn("1 of 1 values of 1 devices were read; 1 are not delivered", program.output)
            readings = Readings({(1, "Voltage (L-N)")})
            self.configure(documented(self.port), self.api(readings))
            self.assertEqual(await self.poll("--once").ended(), 0)
            self.assertEqual(len(readings.stored), 2)

        return ensureDeferred(test())

    def test_spool_of_another(self) -> Deferred[None]:
        """
        What another lumina has, or what cannot be written, ends the start with a sentence and status 1.
        """

        async def test() -> None:
            self.configure(documented(self.port))
            (self.directory / "state").mkdir()
            self.addCleanup(os.close, lock(self.directory / "state" / "laravel.spool"))
            for state, words in (
                (self.directory / "state", "belongs to another lumina that is running"),
                (self.directory / "config.json", "cannot be used: "),
            ):
                program = self.poll(
                    "--once", environment={"STATE_DIRECTORY": str(state), "LOG_LEVEL": "ERROR"}
                )
                self.assertEqual(await program.ended(), 1, program.output)
                self.assertIn(words, program.output)
                self.assertEqual(program.output.count("\n"), 1, program.output)

        return ensureDeferred(test())

    def test_wrong(self) -> Deferred[None]:
        """
        What is wrong with the configuration or the environment is said in sentences, with status 1.
        """

        async def test() -> None:
            self.configure(documented(self.port, prt=1, slave_id=0))
            program = self.poll()
            self.assertEqual(await program.ended(), 1)
            said = program.output.splitlines()
            self.assertEqual(len(said), 2, program.output)
            self.assertTrue(all(line.startswith("config.json:") for line in said))
            program = self.poll(environment={"LOG_LEVEL": "loud", "LARAVEL_API_URL": "localhost"})
            self.assertEqual(await program.ended(), 1)
            self.assertEqual(len(program.output.splitlines()), 4, program.output)
            self.configure(documented(self.port))
            for name, value in (
                ("LARAVEL_API_URL", "localhost"),
                ("LOG_LEVEL", "loud"),
                ("MODBUS_CONFIG", "x.json"),
            ):
                program = self.poll(environment={name: value})
                self.assertEqual(await program.ended(), 1)
                self.assertIn(value, program.output)
                self.assertEqual(program.output.count("\n"), 1, program.output)

        return ensureDeferred(test())
