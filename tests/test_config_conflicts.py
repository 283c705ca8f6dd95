"""Configuration: two things that cannot both be, on one device, address, name or file."""

import os
from pathlib import Path

from lumina.config.load import loads
from tests.test_config import PORT, ConfigCase


class ConflictTests(ConfigCase):
    def two_listeners(self, one: str, other: str) -> str:
        """A configuration with two text listeners, `a` and `b`."""
        entries = (f"  {key}: {{kind: text, endpoint: '{end}'}}\n" for key, end in (("a", one), ("b", other)))
        return f"{PORT}listen:\n{''.join(entries)}"

    def test_one_device_two_ports(self) -> None:
        """
        A device has one port, whatever speeds its units have, and by whatever link it is found.
        """
        link = os.path.abspath(self.mktemp())
        Path(link).symlink_to("/dev/ttyUSB0")
        for device in ("/dev/ttyUSB0:baudrate=19200", link):
            self.assertSays(
                f"{PORT[:-2]}, two: {{endpoint: 'serial:{device}'}}}}",
                "f:1:65: ports.two.endpoint: port 'bus' has the device '"
                + device.partition(":")[0]
                + "' already; a device has one entry",
            )

    def test_port_and_slave_on_one_device(self) -> None:
        """
        What lumina asks on, it cannot answer on.
        """
        self.assertSays(
            PORT + "listen: {l: {kind: rtu-slave, endpoint: 'serial:/dev/ttyUSB0', bus: bus}}",
            "f:2:41: listen.l.endpoint: port 'bus' has the device '/dev/ttyUSB0' already; "
            "a device has one entry",
        )

    def test_one_name_two_buses(self) -> None:
        """
        A name leads to one bus, be it a key, a device or another name.
        """
        ports = (
            "ports:\n"
            "  a: {endpoint: serial:/dev/ttyS1, names: [x, b, x]}\n"
            "  b: {endpoint: serial:/dev/ttyS2, names: [/dev/ttyS1]}\n"
            "simulators: {a: {preset: meter}}\n"
        )
        self.assertEqual(
            [error.split(";")[0] for error in self.errors(ports)],
            [
                "f:2:50: ports.a.names.2: 'x' is a name of port 'a' already",
                "f:3:3: ports.b: 'b' is a name of port 'a' already",
                "f:3:44: ports.b.names.0: '/dev/ttyS1' is a name of port 'a' already",
                "f:4:14: simulators.a: 'a' is a name of port 'a' already",
            ],
        )

    def test_one_file_two_uses(self) -> None:
        """
        What one simulator writes is not what another writes, nor a map.
        """
        kept = "{preset: meter, save: a, missing: ./a}"
        self.assertSays(
            f"simulators:\n  s: {kept}\n  t: {{preset: meter, save: a}}\n  u: {{preset: meter, save: b}}\n",
            "f:2:40: simulators.s.missing: './a' is 'save' of simulator 's' already; a file has one use",
            "f:3:28: simulators.t.save: 'a' is 'save' of simulator 's' already; a file has one use",
        )
        map_ = Path(self.mktemp()).resolve()
        map_.write_text("holding_registers: {size: 1}")
        self.assertSays(
            f"simulators: {{s: {{save: {map_}, map: {map_}}}, t: {{map: {map_}}}}}",
            f"f:1:24: simulators.s.save: '{map_}' is 'map' of simulator 's' already; a file has one use",
        )

    def test_no_such_bus(self) -> None:
        """
        A reference to nothing is reported with the nearest name.
        """
        self.assertSays(
            PORT + "listen: {l: {kind: rtu-slave, endpoint: 'pty:/run/l', bus: /dev/ttyUSB1}}",
            "f:2:60: listen.l.bus: no bus is called '/dev/ttyUSB1'; did you mean '/dev/ttyUSB0'?",
        )

    def test_one_address_two_listeners(self) -> None:
        """
        Two listeners cannot have one address; all interfaces include each of them.
        """
        for one, other in (
            ("tcp:8888", "tcp:8888:interface=127.0.0.1"),
            ("tcp:8888", "tcp:8888:interface=0.0.0.0"),
            ("unix:/run/a", "unix:/run/a:mode=600"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
        ):
            text = self.two_listeners(one, other)
            self.assertSays(text, "f:4:29: listen.b.endpoint: listener 'a' has this address already")

    def test_different_addresses(self) -> None:
        """
        Different ports, interfaces or paths do not disturb each other, and port 0 is any free one.
        """
        for one, other in (
            ("tcp:8888", "tcp:8889"),
            ("tcp:8888", "tcp:8888:interface=192.0.2.7"),
            ("tcp:0", "tcp:0"),
            ("unix:/run/a", "unix:/run/b"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1"),
        ):
            text = self.two_listeners(one, other)
            self.assertEqual(len(loads(text, "f").listen), 2)
