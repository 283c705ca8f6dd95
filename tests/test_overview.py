"""What may be asked about the service."""

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.errors import InvalidPort
from lumina.interfaces import Exchange, Outcome, Terms
from lumina.modbus.pdu import ReadHoldingRegisters
from lumina.status import ClientStatus, PortStatus
from lumina.watch.overview import LiveOverview

STATUS = PortStatus("bus", "/dev/ttyS0", ("/dev/ttyS9",), "9600 8N1", "idle")
READ = ReadHoldingRegisters(0, 1)
OUTCOME = Outcome("bus", 1, READ, Terms(), "ok", 0.0, 0.1, 0.2)
EXCHANGE = Exchange("bus", 1, READ, 9600, b"12345678", b"1234567", "ok", 1.0, 1.008, 1.02, 1.027)


class OverviewTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.status = STATUS
        self.overview = LiveOverview(self.clock.seconds)
        self.overview.add_port(lambda: self.status, lambda: {1: "suspended"})
        self.overview.add_port(lambda: replace(STATUS, name="other", device="/dev/ttyS1", names=()))

    def test_ports(self) -> None:
        """
        Each port is shown as it is, with the number of requests that ended with each word.
        """
        for outcome in (OUTCOME, OUTCOME._replace(word="timeout"), OUTCOME):
            self.overview.outcome(outcome)
        first, second = self.overview.ports()
        self.assertEqual(first, replace(STATUS, words={"ok": 2, "timeout": 1}))
        self.assertEqual((second.name, second.words), ("other", {}))

    def test_statistics(self) -> None:
        """
        A port has one count: what it shows of its requests is what its statistics say.
        """
        self.overview.outcome(OUTCOME)
        self.overview.exchange(EXCHANGE)
        self.clock.advance(10.0)
        first, second = self.overview.statistics()
        self.assertEqual((first.port, first.traffic.requests, first.traffic.exchanges), ("bus", 1, 1))
        self.assertEqual(first.traffic.words, self.overview.ports()[0].words)
        self.assertAlmostEqual(first.busy, 0.0015)
        self.assertEqual((second.port, second.traffic.requests, second.seconds), ("other", 0, 10.0))

    def test_depth(self) -> None:
        """
        The depth of a queue is what its port says it is, and was at the most.
        """
        self.status = replace(STATUS, waiting=7, deepest=40)
        statistics = self.overview.statistics("bus")[0]
        self.assertEqual((statistics.waiting, statistics.deepest), (7, 40))

    def test_simulated(self) -> None:
        """
        A simulated unit was last seen when it last answered, if only with an exception; what it was asked,
        and what came of it, is counted as if there was a wire.
        """
        self.overview.add_port(lambda: replace(STATUS, name="plant"), is_simulated=True)
        of_plant = OUTCOME._replace(port="plant", sent=0.0, answered=0.0)
        for unit, word in enumerate(("ok", "exception_02", "timeout"), 1):
            self.overview.outcome(of_plant._replace(unit=unit, word=word))
        self.overview.outcome(of_plant._replace(unit=0))
        self.overview.outcome(of_plant._replace(unit=4, sent=None, word="denied"))
        self.clock.advance(3.0)
        self.assertEqual(
            {each.unit: each.seen for each in self.overview.units("plant")},
            {0: None, 1: 3.0, 2: 3.0, 3: None, 4: None},
        )
        traffic = self.overview.statistics("plant")[0].traffic
        self.assertEqual(
            (traffic.exchanges, traffic.replies, traffic.exceptions, traffic.timeouts), (4, 2, {2: 1}, 1)
        )

    def test_units(self) -> None:
        """
        Units are shown by port and number, with what their port makes of them.
        """
        for port, unit in (("other", 1), ("bus", 9), ("bus", 1)):
            self.overview.outcome(OUTCOME._replace(port=port, unit=unit))
        self.overview.exchange(EXCHANGE)
        self.clock.advance(3.027)
        units = self.overview.units()
        self.assertEqual([(each.port, each.unit) for each in units], [("bus", 1), ("bus", 9), ("other", 1)])
        self.assertEqual([each.state for each in units], ["suspended", "", ""])
        self.assertEqual([each.seen for each in units], [2.0, None, None])
        self.assertEqual([each.unit for each in self.overview.units("other")], [1])

    def test_names(self) -> None:
        """
        Any name of a port will do; a wrong one is told the right ones, and cannot trick a terminal.
        """
        for name in ("bus", "/dev/ttyS0", "/dev/ttyS9"):
            self.assertEqual([each.port for each in self.overview.statistics(name)], ["bus"])
        for ask in (self.overview.statistics, self.overview.units):
            error = self.assertRaises(InvalidPort, ask, "b\x1bs" + 99 * "x")
            self.assertRegex(
                str(error), r"^'b\\x1bsx{20,40} is neither a serial bus nor a device; there are: bus, other$"
            )

    def test_clients(self) -> None:
        """
        Clients are shown while they are connected, oldest first.
        """
        first, second = (ClientStatus(name, "text", "127.0.0.1:1", 0.0) for name in ("text#2", "text#1"))
        self.overview.connected(first)
        self.overview.connected(second)
        self.assertEqual(list(self.overview.clients()), [first, second])
        self.overview.disconnected(first)
        self.assertEqual(list(self.overview.clients()), [second])
