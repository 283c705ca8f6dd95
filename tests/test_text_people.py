"""What the text front end says of the service to people: help, buses, units, devices, the spool."""

import re
from dataclasses import replace

from lumina.readings import Point, Reading
from lumina.status import (
    Change,
    Cycles,
    DeviceStatus,
    PointStatus,
    PortStatistics,
    PortStatus,
    SinkStatus,
    UnitStatistics,
)
from lumina.testing import FakeOverview
from tests.text_case import GOOD, READ, TRAFFIC, TextCase


class PeopleTests(TextCase):
    def test_help(self) -> None:
        """
        Help shows how to ask, and every command; an empty line ends it.
        """
        self.connection.dataReceived(b"help\r\n")
        said = self.said()
        for word in (
            b"id:type:port",
            b"test:THC:/dev/ttyAMA2:9600:010300000002C40B:9:0.5",
            b"ports",
            b"stats",
            b"units",
            b"version",
            b"quit",
        ):
            self.assertIn(word, said)
        self.assertTrue(said.endswith(b"\n\n"))

    def test_ports(self) -> None:
        """
        Each port is a line: names, line, state.
        """
        self.connection.dataReceived(b"ports\n")
        self.assertEqual(self.said(), b"bus: /dev/ttyAMA1, 9600 8N1, idle; also /dev/ttyAMA2; waiting=0\n\n")

    def test_stats(self) -> None:
        """
        Each port is a row: what it has carried, how fast, and how busy it is.
        """
        self.connection.dataReceived(b"stats\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "port  requests  failed  exchanges  reply mean    p95  wait mean    busy  queue  most",
                "bus          8  25.0 %          7       20 ms  40 ms      1.5 s  12.3 %      3    17",
                "",
                "",
            ],
        )

    def test_stats_of_one(self) -> None:
        """
        All about one port fits on a screen, whichever of its names is used.
        """
        said = set()
        for name in (b"bus", b"/dev/ttyAMA1", b"/dev/ttyAMA2"):
            self.connection.dataReceived(b"stats " + name + b"\n")
            said.add(self.said().decode())
        self.assertEqual(
            said.pop().split("\n"),
            [
                "bus",
                "  line         /dev/ttyAMA1, 9600 8N1, idle",
                "  watched for  2 h",
                "  requests     8, 25.0 % failed, 1 shared an exchange, 1 write unconfirmed",
                "  ended as     exception_02=1 ok=6 timeout=1",
                "  exchanges    7, of them 6 with a sound reply",
                "  exceptions   1, 1 of code 02",
                "  no reply     1 timeout, 2 wrong CRCs, 3 short",
                "  astray       4 late and 5 foreign frames, 6 bytes of noise, 7 stale bytes",
                "  reply time   mean 20 ms, min 10 ms, max 50 ms",
                "  percentiles  half under 15 ms, 95 % under 40 ms, 99 % under 45 ms",
                "  wait         mean 1.5 s, min 0.2 ms, max 120 s",
                "  queue        3 waiting now, 17 at most",
                "  line busy    12.3 % of the last minute, 45.6 % of all time",
                "  echo         not known yet",
                "",
                "",
            ],
        )
        self.assertEqual(said, set())

    def test_echo_of_a_line_alone(self) -> None:
        """
        Of a bus that is no serial line nobody is told whether it echoes.
        """
        self.overview = FakeOverview(
            [PortStatus("bus", "tcp:192.0.2.7:502", (), "Modbus TCP", "idle", echo=False)],
            [PortStatistics("bus", TRAFFIC)],
        )
        self.client()
        self.connection.dataReceived(b"stats bus\n")
        said = self.said().decode()
        self.assertIn("line busy", said)
        self.assertNotIn("echo", said)

    def test_from_memory(self) -> None:
        """
        Where a port remembers replies, `stats` and `units` show how many were given so, and the oldest.
        """
        traffic = replace(TRAFFIC, remembered=5, oldest=0.4871)
        self.overview = FakeOverview(
            self.ports,
            [PortStatistics("bus", traffic)],
            [UnitStatistics("bus", 1, traffic), UnitStatistics("bus", 2, TRAFFIC)],
        )
        self.client()
        self.connection.dataReceived(b"stats bus\n")
        self.assertIn("  from memory  5 requests, 487 ms old at most\n", self.said().decode())
        self.connection.dataReceived(b"units\n")
        head, one, two = self.said().decode().splitlines()[:3]
        place = head.index("from memory")
        self.assertEqual(one[place:].split()[:3], ["5", "487", "ms"])
        self.assertEqual(two[place:].split()[:3], ["0", "0", "ms"])

    def test_spool(self) -> None:
        """
        `spool` tells of each sink what has become of the readings that it took, and what is wrong.
        """
        self.overview = FakeOverview(
            sinks=[
                SinkStatus("api", "post", "holding", 100, 90, 2, 3, 5, 7200.0, 1, error="401 Unauthorized"),
                SinkStatus("file", "jsonl", taken=7, delivered=7),
            ]
        )
        self.client()
        self.connection.dataReceived(b"spool\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "sink  kind   taken  delivered  dead  gap  queued  oldest  missed  state",
                "api   post     100         90     2    3       5     2 h       1  holding",
                "file  jsonl      7          7     0    0       0       -       0  idle",
                "api: 401 Unauthorized",
                "",
                "",
            ],
        )

    def test_devices(self) -> None:
        """
        `devices` tells how the polling of each device goes, and `devices ID` all values of one; what a device
        has in its texts breaks no line.
        """
        point = Point("pump 1", "State", unit="")
        seen = PointStatus("State", "", Reading(point, "on\noff", 0.0), 12.0)
        both = seen, PointStatus("Flow", "L/min", Reading(point, None, 0.0, "timeout", "no answer"), 3.0)
        self.overview = FakeOverview(
            devices=[
                DeviceStatus("pump 1", "plant", 7, True, 130, "", 1, 1, 3, both, Cycles(9, 1, 0, 0.25)),
                DeviceStatus(2, "plant", 8, points=(PointStatus("V", "V"),)),
            ]
        )
        self.client()
        self.connection.dataReceived(b"devices\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "device  bus    unit  state      for  good  bad     read  cycles  failed  skipped    took",
                "pump 1  plant     7  online   2 min     1    1  3 s ago       9       1        0  250 ms",
                "2       plant     8  unknown      -     0    0    never       0       0        0       -",
                "",
                "",
            ],
        )
        self.connection.dataReceived(b"devices pump 1\n")
        self.assertEqual(
            self.said().decode().split("\n"),
            [
                "pump 1: unit 7 on plant, online for 2 min",
                "  parameter   value  in         read  quality",
                "  State      on?off  -      12 s ago  good",
                "  Flow            -  L/min   3 s ago  timeout no answer",
                "",
                "",
            ],
        )
        self.connection.dataReceived(b"devices 3\n")
        sentence = b"'3' is not a device that is polled; there are: pump 1, 2"
        self.assertEqual(self.said(), b"ERROR:-:bad_request: " + sentence + b"\n")

    def test_changes_of_a_device(self) -> None:
        """
        `devices ID` tells how values have changed lately, the newest first; the first reading is no change.
        """
        points = []
        for parameter, unit, values in (("State", "", ["off", "on", None]), ("Flow", "L/min", [1.5, 2.5])):
            point = Point("p", parameter, unit=unit)
            read = [
                Reading(point, value, 10.0 * at, "good" if value is not None else "timeout")
                for at, value in enumerate(values)
            ]
            changes = [Change(*pair) for pair in zip([None, *read], read, strict=False)]
            points.append(PointStatus(parameter, unit, read[-1], 100 - read[-1].at, changes[::-1]))
        self.overview = FakeOverview(devices=[DeviceStatus("p", "plant", 7, points=tuple(points))])
        self.client()
        self.connection.dataReceived(b"devices p\n")
        self.assertEqual(
            self.said().decode().split("\n")[4:],
            [
                "   changed  parameter  change",
                "  80 s ago  State      on -> timeout",
                "  90 s ago  State      off -> on",
                "  90 s ago  Flow       1.5 -> 2.5",
                "",
                "",
            ],
        )

    def test_many_devices(self) -> None:
        """
        Of very many devices those in trouble are listed first, and not all.
        """
        listed = [
            DeviceStatus(id, "b", 1, id != 700, bad=int(id == 800), cycles=Cycles(1, 0, int(id == 900)))
            for id in range(1000)
        ]
        self.overview = FakeOverview(devices=listed)
        self.client()
        self.connection.dataReceived(b"devices\n")
        said = self.said().decode().split("\n")
        self.assertEqual([line.split()[0] for line in said[1:6]], ["700", "800", "900", "0", "1"])
        self.assertEqual(
            said[101:],
            ["100 of 1000 devices, those in trouble first; 999 are online; devices ID tells of any", "", ""],
        )

    def test_units(self) -> None:
        """
        Each unit is a row: how it has answered, when it was last seen, and what was wrong last.
        """
        self.connection.dataReceived(b"units /dev/ttyAMA2\n")
        self.assertEqual(
            [re.split(" {2,}", line) for line in self.said().decode().split("\n")[1:3]],
            [
                ["bus", "1", "8", "6", "25.0 %", "90 s ago", "20 ms", "50 ms", "suspended", "timeout"],
                ["bus", "18", "0", "0", "0.0 %", "never", "-", "-", "-", "-"],
            ],
        )

    def test_units_on_the_wire(self) -> None:
        """
        Where a port is named, what the exchanges with each unit have brought follows.
        """
        self.connection.dataReceived(b"units bus\n")
        lines = [re.split(" {2,}", line) for line in self.said().decode().split("\n")[3:-2]]
        head = "unit|exchanges|replies|refused with|timeouts|late|foreign|noise|stale|wrong CRC|short"
        self.assertEqual(lines[0], f"port|{head}|reply p50|p95|wait mean|most".split("|"))
        wire = "7|6|02:1|1|4|5|6|7|2|3|15 ms|40 ms|1.5 s|120 s"
        self.assertEqual(lines[1], ["bus", "1", *wire.split("|")])
        self.assertEqual(lines[2], ["bus", "18", "0", "0", "-", *7 * ["0"], *4 * ["-"]])

    def test_nothing_known(self) -> None:
        """
        Where nothing has happened there are no times, and where no unit was asked only the heading.
        """
        self.overview = FakeOverview(self.ports, [PortStatistics("bus")])
        self.client()
        self.connection.dataReceived(b"stats bus\nunits\n")
        said = self.said().decode().split("\n")
        self.assertIn("  reply time   -", said)
        self.assertIn("  percentiles  -", said)
        self.assertIn("  ended as     -", said)
        self.assertTrue(said[-3].startswith("port"))

    def test_unknown_port(self) -> None:
        """
        A port that is not there is told the ones that are.
        """
        for command in (b"stats", b"units"):
            self.connection.dataReceived(command + b" nowhere else\n")
            self.assertEqual(
                self.said(),
                b"ERROR:-:invalid_port: 'nowhere else' is neither a serial bus nor a device;"
                b" there are: bus\n",
            )

    def test_version(self) -> None:
        """
        The version is said.
        """
        self.connection.dataReceived(b"VERSION\n")
        self.assertRegex(self.said().decode(), r"^lumina \d+\.\d+\.\d+\n\n$")

    def test_quit(self) -> None:
        """
        Quit closes the connection, after the answers that are due.
        """
        self.connection.dataReceived(b"a" + READ + b"quit\n" + b"b" + READ)
        self.assertTrue(self.socket.is_open)
        self.assertEqual(len(self.bus.asked), 1)
        self.bus.asked[0].reply(GOOD)
        self.assertIn(b"OK:a:", self.said())
        self.assertFalse(self.socket.is_open)
