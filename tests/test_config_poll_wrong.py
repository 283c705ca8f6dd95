"""What is said about a configuration of polling that somebody wrote in a hurry."""

import json
from collections.abc import Sequence
from pathlib import Path

from lumina.config.load import load, loads
from lumina.config.polled import doubts, polled
from lumina.errors import ConfigError
from tests.test_config import ConfigCase
from tests.test_config_poll import DOCUMENTED

#: A register's keys, and what is said about them: where in the register, and a sentence.
REGISTERS = (
    ('"scale": "0,1"', "scale: it should be a number; got '0,1'; a decimal has a point, not a comma: 0.1"),
    ('"scale": 0', "scale: 0 is not within 1E-30 to 1E+30, or the negative of that"),
    ('"scale": null', "scale: it should be a number; got nothing"),
    ('"offset": 1e31', "offset: 1E+31 is not within -1E+30 to 1E+30"),
    ('"data_type": "Float"', "data_type: 'Float' is no data type; did you mean 'float'?"),
    ('"data_type": "float 32"', "data_type: 'float 32' is no data type; did you mean 'float32'?"),
    ('"data_type": "unit16"', "data_type: 'unit16' is no data type; did you mean 'uint16'?"),
    ('"data_type": "WORD"', "data_type: 'WORD' is no data type; did you mean 'uint16'?"),
    ('"data_type": "double"', "data_type: 'double' is no data type; did you mean 'float64'?"),
    (
        '"data_type": "bit"',
        "data_type: bit needs bit: beside it, which one of the register, 0 to 15, 0 being the lowest",
    ),
    ('"data_type": "bits"', "data_type: bits needs width: beside it, how many bits there are, from bit: on"),
    (
        '"data_type": "string"',
        "data_type: string needs length: beside it, how many registers it takes, 1 to 125",
    ),
    ('"length": 4', "length: only a value with data_type: string has it, not float"),
    (
        '"data_type": "uint16", "bit": 3',
        "bit: only a value with data_type: bit or bits has it, not uint16",
    ),
    (
        '"data_type": "bits", "bit": 12, "width": 5',
        "width: 5 bits from bit 12 on go beyond the register's 16",
    ),
    ('"data_type": "bit", "bit": 16', "bit: 16 is above the limit of 15"),
    ('"data_type": "bit", "bit": 1, "scale": 0.1', "scale: it is for numbers, and bit is none"),
    (
        '"data_type": "string", "length": 2, "precision": 1',
        "precision: it is for numbers, and string is none",
    ),
    (
        '"data_type": "string", "length": 2, "padding": "--"',
        "padding: '--' is not one ASCII character",
    ),
    (
        '"data_type": "uint16", "names": {"70000": "on"}',
        "names: 70000 is not within 0 to 65535, which uint16 can be",
    ),
    ('"data_type": "int", "names": {"1": "on", "01": "off"}', "names: 1 has two names, 'on' and 'off'"),
    (
        '"data_type": "int", "names": {"on": "1"}',
        "names: it should be a mapping of numbers to names; 'on' is no whole number",
    ),
    (
        '"data_type": "int", "absent": [-40000]',
        "absent: -40000 is not within -32768 to 65535, which int can be",
    ),
    ('"address": "9999999"', "address: '9999999' has more than 6 digits"),
    ('"address": 65535', "address: 65535 is no Modicon address"),
    ('"address": -1', "address: -1 is no Modicon address"),
    ('"address": "0x10"', "address: '0x10' is not a whole number"),
    ('"address": 465536', "address: holding register 65535 with 2 registers goes beyond 65535"),
    ('"address": 40001.0', "address: it should be a whole number; got 40001.0"),
    ('"address": "00001"', "address: coil 0 is a single bit; its data_type is bool, not float"),
    ('"parameter": ""', "parameter: it is empty"),
)

#: The same of a device.
DEVICES = (
    (
        '"ip": "10.0.0.1:502"',
        "ip: '10.0.0.1:502' has a port in it; say ip: 10.0.0.1 and, beside it, port: 502",
    ),
    (
        '"ip": "192.168.1.300"',
        "ip: '192.168.1.300' is not an IPv4 address, four numbers from 0 to 255 with points",
    ),
    ('"ip": "192.168.1"', "ip: '192.168.1' is not an IPv4 address, four numbers from 0 to 255 with points"),
    ('"ip": "fe80:::1"', "ip: 'fe80:::1' is not an IPv6 address"),
    ('"ip": "tcp://plc"', "ip: 'tcp://plc' is not an IP address, nor the name of a host"),
    ('"port": "502"', "port: it should be a whole number; got '502'"),
    ('"port": 0', "port: 0 is below the limit of 1"),
    ('"slave_id": 0', "slave_id: 0 is below the limit of 1"),
    ('"timeout": 3000', "timeout: 3000 is above the limit of 300"),
    ('"interval": "1,5h"', "interval: it should be seconds, or a number with ms, s, m, h or d, such as 30m;"),
    ('"addressing": "Modicon"', "addressing: it should be one of modicon, pdu, one-based; got 'Modicon'"),
    ('"device_id": 1e3', "device_id: it should be a whole number of 64 bits, or 1 to 128 printable char"),
    ('"device_id": 99999999999999999999', "device_id: it should be a whole number of 64 bits"),
)


def with_keys(keys: str, of: str) -> str:
    """The documents' example with these keys `of` its device or its register."""
    (device,) = json.loads(DOCUMENTED)
    changed = json.loads("{" + keys + "}")
    (device if of == "device" else device["registers"][0]).update(changed)
    return json.dumps([device])


class HurriedTests(ConfigCase):
    """Each is wrong in one way, and gets one sentence."""

    def assertSaysOfEach(self, cases: Sequence[tuple[str, str]], of: str, place: str) -> None:
        """Each of these keys is wrong, and gets one sentence at its place."""
        for keys, sentence in cases:
            (said,) = self.errors(with_keys(keys, of))
            self.assertRegex(said, r"^f:1:\d+: 0\.")
            self.assertIn(f": {place}.{sentence}", said)

    def test_registers(self) -> None:
        """
        A register that is wrong in one way is told so at the key, once.
        """
        self.assertSaysOfEach(REGISTERS, "register", "0.registers.0")

    def test_devices(self) -> None:
        """
        A device that is wrong in one way is told so at the key, once.
        """
        self.assertSaysOfEach(DEVICES, "device", "0")

    def test_long_values(self) -> None:
        """
        A value that is far too long is shown by its beginning.
        """
        for address in ("9" * 400, f'"{"9" * 400}"', f'"{"9" * 5000}"'):
            (said,) = self.errors(DOCUMENTED.replace("40001", address))
            self.assertIn("address: ", said)
            self.assertRegex(said, r"999\.\.\. \(\d+ characters\)")
            self.assertLess(len(said), 300)

    def test_known_keys_of_types(self) -> None:
        """
        What goes with a type is taken, at the limits too.
        """
        for keys in (
            '"data_type": "bits", "bit": 12, "width": 4, "names": {"15": "all"}, "absent": [0]',
            '"data_type": "bit", "bit": 15, "names": {"1": "on"}',
            '"data_type": "string", "length": 125, "padding": " "',
            '"data_type": "int", "absent": [-32768, 65535], "names": {"-1": "none"}',
            '"data_type": "bool", "address": 10001, "names": {"0": "open"}',
            '"data_type": "float", "absent": [-9999], "names": {"1": "on"}',
            '"data_type": "bit", "bit": 3, "scale": 1, "offset": 0.0',
            '"data_type": "bcd16", "names": {"9999": "full"}',
        ):
            self.assertEqual(len(polled(loads(with_keys(keys, "register"), "f").poll)), 1, keys)


class SyntaxTests(ConfigCase):
    """Files that are no YAML, or that somebody's editor has changed."""

    def test_sentences(self) -> None:
        """
        What is wrong with brackets, blanks and quotes is said without the words of a parser.
        """
        for text, sentence in (
            ('[{"device_id": 1 "ip": "h"}]', "f:1:22: YAML: a comma or a } is missing before this"),
            ('[{"device_id": 1}', "f:1:18: YAML: the file ends before a ] that is missing"),
            ("[]]", "f:1:3: YAML: this ] is one too many"),
            ("poll:\n\t- x", "f:2:1: YAML: a tab is no indentation in YAML; use blanks"),
            ("poll:\n- a: 1\n   b: 2\n", "f:3:5: YAML: there can be no key here; look for a blank"),
            ("poll:\n- a:\n    1\n  - b\n", "f:4:3: YAML: this is not indented like the lines that it"),
            ("poll:\n- unit: %\n", "f:2:9: YAML: a value cannot begin with %; put it in quotes"),
            ("poll:\n- unit: '%\n", "YAML: a quote is not closed"),
            ('// mine\n[{"device_id": 1}]', "f:1:1: YAML: a comment begins with #"),
        ):
            (said,) = self.errors(text)
            self.assertIn(sentence, said)

    def test_one_device(self) -> None:
        """
        A device that is no list of devices, and a list under a wrong key, are told how it should be.
        """
        said = self.errors(DOCUMENTED.strip()[1:-1])
        self.assertTrue(said[0].endswith("a file of such devices is a list, in [ and ]"), said)
        said = self.errors(f'{{"devices": {DOCUMENTED}}}')
        self.assertIn("is the whole file, or stands under poll:", said[0])

    def test_decimal_comma(self) -> None:
        """
        A decimal comma that YAML takes for the end of a value is thought of.
        """
        said = self.errors(DOCUMENTED.replace("1.0", "2,5"))
        self.assertEqual(len(said), 1)
        self.assertIn(
            "unknown key '5'; if it is the rest of a decimal, that has a point, not a comma", said[0]
        )

    def test_editors(self) -> None:
        """
        Tabs, the line ends of Windows, a byte order mark and JSON's escapes change nothing.
        """
        (device,) = loads(DOCUMENTED, "f").poll.devices
        for text in (
            DOCUMENTED.replace("  ", "\t").replace(": ", ":\t"),
            DOCUMENTED.replace("\n", "\r\n"),
            "\ufeff" + DOCUMENTED,
        ):
            self.assertEqual(loads(text, "f").poll.devices, [device])
        text = DOCUMENTED.replace("Line to", r"Line\/\ud83d\udca1 a\tb to")
        (said,) = loads(text, "f").poll.devices
        self.assertEqual(said.registers[0].description, "Line/\U0001f4a1 a\tb to Neutral Voltage")

    def test_half_a_character(self) -> None:
        """
        Half of a character, which no text can have, is an error.
        """
        (said,) = self.errors(DOCUMENTED.replace("Line to", r"\ud83d Line"))
        self.assertRegex(said, r"^f:15:24: 0\.registers\.0\.description: one half of a character is missing")

    def test_encodings(self) -> None:
        """
        A file in another encoding is told at which byte, and what to do.
        """
        for encoding, said in (
            ("latin-1", "14:18: YAML: the byte B0"),
            ("utf-16", "1:1: YAML: the byte FF"),
        ):
            file = Path(self.mktemp())
            file.write_bytes(DOCUMENTED.replace('"V"', '"°C"').encode(encoding))
            error = self.assertRaises(ConfigError, load, str(file))
            self.assertEqual(str(error), f"{file}:{said} is not UTF-8; save it as UTF-8")


class UnreadableTests(ConfigCase):
    """Values that can be configured, and read by no request."""

    def test_all_at_once(self) -> None:
        """
        They are said with all else that is wrong, at their places.
        """
        self.assertSays(
            "poll:\n"
            "- device_id: 1\n"
            "  ip: h\n"
            "  registers:\n"
            "  - {address: 0, parameter: a, snapshot: x}\n"
            "  - {address: 500, parameter: b, snapshot: x}\n"
            "- device_id: 2\n"
            "  ip: h\n"
            "  max_registers: 1\n"
            "  registers: [{address: 0, parameter: a}]\n"
            "- {device_id: 3, ip: h, profile: thc, slave: 3}\n"
            "- {device_id: 4, ip: h, profile: sdm120, max_registers: 1,\n"
            "   registers: [{address: 0, parameter: a}]}\n",
            "f:6:44: poll.0.registers.1.snapshot: one request reads a snapshot,"
            " and a, b take 502 addresses from 0 on, where 125 are the limit",
            "f:10:15: poll.1.registers.0: 'a' takes 2 registers, and one request reads 1",
            "f:11:39: poll.2.slave: unknown key 'slave'; did you mean 'slave_id'?",
            *(
                f"f:12:34: poll.3.profile: '{name}' takes 2 registers, and one request reads 1"
                for name in (
                    "Voltage",
                    "Current",
                    "Active power",
                    "Apparent power",
                    "Reactive power",
                    "Power factor",
                    "Frequency",
                    "Imported energy",
                    "Exported energy",
                    "Total energy",
                )
            ),
            "f:13:16: poll.3.registers.0: 'a' takes 2 registers, and one request reads 1",
        )

    def test_profile_that_cannot_be(self) -> None:
        """
        What is wrong with a profile is said of the profile, not of each device that has it.
        """
        self.assertSays(
            "poll: {profiles: {p: [{address: 5, parameter: a, data_type: bits, bit: 12, width: 5}]},\n"
            " devices: [{device_id: 1, ip: h, profile: p}, {device_id: 2, ip: i, profile: p}]}",
            "f:1:83: poll.profiles.p.0.width: 5 bits from bit 12 on go beyond the register's 16",
        )

    def test_snapshots(self) -> None:
        """
        A snapshot has one table, one interval, and no gaps where these are forbidden.
        """
        for more, others, sentence in (
            ("", "address: 30001", "and a, b lie in several tables, holding and input"),
            ("", "address: 40003, interval: 5", "and a, b have several intervals"),
            (
                "forbid_gaps: true, ",
                "address: 40005",
                "and a, b have a gap between them, from 2 to 3, while forbid_gaps is true",
            ),
        ):
            (said,) = self.errors(
                f"poll: [{{device_id: 1, ip: h, {more}registers: ["
                f"{{parameter: a, address: 40001, snapshot: s}}, {{parameter: b, snapshot: s, {others}}}]}}]"
            )
            self.assertIn(sentence, said)

    def test_overlapping_snapshot(self) -> None:
        """
        Values of a snapshot that share registers have no gap between them.
        """
        text = (
            "poll: [{device_id: 1, ip: h, addressing: pdu, forbid_gaps: true, registers: ["
            "{parameter: a, address: 0, snapshot: s}, {parameter: b, address: 1, snapshot: s}]}]"
        )
        self.assertEqual(len(polled(loads(text, "f").poll)[0].snapshots), 1)


class DoubtTests(ConfigCase):
    """What is allowed, and seldom meant."""

    def test_addresses_beside_a_profile(self) -> None:
        """
        A device's own addresses are as its profile has them; where that makes a difference it is said.
        """
        one = "device_id: 1, ip: h, profile: sdm120, registers: [{parameter: a, address: ADDRESS}]"
        text = f"poll: [{{{one}}}]"
        (said,) = doubts(loads(text.replace("ADDRESS", "30031"), "f").poll)
        self.assertIn("is input register 30 by modicon, but holding register 30031 by pdu", said)
        self.assertIn("; pdu is taken, as its profile has it.", said)
        self.assertEqual(doubts(loads(text.replace("ADDRESS", "31"), "f").poll), [])
        (said,) = self.errors(text.replace("ADDRESS", "400031"))
        self.assertIn("400031 is not within 0 to 65535, as addresses are with pdu", said)

    def test_copied_entry(self) -> None:
        """
        Two devices that are one unit of one bus get a warning.
        """
        one = "ip: h, registers: [{address: 5, parameter: a}]"
        text = (
            f"poll: [{{device_id: 1, {one}}}, {{device_id: 2, {one}}}, {{device_id: 3, slave_id: 2, {one}}}]"
        )
        self.assertEqual(doubts(loads(text, "f").poll), ["poll: devices 1 and 2 are both unit 1 of h:502"])

    def test_lonely_snapshot(self) -> None:
        """
        A snapshot of one register gets a warning; those of a profile count too.
        """
        text = (
            "poll: {profiles: {p: [{address: 5, parameter: a, snapshot: s}]}, devices: ["
            "{device_id: 1, ip: h, profile: p, registers: [{address: 7, parameter: b, snapshot: S}]},"
            "{device_id: 2, ip: i, profile: p, registers: [{address: 7, parameter: b, snapshot: s}]}]}"
        )
        self.assertEqual(
            doubts(loads(text, "f").poll),
            [f"poll: snapshot '{name}' of device 1 has one register only" for name in ("S", "s")],
        )
