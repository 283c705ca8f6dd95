"""
The Modbus TCP front end: a server over any bus, and RTU over TCP as another
framing of the same.

Requests that a bus answers at once, as simulated units do, are answered with
one write for all that came together. What else is asked is under way until
its bus has answered; its client may ask on meanwhile.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import ExceptionReply, LuminaError, NoReply, QueueFull
from lumina.frontends.askers import asker_of
from lumina.frontends.connection import Connection, ConnectionFactory, MakeAsker
from lumina.frontends.framings import Frame
from lumina.frontends.listening import listening
from lumina.frontends.mischief import Mischief
from lumina.frontends.prompt import writer
from lumina.frontends.serving import BrokenStreams, Requests, Serving
from lumina.frontends.underway import Slot, UnderWay
from lumina.interfaces import Priority, Site, Terms
from lumina.modbus import pdu
from lumina.modbus.mbap import LyingLength
from lumina.modbus.pdu import Reply, Request

#: Frames between two looks at the clock, and seconds of work, for one connection in one turn.
TURN_FRAMES, TURN_SECONDS = 32, 0.001

_BROADCAST = 0

#: Before a client has sent anything.
_NOT_YET = Terms()


class GatewayConnection(Connection):
    """One client."""

    read_limit = 2048

    _log = Logger()

    def __init__(
        self,
        site: Site,
        name: str,
        peer: str,
        serving: Serving,
        requests: Requests,
        broken: BrokenStreams,
        priority: Priority,
        make_asker: MakeAsker,
    ) -> None:
        """
        @param requests: those that all connections have asked.
        @param broken: what no request can be found in is reported there.
        @param priority: the class of this client's requests.
        """
        super().__init__(site, name, peer, serving.idle, make_asker)
        self._seconds = site.reactor.seconds
        self._serving = serving
        self._routes = serving.routes
        self._quick = serving.quick
        self._faults = serving.faults
        self._framing = serving.framing()
        self._received = self._framing.received
        self._encode = self._framing.encode
        self._requests = requests
        self._broken = broken
        self._priority = priority
        self._terms = _NOT_YET
        self._under_way = UnderWay(self._deliver)
        self._mischief = Mischief(self._reactor, self._write)
        self._rest: list[Frame] = []
        self._answers: list[bytes] = []
        self._gathering = False
        self._began: float | None = None
        self._partial: IDelayedCall | None = None

    # From the transport.

    def connectionMade(self) -> None:
        self._send = writer(self.transport)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest.clear()
        self._mischief.stop()
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self._leaving:
            return
        self._heard = now = self._seconds()
        try:
            frames = self._received(data)
        except LyingLength as lie:
            self._take(lie.before, now)
            self._break_off(str(lie))
            return
        if frames:
            self._take(frames, now)
        if self._framing.rest:
            self._await_rest(now, bool(frames))
        else:
            self._began = None

    # Frames that come in part, or broken.

    def _await_rest(self, now: float, is_new: bool) -> None:
        if is_new or self._began is None:
            self._began = now
        if self._partial is None:
            self._partial = self._reactor.callLater(self._serving.frame_timeout, self._overdue)

    def _overdue(self) -> None:
        self._partial = None
        if self._began is None or self._leaving:
            return
        left = self._began + self._serving.frame_timeout - self._seconds()
        if left > 0:
            self._partial = self._reactor.callLater(left, self._overdue)
            return
        self._began = None
        if why := self._framing.overdue():
            self._break_off(why)

    def _break_off(self, why: str) -> None:
        """Nothing more can be understood; what is under way is still answered."""
        self._broken.note(self._status.peer, why)
        self._still_sending = True
        self._leave()

    # Requests.

    def _take(self, frames: Sequence[Frame], now: float) -> None:
        if self._terms is _NOT_YET:
            self._terms = Terms(
                client=self._status.name,
                priority=self._priority,
                patience=self._serving.patience,
                asker=self._asker,
            )
        if self._rest:
            self._rest += frames
            return
        self._gathering = True
        try:
            if len(frames) <= TURN_FRAMES:
                self._ask_all(frames)
            else:
                self._ask_in_turns(frames, now)
        finally:
            self._gathering = False
        if self._answers:
            answers = b"".join(self._answers)
            self._answers.clear()
            if not self._parted:
                self._send(answers)

    def _ask_in_turns(self, frames: Sequence[Frame], now: float) -> None:
        for start in range(0, len(frames), TURN_FRAMES):
            if start and self._seconds() - now >= TURN_SECONDS:
                self._rest = [*frames[start:]]
                self._brakes.put_on("turn")
                self._reactor.callLater(0, self._go_on)
                break
            self._ask_all(frames[start : start + TURN_FRAMES])

    def _go_on(self) -> None:
        """Take what was left for this turn of the reactor."""
        rest, self._rest = self._rest, []
        if rest and not self._parted:
            self._take(rest, self._seconds())
        if not self._rest:
            self._brakes.take_off("turn")
            if self._leaving:
                self._part_when_done()

    def _ask_all(self, frames: Sequence[Frame]) -> None:
        routes, known, terms = self._quick, self._requests.get, self._terms
        answers, encode, waiting = self._answers, self._encode, self._asked
        for transaction, unit, body in frames:
            route, request = routes[unit], known(body)
            if route is None or request is None or waiting:
                self._ask_with_care(transaction, unit, body)
                continue
            asked = route[0].execute(route[1], request, terms)
            if asked.called and type(reply := asked.result) is Reply and reply.pdu:
                answers.append(encode(transaction, unit, reply.pdu))
            else:
                slot = Slot(transaction, unit, body, None)
                self._under_way.enter(slot, route[0])
                self._await(asked, slot, request)

    def _ask_with_care(self, transaction: int, unit: int, body: bytes) -> None:
        if not self._framing.pipelines:
            self._withdraw()
        fate = self._faults.meet(unit, body) if self._faults is not None and unit != _BROADCAST else None
        slot = Slot(transaction, unit, body, fate)
        route = self._routes[unit]
        if route is None:
            code = self._serving.unknown
            self._deliver(slot, b"" if code is None else _exception(body, code))
            return
        bus, target = route
        try:
            request = self._requests[body]
        except ExceptionReply as refused:
            heard = listening(bus).refused(target, refused.code)
            self._deliver(slot, refused.pdu if heard else _exception(body, NoReply.code))
            return
        try:
            if len(self._under_way) >= self._serving.in_flight:
                raise ExceptionReply(request.function, QueueFull.code)
            if fate is not None and fate.exception is not None:
                raise ExceptionReply(request.function, fate.exception)
        except ExceptionReply as refused:
            self._deliver(slot, refused.pdu)
            return
        if fate is not None and fate.deaf:
            self._deliver(slot, _exception(body, LuminaError.code))
            return
        self._under_way.enter(slot, bus)
        self._await(bus.execute(target, request, self._terms), slot, request)

    def _withdraw(self) -> None:
        """A client whose answers cannot be told apart, and who asks anew, has given up what it asked."""
        self._under_way.forget()
        for asked in list(self._asked):
            asked.cancel()

    # Answers.

    def _await(self, asked: Deferred[Reply], slot: Slot, request: Request) -> None:
        self._asked.add(asked)
        asked.addBoth(self._forget, asked)
        asked.addCallbacks(self._replied, self._failed, (slot, request), {}, (slot, request), {})

    def _forget(self, result: Any, asked: Deferred[Reply]) -> Any:
        self._asked.discard(asked)
        return result

    def _replied(self, reply: Reply, slot: Slot, request: Request) -> None:
        answer = reply.pdu
        if not answer and not request.writes:  # a question to all, which nobody answers
            answer = _exception(slot.body, NoReply.code)
        elif not answer and self._serving.confirms_broadcasts:
            answer = _confirmation(request)
        self._answered(slot, answer)

    def _failed(self, failure: Failure, slot: Slot, request: Request) -> None:
        error = failure.value
        if isinstance(error, ExceptionReply):
            self._answered(slot, error.pdu)
            return
        if not isinstance(error, LuminaError):
            self._log.failure("asking for {request}", failure, request=request)
            error = LuminaError()
        self._answered(slot, _exception(slot.body, error.code))

    def _answered(self, slot: Slot, answer: bytes) -> None:
        self._under_way.answered(slot, answer)
        if self._leaving:
            self._part_when_done()

    def _deliver(self, slot: Slot, answer: bytes) -> None:
        """@param answer: a PDU; empty for silence."""
        fate = slot.fate
        if fate is None:
            if answer:
                self._write(self._encode(slot.transaction, slot.unit, answer))
            return
        transaction = (slot.transaction + fate.transaction) & 0xFFFF

        def encode(unit: int, body: bytes) -> bytes:
            return self._encode(transaction, unit, body)

        pieces = fate.pieces(slot.unit, answer, encode) if answer and not fate.deaf else []
        due = self._mischief.send(slot.unit, pieces)
        if fate.close:
            self._mischief.at(due, self._cut_off, None)

    def _cut_off(self, _: None) -> None:
        self.transport.loseConnection()

    def _write(self, data: bytes) -> None:
        if self._gathering:
            self._answers.append(data)
        elif not self._parted:
            self._send(data)

    # What connections of all kinds do in their own way.

    def _close_input(self) -> None:
        self._began = None

    def _is_due(self) -> bool:
        return bool(self._asked or self._rest or self._answers or self._under_way or self._mischief)


class GatewayFactory(ConnectionFactory):
    """
    Makes connections, and bounds their number.

    @ivar broken: how many were closed because nothing could be understood.
    """

    def __init__(
        self,
        site: Site,
        serving: Serving,
        connections: int = 2000,
        connections_per_address: int = 100,
        make_asker: MakeAsker = asker_of,
    ) -> None:
        """
        @param make_asker: says who asks through a connection.
        """
        super().__init__(site, connections, connections_per_address)
        self._serving = serving
        self._make_asker = make_asker
        self._requests = Requests()
        self.broken = BrokenStreams(site.listener, site.reactor.seconds)

    def _connection(self, name: str, peer: str, host: str) -> GatewayConnection:
        priority = self._serving.priorities.of_client(host)
        return GatewayConnection(
            self._site,
            name,
            peer,
            self._serving,
            self._requests,
            self.broken,
            priority,
            self._make_asker,
        )

    def _turned_away(self, sentence: str) -> Protocol:
        return _TurnedAway()


class _TurnedAway(Protocol):
    """A client that is not served: Modbus has no word for that before it asks."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


def _exception(body: bytes, code: int) -> bytes:
    return ExceptionReply(body[0] & 0x7F, code).pdu


def _confirmation(request: Request) -> bytes:
    """What a unit would answer to a write; empty where that is not known beforehand."""
    if isinstance(request, pdu.WriteCoils | pdu.WriteRegisters):
        return request.answer()
    return request.encode() if request.echoes else b""
