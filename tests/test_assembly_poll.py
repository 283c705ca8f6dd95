"""From a configuration to a poller: which buses there are, and what is refused."""

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly import devices, poll, ports, simulators
from lumina.assembly.parts import Parts
from lumina.config.load import loads
from lumina.errors import StartRefused
from lumina.poll.poller import Poller
from lumina.testing import FakeSink
from lumina.watch.overview import LiveOverview

ONE = "registers: [{address: 40001, parameter: a}]"


class AssemblyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        overview = LiveOverview(self.reactor.seconds)
        self.parts = Parts(self.reactor, overview, wall=lambda: 1000.0, watchers=[overview])

    def poller(self, text: str) -> Poller | None:
        config = loads(text, "f")
        simulators.add(self.parts, config.simulators)
        ports.add(self.parts, config.ports)
        devices.add(self.parts, config.devices)
        return poll.add(self.parts, config)

    def refusal(self, text: str) -> list[str]:
        return str(self.assertRaises(StartRefused, self.poller, text)).splitlines()

    def test_nothing(self) -> None:
        """
        Without devices there is no poller.
        """
        self.assertIsNone(self.poller("simulators: {s: {preset: meter}}"))

    def test_one_address_one_bus(self) -> None:
        """
        Devices with one address share its connection, with a device that is configured as a bus, too; others
        become buses that clients can name.
        """
        poller = self.poller(
            "devices: {plc: {endpoint: 'tcp:10.0.0.7:502'}}\n"
            "poll:\n"
            f"  - {{device_id: 1, ip: 10.0.0.7, {ONE}}}\n"
            f"  - {{device_id: 2, ip: 10.0.0.8, port: 1502, {ONE}}}\n"
            f"  - {{device_id: 3, ip: 10.0.0.8, port: 1502, slave_id: 2, {ONE}}}\n"
        )
        assert poller is not None
        self.assertEqual(
            [each.bus_name for each in poller.devices], ["plc", "10.0.0.8:1502", "10.0.0.8:1502"]
        )
        self.assertIs(poller.devices[0].bus, self.parts.buses["plc"])
        self.assertIs(poller.devices[1].bus, poller.devices[2].bus)
        self.assertIs(self.parts.buses["10.0.0.8:1502"], poller.devices[1].bus)

    def test_named_bus(self) -> None:
        """
        A device on a bus that is configured is asked through it, and seen by whoever asks for devices.
        """
        self.parts.sinks["s"] = sink = FakeSink()
        poller = self.poller(
            "simulators: {plant: {preset: greenhouse}}\n"
            "poll: [{device_id: t, bus: plant, slave_id: 1, profile: thc}]\n"
        )
        assert poller is not None
        poller.startService()
        self.addCleanup(poller.stopService)
        self.reactor.advance(0)
        self.reactor.advance(0)
        self.assertEqual(len(sink.taken), 3)
        self.assertEqual({each.quality for each in sink.taken}, {"good"})
        (device,) = self.parts.overview.devices()
        self.assertEqual((device.id, device.bus, device.online, device.good), ("t", "plant", True, 3))

    def test_said(self) -> None:
        """
        The log says at the start how much is polled, and how often.
        """
        with capturedLogs() as logged:
            self.poller(
                "simulators: {s: {preset: meter}}\n"
                "poll: [{device_id: 1, bus: s, registers: [{address: 40001, parameter: a},"
                " {address: 40003, parameter: b, interval: 5}]}]\n"
            )
        self.assertIn(
            "polling: 1 device with 2 values in all, every 5 s and 1800 s", map(formatEvent, logged)
        )

    def test_intervals(self) -> None:
        """
        Each interval has the points that are due then.
        """
        poller = self.poller(
            "simulators: {s: {preset: meter}}\n"
            "poll: [{device_id: 1, bus: s, interval: 60, registers: [{address: 40001, parameter: a},"
            " {address: 40003, parameter: b, interval: 5}, {address: 40005, parameter: c}]}]\n"
        )
        assert poller is not None
        (device,) = poller.devices
        names = {
            interval: [device.plan.points[place].parameter for place in due]
            for interval, due in device.beats.items()
        }
        self.assertEqual(names, {5.0: ["b"], 60.0: ["a", "c"]})

    def test_too_much_for_a_line(self) -> None:
        """
        A serial line that cannot carry what is to be read ends the start, by whatever names it is called.
        """
        (sentence,) = self.refusal(
            "ports: {bus: {endpoint: 'serial:/dev/ttyUSB0:baudrate=9600'}}\n"
            f"poll: [{{device_id: 1, bus: /dev/ttyUSB0, interval: 0.05, {ONE}}},"
            f" {{device_id: 2, bus: bus, slave_id: 2, interval: 0.05, {ONE}}}]\n"
        )
        self.assertIn("poll: reading everything in time would take 127% of the time of bus;", sentence)
        self.assertIn("choose longer intervals", sentence)
