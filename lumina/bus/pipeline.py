"""
One connection to a Modbus TCP device, and the exchanges on it.

Each request has a transaction id of its own, and only a message that gives it
back can be the reply (Messaging on TCP/IP Implementation Guide V1.0b, 4.4.2).
So a late or doubled reply shifts nothing: once nobody waits for an id, what
comes with it is counted and dropped. A Pipeline keeps no queue and decides
nothing about what to send next: that is the Device's.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from lumina.bus.alarm import Alarm
from lumina.bus.flight import Flight, Strays
from lumina.bus.sockets import parting, tune
from lumina.errors import BadReply, NoReply, PortLost, Sent
from lumina.modbus import mbap
from lumina.sockets import direct_writer

#: After so many silences in a row with nothing under way the connection is not trusted any more.
SILENCES = 3

#: Seconds that a reply may take that has begun in time.
UNDER_WAY = 0.5

#: Requests given up whose late replies are still known, and stray frames that are kept for the record.
_ABANDONED, _KEPT = 256, 64

#: Bytes of messages with the right transaction id and nothing else right that are kept of one exchange.
_MISFITS = 1024

_LAST_ID = 0xFFFF


class Pipeline(Protocol):
    """
    One connection.

    @ivar flights: exchanges under way, by transaction id, oldest first.
    @ivar heard: whether anything has come on this connection.
    @ivar gone: whether nothing can be sent any more.
    @ivar interrupted: whether exchanges were under way when the connection was lost.
    @ivar last_id: the transaction id that was used last.
    @ivar lost: fires with the reason when the connection is gone.
    """

    def __init__(
        self,
        clock: Any,
        last_id: int,
        landed: Callable[[Flight, bytes, Sent | None], None],
        late: Callable[[bytes], None],
    ) -> None:
        """
        @param clock: monotonic time and timers.
        @param landed: takes an exchange that is over, with the PDU that came or why none did.
        @param late: hears of each reply to a request that was given up.
        """
        self.flights: dict[int, Flight] = {}
        self._strays: Strays | None = None
        self.heard = self.gone = self.interrupted = False
        self.last_id = last_id
        self.lost: Deferred[str] = Deferred()
        self._clock = clock
        self._landed = landed
        self._late = late
        self._frames = mbap.Frames()
        self._alien = 0
        self._abandoned: dict[int, int] = {}
        self._deadline = Alarm(clock)
        self._armed = inf
        self._silences = 0
        self._silent_since = 0.0
        self._reason = ""

    @property
    def mute(self) -> bool:
        """Whether so many requests in a row had no answer that it is not trusted any more."""
        return self._silences >= SILENCES

    def connectionMade(self) -> None:
        self._write = direct_writer(self.transport)
        tune(self.transport)

    def send(self, flight: Flight) -> None:
        """Send a request now, and look for its reply."""
        transaction = self._new_id()
        now = self._clock.seconds()
        flight.outgoing = mbap.encode(transaction, flight.unit, flight.request.encode())
        flight.sent, flight.due = now, now + flight.wait
        self.flights[transaction] = flight
        if flight.due < self._armed:
            self._arm(flight.due)
        self._write(flight.outgoing)

    def broadcast(self, flight: Flight) -> None:
        """Send a request to which nobody replies; it lands in the next turn, and what comes is dropped."""
        transaction = self._new_id()
        flight.outgoing = mbap.encode(transaction, flight.unit, flight.request.encode())
        flight.sent = flight.due = self._clock.seconds()
        self._abandon(transaction, flight.unit)
        self._write(flight.outgoing)
        self._clock.callLater(0, self._landed, flight, b"", None)

    def take_strays(self) -> Strays | None:
        """@return: what has come since the last call and belongs to no exchange; `None`: nothing."""
        strays, self._strays = self._strays, None
        return strays

    def close(self, reason: str = "") -> None:
        """
        Give the connection up; exchanges under way end as lost.

        A device that has everything is told politely; one that may be gone is not waited for.
        """
        polite = not self.gone and not self.flights and not ISSLTransport.providedBy(self.transport)
        self.gone = True
        self._reason = self._reason or reason
        transport: Any = self.transport
        if polite and not self._silences:
            transport.loseConnection()
        else:
            transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self.heard = True
        self._silences = 0
        if not self.flights:
            self._stray().stale += len(data)
        fresh = not self._frames.rest
        try:
            messages = self._frames.received(data)
        except mbap.LyingLength as lie:
            self._take(lie.before, b"")
            self._unreadable(str(lie))
            return
        self._take(messages, data if fresh else b"")
        if self._frames.alien != self._alien:
            self._alien = self._frames.alien
            for flight in self.flights.values():
                flight.complaint = flight.complaint or "a message of another protocol than Modbus came"

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        self.interrupted = bool(self.flights)
        self._deadline.cancel()
        gone = parting(reason)
        flights, self.flights = self.flights, {}
        for flight in flights.values():
            self._landed(flight, b"", PortLost("the connection was lost in mid-exchange"))
        self.lost.callback(self._reason or gone)

    # What comes.

    def _take(self, messages: list[mbap.ADU], data: bytes) -> None:
        """@param data: the bytes, if they begin with the first message; mostly that is all of them."""
        for adu in messages:
            flight = self.flights.get(adu.transaction)
            if flight is None:
                self._astray(adu)
                continue
            complaint = flight.misfit(adu.unit, adu.pdu)
            if not complaint or len(flight.incoming) < _MISFITS:
                whole = len(data) == mbap.HEADER + len(adu.pdu)
                flight.incoming += data if whole else mbap.encode(*adu)
            if flight.first is None:
                flight.first = self._clock.seconds()
            if complaint:
                flight.complaint = complaint
                self._foreign(adu)
            else:
                del self.flights[adu.transaction]
                self._landed(flight, adu.pdu, None)

    def _astray(self, adu: mbap.ADU) -> None:
        frame = bytes((adu.unit,)) + adu.pdu
        if self._abandoned.get(adu.transaction) == adu.unit:
            del self._abandoned[adu.transaction]
            self._stray().late.append(frame)
            self._late(frame)
            return
        for flight in self.flights.values():
            due = int.from_bytes(flight.outgoing[:2], "big")
            flight.complaint = (
                flight.complaint or f"a reply to transaction {adu.transaction} came, {due} fits"
            )
        if self.flights:
            self._foreign(adu)

    def _foreign(self, adu: mbap.ADU) -> None:
        strays = self._stray()
        if len(strays.foreign) < _KEPT:
            strays.foreign.append(bytes((adu.unit,)) + adu.pdu)
        else:
            strays.noise += mbap.HEADER + len(adu.pdu)

    def _stray(self) -> Strays:
        if self._strays is None:
            self._strays = Strays()
        return self._strays

    def _unreadable(self, sentence: str) -> None:
        self.gone = True
        flights, self.flights = self.flights, {}
        for flight in flights.values():
            self._landed(flight, b"", BadReply(sentence))
        self.close(sentence)

    # What goes.

    def _new_id(self) -> int:
        """Never 0: devices that ignore transaction ids answer with it."""
        while True:
            self.last_id = self.last_id % _LAST_ID + 1
            if self.last_id not in self.flights and self.last_id not in self._abandoned:
                return self.last_id

    # What does not come.

    def _arm(self, due: float) -> None:
        """There is one alarm for all: it is set for the first that is due, and left when that is over."""
        self._armed = due
        self._deadline.set(due, self._rung, self._none_is_due)

    def _none_is_due(self) -> bool:
        """Whether all that the alarm was set for has been answered; what was sent since then is due later."""
        now = self._clock.seconds() + 1e-9
        return all(flight.due > now for flight in self.flights.values())

    def _rung(self) -> None:
        self._armed = inf
        now = self._clock.seconds() + 1e-9
        begun = bool(self._frames)
        for transaction, flight in list(self.flights.items()):
            if transaction in self.flights and flight.due + (UNDER_WAY if begun else 0.0) <= now:
                del self.flights[transaction]
                self._abandon(transaction, flight.unit)
                self._give_up(flight, begun)
        later = [flight.due + (UNDER_WAY if flight.due <= now else 0.0) for flight in self.flights.values()]
        if later and min(later) < self._armed:
            self._arm(min(later))
        if self.mute and not self.flights and not self.gone:
            self.close(f"nothing came in answer to {self._silences} requests; connecting anew")

    def _abandon(self, transaction: int, unit: int) -> None:
        self._abandoned[transaction] = unit
        if len(self._abandoned) > _ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]

    def _give_up(self, flight: Flight, begun: bool) -> None:
        if flight.complaint:
            self._landed(flight, b"", BadReply(flight.complaint))
        elif begun:
            flight.broken_off = True
            self._landed(flight, b"", BadReply("a message has begun, and not come to its end"))
        else:
            if flight.sent >= self._silent_since:
                self._silences += 1
                self._silent_since = self._clock.seconds()
            self._landed(flight, b"", NoReply())
