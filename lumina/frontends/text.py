"""
The text front end: one line asks, one line answers.

Nothing that a client does can cost the others more than its share: a line is
bounded, so is the work of one turn of the reactor, so are the answers that a
client leaves unread, and so is the number of connections.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from lumina import commands
from lumina.commands import HEARTBEAT, RequestLine
from lumina.dialects import DIALECTS, Dialect, dialect_of
from lumina.errors import BadRequest, Expired, LuminaError, QueueFull
from lumina.frontends import describe
from lumina.frontends.answers import Answers
from lumina.frontends.askers import asker_of
from lumina.frontends.connection import Connection, ConnectionFactory, MakeAsker
from lumina.frontends.priorities import Priorities
from lumina.frontends.telnet import TelnetFilter
from lumina.interfaces import Priority, Site, Terms
from lumina.modbus import rtu
from lumina.modbus.pdu import Reply

#: Seconds that a request without a timeout may wait for its turn.
PATIENCE = 5.0

#: The length of a line, in bytes.
LINE_LIMIT = 2048

#: Lines, and seconds of work, for one connection in one turn of the reactor.
TURN_LINES, TURN_SECONDS = 50, 0.001

#: Answers that wait for their moment before no more lines are read.
BACKLOG = 200

_HTTP = re.compile(rb"[A-Z]{3,10} \S+ HTTP/[0-9]|[A-Z]{3,10} /\S{1000}")


class TextConnection(Connection, LineReceiver):
    """One client."""

    delimiter = b"\n"
    MAX_LENGTH = LINE_LIMIT + 1  # a carriage return is none of the line

    _log = Logger()

    def __init__(
        self,
        site: Site,
        name: str,
        peer: str,
        dialect: Dialect | None,
        idle: float,
        priority: Callable[[str], Priority],
        make_asker: MakeAsker = asker_of,
    ) -> None:
        """
        @param dialect: `None`: told by each request's id.
        @param priority: the class of this client's requests, by their type.
        """
        super().__init__(site, name, peer, idle, make_asker)
        self._dialect = dialect
        self._priority = priority
        self._telnet = TelnetFilter()
        self._answers = Answers(self._reactor, self._write, self._answered)
        self._lines = 0
        self._turn = 0.0
        self._arrived = 0.0
        self._first_line = True

    # From the transport.

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._answers.stop()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self._leaving:
            return
        self._lines, self._turn = 0, self._reactor.seconds()
        if data:
            self._arrived = self._heard = self._turn
        LineReceiver.dataReceived(self, self._telnet(data))

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
            ask = commands.parse_request(line, self._site.buses)
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

    def _replied(self, reply: Reply, ask: RequestLine) -> None:
        frame = rtu.encode(ask.unit, reply.pdu) if reply.pdu else b""
        dialect = self._dialect_for(ask.id)
        # A reply that was shared or remembered keeps the time at which it came.
        age = max(0.0, self._site.reactor.seconds() - reply.ended) if reply.ended else 0.0
        self._put(dialect.good(ask, frame, self._site.wall() - age), dialect.pause)

    def _failed(self, failure: Failure, ask: RequestLine) -> None:
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
        return self._dialect or dialect_of(name)

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

    # What connections of all kinds do in their own way.

    def _pause(self) -> None:
        self.pauseProducing()

    def _resume(self) -> None:
        self.resumeProducing()

    def _close_input(self) -> None:
        self.clearLineBuffer()

    def _is_due(self) -> bool:
        return bool(self._asked or self._answers)


class TextFactory(ConnectionFactory):
    """Makes connections, and bounds their number."""

    def __init__(
        self,
        site: Site,
        dialect: str = "auto",
        connections: int = 2000,
        connections_per_address: int = 100,
        idle: float = 3600.0,
        priorities: Priorities = Priorities(),  # noqa: B008
        make_asker: MakeAsker = asker_of,
    ) -> None:
        """
        @param dialect: `auto`, or the name of a dialect.
        @param idle: seconds without a byte, and with nothing outstanding, after
            which a connection is closed.
        @param make_asker: says who asks through a connection.
        """
        super().__init__(site, connections, connections_per_address)
        self._dialect = DIALECTS.get(dialect)
        self._idle = idle
        self._priorities = priorities
        self._make_asker = make_asker

    def _connection(self, name: str, peer: str, host: str) -> TextConnection:
        priority = partial(self._priorities.of, client=self._priorities.of_client(host))
        return TextConnection(self._site, name, peer, self._dialect, self._idle, priority, self._make_asker)

    def _turned_away(self, sentence: str) -> Protocol:
        return _TurnedAway(sentence)


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
