"""Files of simulated devices: what they mean, and what is said of those that are wrong."""

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.simulators import bank
from lumina.config.maps import load_map, preset
from lumina.errors import ConfigError, ExceptionReply
from lumina.modbus import pdu
from lumina.modbus.pdu import Request
from lumina.simulator.bank import Bank

EXAMPLE = Path(__file__).parent.parent / "etc" / "plant.yaml"


class MapCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def written(self, text: str, name: str = "map.yaml") -> str:
        """The path of a file with this text."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / name).write_text(text)
        return str(folder / name)

    def bank(self, text: str, name: str = "map.yaml") -> Bank:
        return bank(load_map(self.written(text, name)), self.clock.seconds)

    def ask(self, made: Bank, request: Request, unit: int = 1) -> str:
        """The reply PDU, or the exception, in hexadecimal digits."""

        def refused(failure: Failure) -> bytes:
            assert isinstance(failure.value, ExceptionReply), failure
            return failure.value.pdu

        done = made.execute(unit, request).addCallbacks(lambda reply: reply.pdu, refused)
        answer: bytes = self.successResultOf(done)
        return answer.hex(" ").upper()

    def registers(self, made: Bank, address: int, count: int) -> tuple[int, ...]:
        return self.successResultOf(made.execute(1, pdu.ReadHoldingRegisters(address, count))).registers

    def errors(self, text: str, name: str = "map.yaml") -> list[str]:
        """What is wrong with it, without the path."""
        path = self.written(text, name)
        error = self.assertRaises(ConfigError, load_map, path)
        return [line.removeprefix(path + ":") for line in str(error).splitlines()]


class YAMLTests(MapCase):
    def test_example(self) -> None:
        """
        The example that comes with lumina is right, and has every kind of table.
        """
        made = bank(load_map(str(EXAMPLE)), self.clock.seconds)
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(0, 2)), "03 04 00 D7 02 8A")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(10, 4)), "03 08 70 75 6D 70 20 37 00 00")
        self.assertEqual(self.ask(made, pdu.ReadCoils(100, 8)), "01 01 D7")
        self.assertEqual(self.ask(made, pdu.ReadFIFOQueue(1000)), "18 00 08 00 03 00 01 00 02 00 03")
        self.assertEqual(
            self.ask(made, pdu.ReadDeviceIdentification(4, 0x80))[-29:], "6F 66 20 6F 75 72 20 6F 77 6E"
        )

    def test_one_device(self) -> None:
        """
        A file may be one device instead of a list, and a bare table is at every unit id.
        """
        made = self.bank("holding_registers: {start: 5, values: [7, 8]}")
        for unit in (0, 1, 255):
            self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(5, 2), unit), "03 04 00 07 00 08")

    def test_holes(self) -> None:
        """
        What lies between the addresses that are there is refused, in reads across it too.
        """
        made = self.bank("holding_registers: {size: 2, at: {5: 9, 6: {value: 1.5, type: float32}}}")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(5, 3)), "03 06 00 09 3F C0 00 00")
        for address, count in ((2, 1), (4, 1), (0, 6), (8, 1)):
            self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(address, count)), "83 02")
            self.assertEqual(self.ask(made, pdu.WriteRegisters(address, (0,) * count)), "90 02")

    def test_access(self) -> None:
        """
        What is read-only refuses writes, what is write-only refuses reads, both with exception 02.
        """
        made = self.bank("holding_registers: {at: {0: {value: 5, access: r}, 1: {value: 6, access: w}}}")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(0, 1)), "03 02 00 05")
        self.assertEqual(self.ask(made, pdu.WriteRegister(0, 1)), "86 02")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(1, 1)), "83 02")
        self.assertEqual(self.ask(made, pdu.WriteRegister(1, 7)), "06 00 01 00 07")

    def test_shown_twice(self) -> None:
        """
        Input registers can be the holding registers, and coils the bits of them.
        """
        made = self.bank(
            "{holding_registers: {start: 8, values: [1, 2]}, input_registers: {same_as: holding_registers},"
            " coils: {bits_of: holding_registers}}"
        )
        self.ask(made, pdu.WriteCoil(17, False))
        self.ask(made, pdu.WriteCoil(16, True))
        self.assertEqual(self.ask(made, pdu.ReadInputRegisters(8, 2)), "04 04 00 01 00 01")

    def test_followed_register(self) -> None:
        """
        A value follows a set point that a client writes, 63 % of the way in its delay, without a jump.
        """
        made = self.bank(
            "processes:\n"
            "  wanted: {kind: register, table: holding_registers, address: 0}\n"
            "  real: {kind: lag, source: wanted, delay: 10}\n"
            "holding_registers: {at: {0: 1000, 1: {of: real}, 2: {of: wanted}}}\n"
        )
        self.clock.advance(33.3)
        self.assertEqual(self.registers(made, 0, 3), (1000, 1000, 1000))
        self.ask(made, pdu.WriteRegister(0, 2000))
        self.assertEqual(self.registers(made, 2, 1), (2000,))
        for seconds, value in ((0.1, 1009), (9.9, 1632), (40, 1993)):
            self.clock.advance(seconds)
            self.assertApproximates(self.registers(made, 1, 1)[0], value, 7)

    def test_no_sense(self) -> None:
        """
        What cannot be reckoned, or decoded from the register that it follows, is 0, and asking goes on.
        """
        made = self.bank(
            "processes:\n"
            "  none: {kind: constant, level: 0}\n"
            "  ratio: {kind: product, factors: [none], divisors: [none]}\n"
            "  digits: {kind: register, table: holding_registers, address: 1, type: bcd16}\n"
            "holding_registers: {at: {0: {of: ratio}, 1: 65535, 2: {of: digits}}}\n"
        )
        self.assertEqual(self.registers(made, 0, 3), (0, 65535, 0))

    def test_overwritten(self) -> None:
        """
        What is written to a value that overwrites stays until its next update.
        """
        made = self.bank(
            "holding_registers:\n"
            "  at: {0: {process: {kind: counter, start: 0, rate: 1}, every: 5, overwrites: true}}\n"
        )
        self.clock.advance(7)
        self.assertEqual(self.registers(made, 0, 1), (5,))
        self.ask(made, pdu.WriteRegister(0, 99))
        self.clock.advance(2.9)
        self.assertEqual(self.registers(made, 0, 1), (99,))
        self.clock.advance(0.1)
        self.assertEqual(self.registers(made, 0, 1), (10,))

    def test_replay_of_a_file(self) -> None:
        """
        A record is replayed, from a column by its name, relative to the map.
        """
        path = Path(
            self.written(
                "holding_registers:\n"
                "  at: {0: {process: {kind: replay, file: day.csv, column: flow, period: 30}}}\n"
            )
        )
        (path.parent / "day.csv").write_text("s,level,flow\n0,1,10\n10,2,20\n20,3,30\n")
        made = bank(load_map(str(path)), self.clock.seconds)
        told = []
        for _ in range(4):
            told.append(self.registers(made, 0, 1)[0])
            self.clock.advance(10)
        self.assertEqual(told, [10, 20, 30, 10])

    def test_errors(self) -> None:
        """
        All that is wrong is said at once, each at its place.
        """
        text = (
            "- units: [0]\n"
            "  holding_registers: {size: 70000, at: {0: {value: 70000}, 1: {of: heat}, 2: {vale: 1}}}\n"
            "- coil: {size: 1}\n"
            "- {access: r, coils: {value: 1}, server_id: {od: 1}}\n"
        )
        self.assertEqual(
            self.errors(text),
            [
                "1:10: units: units are numbers from 1 to 255, ranges of them such as 1-3, or any; got 0",
                "2:29: holding_registers.size: 70000 is above the limit of 65536",
                "2:41: holding_registers.at.0: value: 70000 is not within 0 to 65535",
                "2:85: holding_registers.at.2.vale: unknown key 'vale'; did you mean 'value'?",
                "3:3: coil: unknown key 'coil'; did you mean 'coils'?",
                "4:30: coils.value: unknown key 'value'; did you mean 'values'?",
                "4:50: server_id.od: unknown key 'od'; known: id, running, text",
                "4:12: access: unknown key 'access'; known: coils, diagnostic_register, discrete_inputs, "
                "exception_status, files, functions, holding_registers, identity, input_registers, "
                "processes, queues, server_id, units",
            ],
        )

    def test_range_of_units(self) -> None:
        """
        A device can stand at a range of units, and at single ones beside it, each with values of its own.
        """
        made = self.bank("units: [1-3, 18]\nholding_registers: {size: 1}\n")
        self.ask(made, pdu.WriteRegister(0, 7), 2)
        told = [self.ask(made, pdu.ReadHoldingRegisters(0, 1), unit) for unit in (1, 2, 3, 18)]
        self.assertEqual(told, ["03 02 00 00", "03 02 00 07", "03 02 00 00", "03 02 00 00"])

    def test_bits(self) -> None:
        """
        Coils and discrete inputs are on or off, however that is written; they have no format.
        """
        made = self.bank("coils: {values: [1, false, true, 0]}\ndiscrete_inputs: {at: {1: true, 2: 0}}\n")
        self.assertEqual(self.ask(made, pdu.ReadCoils(0, 4)), "01 01 05")
        self.assertEqual(self.ask(made, pdu.ReadDiscreteInputs(1, 2)), "02 01 01")
        self.assertEqual(
            self.errors("coils: {values: [0, 7], at: {9: -1, 10: {value: 1, type: uint16}, 11: x, 12: 0.5}}"),
            [
                "1:21: coils.values.1: a bit is 0 or 1; got 7",
                "1:33: coils.at.9: a bit is 0 or 1; got -1",
                "1:37: coils.at.10: a bit is only on or off: it has no type here",
                "1:71: coils.at.11: a bit is 0 or 1; got x",
                "1:78: coils.at.12: a bit is 0 or 1; got 0.5",
            ],
        )

    def test_wrong_processes(self) -> None:
        """
        A process that is not one is told what it lacks, or what would do.
        """
        for declared, sentence in (
            ("{kind: sin}", "no kind of process is called 'sin'; did you mean 'sine'?"),
            ("{kind: sine, middle: 1}", "a sine needs amplitude, period"),
            ("{kind: constant, levl: 1}", "a constant has no 'levl'; did you mean 'level'?"),
            ("{kind: constant, level: high}", "level 'high' is not a number"),
            ("{kind: ramp, start: 0, end: 1, duration: 0}", "duration 0 is not a number above 0"),
            ("{kind: register, table: coil, address: 1}", "no table is called 'coil'; did you mean 'coils'?"),
            ("{kind: lag, source: [unit], delay: 5}", "source should be a name"),
            ("{kind: product, factors: unit}", "factors should be a list of names"),
            ("{kind: uniform, low: 5, high: 1}", "low 5 is above high 1"),
            (
                "{kind: replay, times: [3, 1], values: [1, 2]}",
                "times should rise from 0 on, with a value for each",
            ),
            ("{kind: replay, times: 3, values: [1, 2]}", "times and values should be lists of numbers"),
            ("{kind: replay}", "a replay has either a file, or times and values"),
            ("12", "it should be a mapping with the kind of the process"),
        ):
            (line,) = self.errors(f"processes: {{p: {declared}}}")
            self.assertEqual(line.split(": ", 1)[1], f"processes.p: {sentence}")

    def test_wrong_references(self) -> None:
        """
        A name that no process has, before it, is an error; and so is a ring of registers.
        """
        text = "processes: {a: {kind: lag, source: b, delay: 1}, b: {kind: constant, level: 1}}"
        self.assertEqual(
            self.errors(text), ["1:1: device: process 'a': no process before it is called 'b'; known: unit"]
        )
        ring = (
            "processes: {a: {kind: register, table: holding_registers, address: 0}}\n"
            "holding_registers: {at: {0: {of: a}}}\n"
        )
        error = self.assertRaises(ConfigError, self.bank, ring)
        self.assertEqual(str(error), "a register follows itself, through others")

    def test_unreadable(self) -> None:
        """
        A file that is not there, not YAML, or empty is an error like any other.
        """
        error = self.assertRaises(ConfigError, load_map, "/nonexistent.yaml")
        self.assertEqual(str(error), "/nonexistent.yaml: cannot be read: No such file or directory")
        self.assertEqual(self.errors("a: [1")[0][:4], "1:6:")
        self.assertEqual(self.errors("[]"), [" there is no device in it"])


class CSVTests(MapCase):
    def test_columns(self) -> None:
        """
        A CSV file has a row for each address or block; what it does not list is not there.
        """
        made = self.bank(
            "table, address, count, type, order, value, process, name, access, scale\n"
            "holding, 0, 3, , , 7, , three of them, ,\n"
            "holding, 10, , float32, CDAB, 1.5, , flow, r,\n"
            "input, 0, , int16, , , sine middle=20 amplitude=0 period=60, , , 0.1\n"
            "coils, 4, 2, , , 1, , , ,\n"
            "holding, 20, , string, , pump, , , ,\n",
            "map.csv",
        )
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(0, 3)), "03 06 00 07 00 07 00 07")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(10, 2)), "03 04 00 00 3F C0")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(20, 2)), "03 04 70 75 6D 70")
        self.assertEqual(self.ask(made, pdu.WriteRegister(10, 1)), "86 02")
        self.assertEqual(self.ask(made, pdu.ReadInputRegisters(0, 1)), "04 02 00 C8")
        self.assertEqual(self.ask(made, pdu.ReadCoils(4, 2)), "01 01 03")
        self.assertEqual(self.ask(made, pdu.ReadCoils(3, 1)), "81 02")

    def test_units(self) -> None:
        """
        Rows of several units make several devices.
        """
        made = self.bank("unit,table,address,value\n1,holding,0,5\n2,holding,0,6\n", "map.csv")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(0, 1), 2), "03 02 00 06")

    def test_range_of_units(self) -> None:
        """
        A row can be of several units, and others beside it of one of them.
        """
        rows = "unit,table,address,value\n1-3,holding,0,5\n2,holding,1,6\n3,holding,0,7\n"
        made = self.bank(rows, "map.csv")
        told = [self.ask(made, pdu.ReadHoldingRegisters(0, 1), unit) for unit in (1, 2, 3)]
        self.assertEqual(told, ["03 02 00 05", "03 02 00 05", "03 02 00 07"])
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(0, 2), 2), "03 04 00 05 00 06")
        rule = "unit: units are numbers from 1 to 255, ranges of them such as 1-3, or any"
        wrong = "unit,table,address\n3-1,coil,0\n0,coil,0\n"
        self.assertEqual(self.errors(wrong, "map.csv"), [f"2:1: {rule}; got 3-1", f"3:1: {rule}; got 0"])

    def test_errors(self) -> None:
        """
        Each wrong row is said with its line.
        """
        text = (
            "table,address,count,value,process\nholding,0,,x,\nwhat,1,,,\nholding,,,,\nholding,70000,,,\n"
            "holding,65535,2,,\nholding,3,,,sine 5\n"
        )
        self.assertEqual(
            self.errors(text, "map.csv"),
            [
                "2:1: value: 'x' is not a number",
                "3:1: table: no table is called 'what'; "
                "known: coils, discrete_inputs, holding_registers, input_registers",
                "4:1: address: it is required, and not here",
                "5:1: address: '70000' is not a whole number from 0 to 65535",
                "6:1: count: '2' is not a whole number from 1 to 1",
                "7:1: process: '5' is not of the form key=value",
            ],
        )
        self.assertEqual(
            self.errors("table,adress\n", "map.csv"),
            ["1:1: unknown column 'adress'; did you mean 'address'?"],
        )
        self.assertEqual(
            self.errors("table,address,value\nholding,0,1\nholding,1,70000\n", "map.csv"),
            ["3:1: holding_registers.at.1: value: 70000 is not within 0 to 65535"],
        )
        self.assertEqual(
            self.errors("table,address,type\nholding,65535,float32\n", "map.csv"),
            ["2:1: address: at 65535 there is no room for 2 registers"],
        )

    def test_no_csv(self) -> None:
        """
        A file that is not CSV at all is refused in a sentence, as a map and as a record.
        """
        endless = "7" * 200_000
        said = " it is not CSV: field larger than field limit (131072)"
        self.assertEqual(self.errors(f"table,address,value\nholding,0,{endless}\n", "map.csv"), [said])
        record = Path(self.written(f"0,{endless}\n", "day.csv")).resolve()
        replay = f"holding_registers: {{at: {{0: {{process: {{kind: replay, file: {record}}}}}}}}}\n"
        (error,) = self.errors(replay)
        self.assertTrue(error.endswith(f"day.csv:{said}"), error)

    def test_no_end(self) -> None:
        """
        What has no end, or more of it than fits into memory, is refused, as a map and as a record.
        """
        folder = Path(self.written("", "huge.csv")).resolve().parent
        os.truncate(folder / "huge.csv", 2_000_000_000)
        os.mkfifo(folder / "fifo.csv")
        for path, said in (
            (folder / "huge.csv", "it has more than 16 MB, the limit"),
            (folder / "fifo.csv", "it is no plain file"),
            (Path("/dev/zero"), "it is no plain file"),
        ):
            said = f"{path}: cannot be read: {said}"
            self.assertEqual(str(self.assertRaises(ConfigError, load_map, str(path))), said)
            replay = f"holding_registers: {{at: {{0: {{process: {{kind: replay, file: {path}}}}}}}}}\n"
            map_ = self.written(replay)
            self.assertEqual(str(self.assertRaises(ConfigError, load_map, map_)), said)


class DocumentTests(MapCase):
    """The presets of the documents."""

    def test_basic(self) -> None:
        """
        `basic` has addresses 0 to 99 in four tables at every unit id, with values that tell what was read.
        """
        made = bank(preset("basic"), self.clock.seconds)
        for unit in (0, 1, 17, 247, 255):
            self.assertEqual(self.ask(made, pdu.ReadCoils(0, 100), unit), "01 0D" + " 00" * 13)
            self.assertEqual(self.ask(made, pdu.ReadDiscreteInputs(92, 8), unit), "02 01 AA")
            self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(98, 2), unit), "03 04 00 62 00 63")
            self.assertEqual(self.ask(made, pdu.ReadInputRegisters(8, 1), unit), "04 02 03 F0")
        for request in (pdu.ReadCoils(100, 1), pdu.ReadHoldingRegisters(99, 2)):
            self.assertEqual(self.ask(made, request)[3:], "02")

    def test_industrial(self) -> None:
        """
        `industrial` has holding registers 1000 to 1099, coil 1000, and addresses 0 to 99 in the other tables.
        """
        made = bank(preset("industrial"), self.clock.seconds)
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(1001, 99))[:5], "03 C6")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(999, 1)), "83 02")
        self.assertEqual(self.ask(made, pdu.ReadHoldingRegisters(1100, 1)), "83 02")
        self.assertEqual(self.ask(made, pdu.ReadCoils(0, 100)), "01 0D" + " 00" * 13)
        self.assertEqual(self.ask(made, pdu.ReadInputRegisters(99, 1)), "04 02 00 00")
        self.assertEqual(self.ask(made, pdu.ReadDiscreteInputs(99, 1)), "02 01 00")
        for coil in (100, 999, 1001):
            self.assertEqual(self.ask(made, pdu.ReadCoils(coil, 1)), "81 02")

    def test_industrial_moves(self) -> None:
        """
        Each second, register 1000 is a new number of 380 to 420, and coil 1000 on or off; coils do not grow.
        """
        made = bank(preset("industrial"), self.clock.seconds)
        told: list[int] = []
        coils = set()
        for _ in range(300):
            told += self.registers(made, 1000, 1)
            coils.add(self.ask(made, pdu.ReadCoils(1000, 1)))
            self.clock.advance(1)
        self.assertEqual((min(told) >= 380, max(told) <= 420, len(set(told)) > 35), (True, True, True))
        self.assertEqual(coils, {"01 01 00", "01 01 01"})
        self.assertEqual(self.ask(made, pdu.ReadCoils(1001, 1)), "81 02")

    def test_a_write_to_industrial(self) -> None:
        """
        What a client writes to a moving value is overwritten in the next second, as in the document.
        """
        made = bank(preset("industrial"), self.clock.seconds)
        self.clock.advance(1)
        self.ask(made, pdu.WriteRegister(1000, 7))
        self.ask(made, pdu.WriteRegister(1001, 7))
        self.assertEqual(self.registers(made, 1000, 2), (7, 7))
        self.clock.advance(1)
        self.assertNotEqual(self.registers(made, 1000, 1), (7,))
        self.assertEqual(self.registers(made, 1001, 1), (7,))
