"""What lumina adds to Twisted: names only, so that discovery stays cheap for every service on the machine."""

from typing import Any

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import implementer


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class EndpointParser:
    """
    A type of endpoint string, whose code is imported when one is used.

    @ivar prefix: what its endpoint strings begin with.
    """

    def __init__(self, prefix: str, name: str) -> None:
        """
        @param name: the dotted name of a function that takes the reactor and
            the arguments of the string, and returns the endpoint.
        """
        self.prefix = prefix
        self._name = name

    def parseStreamClient(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = namedAny(self._name)(reactor, *args, **kwargs)
        return endpoint


@implementer(IPlugin, IStreamServerEndpointStringParser)
class ServerEndpointParser:
    """
    The same for what is listened on.

    @ivar prefix: what its endpoint strings begin with.
    """

    def __init__(self, prefix: str, name: str) -> None:
        """@param name: as of an `EndpointParser`."""
        self.prefix = prefix
        self._name = name

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamServerEndpoint:
        endpoint: IStreamServerEndpoint = namedAny(self._name)(reactor, *args, **kwargs)
        return endpoint


lumina = ServiceMaker("lumina", "lumina.tap", "Shares Modbus devices among many programs.", "lumina")
serial = EndpointParser("serial", "lumina.bus.serial.endpoint")
pty = EndpointParser("pty", "lumina.simulator.pty.endpoint")
mbaps = ServerEndpointParser("mbaps", "lumina.tls.endpoint")
