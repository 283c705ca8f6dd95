"""`lumina simulate`: what it serves, says and shows."""

from click.testing import CliRunner
from twisted.application.service import MultiService
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.simulators import bank
from lumina.cli.main import main
from lumina.cli.simulate import assemble, configuration, introduction, show
from lumina.config.maps import preset
from lumina.errors import ConfigError
from lumina.modbus import pdu
from lumina.simulator.bank import Bank
from lumina.simulator.display import lines
from lumina.simulator.tables import bits, registers
from lumina.simulator.unit import Unit


class ServedTests(SynchronousTestCase):
    def test_loopback(self) -> None:
        """
        It binds loopback, port 5020, unless told otherwise, and says so.
        """
        config = configuration({"preset": "basic"}, "127.0.0.1", 5020)
        self.assertEqual(config.listen["modbus"].address, "tcp:5020:interface=127.0.0.1")
        made = assemble(config, Clock(), MultiService())
        self.assertEqual(
            list(introduction(config, made, "127.0.0.1")),
            [
                "Modbus TCP server running: preset basic, seed 1, on tcp:5020:interface=127.0.0.1",
                "It answers at every unit id.",
                "Only programs on this machine reach it; --host 0.0.0.0 lets in all others.",
                "Ctrl-C ends it.",
            ],
        )

    def test_every_address(self) -> None:
        """
        With `--host` others reach it, and may write; that is said too.
        """
        for host, address in (("0.0.0.0", "tcp:502:interface=0.0.0.0"), ("::", "tcp6:502:interface=\\:\\:")):
            config = configuration({"preset": "greenhouse", "seed": 4}, host, 502)
            self.assertEqual(
                (config.listen["modbus"].address, config.listen["modbus"].writable), (address, True)
            )
            told = list(introduction(config, assemble(config, Clock(), MultiService()), host))
            self.assertIn("preset greenhouse, seed 4, on", told[0])
            self.assertEqual(told[1], "It answers at unit ids: 1, 2, 3, 4, 18.")
            self.assertEqual(
                told[2], "Whoever reaches this machine may read and write: Modbus asks for no password."
            )

    def test_host_that_is_none(self) -> None:
        """
        A host that is not an address is refused with a sentence; `localhost` is one.
        """
        self.assertEqual(
            configuration({"preset": "basic"}, "localhost", 1).listen["modbus"].address,
            "tcp:1:interface=127.0.0.1",
        )
        error = self.assertRaises(ConfigError, configuration, {"preset": "basic"}, "plc", 5020)
        self.assertEqual(
            str(error), "lumina: --host plc: it is no IP address; 0.0.0.0 is every address of this machine"
        )

    def test_refused(self) -> None:
        """
        What cannot be served ends with status 1 and a sentence for each error, or with click's own words.
        """
        result = CliRunner().invoke(main, ["simulate", "--map", "/nonexistent.yaml"])
        self.assertEqual(
            (result.exit_code, result.stderr),
            (1, "/nonexistent.yaml: cannot be read: No such file or directory\n"),
        )
        result = CliRunner().invoke(main, ["simulate", "--preset", "basics"])
        self.assertEqual(result.exit_code, 2)
        self.assertIn("'basics' is not one of 'basic', 'greenhouse', 'industrial', 'meter'", result.stderr)


class TableTests(SynchronousTestCase):
    def test_industrial(self) -> None:
        """
        The table of the document: register 1000 and coil 1000, anew each second.
        """
        clock = Clock()
        made = bank(preset("industrial"), clock.seconds)
        written: list[str] = []
        loop = show(made, clock, written.append)
        self.addCleanup(loop.stop)
        for _ in range(2):
            register = self.successResultOf(made.execute(1, pdu.ReadHoldingRegisters(1000, 1))).registers[0]
            coil = int(self.successResultOf(made.execute(1, pdu.ReadCoils(1000, 1))).bits[0])
            self.assertEqual(
                written,
                [
                    "======================",
                    "Modbus Table",
                    "Holding Register ",
                    f" R1000: [{register}]",
                    "Coil ",
                    f" R1000: [{coil}]",
                ],
            )
            written.clear()
            clock.advance(1)

    def test_nothing_moves(self) -> None:
        """
        Where nothing moves the beginning of each table is shown, for each unit.
        """
        units = {1: Unit(bits(3, held={1: 1})), 2: Unit(holding_registers=registers(20, 5, held={5: 9}))}
        self.assertEqual(
            list(lines(Bank(units, Clock().seconds))),
            [
                "======================",
                "Modbus Table of unit 1",
                "Coil ",
                " R0: [0, 1, 0]",
                "======================",
                "Modbus Table of unit 2",
                "Holding Register ",
                " R5: [9, 0, 0, 0, 0, 0, 0, 0, 0, 0]",
            ],
        )

    def test_neighbours(self) -> None:
        """
        Values that move beside each other are one line.
        """
        told = list(lines(bank(preset("greenhouse"), Clock().seconds)))
        self.assertEqual(
            [line.partition(":")[0] for line in told[:6]],
            ["=" * 22, "Modbus Table of unit 1", "Holding Register ", " R0", "Input Register ", " R0"],
        )
