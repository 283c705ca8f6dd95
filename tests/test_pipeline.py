"""One connection to a Modbus TCP device, whatever comes on it."""

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.flight import Flight
from lumina.bus.pipeline import Pipeline
from lumina.errors import Sent
from lumina.modbus import mbap
from lumina.modbus.pdu import ReadHoldingRegisters

READ = ReadHoldingRegisters(0, 1)
GOOD = b"\x03\x02\x00\x2a"


class PipelineTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.transport = Clock(), StringTransport()
        self.landed: list[tuple[Flight, bytes, Sent | None]] = []

    def pipeline(self, last_id: int) -> Pipeline:
        pipeline = Pipeline(self.clock, last_id, lambda *landed: self.landed.append(landed), lambda _: None)
        pipeline.makeConnection(self.transport)
        return pipeline

    def sent(self) -> list[int]:
        """The transaction ids of what was sent since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return [adu.transaction for adu in mbap.Frames().received(data)]

    def test_ids_wrap(self) -> None:
        """
        Transaction ids go from 1 to 65535 and begin anew; 0 is never used, nor one that is
        under way or whose reply may still come.
        """
        pipeline = self.pipeline(0xFFFD)
        for wait in (0.5, 9.0, 9.0):
            pipeline.send(Flight([], 1, READ, wait))
        self.assertEqual(self.sent(), [0xFFFE, 0xFFFF, 1])
        self.clock.pump([0.5, 0])
        self.assertEqual([flight.wait for flight, _, _ in self.landed], [0.5])
        pipeline.last_id = 0xFFFD
        pipeline.send(Flight([], 1, READ, 9.0))
        self.assertEqual(self.sent(), [2])
        pipeline.dataReceived(mbap.encode(2, 1, GOOD))
        self.assertEqual(self.landed[-1][1:], (GOOD, None))

    def test_ids_go_on(self) -> None:
        """
        A new connection goes on where the last one ended: a gateway may still have replies to that.
        """
        pipeline = self.pipeline(41)
        pipeline.send(Flight([], 1, READ, 1.0))
        self.assertEqual(self.sent(), [42])

    def test_misfits_without_end(self) -> None:
        """
        A device that answers wrongly without end costs no memory; its right answer still counts.
        """
        pipeline = self.pipeline(0)
        pipeline.send(Flight([], 1, READ, 1.0))
        wrong, right = mbap.encode(1, 1, b"\x99\x01"), mbap.encode(1, 1, GOOD)
        for _ in range(10):
            pipeline.dataReceived(wrong * 500)
        pipeline.dataReceived(right)
        ((flight, reply, why),) = self.landed
        self.assertEqual((reply, why), (GOOD, None))
        self.assertTrue(flight.incoming.startswith(wrong * 100))
        self.assertTrue(flight.incoming.endswith(right))
        self.assertLess(len(flight.incoming), 1100)
