"""Modbus TCP listeners: routes and limits, as they are configured."""

import re
from typing import Any

from lumina.config.gateway import Gateway
from lumina.config.load import loads
from tests.test_config import ConfigCase

BUSES = """\
ports: {serial: {endpoint: 'serial:/dev/ttyS1'}}
simulators: {plant: {preset: meter}}
listen:
  l:
    endpoint: tcp:502
"""


class RouteTests(ConfigCase):
    def gateway(self, keys: str, kind: str = "modbus-tcp") -> Gateway:
        """A listener with these further keys."""
        listener = loads(f"{BUSES}    kind: {kind}\n    {keys}\n", "f").listen["l"]
        assert isinstance(listener, Gateway)
        return listener

    def targets(self, routes: str) -> Any:
        """Where its unit ids lead."""
        return self.gateway(f"routes: {{{routes}}}").targets

    def wrong(self, keys: str, kind: str = "modbus-tcp") -> str:
        """What is said about a key, and nothing else."""
        (error,) = self.errors(f"{BUSES}    kind: {kind}\n    {keys}\n")
        return error

    def test_same_units(self) -> None:
        """
        A range that leads to a bus leads to the units with these ids.
        """
        self.assertEqual(
            self.targets("1-2: serial, 100: plant"),
            {1: ("serial", 1), 2: ("serial", 2), 100: ("plant", 100)},
        )

    def test_other_units(self) -> None:
        """
        Unit ids can lead to one unit of a bus, or each to its own.
        """
        self.assertEqual(
            self.targets("40-42: serial/1-3, 7-8: plant/1, 100: /dev/ttyS1/9"),
            {
                40: ("serial", 1),
                41: ("serial", 2),
                42: ("serial", 3),
                7: ("plant", 1),
                8: ("plant", 1),
                100: ("/dev/ttyS1", 9),
            },
        )

    def test_device_as_bus(self) -> None:
        """
        A bus whose name looks like a bus and a unit is that bus.
        """
        text = BUSES.replace("ttyS1'}", "ttyS1', names: [x/1]}")
        listener = loads(f"{text}    kind: modbus-tcp\n    routes: {{5: x/1, 6: x/1/2}}\n", "f").listen["l"]
        assert isinstance(listener, Gateway)
        self.assertEqual(listener.targets[5], ("x/1", 5))

    def test_default(self) -> None:
        """
        The default is for all unit ids that are not listed, but not for broadcast.
        """
        targets = self.targets("1: plant, default: serial")
        self.assertEqual(
            (targets[1], targets[2], targets[255]), (("plant", 1), ("serial", 2), ("serial", 255))
        )
        self.assertNotIn(0, targets)

    def test_default_unit(self) -> None:
        """
        Where the default is a single unit, there is no doubt whom 0 means.
        """
        targets = self.targets("default: serial/3")
        self.assertEqual({targets[each] for each in range(256)}, {("serial", 3)})

    def test_broadcast(self) -> None:
        """
        Broadcast leads where it is said to, to all units or to one.
        """
        self.assertEqual(self.targets("0: serial")[0], ("serial", 0))
        self.assertEqual(self.targets("0: serial/255")[0], ("serial", 255))

    def test_no_route(self) -> None:
        """
        What is answered where no route leads is said by one word.
        """
        for word, code in (("0A", 0x0A), ("0B", 0x0B), ("silence", None)):
            listener = self.gateway(f"routes: {{1: plant}}\n    unknown_unit: {word}")
            self.assertEqual(listener.exception, code)

    def test_mistakes(self) -> None:
        """
        Each mistake in routes is one sentence, at its place, with the value and what is allowed.
        """
        for routes, said in (
            (
                "{}",
                "7:5: it leads nowhere; to lead all unit ids to one bus say {default: BUS}",
            ),
            (
                "{1-5: serial, 5-9: plant}",
                "7:5: 1-5 and 5-9 overlap at 5; a unit id leads to one bus",
            ),
            ("{9-1: serial}", "7:14: 9-1: the first, 9, is above the last, 1"),
            (
                "{256: serial}",
                "7:14: 256: 256 is not within 0 to 255, as a unit id must be",
            ),
            (
                "{x: serial}",
                "7:14: x: 'x' is none of: a unit id, a range of them such as 1-31, default",
            ),
            ("{1: serail}", "7:17: 1: no bus is called 'serail'; did you mean 'serial'?"),
            ("{1: serail/4}", "7:17: 1: no bus is called 'serail'; did you mean 'serial'?"),
            (
                "{1: serial/0}",
                "7:17: 1: 0 is not within 1 to 255, as a unit that a route leads to must be",
            ),
            (
                "{1-3: serial/1-2}",
                "7:5: 1-3: serial/1-2 are 2 units for 3 unit ids; it takes one unit for all, or one for each",
            ),
            (
                "{1: 7}",
                "7:17: 1: it should be a bus, or a bus and a unit: plc/1 or plc/1-10; got 7",
            ),
        ):
            error = self.wrong(f"routes: {routes}")
            self.assertEqual(re.sub(r"listen\.l\.routes[.:] ?", "", error), f"f:{said}")

    def test_all_at_once(self) -> None:
        """
        Several mistakes are all reported.
        """
        errors = self.errors(f"{BUSES}    kind: modbus-tcp\n    routes: {{9-1: serial, 300: nobody}}\n")
        self.assertEqual(len(errors), 3)

    def test_limits(self) -> None:
        """
        Fewer than 16 requests under way are less than the specification has clients expect.
        """
        self.assertIn("15 is below the limit of 16", self.wrong("routes: {1: plant}\n    in_flight: 15"))

    def test_impossible_faults(self) -> None:
        """
        A fault that a kind of connection cannot have is refused, and named.
        """
        for kind, key, where in (
            ("modbus-tcp", "bad_crc: true", "Modbus TCP"),
            ("modbus-tcp", "gone: 1", "Modbus TCP"),
            ("modbus-tcp", "echo: true", "Modbus TCP"),
            ("rtu-tcp", "transaction: 1", "RTU over TCP"),
            ("rtu-tcp", "babble: 1", "RTU over TCP"),
        ):
            said = self.wrong(f"routes: {{1: plant}}\n    faults: [{{{key}}}]", kind)
            self.assertIn(f"listen.l.faults.0: {key.split(':')[0]}: {where} knows no such fault", said)
        for key in ("transaction: 1", "close: true"):
            (said,) = self.errors(
                f"simulators: {{s: {{preset: meter}}}}\nlisten:\n  l:\n    kind: rtu-slave\n    bus: s\n"
                f"    endpoint: pty:/x\n    faults: [{{{key}}}]\n"
            )
            self.assertIn("a serial line knows no such fault", said)
