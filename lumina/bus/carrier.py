"""
Carries one request at a time over the wire of a port, and learns from what comes.

What is learnt: how long each unit takes, whether it answers at all, which
late replies are still owed, and whether the line gives back what is sent.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from lumina.bus.echo import Echo, one_copy
from lumina.bus.lessons import learn
from lumina.bus.pauses import Pauses
from lumina.bus.recent import Recent
from lumina.bus.requests import Job, Requests
from lumina.bus.results import all_over, follow, for_asker, no_reply, only_late, verdict_of
from lumina.bus.settings import PortSettings
from lumina.bus.units import Units
from lumina.bus.wire import Attempt, Wire
from lumina.errors import (
    BadReply,
    ExceptionReply,
    LuminaError,
    NoReply,
    PortDown,
    PortLost,
    Sent,
)
from lumina.modbus.pdu import BROADCAST, EXCEPTION, ReadHoldingRegisters, Reply, Request
from lumina.modbus.transaction import Transaction

#: What settles whether a line echoes: its own bytes come back, or they do not.
_QUESTION = ReadHoldingRegisters(0, 1)


class Carrier:
    """
    The way of the requests of one port to their units, and back.

    @ivar echo: what is known of the echo of the line.
    @ivar pauses: how long the line is silent before what is sent.
    """

    _log = Logger()

    def __init__(self, settings: PortSettings, requests: Requests, units: Units, clock: Any) -> None:
        self.echo = Echo(settings.name, settings.echo, units.forget_copies)
        self.pauses = Pauses(settings, units, clock)
        self.recent = Recent(settings.max_age)
        self._settings = settings
        self._requests = requests
        self._units = units
        self._clock = clock
        self._late: list[bytes] = []
        self._wire: Wire | None = None

    def stray(self, frame: bytes) -> None:
        """A sound frame has come while nothing was asked."""
        if self._heard(frame, self._clock.seconds()):
            self._late.append(frame)
            self._requests.ring()

    async def carry(self, wire: Wire, job: Job) -> bool:
        """
        Have a job answered, and all that can share its exchange. A write is
        sent once, whatever comes of it.

        @return: whether an exchange got through, with whatever result.
        """
        party = [job]
        if wire is not self._wire:
            self._wire = wire
            self.echo.doubt()  # it may be another adapter by now
        try:
            result = await self._tried(wire, party)
        except Exception:
            self._log.failure("{port}: a fault in lumina itself", port=self._settings.name)
            result = LuminaError("a fault in lumina itself; its log has the traceback")
            wire.close()
        if result is None:
            return False
        for each in party:
            self._requests.end(each, for_asker(each, result))
        return not isinstance(result, PortDown | PortLost)

    async def _tried(self, wire: Wire, party: list[Job]) -> Reply | LuminaError | None:
        """
        @param party: a job; those that share its exchange are added to it.
        @return: `None`: the job has ended before it was sent.
        """
        job = party[0]
        trials = self._trials(job.request)
        result: Reply | LuminaError = PortDown("the port was lost")
        for trial in range(trials):
            gap = self.pauses.before(job)
            try:
                await wire.silence(gap)
                if not trial and self._withdrawn(job):
                    return None
                if job.line != wire.line:
                    wire.switch(job.line)
            except PortDown as down:
                return result if trial else down
            if not trial:
                party += self._requests.sharers(job)
            result = await self._attempt(wire, party, gap)
            if not isinstance(result, Sent) or isinstance(result, PortLost) or all_over(party):
                break
        return result

    def _trials(self, request: Request) -> int:
        """How often a request may be sent."""
        return 1 + (self._settings.retries if request.repeatable else 0)

    def _withdrawn(self, job: Job) -> bool:
        """Whether nobody waits any more for one that was taken from the queue and not sent yet."""
        return job.is_over

    async def _attempt(self, wire: Wire, party: Sequence[Job], gap: float) -> Reply | LuminaError:
        """@param gap: seconds of silence that it has cost; they count as bus time."""
        job, began = party[0], self._clock.seconds()
        broadcast = job.unit == BROADCAST
        stated = max(each.timeout for each in party)
        wait = self._settings.turnaround
        if not broadcast:
            wait = self._units.wait(job.unit, job.request, stated, began)
        for each in party:
            self._requests.begun(each, began)
        ended = began + job.line.duration(len(job.request.encode()) + 3)
        leaving = [self._leave_alone(wire, each, ended) for each in party if each.timeout < wait]
        transaction = Transaction(job.unit, job.request, self.echo.known)
        attempt = await wire.exchange(transaction, wait, broadcast)
        for call in leaving:
            if call.active():
                call.cancel()
        self.pauses.asked(job.unit)
        attempt = self._judged(attempt, len(party))
        doubtful = self.echo.known is None and not broadcast and attempt.error is None and one_copy(attempt)
        if not doubtful:
            self._requests.publish(attempt.exchange)
        self._requests.charge(party, gap + self._clock.seconds() - began)
        if job.barrier:
            self.recent.forget(job.unit)
        if broadcast:
            # Nobody replies to one: what comes back is its echo.
            self.echo.learn(True if one_copy(attempt) or attempt.exchange.echoed else None)
        elif doubtful:
            attempt = await self._settled(wire, job, attempt, wait)
            wait = self._clock.seconds() - attempt.exchange.ended  # all that it has had
        else:
            self._learn(job, job.request, attempt, wait)
            self.echo.judge(attempt, job.request)
        self._hear(attempt.strays)
        return self._result(job, attempt, wait)

    def _leave_alone(self, wire: Wire, job: Job, ended: float) -> IDelayedCall:
        """One of several askers waits less long than the others: it is answered by its own time."""

        def leave() -> None:
            if not wire.under_way:
                self._requests.end(job, for_asker(job, no_reply(job, job.timeout)))

        delay = ended + job.timeout - self._clock.seconds()
        call: IDelayedCall = self._clock.callLater(delay, leave)
        return call

    def _judged(self, attempt: Attempt, served: int) -> Attempt:
        """With late replies told from foreign frames."""
        exchange, now = attempt.exchange, self._clock.seconds()
        late = [frame for frame in exchange.foreign if self._heard(frame, now)]
        foreign = tuple(frame for frame in exchange.foreign if frame not in late)
        exchange = exchange._replace(foreign=foreign, late=(*self._late, *late), served=served)
        self._late = []
        error = attempt.error
        if late and only_late(exchange) and isinstance(error, BadReply):
            error = NoReply(f"unit {exchange.unit} did not reply")
            exchange = exchange._replace(verdict=NoReply.word)
        return replace(attempt, exchange=exchange, error=error)

    def _heard(self, frame: bytes, now: float) -> bool:
        """A sound frame that answers nothing in hand: is it a late reply?"""
        late = self._units.heard(frame[:-2], now)
        echo = not late and self.echo.heard(frame)
        if not late and not echo and (hold := self._units.hold(frame[0], now)):
            self.pauses.copied(frame[0], hold)
        return late

    # Learning.

    def _learn(self, job: Job, request: Request, attempt: Attempt, waited: float) -> None:
        units, unit, now = self._units, job.unit, self._clock.seconds()
        before = units.is_suspended(unit)
        sound = learn(units, unit, request, job.line, attempt, waited, now)
        follow(self._settings.name, units, self._requests, unit, before, now)
        if sound is not None and (sound or not before):
            self.pauses.told(unit, attempt.quiet, sound)
        self.echo.learn(attempt.exchange.echoed)

    def _hear(self, strays: Sequence[bytes]) -> None:
        for frame in strays:
            self.stray(frame)

    async def _settled(self, wire: Wire, job: Job, attempt: Attempt, waited: float) -> Attempt:
        """
        One copy of a write has come, and it may be its echo.

        @return: the attempt, with an error if the write is not confirmed;
            then its confirmation may still come.
        """
        now = self._clock.seconds()
        self._units.unclear(job.unit, job.request, now, now - attempt.exchange.ended)
        question = await self._ask_for_echo(wire, job)
        late = question.exchange.late if question else ()
        confirmed = attempt.exchange.outgoing in late
        error: Sent | None = None
        if question is None or isinstance(question.error, PortLost):
            error = PortLost("the port was lost in mid-exchange")
        elif self.echo.known is None:
            error = BadReply("one copy of it came back, and whether this line echoes could not be told")
        elif not self.echo.known:
            self._learn(job, job.request, attempt, waited)
            self.echo.judge(attempt, job.request)
        elif not confirmed:
            error = NoReply("only its echo came back")
        exchange = attempt.exchange._replace(verdict=verdict_of(attempt.pdu, error))
        self._requests.publish(exchange)
        if question:
            left = tuple(frame for frame in late if not confirmed or frame != exchange.outgoing)
            self._requests.publish(question.exchange._replace(late=left))
        return replace(attempt, exchange=exchange, error=error)

    async def _ask_for_echo(self, wire: Wire, job: Job) -> Attempt | None:
        """
        Ask whether the line echoes.

        @return: the question, not published yet; `None`: the port was lost.
        """
        try:
            await wire.silence(max(self._settings.slack, self.pauses.before(job)))
        except PortDown:
            return None
        began = self._clock.seconds()
        wait = self._units.wait(job.unit, _QUESTION, self._settings.timeout, began)
        attempt = await wire.exchange(Transaction(job.unit, _QUESTION, None), wait)
        attempt = self._judged(attempt, 0)
        now = self._clock.seconds()
        self._requests.charge([job], now - began)
        if attempt.error is None:
            self._learn(job, _QUESTION, attempt, wait)
            self._hear(attempt.strays)
        else:
            self._units.unclear(job.unit, _QUESTION, now, now - attempt.exchange.ended)
            silent = isinstance(attempt.error, NoReply) and attempt.exchange.echoed is None
            self.echo.learn(False if silent else attempt.exchange.echoed)
        return attempt

    # Results.

    def _result(self, job: Job, attempt: Attempt, waited: float) -> Reply | LuminaError:
        pdu, exchange, error = attempt.pdu, attempt.exchange, attempt.error
        if isinstance(error, NoReply):
            return no_reply(job, waited)
        if error is not None:
            return error
        if pdu and pdu[0] & EXCEPTION:
            return ExceptionReply(job.request.function, pdu[1])
        reply = Reply(job.request, pdu, exchange.sent, exchange.last or exchange.ended)
        if job.key is not None and not self._requests.changing(job.unit):
            self.recent.put(job.unit, job.key, reply)
        return reply
