"""What other packages bring: how it is found, named and configured."""

from collections.abc import Mapping

from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from lumina.config.listeners import Plugged
from lumina.config.load import loads
from lumina.errors import ConfigError
from lumina.interfaces import Site
from lumina.plugins import BusName, IFrontEnd, Settings, by_kind, front_ends, nearest

SHOUTING = (
    "ports: {bus: {endpoint: 'serial:/dev/ttyUSB0'}}\n"
    "listen: {s: {kind: shout, endpoint: tcp:7777, greeting: hi, bus: bus}}\n"
)


class ShoutSettings(Settings):
    """Settings as another package would bring them."""

    greeting: str
    bus: BusName


@implementer(IPlugin, IFrontEnd)
class Shout:
    """A front end as another package would bring it."""

    kind = "shout"
    settings = ShoutSettings

    def factory(self, settings: ShoutSettings, site: Site) -> IProtocolFactory:
        return Factory()


class Whisper(Shout):
    """Another one, which claims the same kind."""


class FoundTests(SynchronousTestCase):
    def test_by_kind(self) -> None:
        """
        A front end is found by its kind, and only once however often it is seen.
        """
        shout = Shout()
        self.assertEqual(by_kind([shout, shout]), {"shout": shout})

    def test_kind_claimed_twice(self) -> None:
        """
        Two packages that bring the same kind are both named.
        """
        error = self.assertRaises(ValueError, by_kind, [Shout(), Whisper()])
        self.assertEqual(
            str(error),
            "two installed packages bring the kind 'shout': "
            "tests.test_plugins.Shout and tests.test_plugins.Whisper; remove one of them",
        )

    def test_search(self) -> None:
        """
        The search itself runs through Twisted's plug-ins, and each has its own kind for a key.
        """
        for kind, front_end in front_ends().items():
            self.assertEqual(front_end.kind, kind)

    def test_interface(self) -> None:
        """
        The interface says all that a front end must have.
        """
        self.assertTrue(verifyObject(IFrontEnd, Shout()))


class ConfiguredTests(SynchronousTestCase):
    def found(self) -> Mapping[str, IFrontEnd]:
        """The front ends of other packages."""
        return by_kind([Shout()])

    def errors(self, text: str) -> list[str]:
        """What is said about a configuration that is wrong."""
        return str(self.assertRaises(ConfigError, loads, text, "f", self.found)).splitlines()

    def test_own_settings(self) -> None:
        """
        A front end has its own keys beside the common ones, and gets them as its own model.
        """
        listener = loads(SHOUTING, "f", self.found).listen["s"]
        assert isinstance(listener, Plugged)
        self.assertEqual(listener.settings, ShoutSettings(greeting="hi", bus="bus"))
        self.assertEqual((listener.address, listener.writable), ("tcp:7777:interface=127.0.0.1", True))

    def test_errors_in_own_settings(self) -> None:
        """
        Its settings are checked as lumina's own are: types, unknown keys, references.
        """
        self.assertEqual(
            self.errors(SHOUTING.replace("greeting: hi", "greetin: 5").replace("bus: bus}", "bus: bsu}")),
            [
                "f:2:10: listen.s.greeting: it is required, and not here",
                "f:2:47: listen.s.greetin: unknown key 'greetin'; did you mean 'greeting'?",
                "f:2:64: listen.s.bus: no bus is called 'bsu'; did you mean 'bus'?",
            ],
        )

    def test_unknown_kind(self) -> None:
        """
        An unknown kind is met with the kinds of all installed packages.
        """
        self.assertEqual(
            self.errors(SHOUTING.replace("shout", "x")),
            [
                "f:2:20: listen.s.kind: no kind of listener is called 'x'; "
                "known: modbus-tcp, rtu-slave, rtu-tcp, shout, text"
            ],
        )

    def test_only_looked_up_when_needed(self) -> None:
        """
        A configuration without foreign kinds does not search for packages.
        """
        text = SHOUTING.splitlines()[0] + "\nlisten: {t: {kind: text, endpoint: tcp:8888}}\n"
        loads(text, "f", lambda: self.fail("searched"))

    def test_kind_claimed_twice(self) -> None:
        """
        A configuration that uses a kind which two packages bring is an error, at the listener.
        """
        self.found = lambda: by_kind([Shout(), Whisper()])  # type: ignore[method-assign]
        (error,) = self.errors(SHOUTING)
        self.assertTrue(
            error.startswith("f:2:10: listen.s: two installed packages bring the kind 'shout'"), error
        )

    def test_settings_apart_from_lumina(self) -> None:
        """
        A package tests its settings by themselves: there, any bus may be named.
        """
        self.assertEqual(ShoutSettings(greeting="hi", bus="anything").bus, "anything")


class NearestTests(SynchronousTestCase):
    def test_nearest(self) -> None:
        """
        One word that is close is proposed, else all of them are listed.
        """
        self.assertEqual(nearest("plnt", ["plant", "meter"]), "did you mean 'plant'?")
        self.assertEqual(nearest("x", ["plant", "meter"]), "known: meter, plant")
        self.assertEqual(nearest("x", []), "known: none")


class EndpointTests(SynchronousTestCase):
    def test_strings(self) -> None:
        """
        Twisted reads lumina's types of endpoint wherever it reads endpoint strings.
        """
        for text in ("serial:/dev/ttyS0:baudrate=19200:parity=E", "pty:/tmp/line:baudrate=19200"):
            endpoint = clientFromString(Clock(), text)
            self.assertTrue(IStreamClientEndpoint.providedBy(endpoint), text)
        self.assertRaises(ValueError, clientFromString, Clock(), "serial:/dev/ttyS0:baudrate=fast")
