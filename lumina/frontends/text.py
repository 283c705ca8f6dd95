"""
The text front end: one line asks, one line answers.

Nothing that a client does can cost the others more than its share: a line is
bounded, so is the work of one turn of the reactor, so are the answers that a
client leaves unread, and so is the number of connections.
"""

import re
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress, IDelayedCall, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from lumina import commands
from lumina.commands import DIALECTS, HEARTBEAT, Ask, Dialect
from lumina.errors import BadRequest, Expired, LuminaError, QueueFull
from lumina.frontends import describe
from lumina.frontends.admission import Admission, host_of, peer_name
from lumina.frontends.answers import Answers
from lumina.frontends.brakes import Brakes
from lumina.frontends.priorities import Priorities
from lumina.frontends.telnet import TelnetFilter
from lumina.interfaces import Asker, ClientStatus, Priority, Site, Terms
from lumina.modbus import rtu
from lumina.modbus.pdu import Reply

#: Seconds that a request without a timeout may wait for its turn.
PATIENCE = 5.0

#: The length of a line, in bytes.
LINE_LIMIT = 2048

#: Lines, and seconds of work, for one connection in one turn of the reactor.
TURN_LINES, TURN_SECONDS = 50, 0.001

#: Bytes taken from one connection in one turn, and left unwritten before no more are taken.
READ_LIMIT = 4096

#: Answers that wait for their moment before no more lines are read.
BACKLOG = 200

#: Seconds after which a client that does not read its answers is dropped.
UNREAD = 30.0

#: Seconds that a client has to read the last answer while it still sends.
LINGER = 2.0

_HTTP = re.compile(rb"[A-Z]{3,10} \S+ HTTP/[0-9]|[A-Z]{3,10} /\S{1000}")


class TextConnection(LineReceiver):
    """
    One client.

    @ivar gone: fires when the connection has ended.
    """

    delimiter = b"\n"
    MAX_LENGTH = LINE_LIMIT + 1  # a carriage return is none of the line
    transport: Any

    _log = Logger()

    def __init__(
        self,
        site: Site,
        name: str,
        peer: str,
        asker: Asker,
        dialect: Dialect | None,
        idle: float,
        priority: Callable[[str], Priority],
    ) -> None:
        """
        @param dialect: `None`: told by each request's id.
        @param priority: the class of this client's requests, by their type.
        """
        self.gone: Deferred[None] = Deferred()
        self._site = site
        self._reactor = site.reactor
        self._status = ClientStatus(name, site.listener, peer, self._reactor.seconds())
        self._asker = asker
        self._dialect = dialect
        self._priority = priority
        self._idle = idle
        self._idling: IDelayedCall | None = None
        self._telnet = TelnetFilter()
        self._asked: set[Deferred[Reply]] = set()
        self._answers = Answers(self._reactor, self._write, self._answered)
        self._brakes = Brakes(self._reactor, UNREAD, self.pauseProducing, self.resumeProducing, self._abort)
        self._lines = 0
        self._turn = 0.0
        self._arrived = 0.0
        self._first_line = True
        self._still_sending = False
        self._leaving = False
        self._parted = False
        self._lingering: IDelayedCall | None = None

    # From the transport.

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.bufferSize = READ_LIMIT
        self.transport.registerProducer(self._brakes, True)
        self._idling = self._reactor.callLater(self._idle, self._idled)
        self._site.overview.connected(self._status)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._leaving = self._parted = True
        self._answers.stop()
        self._brakes.stop()
        for call in (self._idling, self._lingering):
            if call is not None and call.active():
                call.cancel()
        for asked in list(self._asked):
            asked.cancel()
        self._site.overview.disconnected(self._status)
        self.gone.callback(None)

    def dataReceived(self, data: bytes) -> None:
        if self._leaving:
            return
        assert self._idling is not None
        self._idling.reset(self._idle)
        self._lines, self._turn = 0, self._reactor.seconds()
        if data:
            self._arrived = self._turn
        super().dataReceived(self._telnet(data))

    def lineReceived(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if len(line) > LINE_LIMIT or (self._first_line and _HTTP.match(line)):
            self.lineLengthExceeded(line)
            return
        self._first_line = False
        self._take(_text(line))
        self._lines += 1
        if self._leaving:
            return
        if self._lines >= TURN_LINES or self._reactor.seconds() - self._turn >= TURN_SECONDS:
            self._brakes.put_on("turn")
            self._reactor.callLater(0, self._brakes.take_off, "turn")

    def lineLengthExceeded(self, line: bytes) -> None:
        if self._first_line and _HTTP.match(line):
            # A web page must not be able to post to a bus.
            self._leaving = True
            self.clearLineBuffer()
            self._abort()
            return
        self._refuse(
            commands.answer_id(_text(line)), BadRequest(f"the line is longer than {LINE_LIMIT} bytes")
        )
        self._still_sending = True
        self._leave()

    # What a line asks for.

    def _take(self, line: str) -> None:
        if line == HEARTBEAT:
            self._put(line, 0.0)
        elif ":" in line:
            self._request(line)
        elif line.strip():
            self._command(line)

    def _request(self, line: str) -> None:
        try:
            ask = commands.parse_ask(line, self._site.buses)
        except LuminaError as error:
            self._refuse(commands.answer_id(line), error)
            return
        patience = PATIENCE if ask.timeout is None else ask.timeout
        left = patience - (self._turn - self._arrived)
        if left <= 0:
            self._refuse(ask.id, Expired(f"{patience:g} s went by before it was read"))
            return
        terms = Terms(
            client=self._status.name,
            id=ask.id,
            type=ask.type,
            priority=self._priority(ask.type),
            patience=left,
            timeout=ask.timeout,
            baudrate=ask.baudrate,
            hint=ask.length,
            asker=self._asker,
        )
        asked = self._site.buses[ask.port].execute(ask.unit, ask.request, terms)
        self._asked.add(asked)
        asked.addBoth(self._forget, asked)
        asked.addCallbacks(self._replied, self._failed, (ask,), {}, (ask,), {})
        asked.addBoth(lambda _: self._answered())

    def _forget(self, result: Any, asked: Deferred[Reply]) -> Any:
        self._asked.discard(asked)
        return result

    def _replied(self, reply: Reply, ask: Ask) -> None:
        frame = rtu.encode(ask.unit, reply.pdu) if reply.pdu else b""
        dialect = self._dialect_for(ask.id)
        self._put(dialect.good(ask, frame, self._site.wall()), dialect.pause)

    def _failed(self, failure: Failure, ask: Ask) -> None:
        if self._parted:
            return  # withdrawn, because the client has gone
        error = failure.value
        if not isinstance(error, LuminaError):
            self._log.failure("answering {ask}", failure, ask=ask)
            error = LuminaError("a fault in lumina itself; its log has the traceback")
        self._refuse(ask.id, error)

    def _refuse(self, name: str, error: LuminaError) -> None:
        dialect = self._dialect_for(name)
        self._put(dialect.bad(name, error, self._site.wall()), dialect.pause)

    def _dialect_for(self, name: str) -> Dialect:
        return self._dialect or commands.dialect_of(name)

    def _command(self, line: str) -> None:
        try:
            name, words = commands.parse_command(line)
            if name == "quit":
                self._leave()
                return
            lines = describe.answer(name, self._site.overview, " ".join(words) or None)
        except LuminaError as error:
            self._refuse("-", error)
            return
        self._put("\n".join([*lines, ""]), 0.0)

    def _put(self, line: str, pause: float) -> None:
        self._answers.put(line, pause)
        if len(self._answers) >= BACKLOG and not self._leaving:
            self._brakes.put_on("backlog")

    def _write(self, line: str) -> None:
        if not self._parted:
            self.transport.write(line.encode("utf-8", "surrogateescape") + b"\n")

    def _answered(self) -> None:
        if len(self._answers) <= BACKLOG // 2:
            self._brakes.take_off("backlog")
        if self._leaving:
            self._part_when_done()

    # Parting.

    def close(self) -> Deferred[None]:
        """
        Part, the answers that are due delivered first.

        @return: fires when the connection is gone.
        """
        self._leave()
        return self.gone

    def _idled(self) -> None:
        if self._asked:
            self._idling = self._reactor.callLater(self._idle, self._idled)
        else:
            self._leave()

    def _leave(self) -> None:
        """Take no more lines; deliver the answers that are due, then part."""
        if not self._leaving:
            self._leaving = True
            self.clearLineBuffer()
            self._brakes.take_all_off()
            self._part_when_done()

    def _part_when_done(self) -> None:
        if self._asked or self._answers or self._parted:
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


class TextFactory(Factory):
    """Makes connections, and bounds their number."""

    noisy = False

    def __init__(
        self,
        site: Site,
        dialect: str = "auto",
        connections: int = 2000,
        connections_per_address: int = 100,
        idle: float = 3600.0,
        priorities: Priorities = Priorities(),  # noqa: B008
    ) -> None:
        """
        @param dialect: `auto`, or the name of a dialect.
        @param connections: how many may be open in all.
        @param connections_per_address: how many may come from one address;
            programs of this machine are not bounded by it.
        @param idle: seconds without a byte, and with nothing outstanding, after
            which a connection is closed.
        """
        self._site = site
        self._dialect = DIALECTS.get(dialect)
        self._idle = idle
        self._priorities = priorities
        self._numbers = count(1)
        self._admission = Admission(connections, connections_per_address)
        self._open: set[TextConnection] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        refusal = self._admission.refusal(addr)
        if refusal:
            return _TurnedAway(refusal)
        name = f"{self._site.listener}#{next(self._numbers)}"
        client = self._priorities.of_client(host_of(addr))
        priority = partial(self._priorities.of, client=client)
        asker = Asker(self._site.listener, host_of(addr))
        connection = TextConnection(
            self._site, name, peer_name(addr), asker, self._dialect, self._idle, priority
        )
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


class _TurnedAway(Protocol):
    """A client that is told why it is not served."""

    def __init__(self, sentence: str) -> None:
        self._error = QueueFull(sentence)

    def connectionMade(self) -> None:
        assert self.transport is not None
        line = DIALECTS["documented"].bad("-", self._error, 0.0)
        self.transport.write(line.encode() + b"\n")
        self.transport.loseConnection()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
