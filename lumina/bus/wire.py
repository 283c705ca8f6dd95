"""
Bytes and timers drive a Transaction.

A Wire is the protocol on one serial line. It sends only when the line has been
silent long enough, knows by computation when the last bit of a request has
left, and feeds what comes to the Transaction of the exchange in hand. It keeps
no queue and decides nothing about what to send next: that is the Port's.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from lumina.bus.alarm import Alarm, ExactAlarm
from lumina.bus.attempt import Attempt, InHand
from lumina.bus.sockets import parting, tune
from lumina.errors import PortDown, PortLost, Sent
from lumina.modbus.rtu import MAX_FRAME, Line
from lumina.modbus.transaction import Strays, Transaction

#: Seconds of endless bytes after which a line counts as jammed.
PATIENCE = 0.5

#: How much longer than its wire time a reply that has begun may take (bytes may come with pauses).
_STRETCH = 1.5


class Wire(Protocol):
    """
    One serial line.

    @ivar line: the speed and character format in force.
    @ivar lost: fires with the reason, empty if nobody knows one, when the line
        is gone.
    """

    def __init__(
        self,
        clock: Any,
        name: str,
        line: Line,
        slack: float,
        stray: Callable[[bytes], None] = lambda frame: None,
    ) -> None:
        """
        @param clock: monotonic time and timers.
        @param name: of the port, for the exchanges.
        @param stray: hears sound frames that come while nothing is asked.
        @param slack: seconds that bytes may be held up before they are
            delivered, as USB adapters do.
        """
        self.line = line
        self.lost: Deferred[str] = Deferred()
        self._clock = clock
        self._name = name
        self._slack = slack
        self._stray = stray
        self._strays = Strays()
        self._gone = False
        self._draining = False
        self._last = clock.seconds()
        self._stale = 0
        self._deadline = Alarm(clock)
        self._lull = Alarm(clock)
        self._gap = ExactAlarm(clock)
        self._silence: tuple[Deferred[None], float, float] | None = None
        self._current: InHand | None = None

    @property
    def state(self) -> str:
        """`idle`, `sending`, `waiting` or `draining`."""
        if self._current is None:
            quiet = self._last + max(self.line.gap, self._slack)
            return "draining" if self._draining and self._clock.seconds() < quiet else "idle"
        return "sending" if self._clock.seconds() < self._current.ended else "waiting"

    @property
    def quiet(self) -> float:
        """Seconds since the last byte, sent or received; below 0 while a request is being sent."""
        return float(self._clock.seconds() - self._last)

    @property
    def under_way(self) -> bool:
        """Whether a reply has begun, and is not whole yet."""
        return self._current is not None and self._current.transaction.under_way

    def silence(self, seconds: float) -> Deferred[None]:
        """
        Wait until the line has been silent for so long, and at least for its
        own gap; the time since the last byte, sent or received, counts.

        @return: fails with `PortDown` when the line is never quiet, or gone.
        """
        if self._gone:
            return fail(PortDown("the port was lost"))
        seconds = max(seconds, self.line.gap)
        done: Deferred[None] = Deferred()
        begins = max(self._clock.seconds(), self._last)  # a request that is on its way has not ended yet
        self._silence = done, seconds, begins + seconds + PATIENCE
        self._await_silence()
        return done

    def switch(self, line: Line) -> None:
        """
        Change speed and format, at once; call it on a silent line only. A line
        that has no speed of its own only computes with it.

        @raise PortDown: the driver does not take it; all is as before.
        """
        reconfigure = getattr(self.transport, "reconfigure", None)
        if reconfigure is not None:
            try:
                reconfigure(line)
            except PortDown:
                reconfigure(self.line)  # half of it may have been taken
                raise
        self.line = line

    def exchange(
        self, transaction: Transaction, timeout: float, broadcast: bool = False
    ) -> Deferred[Attempt]:
        """
        Send a request now, and look for its reply.

        @param timeout: seconds from the end of the request on the wire until
            the reply begins; for a broadcast, how long it holds the line.
        @return: always fires; the attempt has the error.
        """
        now = self._clock.seconds()
        ended = now + self.line.duration(len(transaction.outgoing))
        current = self._current = InHand(
            transaction,
            broadcast,
            self.line.baudrate,
            self._stale,
            quiet=now - self._last,
            sent=now,
            ended=ended,
            due=ended + timeout,
        )
        self._stale = 0
        assert self.transport is not None
        self.transport.write(transaction.outgoing)
        self._last = ended
        self._deadline.set(current.due, self._verdict)
        return current.done

    def line_errors(self) -> dict[str, int]:
        """What the driver has counted, by name; empty: it does not."""
        counted = getattr(self.transport, "line_errors", lambda: None)()
        return {} if counted is None else asdict(counted)

    def close(self) -> None:
        """Give the line up; an exchange in flight ends as lost."""
        assert self.transport is not None
        self.transport.loseConnection()

    def connectionMade(self) -> None:
        tune(self.transport)

    def dataReceived(self, data: bytes) -> None:
        now = self._clock.seconds()
        self._last = max(self._last, now)
        current = self._current
        if current is None:
            self._stale += len(data)
            self._report(self._strays.received(data))
            self._draining |= self._strays.begun  # somebody is speaking, and not at an end
            if self._silence is not None:
                self._await_silence()
            return
        if current.first is None:
            current.first = now
        current.last = now
        pdu = current.transaction.received(data)
        if pdu is not None and not current.broadcast:
            self._finish(pdu, None)
        else:
            self._lull.set(self._last + max(self.line.gap, self._slack), self._quiet)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self.lost.callback(parting(reason))
        if self._current is not None:
            self._finish(b"", PortLost("the port was lost in mid-exchange"))
        if self._silence is not None:
            self._end_silence().errback(PortDown("the port was lost"))

    def _report(self, frames: list[bytes]) -> None:
        for frame in frames:
            self._stray(frame)

    def _await_silence(self) -> None:
        assert self._silence is not None
        _, seconds, limit = self._silence
        self._gap.set(min(self._last + self._drained(seconds), limit), self._check_silence)

    def _check_silence(self) -> None:
        assert self._silence is not None
        _, seconds, limit = self._silence
        now = self._clock.seconds()
        if now >= self._last + self._drained(seconds) - 1e-9:
            self._draining = False
            self._report(self._strays.quiet())
            self._end_silence().callback(None)
        elif now >= limit - 1e-9:
            self._end_silence().errback(PortDown("the line is never quiet"))
        else:
            self._await_silence()

    def _drained(self, seconds: float) -> float:
        """How long a silence is needed, where so long is asked for."""
        return max(seconds, self._slack) if self._draining else seconds

    def _end_silence(self) -> Deferred[None]:
        assert self._silence is not None
        done, self._silence = self._silence[0], None
        self._gap.cancel()
        return done

    def _quiet(self) -> None:
        """Bytes came, and none after them."""
        current = self._current
        assert current is not None
        transaction, now = current.transaction, self._clock.seconds()
        # A reply that comes in pieces has its time on the wire, and half of it more.
        until = self._last + self._slack + _STRETCH * self.line.duration(transaction.missing)
        if transaction.missing and now < until - 1e-9:
            self._lull.set(until, self._quiet)
            return
        pdu = transaction.quiet()
        if current.broadcast:
            return
        if pdu is not None:
            self._finish(pdu, None)
        elif transaction.damaged or transaction.broken_off or now >= current.due:
            self._finish(b"", transaction.failure())

    def _verdict(self) -> None:
        """Time is up, unless the reply is under way: then its end is awaited, but not for ever."""
        current = self._current
        assert current is not None
        if current.broadcast:
            self._finish(b"", None)
            return
        cap = current.due + self._slack + _STRETCH * self.line.duration(MAX_FRAME)
        if current.transaction.under_way and self._clock.seconds() < cap - 1e-9:
            self._deadline.set(cap, self._verdict)
            return
        pdu = current.transaction.quiet()
        self._finish(pdu or b"", None if pdu else current.transaction.failure())

    def _finish(self, pdu: bytes, error: Sent | None) -> None:
        current, self._current = self._current, None
        assert current is not None
        self._deadline.cancel()
        self._lull.cancel()
        # Whoever speaks while a broadcast holds the line may not be at an end.
        self._draining = error is not None or (current.broadcast and current.last is not None)
        strays = tuple(self._strays.received(current.transaction.trailing))
        self._draining |= self._strays.begun
        exchange = current.exchange(self._name, pdu, error)
        current.done.callback(Attempt(exchange, pdu, error, current.quiet, strays))
