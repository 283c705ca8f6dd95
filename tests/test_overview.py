"""What may be asked about the service."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from lumina.interfaces import ClientStatus, Outcome, PortStatus, Terms
from lumina.modbus.pdu import ReadHoldingRegisters
from lumina.watch.overview import LiveOverview

STATUS = PortStatus("bus", "/dev/ttyS0", (), "9600 8N1", "idle")
OUTCOME = Outcome("bus", 1, ReadHoldingRegisters(0, 1), Terms(), "ok", 0.0, 0.1, 0.2)


class OverviewTests(SynchronousTestCase):
    def test_ports(self) -> None:
        """
        Each port is shown as it is, with the number of requests that ended with each word.
        """
        overview = LiveOverview()
        overview.add_port(lambda: STATUS)
        overview.add_port(lambda: replace(STATUS, name="other"))
        for outcome in (OUTCOME, replace(OUTCOME, word="timeout"), OUTCOME):
            overview.outcome(outcome)
        self.assertEqual(
            list(overview.ports()),
            [replace(STATUS, words={"ok": 2, "timeout": 1}), replace(STATUS, name="other")],
        )

    def test_clients(self) -> None:
        """
        Clients are shown while they are connected, oldest first.
        """
        overview = LiveOverview()
        first, second = (ClientStatus(name, "text", "127.0.0.1:1", 0.0) for name in ("text#2", "text#1"))
        overview.connected(first)
        overview.connected(second)
        self.assertEqual(list(overview.clients()), [first, second])
        overview.disconnected(first)
        self.assertEqual(list(overview.clients()), [second])
