"""The front end by itself, with neither network nor service."""

from lumina_shout import FrontEnd, ShoutSettings
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from lumina.plugins import IFrontEnd
from lumina.testing import FakeBus, FakeOverview, site


class ShoutTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Somebody has connected."""
        self.bus, self.overview = FakeBus(), FakeOverview()
        settings = ShoutSettings(bus="plant", unit=18, address=3, greeting="It is")
        factory = FrontEnd().factory(settings, site({"plant": self.bus}, overview=self.overview))
        self.transport = StringTransport()
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000))
        assert protocol is not None
        self.protocol = protocol
        self.protocol.makeConnection(self.transport)

    def test_front_end(self) -> None:
        """
        lumina finds all that it asks of a front end.
        """
        self.assertTrue(verifyObject(IFrontEnd, FrontEnd()))

    def test_value(self) -> None:
        """
        Whoever connects is told the value of the register, and let go.
        """
        (asked,) = self.bus.asked
        self.assertEqual((asked.unit, asked.request.encode()), (18, b"\x03\x00\x03\x00\x01"))
        asked.reply(b"\x03\x02\x00\x2a")
        self.assertEqual(self.transport.value(), b"It is 42\r\n")
        self.assertTrue(self.transport.disconnecting)

    def test_leaving(self) -> None:
        """
        Nothing is read for somebody who has left, and he is no longer listed.
        """
        self.assertEqual([client.listener for client in self.overview.clients()], ["test"])
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((len(self.bus.withdrawn), list(self.overview.clients())), (1, []))

    def test_no_value(self) -> None:
        """
        When there is no value, the line says why.
        """
        self.bus.asked[0].done.cancel()
        self.assertEqual(self.transport.value(), b"Sorry: withdrawn before it was sent\r\n")
