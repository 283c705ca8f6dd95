"""
What the connections of all front ends over TCP have in common: who asks, how
long a client may be idle, how one that does not read is held, how it parts.
"""

from abc import abstractmethod
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress, IDelayedCall, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from lumina.frontends.admission import Admission, host_of, peer_name
from lumina.frontends.brakes import Brakes
from lumina.interfaces import Asker, Site
from lumina.modbus.pdu import Reply
from lumina.status import ClientStatus

#: Seconds after which a client that does not read its answers is dropped.
UNREAD = 30.0

#: Seconds that a client has to read the last answer while it still sends.
LINGER = 2.0

#: Makes the Asker of a connection, from the listener's key and the transport.
MakeAsker = Callable[[str, Any], Asker]


class Connection(Protocol):
    """
    One client.

    Who it is, is asked for with the first bytes that it sends: only then the
    handshake of TLS is over.

    @ivar gone: fires when the connection has ended.
    """

    transport: Any

    #: Bytes taken in one turn of the reactor, and left unwritten before no more are taken.
    read_limit = 4096

    def __init__(self, site: Site, name: str, peer: str, idle: float, make_asker: MakeAsker) -> None:
        """
        @param name: of the connection, unique.
        @param peer: where it comes from, for people.
        @param idle: seconds without a byte, while it is read from and nothing
            is outstanding, after which it is closed.
        """
        self.gone: Deferred[None] = Deferred()
        self._site = site
        self._reactor = site.reactor
        self._status = ClientStatus(name, site.listener, peer, self._reactor.seconds())
        self._make_asker = make_asker
        self._known: Asker | None = None
        self._idle = idle
        self._idling: IDelayedCall | None = None
        self._heard = 0.0
        self._asked: set[Deferred[Reply]] = set()
        self._brakes = Brakes(self._reactor, UNREAD, self._pause, self._resume, self._abort)
        self._still_sending = False
        self._leaving = False
        self._parted = False
        self._lingering: IDelayedCall | None = None

    @property
    def _asker(self) -> Asker:
        if self._known is None:
            self._known = self._make_asker(self._site.listener, self.transport)
        return self._known

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.bufferSize = self.read_limit
        self.transport.registerProducer(self._brakes, True)
        self._heard = self._reactor.seconds()
        self._idling = self._reactor.callLater(self._idle, self._idled)
        self._site.overview.connected(self._status)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._leaving = self._parted = True
        self._brakes.stop()
        for call in (self._idling, self._lingering):
            if call is not None and call.active():
                call.cancel()
        for asked in list(self._asked):
            asked.cancel()
        self._site.overview.disconnected(self._status)
        self.gone.callback(None)

    # What a front end may say otherwise.

    def _pause(self) -> None:
        self.transport.pauseProducing()

    def _resume(self) -> None:
        self.transport.resumeProducing()

    def _close_input(self) -> None:
        """Forget what has come and was not looked at yet."""

    def _is_due(self) -> bool:
        """Whether answers have still to be delivered."""
        return bool(self._asked)

    # Parting.

    def close(self) -> Deferred[None]:
        """
        Part, the answers that are due delivered first.

        @return: fires when the connection is gone.
        """
        self._leave()
        return self.gone

    def _idled(self) -> None:
        left = self._heard + self._idle - self._reactor.seconds()
        if self._asked or self._brakes.are_on or left > 0:
            self._idling = self._reactor.callLater(left if left > 0 else self._idle, self._idled)
        else:
            self._leave()

    def _leave(self) -> None:
        """Take no more; deliver the answers that are due, then part."""
        if not self._leaving:
            self._leaving = True
            self._close_input()
            self._brakes.take_all_off()
            self._part_when_done()

    def _part_when_done(self) -> None:
        if self._parted or self._is_due():
            return
        self._parted = True
        self.transport.unregisterProducer()
        plain = ITCPTransport.providedBy(self.transport) and not ISSLTransport.providedBy(self.transport)
        if self._still_sending and plain:
            # Closing with unread bytes would reset the connection, and lose the last answer.
            self.transport.loseWriteConnection()
            self._lingering = self._reactor.callLater(LINGER, self._abort)
        else:
            self.transport.loseConnection()
            self._lingering = self._reactor.callLater(UNREAD, self._abort)

    def _abort(self) -> None:
        self.transport.abortConnection()


class ConnectionFactory(Factory):
    """Makes connections, and bounds their number."""

    noisy = False

    def __init__(self, site: Site, connections: int, connections_per_address: int) -> None:
        """
        @param connections: how many may be open in all.
        @param connections_per_address: how many may come from one address;
            programs of this machine are not bounded by it.
        """
        self._site = site
        self._numbers = count(1)
        self._admission = Admission(connections, connections_per_address)
        self._open: set[Connection] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        refusal = self._admission.refusal(addr)
        if refusal:
            return self._turned_away(refusal)
        name = f"{self._site.listener}#{next(self._numbers)}"
        connection = self._connection(name, peer_name(addr), host_of(addr))
        self._admission.enter(addr)
        self._open.add(connection)

        def left(_: None) -> None:
            self._admission.leave(addr)
            self._open.discard(connection)

        connection.gone.addCallback(left)
        return connection

    def close(self) -> Deferred[list[None]]:
        """
        End all connections, the answers that are due delivered first.

        @return: fires when all are gone.
        """
        return gatherResults([connection.close() for connection in list(self._open)])

    @abstractmethod
    def _connection(self, name: str, peer: str, host: str) -> Connection:
        """@return: what serves one more client."""

    @abstractmethod
    def _turned_away(self, sentence: str) -> Protocol:
        """@return: what tells a client why it is not served, and parts with it."""
