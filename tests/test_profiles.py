"""The device profiles that are shipped."""

import struct

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.simulators import bank
from lumina.config.load import loads
from lumina.config.maps import preset
from lumina.config.polled import PolledDevice, polled, shipped
from lumina.errors import LuminaError
from lumina.interfaces import Bus
from lumina.modbus.pdu import Reply
from lumina.poll.cycle import Cycle
from lumina.poll.limits import Limits
from lumina.poll.plan import Plan
from lumina.readings import Reading


def device(profile: str) -> PolledDevice:
    """A device that has nothing but its profile."""
    (only,) = polled(loads(f"poll: [{{device_id: 1, ip: h, profile: {profile}}}]", "f").poll)
    return only


def plan_of(profile: str) -> Plan:
    made = device(profile)
    points = [point for several in made.points.values() for point in several]
    return Plan(points, Limits(made.max_registers, made.max_bits, made.forbid_gaps))


class ProfileTests(SynchronousTestCase):
    def read(self, profile: str, bus: Bus, unit: int = 1) -> dict[str, Reading]:
        """One cycle on a bus that answers at once."""
        cycle, found = Cycle(plan_of(profile), 0.0), []
        while block := cycle.next(0.0):
            replied: Deferred[Reply] = bus.execute(unit, block.request)
            try:
                reply = self.successResultOf(replied)
            except self.failureException:
                error = self.failureResultOf(replied, LuminaError).value
                found += cycle.failed(block, error, 0.0, 1.0)
            else:
                found += cycle.answered(block, reply.pdu, 0.0, 1.0)
        return {reading.point.parameter: reading for reading in (*found, *cycle.close(0.0, 1.0))}

    def test_each(self) -> None:
        """
        Each profile can be chosen, and each of its values has a place in a plan.
        """
        self.assertEqual(shipped(), ("pzem-016", "sdm120", "thc"))
        for name in shipped():
            plan = plan_of(name)
            read = [index for block in plan.agenda(0.0).blocks for index in block.points]
            self.assertEqual(sorted(read), [*range(len(plan.points))], name)

    def test_sdm120(self) -> None:
        """
        The profile reads the simulated meter, which has the same map.
        """
        clock = Clock()
        meter = bank(preset("meter"), clock.seconds)
        clock.advance(60)
        readings = self.read("sdm120", meter)
        self.assertEqual({reading.quality for reading in readings.values()}, {"good"})
        values = {name: reading.value for name, reading in readings.items()}
        voltage, current, apparent = (values[name] for name in ("Voltage", "Current", "Apparent power"))
        assert isinstance(voltage, float) and isinstance(current, float) and isinstance(apparent, float)
        self.assertTrue(220 < voltage < 240)
        self.assertAlmostEqual(voltage * current, apparent, places=1)
        self.assertEqual(values["Imported energy"], values["Total energy"])

    def test_thc(self) -> None:
        """
        The profile reads the sensors of the simulated greenhouse.
        """
        clock = Clock()
        greenhouse = bank(preset("greenhouse"), clock.seconds)
        clock.advance(60)
        readings = self.read("thc", greenhouse, 3)
        temperature, humidity, co2 = (reading.value for reading in readings.values())
        assert isinstance(temperature, float) and isinstance(humidity, float) and isinstance(co2, int)
        self.assertTrue(15 < temperature < 30 and 45 < humidity < 85 and 400 < co2 < 1000)

    def test_pzem_016(self) -> None:
        """
        Ten registers are one request; the low words come first, and the alarm has a name.
        """
        (block,) = plan_of("pzem-016").agenda(0.0).blocks
        registers = (2286, 0x86A0, 0x0001, 3456, 0, 0x0001, 0x0001, 500, 97, 0xFFFF)
        readings = block.readings(bytes((4, 20)) + struct.pack(">10H", *registers), 1.0)
        self.assertEqual(
            [reading.value for reading in readings], [228.6, 100.0, 345.6, 65537, 50.0, 0.97, "on"]
        )
