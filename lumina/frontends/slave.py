"""
An RTU slave over any Bus: it answers a serial master as the units would.

Where a request ends is told by its content and its CRC (`pdu.request_size`);
silence ends only what does not tell, and noise. On a line with other slaves
their requests and replies are passed over. The line must not echo: what a
slave has sent would look like a request, where the two are equal.

A slave of a line that is simulated can be made to misbehave: `Faults` decide
what becomes of each answer, and of the line.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import Cancelled, ExceptionReply, LuminaError, NoReply
from lumina.frontends.faulty import Encode, Fate, FaultySender
from lumina.frontends.framings import last_request
from lumina.frontends.listening import listening
from lumina.interfaces import Bus, Terms
from lumina.modbus import pdu, rtu
from lumina.modbus.pdu import BROADCAST, EXCEPTION, Reply, Request


class Faults(Protocol):
    """What goes wrong on a line. It outlives the Slave, when the line goes and comes back."""

    def meet(self, unit: int, request: bytes) -> Fate:
        """Decide about a request, a PDU, that has come just now."""

    @property
    def echoes(self) -> bool:
        """Whether the line gives back what comes now."""

    def babble(self) -> tuple[float, bytes] | None:
        """What the line sends next of its own accord, and in how many seconds; `None`: nothing."""

    def leave(self, seconds: float) -> None:
        """The line is closed now, and is to stay so for so long."""


class _NoFault:
    """Both of a request that is answered as it should be, and of a line on which all are."""

    deaf, exception, gone, echoes = False, None, 0.0, False
    transaction, close = 0, False

    def meet(self, unit: int, request: bytes) -> "_NoFault":
        return self

    def pieces(self, unit: int, pdu: bytes, encode: Encode) -> Sequence[tuple[float, bytes]]:
        return [(0.0, encode(unit, pdu))]

    def babble(self) -> None:
        return None

    def leave(self, seconds: float) -> None:
        return None


class Slave(protocol.Protocol):
    """
    One serial line, whose master asks.

    A master that asks anew has given up what it asked before: a slave never
    answers two requests, and what has not been carried out yet is withdrawn.
    Broadcasts, units that are not there, and damaged frames get silence.
    """

    _log = Logger()

    def __init__(
        self,
        bus: Bus,
        line: rtu.Line,
        clock: Any,
        turnaround: float | None = None,
        units: Collection[int] | None = None,
        slack: float = 0.02,
        terms: Terms = Terms(),  # noqa: B008
        faults: Faults | None = None,
    ) -> None:
        """
        @param clock: monotonic time and timers.
        @param turnaround: seconds from the end of a request to the reply, at
            least; `None`: the line's gap, which the specification wants there
            (Serial Line V1.02, 2.5.1.1).
        @param units: whom to answer for; `None`: all that the bus knows, for
            a line without other slaves.
        @param slack: seconds that bytes may be held up before they are
            delivered, as USB adapters do.
        @param terms: how the bus is to carry the requests, and for whom; each
            has its number as its id.
        @param faults: what goes wrong; `None`: nothing does.
        """
        self._bus = bus
        self._listening = listening(bus)
        self._clock = clock
        self._line = line
        self._faults = faults or _NoFault()
        self._turnaround = line.gap if turnaround is None else turnaround
        self._units = units
        self._terms = terms
        self._numbers = count(1)
        self._lull = line.gap + slack
        self._bytes = b""
        self._silence: IDelayedCall | None = None
        self._turn = 0
        self._asked: Deferred[None] | None = None
        self._reply: IDelayedCall | None = None
        self._faulty = FaultySender(clock, self._write, line.duration, self._turnaround)

    def connectionMade(self) -> None:
        self._babble()

    def dataReceived(self, data: bytes) -> None:
        if self._faults.echoes:
            self._write(data)
        self._bytes += data
        while size := _whole(self._bytes):
            frame, self._bytes = self._bytes[:size], self._bytes[size:]
            self._frame(frame)
        # More than a frame that is none: noise without end must not be kept.
        self._bytes = self._bytes[-rtu.MAX_FRAME :]
        self._await_silence()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        self._give_up()
        self._faulty.stop()
        self._bytes = b""
        self._await_silence()

    def _await_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self._bytes:
            self._silence = self._clock.callLater(self._lull, self._quiet)

    def _quiet(self) -> None:
        # Due timers run before reads: what the driver holds already still counts.
        self._silence = self._clock.callLater(0, self._end)

    def _end(self) -> None:
        self._silence = None
        rest, self._bytes = self._bytes, b""
        if not rtu.fits(rest):
            self._listening.damaged()
            rest = last_request(rest)
        self._frame(rest)

    def _frame(self, frame: bytes) -> None:
        """@param frame: a sound one, of whomever; empty for none."""
        if not frame or not _is_request(frame):
            return
        self._give_up()
        unit, body = frame[0], frame[1:-2]
        if self._units is not None and unit not in (*self._units, BROADCAST):
            return
        fate = self._faults.meet(unit, body) if unit != BROADCAST else _NoFault()
        due = self._clock.seconds() + self._turnaround
        try:
            request = pdu.parse(body)
        except ExceptionReply as refused:
            if self._listening.refused(unit, refused.code):
                self._answer(refused.pdu, unit, fate, due, self._turn)
        else:
            self._ask(unit, request, fate, due)

    def _ask(self, unit: int, request: Request, fate: Fate, due: float) -> None:
        if unit == BROADCAST and not request.writes:
            return
        if fate.deaf or fate.exception is not None:
            code = LuminaError.code if fate.exception is None else fate.exception
            refused = ExceptionReply(request.function, code)
            self._answer(refused.pdu, unit, fate, due, self._turn)
            return
        terms = replace(self._terms, id=str(next(self._numbers)))
        asked = self._bus.execute(unit, request, terms).addCallbacks(_pdu, self._refusal, (), {}, (request,))
        answered = asked.addCallback(self._answer, unit, fate, due, self._turn)
        if unit != BROADCAST:
            self._asked = answered

    def _refusal(self, failure: Failure, request: Request) -> bytes:
        """@return: the exception that says it; empty where a serial line has silence."""
        error = failure.value
        if isinstance(error, (NoReply, Cancelled, CancelledError)):
            return b""
        if isinstance(error, ExceptionReply):
            return error.pdu
        if isinstance(error, LuminaError):
            return ExceptionReply(request.function, error.code).pdu
        self._log.failure("asking for {request}", failure, request=request)
        return ExceptionReply(request.function, LuminaError.code).pdu

    def _answer(self, body: bytes, unit: int, fate: Fate, due: float, turn: int) -> None:
        if turn == self._turn and unit != BROADCAST and body:
            delay = max(0.0, due - self._clock.seconds())
            self._reply = self._clock.callLater(delay, self._send, unit, body, fate)

    def _send(self, unit: int, body: bytes, fate: Fate) -> None:
        """Let the answer take its fate; a new request does not call it back any more."""
        self._reply = None
        pieces = [] if fate.deaf else fate.pieces(unit, body, rtu.encode)
        due = self._faulty.send(unit, pieces)
        if fate.gone:
            self._faulty.at(due, self._leave, fate.gone)

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def _leave(self, seconds: float) -> None:
        assert self.transport is not None
        self._faults.leave(seconds)
        self.transport.loseConnection()

    def _babble(self) -> None:
        if following := self._faults.babble():
            seconds, noise = following
            self._faulty.at(self._clock.seconds() + seconds, self._babble_on, noise)

    def _babble_on(self, noise: bytes) -> None:
        self._write(noise)
        self._babble()

    def _give_up(self) -> None:
        self._turn += 1
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.cancel()
        if self._reply is not None:
            self._reply.cancel()
            self._reply = None


def _pdu(reply: Reply) -> bytes:
    return reply.pdu


def _sizes(frame: bytes) -> list[int]:
    """How long a frame that begins so must be at least, as a request and as a reply."""
    sizes = (pdu.request_size(frame[1:]), pdu.reply_size(frame[1:]))
    return [size + 3 for size in sizes if size is not None]


def _whole(received: bytes) -> int:
    """The length of the sound frame with which the bytes begin; 0 while there is none."""
    if len(received) < rtu.MIN_FRAME:
        return 0
    return next((size for size in _sizes(received) if len(received) >= size and rtu.fits(received[:size])), 0)


def _is_request(frame: bytes) -> bool:
    """
    Whether it may be one, as far as its length tells. A request of the wrong
    length still is, as long as it has not that of a reply.
    """
    if frame[1] >= EXCEPTION:
        return False
    came = len(frame) - 3
    return came == pdu.request_size(frame[1:]) or came != pdu.reply_size(frame[1:])
