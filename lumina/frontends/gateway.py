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
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import ExceptionReply, LuminaError, NoReply, QueueFull
from lumina.frontends.askers import asker_of
from lumina.frontends.connection import ConnectionFactory, MakeAsker
from lumina.frontends.faulty import FaultySender
from lumina.frontends.framings import Frame
from lumina.frontends.listening import listening
from lumina.frontends.serving import BrokenStreams, Known, RequestCache, Serving
from lumina.frontends.stream import FramedConnection
from lumina.frontends.underway import Slot, UnderWay
from lumina.interfaces import Bus, Priority, Site, Terms
from lumina.modbus import pdu
from lumina.modbus.pdu import BROADCAST, Reply, Request
from lumina.sockets import direct_writer

#: Before a client has sent anything.
_NOT_YET = Terms()


class GatewayConnection(FramedConnection):
    """One client."""

    _log = Logger()

    def __init__(
        self,
        site: Site,
        name: str,
        peer: str,
        serving: Serving,
        requests: RequestCache,
        broken: BrokenStreams,
        priority: Priority,
        make_asker: MakeAsker,
    ) -> None:
        """
        @param requests: those that all connections have asked.
        @param priority: the class of this client's requests.
        """
        super().__init__(
            site, name, peer, serving.idle, serving.framing(), serving.frame_timeout, broken, make_asker
        )
        self._serving = serving
        self._routes = serving.routes
        self._faults = serving.faults
        self._encode = self._framing.encode
        self._requests = requests
        self._priority = priority
        self._terms = _NOT_YET
        self._again: Known | None = None
        self._under_way = UnderWay(self._deliver)
        self._faulty = FaultySender(self._reactor, self._write)
        self._answers: list[bytes] = []
        self._gathering = False
        self._to_all: set[Deferred[Reply]] = set()

    # From the transport.

    def connectionMade(self) -> None:
        self._send = direct_writer(self.transport)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._faulty.stop()
        super().connectionLost(reason)

    # Requests.

    def _ask_all(self, frames: Sequence[Frame]) -> None:
        if self._again is None:
            self._terms = self._own_terms("-")
            self._again = Known(self._serving, self._requests, self._terms)
        known, waiting = self._again, self._asked
        answers, encode = self._answers, self._encode
        self._gathering = True
        for transaction, unit, body in frames:
            ask = None if waiting else known[unit, body]
            if ask is None:
                self._ask_with_care(transaction, unit, body)
                continue
            try:
                answer = ask()
            except LuminaError as error:
                answer = _refusal(error, body)
            answers.append(encode(transaction, unit, answer))
        self._gathering = False
        if answers:
            together = b"".join(answers)
            answers.clear()
            if not self._parted:
                self._send(together)

    def _own_terms(self, id: str) -> Terms:
        return Terms(
            client=self._status.name,
            id=id,
            priority=self._priority,
            patience=self._serving.patience,
            asker=self._asker,
        )

    def _ask_with_care(self, transaction: int, unit: int, body: bytes) -> None:
        if not self._framing.pipelines:
            self._withdraw()
        fate = self._faults.meet(unit, body) if self._faults is not None and unit != BROADCAST else None
        slot = Slot(transaction, unit, body, fate)
        route = self._routes[unit]
        if route is None:
            code = self._serving.unknown
            self._deliver(slot, b"" if code is None else _exception(body, code))
            return
        bus, target = route
        try:
            request = self._checked(slot, bus, target)
        except ExceptionReply as refused:
            self._deliver(slot, refused.pdu)
            return
        self._under_way.enter(slot, bus)
        asked = bus.execute(target, request, self._own_terms(str(transaction)))
        if unit == BROADCAST:
            self._to_all.add(asked)
        self._await(asked, slot, request)

    def _checked(self, slot: Slot, bus: Bus, target: int) -> Request:
        """
        @return: the request, if it is to be asked.
        @raise ExceptionReply: what it is answered with at once.
        """
        function, fate = slot.body[0] & 0x7F, slot.fate
        try:
            request = self._requests[slot.body]
        except ExceptionReply as refused:
            if listening(bus).refused(target, refused.code):
                raise
            raise ExceptionReply(function, NoReply.code) from None
        if len(self._under_way) >= self._serving.in_flight:
            raise ExceptionReply(function, QueueFull.code)
        if fate is not None and (fate.exception is not None or fate.deaf):
            raise ExceptionReply(function, LuminaError.code if fate.exception is None else fate.exception)
        return request

    def _withdraw(self) -> None:
        """
        A client whose answers cannot be told apart, and who asks anew, has given up what it asked;
        but not a broadcast, for which it waits no longer than that.
        """
        self._under_way.forget()
        for asked in self._asked - self._to_all:
            asked.cancel()

    # Answers.

    def _await(self, asked: Deferred[Reply], slot: Slot, request: Request) -> None:
        self._asked.add(asked)
        asked.addBoth(self._forget, asked)
        asked.addCallbacks(self._replied, self._failed, (slot, request), {}, (slot, request), {})

    def _forget(self, result: Any, asked: Deferred[Reply]) -> Any:
        self._asked.discard(asked)
        self._to_all.discard(asked)
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
        if not isinstance(error, LuminaError):
            self._log.failure("asking for {request}", failure, request=request)
            error = LuminaError()
        self._answered(slot, _refusal(error, slot.body))

    def _answered(self, slot: Slot, answer: bytes) -> None:
        self._under_way.answered(slot, answer)
        if self._leaving:
            self._part_when_done()

    def _deliver(self, slot: Slot, answer: bytes) -> None:
        """@param answer: a PDU; empty for silence."""
        fate = slot.fate
        if slot.unit == BROADCAST and self._serving.is_silent_to_all:
            return
        if fate is None:
            if answer:
                self._write(self._encode(slot.transaction, slot.unit, answer))
            return
        transaction = (slot.transaction + fate.transaction) & 0xFFFF

        def encode(unit: int, body: bytes) -> bytes:
            return self._encode(transaction, unit, body)

        pieces = fate.pieces(slot.unit, answer, encode) if answer and not fate.deaf else []
        due = self._faulty.send(slot.unit, pieces)
        if fate.close:
            self._faulty.at(due, self._cut_off, None)

    def _cut_off(self, _: None) -> None:
        self.transport.unregisterProducer()  # one that is paused would be waited for
        self.transport.loseConnection()

    def _write(self, data: bytes) -> None:
        if self._gathering:
            self._answers.append(data)
        elif not self._parted:
            self._send(data)

    def _is_due(self) -> bool:
        return super()._is_due() or bool(self._answers or self._under_way or self._faulty)


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
        self._requests = RequestCache()
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


def _refusal(error: LuminaError, body: bytes) -> bytes:
    """The exception that says what a request has failed with."""
    return error.pdu if isinstance(error, ExceptionReply) else _exception(body, error.code)


def _confirmation(request: Request) -> bytes:
    """What a unit would answer to a write; empty where that is not known beforehand."""
    if isinstance(request, pdu.WriteCoils | pdu.WriteRegisters):
        return request.answer()
    return request.encode() if request.echoes else b""
