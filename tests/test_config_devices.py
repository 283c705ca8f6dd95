"""The configuration of Modbus TCP devices."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly import devices
from lumina.assembly.parts import Parts
from lumina.bus.tcp import Device
from lumina.cli.check import summary
from lumina.config.load import loads
from lumina.watch.overview import LiveOverview
from tests.test_config import ConfigCase

PLC = "devices:\n  plc: {endpoint: 'tcp:host=192.0.2.7:port=502', names: [press]}\n"


class DeviceConfigTests(ConfigCase):
    def test_a_device_is_enough(self) -> None:
        """
        A device is something to share; all but its endpoint has a default.
        """
        device = loads(PLC, "f").devices["plc"]
        self.assertEqual((device.pipelining, device.retries, device.timeout), (1, 0, 1.0))

    def test_limits(self) -> None:
        """
        A value beyond its limit is named with it.
        """
        self.assertSays(
            "devices:\n  plc:\n    endpoint: tcp:h:502\n    pipelining: 0\n    connect_timeout: 1000\n"
            "    units: {3: {turnaround: 1}}\n",
            "f:4:17: devices.plc.pipelining: 0 is below the limit of 1",
            "f:5:22: devices.plc.connect_timeout: 1000 is above the limit of 300",
            "f:6:17: devices.plc.units.3.turnaround: unknown key 'turnaround'; known: share, timeout",
        )

    def test_no_serial_line(self) -> None:
        """
        A serial line is a port, and that is said.
        """
        self.assertSays(
            "devices:\n  plc:\n    endpoint: serial:/dev/ttyS0\n",
            "f:3:15: devices.plc.endpoint: a serial line carries no Modbus TCP; it is a port, configured"
            " under 'ports'",
        )

    def test_one_entry_each(self) -> None:
        """
        A device has one entry, however its address is written, and a name leads to one bus.
        """
        self.assertSays(
            PLC + "  same: {endpoint: 'tcp:192.0.2.7:502'}\nports: {press: {endpoint: 'tcp:h:4001'}}\n",
            "f:2:58: devices.plc.names.0: 'press' is a name of port 'press' already; a name leads to one bus,"
            " and is written once",
            "f:3:20: devices.same.endpoint: device 'plc' has the device '192.0.2.7:502' already;"
            " a device has one entry",
        )

    def test_summary(self) -> None:
        """
        `lumina check-config` lists devices between ports and simulators.
        """
        self.assertEqual(
            next(summary(loads(PLC, "f"))), "device plc: tcp:host=192.0.2.7:port=502, also called press"
        )


class AssemblyTests(SynchronousTestCase):
    def test_names(self) -> None:
        """
        A device is a bus under its key, its endpoint and its other names, and is shown among the ports.
        """
        clock = Clock()
        parts = Parts(clock, LiveOverview(clock.seconds))
        devices.add(parts, loads(PLC, "f").devices)
        self.assertEqual(sorted(parts.buses), ["plc", "press", "tcp:host=192.0.2.7:port=502"])
        self.assertEqual(len({id(bus) for bus in parts.buses.values()}), 1)
        self.assertIsInstance(parts.buses["plc"], Device)
        (status,) = parts.overview.ports()
        self.assertEqual((status.name, status.line, status.state), ("plc", "Modbus TCP", "closed"))
