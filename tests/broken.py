"""
Builds of the bus and of the text front end from which one rule is missing.

Each class is a part that does all but one thing right. A test that
is worth its name fails with it, and says what somebody would suffer.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from lumina.bus.attempt import Attempt
from lumina.bus.carrier import Carrier
from lumina.bus.copies import Copies
from lumina.bus.port import Port
from lumina.bus.recent import Recent
from lumina.bus.requests import Job, Requests
from lumina.bus.schedule import Schedule
from lumina.bus.turns import Queue, Turns
from lumina.bus.unit import Unit
from lumina.bus.units import Units
from lumina.bus.wire import Wire
from lumina.errors import Cancelled, Expired, LuminaError, PortDown
from lumina.frontends.text import TextConnection, TextFactory
from lumina.interfaces import Terms
from lumina.modbus.pdu import EXCEPTION, Reply, Request
from lumina.modbus.rtu import Line, encode
from lumina.modbus.transaction import Transaction, _size


def rebuilt(*kinds: type) -> Callable[[Port], Port]:
    """
    @param kinds: subclasses of parts of a port.
    @return: makes a port of these parts out of a sound one that has not started.
    """

    def build(port: Port) -> Port:
        requests, carrier = port._requests, port._carrier
        schedule = requests._schedule
        for part in (port, port._units, port._entrance, requests, schedule, carrier, carrier.recent):
            _refit(part, kinds)
        port._entrance._usable = port._usable
        for turns in schedule._classes:
            _refit(turns, kinds)
        opened = port._open
        port._open = lambda: opened().addCallback(_wired, kinds)  # type: ignore[method-assign]
        return port

    return build


def _refit(part: object, kinds: tuple[type, ...]) -> None:
    for kind in kinds:
        if type(part) is kind.__mro__[1]:
            part.__class__ = kind


def _wired(wire: Wire, kinds: tuple[type, ...]) -> Wire:
    _refit(wire, kinds)
    carry = wire.exchange

    def exchange(transaction: Transaction, *rest: Any) -> Deferred[Attempt]:
        _refit(transaction, kinds)
        return carry(transaction, *rest)

    wire.exchange = exchange  # type: ignore[method-assign,assignment]
    return wire


# Which bytes are the reply.


class AnyCRC(Transaction):
    """A reply of the right size is taken, whatever its CRC."""

    def _next(self, rest: bytes, quiet: bool) -> tuple[int, bytes | None]:
        size = _size(rest, self.unit)
        if size is not None and len(rest) >= size and self._ours(rest) and self._expected(size, rest):
            return self._frame(rest[:size])
        return super()._next(rest, quiet)


class AnyUnit(Transaction):
    """It does not matter who replies."""

    def _frame(self, frame: bytes) -> tuple[int, bytes | None]:
        return super()._frame(encode(self.unit, frame[1:-2]))


class AnyFunction(Transaction):
    """It does not matter with which function."""

    def _frame(self, frame: bytes) -> tuple[int, bytes | None]:
        if not frame[1] & EXCEPTION:
            frame = encode(frame[0], bytes([self.request.function]) + frame[2:-2])
        return super()._frame(frame)


class AnyCount(Transaction):
    """A read takes as many registers as come."""

    def _frame(self, frame: bytes) -> tuple[int, bytes | None]:
        if not self.request.writes and frame[:2] == self.outgoing[:2]:
            return len(frame), frame[1:-2]
        return super()._frame(frame)


class AnyAddress(Transaction):
    """A write is confirmed by the confirmation of any other."""

    def _frame(self, frame: bytes) -> tuple[int, bytes | None]:
        if self.request.writes and frame[:2] == self.outgoing[:2]:
            return len(frame), frame[1:-2]
        return super()._frame(frame)


class OneCopy(Transaction):
    """On a line that echoes, the echo of a write confirms it."""

    def received(self, data: bytes) -> bytes | None:
        self._echo = self._echo and not self._may_echo
        return super().received(data)


class NoEcho(Transaction):
    """What comes back first is never an echo."""

    def received(self, data: bytes) -> bytes | None:
        self.outgoing = b"\0"
        self._echo = False
        return super().received(data)


class SlowExceptions(Transaction):
    """The end of an exception is told by silence."""

    def received(self, data: bytes) -> bytes | None:
        self.incoming += data
        whole = bytes(self.incoming)
        del self.incoming[:]
        if len(whole) < 2 or whole[1] & EXCEPTION:
            self.incoming += whole
            return None
        return super().received(whole)


class KnownFunctions(Transaction):
    """What is unknown has no end."""

    def _open_ended(self, rest: bytes) -> bool:
        return False


class Impatient(Transaction):
    """A pause ends a frame."""

    @property
    def missing(self) -> int:
        return 0


class Strict(Wire):
    """Bytes are never held up on their way."""

    def dataReceived(self, data: bytes) -> None:
        self._slack = 0.0
        super().dataReceived(data)


class TrustedEcho(Carrier):
    """While it is unknown whether the line echoes, one copy of a write confirms it."""

    async def _settled(self, wire: Wire, job: Job, attempt: Attempt, waited: float) -> Attempt:
        self._requests.publish(attempt.exchange)
        return attempt


class StaleInput(Wire):
    """What came before the request was sent may be its reply."""

    _kept = b""

    def dataReceived(self, data: bytes) -> None:
        if self._current is None:
            self._kept += data
        super().dataReceived(data)

    def exchange(self, transaction: Transaction, *rest: Any) -> Deferred[Attempt]:
        done = super().exchange(transaction, *rest)
        kept, self._kept = self._kept, b""
        if kept:
            self.dataReceived(kept)
        return done


# Late replies.


class NoDoubt(Units):
    """A silence leaves no doubt."""

    def free_at(self, unit: int, function: int, now: float) -> float:
        return now


class ShortLinger(Units):
    """Late replies are looked out for only half a second."""

    def _linger(self, known: Any) -> float:
        return 0.5


class OneDebt(Units):
    """A read that was repeated is owed one reply."""

    def missed(self, unit: int, request: Request, waited: float, baudrate: int, now: float) -> bool:
        self._know(unit, now).owed.clear()
        return super().missed(unit, request, waited, baudrate, now)


class Paid(Units):
    """Any frame of the function is the late reply, whatever its shape."""

    def heard(self, frame: bytes, now: float) -> bool:
        known = self._know(frame[0], now)
        return bool(known.settle(lambda owed: owed.function == frame[1] & 0x7F)) or super().heard(frame, now)


class Counted(Units):
    """A late reply that comes twice is that to two requests."""

    def heard(self, frame: bytes, now: float) -> bool:
        self._know(frame[0], now).copies._spoke = b"", 0.0
        return super().heard(frame, now)


class Unprepared(Copies):
    """Copies of replies are met unprepared, however many have come."""

    __slots__ = ()

    def hold(self, now: float, linger: float) -> float:
        return 0.0


class NothingPrepared(Units):
    """As many units, none of which is expected to send copies."""

    def _know(self, unit: int, now: float) -> Unit:
        known = super()._know(unit, now)
        known.copies.__class__ = Unprepared
        return known


class NothingOwed(Units):
    """A port that is lost takes with it what was owed."""

    def lost(self, unit: int, request: Request, now: float, waited: float) -> None:
        self.probe_over(unit, now)


# What is sent, and when.


class RepeatedWrites(Carrier):
    """Writes are repeated as reads are."""

    def _trials(self, request: Request) -> int:
        return 1 + self._settings.retries


class Withdrawn(Carrier):
    """What was taken from the queue is sent, although nobody waits for it any more."""

    def _withdrawn(self, job: Job) -> bool:
        return False


class QueuedForEver(Requests):
    """What is withdrawn or expires stays in the queue."""

    def _withdraw(self, done: Deferred[Reply]) -> None:
        job = self._asked.get(done)
        if job is not None and job.sent is None:
            self.end(job, Cancelled("withdrawn"))

    def _expire(self, job: Job) -> None:
        job.expiry = None
        self.end(job, Expired("expired"))


class NoDeadline(Requests):
    """Nobody is told that his time has passed."""

    def enter(self, job: Job) -> None:
        super().enter(job)
        if job.expiry is not None:
            self._disarm(job)


class EndedTwice(Requests):
    """A request may end more than once."""

    def end(self, job: Job, result: Reply | LuminaError) -> None:
        job.ended, self._asked[job.done] = False, job
        super().end(job, result)


class NoGap(Wire):
    """There is no silence between frames."""

    def silence(self, seconds: float) -> Deferred[None]:
        return succeed(None)


class NoDraining(Wire):
    """Somebody may be speaking still."""

    def _drained(self, seconds: float) -> float:
        return seconds


class NoTurnaround(Wire):
    """A broadcast does not hold the line."""

    def exchange(
        self, transaction: Transaction, timeout: float, broadcast: bool = False
    ) -> Deferred[Attempt]:
        return super().exchange(transaction, 0.0 if broadcast else timeout, broadcast)


class EndlessBroadcast(Wire):
    """A broadcast waits for a reply."""

    def exchange(
        self, transaction: Transaction, timeout: float, broadcast: bool = False
    ) -> Deferred[Attempt]:
        return super().exchange(transaction, timeout)


class OneSpeed(Wire):
    """The driver is not told of another speed."""

    def switch(self, line: Line) -> None:
        self.line = line


class NoBarrier(Schedule[Job]):
    """Reads are answered together, whatever was written between them."""

    def sharers(self, job: Job) -> list[Job]:
        barriers, self._barriers = self._barriers, {}
        shared = super().sharers(job)
        self._barriers = barriers
        return shared


class Unordered(Queue[Job]):
    """What is ready goes first."""

    def first(self, ready: Callable[[Job], bool]) -> Job | None:
        return next(filter(ready, self.jobs), None)


class Disorder(Turns[Job]):
    """What one client asks of one unit may go in any order."""

    def add(self, job: Job, arrival: int) -> None:
        super().add(job, arrival)
        self._queues[job.client].__class__ = Unordered


class Unforgetting(Recent):
    """A write leaves what is remembered as it is."""

    def forget(self, unit: int) -> None:
        pass


class Unchanging(Requests):
    """A write that is asked, and not over, makes no difference to what is remembered."""

    def changing(self, unit: int) -> bool:
        return False


# What must come back.


class Jammed(Port):
    """A line that was never quiet is given up."""

    def _usable(self, now: float) -> None:
        if self._state == "jammed":
            raise PortDown(self._reason)
        super()._usable(now)

    def _close(self) -> None:
        pass


class NoTrial(Port):
    """It is not tried before it is opened anew."""

    def _usable(self, now: float) -> None:
        if self._state == "jammed":
            raise PortDown(self._reason)
        super()._usable(now)


class Unaware(Wire):
    """What is in flight is not told that the port was lost."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._current is not None:
            self._deadline.cancel()
            self._lull.cancel()
            self._current = None
        super().connectionLost(reason)


class OneLife(Port):
    """A port that was lost is not looked for."""

    def _closed(self, reason: str) -> None:
        super()._closed(reason)
        self.running = 0


class NeverProbed(Units):
    """A suspended unit is not tried."""

    def refusal(self, unit: int, now: float, *asked: Any) -> str | None:
        known = self._units.get(unit)
        return "suspended" if known is not None and known.suspended else None


class LostProbe(Units):
    """A probe that was withdrawn is waited for."""

    def probe_over(self, unit: int, now: float) -> None:
        pass


class Silent(Port):
    """A port that is not there is waited for."""

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        return Deferred() if self._state == "closed" else super().execute(unit, request, terms)


class Mute(TextConnection):
    """A malformed line is passed over."""

    def _take(self, line: str) -> None:
        if line.count(":") >= 5:
            super()._take(line)


class Utf8Only(TextConnection):
    """A byte that is no UTF-8 closes the connection."""

    def lineReceived(self, line: bytes) -> None:
        try:
            line.decode()
        except UnicodeDecodeError:
            self._abort()
            return
        super().lineReceived(line)


class EmptyCommand(TextConnection):
    """An empty command is taken for one that has a first byte."""

    def _take(self, line: str) -> None:
        if "::" in line:
            self._put("index out of range", 0.0)
            return
        super()._take(line)


def text_rebuilt(kind: type[TextConnection]) -> type[TextFactory]:
    """A text front end whose connections are of this kind."""

    class Rebuilt(TextFactory):
        def _connection(self, name: str, peer: str, host: str) -> TextConnection:
            connection = super()._connection(name, peer, host)
            connection.__class__ = kind
            return connection

    return Rebuilt
