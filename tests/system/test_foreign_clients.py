"""
Modbus TCP clients that others wrote read and write through the gateway: a
simulated serial bus, and the simulator itself.
"""

import json
import os
import re
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from tests.system.foreign.conversation import EXPECTED
from tests.system.programs import CHECKOUT, HERE, Program, free_port, lumina, require, run, start

#: The bus has unit 1, which is the simulator; all other units are the simulator's at once.
CONFIGURATION = """
simulators:
  plant: {{preset: basic}}
ports:
  line: {{endpoint: "serial:{bus}:baudrate=115200"}}
listen:
  slave: {{kind: rtu-slave, endpoint: "pty:{bus}:baudrate=115200", bus: plant}}
  modbus:
    kind: modbus-tcp
    endpoint: "tcp:{port}:interface=127.0.0.1"
    routes: {{1: line, default: plant}}
"""

#: Over the serial bus, and straight to the simulator.
UNITS = (1, 7)


class ForeignClientTests(TestCase):
    timeout = 90

    async def served(self) -> int:
        """@return: the TCP port of a gateway with the bus and the simulator behind it."""
        bus, port = Path(self.mktemp()).resolve(), free_port()
        service = await lumina(self, CONFIGURATION.format(bus=bus, port=port), port)
        await service.says("line: .* open")
        return port

    async def talk(self, *command: str | Path) -> None:
        """Have the conversation with both, by a program that takes HOST PORT UNIT behind its command."""
        port = await self.served()
        for unit in UNITS:
            client = start(
                self,
                *command,
                "127.0.0.1",
                str(port),
                str(unit),
                environment={"PYTHONPATH": str(CHECKOUT)},
            )
            said = await client.says(r"^\[\[.*\]$")
            self.assertEqual(json.loads(said[0]), EXPECTED, f"unit {unit}")
            self.assertEqual(await client.ended(), 0)

    async def python(self, library: str) -> None:
        """Have it by a Python client."""
        await self.talk(sys.executable, "-m", f"tests.system.foreign.with_{library}")

    async def node(self, package: str, script: str) -> None:
        """
        Have it by a client for Node.js, which is found through NODE_PATH.

        @raise SkipTest: the package `is not installed`.
        """
        node = require("node")
        found = await run(self, node, "-e", f"require.resolve('{package}')")
        if found.status:
            raise SkipTest(f"{package} (npm) is not installed")
        await self.talk(node, HERE / "foreign" / script)

    async def test_pymodbus(self) -> None:
        """
        pymodbus reads and writes, and is told of a refusal.
        """
        await self.python("pymodbus")

    async def test_pymodbustcp(self) -> None:
        """
        pyModbusTCP reads and writes, and is told of a refusal.
        """
        await self.python("pymodbustcp")

    async def test_umodbus(self) -> None:
        """
        uModbus reads and writes, and is told of a refusal.
        """
        await self.python("umodbus")

    async def test_modbus_tk(self) -> None:
        """
        modbus_tk reads and writes, and is told of a refusal.
        """
        await self.python("modbus_tk")

    async def test_modbus_serial(self) -> None:
        """
        modbus-serial reads and writes, and is told of a refusal.
        """
        await self.node("modbus-serial", "with_modbus_serial.js")

    async def test_jsmodbus(self) -> None:
        """
        jsmodbus reads and writes, and is told of a refusal.
        """
        await self.node("jsmodbus", "with_jsmodbus.js")

    async def test_mbpoll(self) -> None:
        """
        mbpoll reads and writes, and is told of a refusal.
        """
        mbpoll, port = require("mbpoll"), await self.served()
        for unit in UNITS:
            options = ("-m", "tcp", "-a", str(unit), "-p", str(port), "-0", "-1", "-q", "-o", "5")
            read = await run(self, mbpoll, *options, "-t", "4", "-r", "10", "-c", "3", "127.0.0.1")
            self.assertRegex(read.output, r"(?s)\[10\]:\s+10\s+\[11\]:\s+11\s+\[12\]:\s+12")
            written = await run(self, mbpoll, *options, "-t", "4", "-r", "30", "127.0.0.1", "4711")
            self.assertIn("Written 1 references", written.output)
            again = await run(self, mbpoll, *options, "-t", "4", "-r", "30", "127.0.0.1")
            self.assertRegex(again.output, r"\[30\]:\s+4711")
            refused = await run(self, mbpoll, *options, "-t", "4", "-r", "5000", "127.0.0.1")
            self.assertIn("Illegal data address", refused.output)


#: It wants bytes between 3 and 7 ms apart, which a busy machine does not always keep.
TRIALS = 4

#: Where libmodbus's own tests are, as its source package has them.
SOURCE = "LUMINA_LIBMODBUS_TESTS"


class LibmodbusTests(TestCase):
    """libmodbus's own client, which asks a server of libmodbus for all that it knows of trouble."""

    timeout = 120

    async def client(self, port: int) -> Path:
        """
        Compile it, for a port of ours.

        @raise SkipTest: its source, or what it takes, `is not installed`.
        """
        tests = os.environ.get(SOURCE, "")
        if not tests or not Path(tests, "unit-test-client.c").exists():
            raise SkipTest(f"the source of libmodbus ({SOURCE}) is not installed")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        header = Path(tests, "unit-test.h.in").read_text()
        (folder / "unit-test.h").write_text(re.sub(r"@HAVE_\w+@", "1", header))
        program = Path(tests, "unit-test-client.c").read_text().replace("1502", str(port))
        (folder / "client.c").write_text(program)
        include = next((f"-I{path}" for path in ("/usr/include/modbus",) if Path(path).exists()), "")
        if not include:
            raise SkipTest("libmodbus-dev is not installed")
        binary = folder / "client"
        compiled = await run(
            self, require("cc"), "-w", include, folder / "client.c", "-o", binary, "-lmodbus"
        )
        self.assertEqual(compiled.status, 0, compiled.output)
        return binary

    async def test_against_the_simulator(self) -> None:
        """
        It passes, its special registers being fault rules here.
        """
        port = free_port()
        client = await self.client(port)
        map_file = HERE / "foreign" / "libmodbus_map.yaml"
        text = (HERE / "foreign" / "libmodbus.yaml").read_text()
        for _ in range(TRIALS):
            configuration = text.replace("PORT", str(port)).replace("MAP", str(map_file))
            service = await lumina(self, configuration, port)
            tested: Program = start(self, client, "tcp")
            await tested.ended().addTimeout(60, reactor)
            await service.stop()
            if tested.status == 0 or "byte timeout (7ms" not in tested.output[-300:]:
                break
        self.assertIn("ALL TESTS PASS WITH SUCCESS", tested.output, tested.output[-2000:])
        self.assertEqual(tested.status, 0)
