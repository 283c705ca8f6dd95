"""The simulated buses that come with lumina."""

import struct

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.simulators import bank
from lumina.config.maps import preset, presets
from lumina.errors import ConfigError, NoReply
from lumina.modbus import pdu
from lumina.simulator.bank import Bank

#: Seconds at which the values are looked at.
TIMES = (0, 1, 59, 60, 600, 3_600, 86_400, 7_776_000)


def registers(test: SynchronousTestCase, bank: Bank, unit: int, request: pdu.Request) -> tuple[int, ...]:
    return test.successResultOf(bank.execute(unit, request)).registers


def signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


class PresetTests(SynchronousTestCase):
    def test_all_load(self) -> None:
        """
        Every preset that comes with lumina can be made.
        """
        self.assertEqual(presets(), ["basic", "greenhouse", "industrial", "meter"])
        for name in presets():
            bank(preset(name), Clock().seconds, 1)

    def test_unknown(self) -> None:
        """
        A preset that does not exist is answered with those that do.
        """
        error = self.assertRaises(ConfigError, preset, "greenhose")
        self.assertEqual(str(error), "preset: 'greenhose' is none of basic, greenhouse, industrial, meter")


class GreenhouseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.bank = bank(preset("greenhouse"), self.clock.seconds, 1)

    def read(self, unit: int, request: pdu.Request) -> tuple[int, ...]:
        return registers(self, self.bank, unit, request)

    def test_plausible(self) -> None:
        """
        At any time each sensor tells a temperature, a humidity and a CO2 content that a greenhouse can have.
        """
        for elapsed in TIMES:
            self.clock.rightNow = elapsed
            for unit in (1, 2, 3, 4, 18):
                temperature, humidity, co2, dew_point = self.read(unit, pdu.ReadHoldingRegisters(0, 4))
                self.assertTrue(150 <= temperature <= 300, temperature)
                self.assertTrue(400 <= humidity <= 900, humidity)
                self.assertTrue(400 <= co2 <= 1000, co2)
                self.assertTrue(50 <= signed(dew_point) < temperature, dew_point)

    def test_both_tables(self) -> None:
        """
        Functions 03 and 04 tell the same.
        """
        self.clock.advance(100)
        self.assertEqual(
            self.read(2, pdu.ReadHoldingRegisters(0, 8)), self.read(2, pdu.ReadInputRegisters(0, 8))
        )

    def test_sensors_differ_and_move(self) -> None:
        """
        No two sensors tell the same, and what they tell changes.
        """
        first = [self.read(unit, pdu.ReadInputRegisters(0, 4)) for unit in (1, 2, 3, 4, 18)]
        self.clock.advance(120)
        later = [self.read(unit, pdu.ReadInputRegisters(0, 4)) for unit in (1, 2, 3, 4, 18)]
        self.assertEqual(len({*first, *later}), 10)

    def test_same_seed_same_values(self) -> None:
        """
        The same seed tells the same after the same time, another one does not.
        """
        told = []
        for seed in (5, 5, 6):
            clock = Clock()
            made = bank(preset("greenhouse"), clock.seconds, seed)
            clock.advance(77)
            told.append(registers(self, made, 1, pdu.ReadInputRegisters(0, 3)))
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[1], told[2])

    def test_identity(self) -> None:
        """
        A sensor tells its firmware version and its own address.
        """
        for unit in (1, 18):
            self.assertEqual(self.read(unit, pdu.ReadInputRegisters(4, 2)), (104, unit))

    def test_settings_hold(self) -> None:
        """
        Holding registers 8 to 15 hold what is written to them.
        """
        self.successResultOf(self.bank.execute(3, pdu.WriteRegisters(14, (11, 12))))
        self.clock.advance(10)
        self.assertEqual(self.read(3, pdu.ReadHoldingRegisters(8, 8)), (220, 650, 0, 0, 0, 0, 11, 12))

    def test_relays(self) -> None:
        """
        Unit 18 has eight relays, off at first, that can be switched.
        """
        read = pdu.ReadCoils(0, 8)
        self.assertEqual(self.successResultOf(self.bank.execute(18, read)).bits, (False,) * 8)
        self.successResultOf(self.bank.execute(18, pdu.WriteCoil(7, True)))
        self.assertEqual(self.successResultOf(self.bank.execute(18, read)).bits, (False,) * 7 + (True,))

    def test_nobody_else(self) -> None:
        """
        There are units 1 to 4 and 18, and no other.
        """
        self.failureResultOf(self.bank.execute(5, pdu.ReadHoldingRegisters(0, 1)), NoReply)


class MeterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.bank = bank(preset("meter"), self.clock.seconds, 1)

    def float(self, address: int) -> float:
        words = registers(self, self.bank, 1, pdu.ReadInputRegisters(address, 2))
        value: float = struct.unpack(">f", struct.pack(">HH", *words))[0]
        return value

    def test_consistent(self) -> None:
        """
        Voltage, current, the three powers and the power factor agree, at any time.
        """
        for elapsed in TIMES:
            self.clock.rightNow = elapsed
            voltage, current, active, apparent, reactive, factor = map(
                self.float, (0, 6, 0xC, 0x12, 0x18, 0x1E)
            )
            self.assertTrue(207 <= voltage <= 253, voltage)
            self.assertAlmostEqual(voltage * current / apparent, 1, 4)
            self.assertAlmostEqual(active / apparent / factor, 1, 4)
            self.assertAlmostEqual((active**2 + reactive**2) ** 0.5 / apparent, 1, 4)
            self.assertTrue(49.9 <= self.float(0x46) <= 50.1)

    def test_energy_is_power_over_time(self) -> None:
        """
        What the energy gains in ten minutes is what the power was in them.
        """
        before, sum_of_power = self.float(0x156), 0.0
        for _ in range(600):
            self.clock.advance(1)
            sum_of_power += self.float(0xC)
        self.assertApproximates(self.float(0x156) - before, sum_of_power / 3.6e6, 0.001)
        self.assertEqual(self.float(0x48), self.float(0x156))
        self.assertEqual(self.float(0x4A), 0)
