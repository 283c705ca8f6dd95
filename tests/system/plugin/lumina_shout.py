"""
A front end for lumina: whoever connects is told one value, and let go.

It needs no protocol to be asked by; `nc 127.0.0.1 7777` is a client.
"""

from itertools import count
from typing import Annotated

from pydantic import Field
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from lumina.interfaces import ClientStatus, Site, Terms, pdu
from lumina.plugins import BusName, IFrontEnd, Settings


class ShoutSettings(Settings):
    """Whose holding register is told, and how; its address counts from zero."""

    bus: BusName
    unit: Annotated[int, Field(ge=1, le=247)]
    address: Annotated[int, Field(ge=0, le=65535)] = 0
    greeting: str


class Shout(Protocol):
    """One connection: a request, a line, and the end."""

    def __init__(self, settings: ShoutSettings, site: Site, client: ClientStatus) -> None:
        self._settings = settings
        self._site = site
        self._client = client

    def connectionMade(self) -> None:
        self._site.overview.connected(self._client)
        request = pdu.ReadHoldingRegisters(self._settings.address, 1)
        terms = Terms(client=self._client.name, type="shout")
        self._asked = self._site.buses[self._settings.bus].execute(self._settings.unit, request, terms)
        self._asked.addCallbacks(self._tell, self._excuse)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._asked.cancel()  # it need not be sent for somebody who has left
        self._site.overview.disconnected(self._client)

    def _tell(self, reply: pdu.Reply) -> None:
        self._last_line(f"{self._settings.greeting} {reply.registers[0]}")

    def _excuse(self, failure: Failure) -> None:
        self._last_line(f"Sorry: {failure.getErrorMessage()}")

    def _last_line(self, line: str) -> None:
        assert self.transport is not None
        self.transport.write(f"{line}\r\n".encode())
        self.transport.loseConnection()


class ShoutFactory(Factory):
    """One listener."""

    noisy = False

    def __init__(self, settings: ShoutSettings, site: Site) -> None:
        self._settings = settings
        self._site = site
        self._numbers = count(1)

    def buildProtocol(self, address: IAddress | None) -> Shout:
        name = f"{self._site.listener}#{next(self._numbers)}"
        client = ClientStatus(name, self._site.listener, str(address), self._site.reactor.seconds())
        return Shout(self._settings, self._site, client)


@implementer(IPlugin, IFrontEnd)
class FrontEnd:
    """What lumina finds."""

    kind = "shout"
    settings = ShoutSettings

    def factory(self, settings: ShoutSettings, site: Site) -> IProtocolFactory:
        return ShoutFactory(settings, site)
