"""Configuration of what is polled."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lumina.config.addressing import MODICON, ONE_BASED, PDU, Place, resolve
from lumina.config.load import loads
from lumina.config.polled import PolledDevice, doubts, polled
from lumina.modbus.tables import COIL, DISCRETE, HOLDING, INPUT
from lumina.modbus.values import Format
from lumina.readings import Point
from tests.test_config import ConfigCase

DOCUMENTED = """[
  {
    "device_id": 1,
    "ip": "192.168.100.10",
    "port": 502,
    "slave_id": 1,
    "timeout": 10,
    "registers": [
      {
        "address": 40001,
        "parameter": "Voltage (L-N)",
        "data_type": "float",
        "scale": 1.0,
        "unit": "V",
        "description": "Line to Neutral Voltage"
      }
    ]
  }
]
"""

VOLTAGE = Point(
    device=1,
    parameter="Voltage (L-N)",
    table=HOLDING,
    address=0,
    format=Format("float32", scale=Decimal("1.0")),
    data_type="float",
    register_address=40001,
    unit="V",
    description="Line to Neutral Voltage",
)


def devices(text: str) -> list[PolledDevice]:
    return polled(loads(text, "f").poll)


def point(keys: str) -> Point:
    """The one register of a device."""
    (device,) = devices(f"poll: [{{device_id: 1, ip: 10.0.0.1, registers: [{{parameter: x, {keys}}}]}}]")
    ((only,),) = device.points.values()
    return only


class DocumentedTests(ConfigCase):
    def test_as_it_is(self) -> None:
        """
        The documents' config.json is a configuration, every half hour, 40001 being holding register 0.
        """
        self.assertEqual(
            devices(DOCUMENTED), [PolledDevice(1, "", "192.168.100.10", 502, 1, 10.0, {1800.0: (VOLTAGE,)})]
        )

    def test_under_poll(self) -> None:
        """
        The same list may stand under `poll:`, and under `poll: devices:` beside other keys.
        """
        self.assertEqual(devices(f"poll: {DOCUMENTED}"), devices(DOCUMENTED))
        ((interval, points),) = devices(f"poll: {{interval: 5m, devices: {DOCUMENTED}}}")[0].points.items()
        self.assertEqual((interval, points), (300.0, (VOLTAGE,)))

    def test_what_the_original_lets_out(self) -> None:
        """
        Port, unit, type and the rest may be left out, as in the original program.
        """
        (device,) = devices(
            '[{"device_id": 7, "ip": "10.0.0.1", "registers": [{"address": 40001, "parameter": "a"}]}]'
        )
        self.assertEqual((device.port, device.unit, device.timeout), (502, 1, None))
        self.assertEqual(device.points[1800.0][0].data_type, "float")

    def test_doubt(self) -> None:
        """
        Where modicon and pdu differ and none is chosen, a warning names both readings; a choice ends it.
        """
        (sentence,) = doubts(loads(DOCUMENTED, "f").poll)
        self.assertIn("40001 of device 1, 'Voltage (L-N)', is holding register 0 by modicon", sentence)
        self.assertIn("holding register 40001 by pdu", sentence)
        for chosen in ("modicon", "pdu"):
            text = f"poll: {{addressing: {chosen}, devices: {DOCUMENTED}}}"
            self.assertEqual(doubts(loads(text, "f").poll), [])

    def test_no_doubt(self) -> None:
        """
        An address that means the same both ways, or only one thing, needs no warning.
        """
        for address in ("7", "400001"):
            text = DOCUMENTED.replace("40001", address)
            self.assertEqual(doubts(loads(text, "f").poll), [])


class AddressTests(ConfigCase):
    def test_modicon(self) -> None:
        """
        The first digit is the table, with five digits and with six; the rest counts from 1.
        """
        for written, place in (
            (40001, Place(HOLDING, 0)),
            (49999, Place(HOLDING, 9998)),
            (400001, Place(HOLDING, 0)),
            (465536, Place(HOLDING, 65535)),
            (30001, Place(INPUT, 0)),
            (365536, Place(INPUT, 65535)),
            (10001, Place(DISCRETE, 0)),
            (100001, Place(DISCRETE, 0)),
            ("00001", Place(COIL, 0)),
            ("000001", Place(COIL, 0)),
            ("09999", Place(COIL, 9998)),
            (0, Place(HOLDING, 0)),
            (9999, Place(HOLDING, 9999)),
        ):
            self.assertEqual(resolve(written, MODICON, None, False), place, written)

    def test_modicon_with_table(self) -> None:
        """
        A short number is a PDU address of its table, but a coil's counts from 1.
        """
        self.assertEqual(resolve(5, MODICON, INPUT, False), Place(INPUT, 5))
        self.assertEqual(resolve(5, MODICON, DISCRETE, True), Place(DISCRETE, 5))
        self.assertEqual(resolve(5, MODICON, COIL, True), Place(COIL, 4))
        self.assertEqual(resolve(5, MODICON, None, True), Place(COIL, 4))

    def test_meaningless(self) -> None:
        """
        A number that the convention knows nothing of is refused, with what it could have been.
        """
        for written in (50001, 40000, 465537, 20001, 10000, -1):
            error = self.assertRaises(ValueError, resolve, written, MODICON, None, False)
            self.assertIn("addressing: pdu", str(error))
        self.assertRaises(ValueError, resolve, 65536, PDU, None, False)
        self.assertRaises(ValueError, resolve, 0, ONE_BASED, None, False)
        self.assertRaises(ValueError, resolve, "4x001", PDU, None, False)
        self.assertRaises(ValueError, resolve, 40001, MODICON, INPUT, False)

    @given(st.integers(0, 65535), st.sampled_from((COIL, DISCRETE, HOLDING, INPUT)))
    def test_plain(self, address: int, table: str) -> None:
        """
        PDU addresses are what they say, one-based ones are one more.
        """
        self.assertEqual(resolve(address, PDU, table, False), (table, address))
        self.assertEqual(resolve(address + 1, ONE_BASED, table, False), (table, address))


class ValueTests(ConfigCase):
    def test_types(self) -> None:
        """
        The documents' names of types are those of 16 and 32 bits; all others go by their own.
        """
        for name, kind in (
            ("float", "float32"),
            ("int", "int16"),
            ("uint32", "uint32"),
            ("bcd16", "bcd16"),
        ):
            found = point(f"address: 40001, data_type: {name}")
            self.assertEqual((found.format.type, found.data_type), (kind, name))

    def test_everything(self) -> None:
        """
        Scale, offset, rounding, names and sentinels arrive as they are written.
        """
        found = point(
            "address: 40001, data_type: int, scale: 0.1, offset: '-40', precision: 2, order: BADC, "
            "names: {1: 'on', 0: 'off'}, absent: [32767, '0x8000']"
        )
        self.assertEqual(found.format, Format("int16", "BADC", scale=Decimal("0.1"), offset=Decimal(-40)))
        self.assertEqual((found.precision, found.names), (2, ((0, "off"), (1, "on"))))
        self.assertEqual(found.absent, (Decimal(32767), Decimal(0x8000)))

    def test_names_from_json(self) -> None:
        """
        JSON has only text for keys.
        """
        self.assertEqual(point('address: 40001, data_type: int, names: {"2": "two"}').names, ((2, "two"),))

    def test_bits(self) -> None:
        """
        Coils and discrete inputs are bool, said or not.
        """
        for keys in ("address: '00003'", "address: 3, data_type: bool", "address: 3, table: coil"):
            found = point(keys)
            self.assertEqual((found.table, found.address, found.data_type), (COIL, 2, "bool"))
        self.assertEqual(point("address: 10003").table, DISCRETE)

    def test_intervals(self) -> None:
        """
        A register's interval comes before its device's, that before the section's.
        """
        (device,) = devices(
            "poll: {interval: 1h, devices: [{device_id: 1, ip: 10.0.0.1, registers: ["
            "{address: 40001, parameter: a}, {address: 40003, parameter: b, interval: 0.5}]},"
            "{device_id: 2, ip: 10.0.0.1, interval: 2 m, registers: [{address: 40001, parameter: a}]}]}"
        )[:1]
        self.assertEqual([*device.points], [0.5, 3600.0])

    def test_profile(self) -> None:
        """
        A device takes the registers of its profile, addressed as that says; its own replace or join them.
        """
        (device,) = devices(
            "poll: {profiles: {meter: {addressing: pdu, order: CDAB, max_registers: 20, registers: ["
            "{address: 0, table: input, parameter: V}, {address: 6, table: input, parameter: A}]}},"
            "devices: [{device_id: m, ip: meter.local, profile: meter, addressing: modicon, registers: ["
            "{address: 30031, parameter: A}, {address: 40001, parameter: W}]}]}"
        )
        found = device.points[1800.0]
        self.assertEqual(
            [(each.parameter, each.table, each.address) for each in found],
            [("V", INPUT, 0), ("A", INPUT, 30), ("W", HOLDING, 0)],
        )
        self.assertEqual(([each.format.order for each in found], device.max_registers), (["CDAB"] * 3, 20))

    def test_profile_as_list(self) -> None:
        """
        A profile may be nothing but its registers.
        """
        profiles = "profiles: {p: [{address: 5, parameter: a}]}"
        text = f"poll: {{{profiles}, devices: [{{device_id: 1, ip: h, profile: p}}]}}"
        self.assertEqual(devices(text)[0].points[1800.0][0].address, 5)

    def test_snapshot(self) -> None:
        """
        Registers with the same word are one group.
        """
        (device,) = devices(
            "poll: [{device_id: 1, ip: h, registers: [{address: 1, parameter: a, snapshot: s},"
            "{address: 9, parameter: b}, {address: 30, parameter: c, snapshot: s}]}]"
        )
        self.assertEqual([[each.parameter for each in group] for group in device.snapshots], [["a", "c"]])

    def test_bus(self) -> None:
        """
        A device can be on any bus that is configured.
        """
        (device,) = devices(
            "simulators: {s: {preset: meter}}\n"
            "poll: [{device_id: 1, bus: s, slave_id: 3, registers: [{address: 1, parameter: a}]}]"
        )
        self.assertEqual((device.bus, device.host, device.unit), ("s", "", 3))


class WrongTests(ConfigCase):
    def test_all_at_once(self) -> None:
        """
        All that is wrong with a config.json is said together, each with its line and column.
        """
        text = (
            '[{"device_id": 1, "ip": "10.0.0.1", "prt": 502, "slave_id": 1000,\n'
            '  "registers": [{"address": 50001, "parametr": "V", "data_type": "floot", "scale": "x"},\n'
            '    {"address": 40001, "parameter": "a"}, {"address": 40002, "parameter": "a"}]},\n'
            ' {"device_id": 1, "ip": "10.0.0.1", "bus": "x", "profile": "nope"}]\n'
        )
        said = self.errors(text)
        for line in (
            "f:1:37: 0.prt: unknown key 'prt'; did you mean 'port'?",
            "f:1:61: 0.slave_id: 1000 is above the limit of 255",
            "f:2:17: 0.registers.0.parameter: it is required, and not here",
            "f:2:36: 0.registers.0.parametr: unknown key 'parametr'; did you mean 'parameter'?",
            "f:3:75: 0.registers.2.parameter: 'a' is here twice; a device has each parameter once",
            "f:4:16: 1.device_id: device 1 is here twice; it is entry 1 already",
        ):
            self.assertIn(line, said)
        for start in (
            "f:2:29: 0.registers.0.address: 50001 is no Modicon address",
            "f:2:66: 0.registers.0.data_type: 'floot' is no data type",
            "f:2:84: 0.registers.0.scale: it should be a number; got 'x'",
            "f:4:44: 1.bus: no bus is called 'x'",
            "f:4:60: 1.profile: no profile is called 'nope'",
        ):
            self.assertTrue(any(line.startswith(start) for line in said), (start, said))
        self.assertEqual(len(said), 11)

    def test_unknown_key_in_profile(self) -> None:
        """
        Inside of a profile, a list or a mapping, the keys of registers are known.
        """
        for form in ("[REGISTER]", "{registers: [REGISTER]}"):
            text = "poll: {profiles: {p: FORM}}".replace("FORM", form)
            (said,) = self.errors(text.replace("REGISTER", "{address: 1, parameter: a, scal: 3}"))
            self.assertRegex(said, r"unknown key 'scal'; did you mean 'scale'\?$")

    def test_single_things(self) -> None:
        """
        What a register or a device cannot be is said in a sentence.
        """
        for keys, sentence in (
            ("address: 40001, data_type: bool", "is no single bit"),
            ("address: '00001', data_type: int", "is a single bit"),
            ("address: 40001, data_type: string, length: 126", "length: 126 is above the limit of 125"),
            ("address: 9, addressing: x", "unknown key 'addressing'"),
            ("address: 40001, interval: 30 miles", "such as 30m; got '30 miles'"),
            ("address: 40001, interval: 0", "is not within 0.05 s to 31 days"),
            ("address: 465536, data_type: float", "with 2 registers goes beyond 65535"),
            ("address: 40001, names: [1]", "a mapping of numbers to names"),
            ("address: 40001, names: {1: on}", "the name of 1 should be text; put it in quotes"),
        ):
            text = f"poll: [{{device_id: 1, ip: h, registers: [{{parameter: x, {keys}}}]}}]"
            (said,) = self.errors(text)
            self.assertIn(sentence, said)
        for keys, sentence in (
            ("registers: [{address: 1, parameter: a}]", "it has one of ip"),
            ("ip: h", "there is nothing to read"),
            ("ip: h, registers: []", "there is nothing to read"),
            ("ip: 'a b', registers: [{address: 1, parameter: a}]", "is not an IP address"),
        ):
            (said,) = self.errors(f"poll: [{{device_id: 1, {keys}}}]")
            self.assertIn(sentence, said)
