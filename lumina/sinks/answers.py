"""What is made of an answer: it is judged, what comes of that is written down, and the pauses are kept."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.logger import Logger

from lumina.sinks.bookkeeper import Bookkeeper
from lumina.sinks.courier import Fate, Verdict, pause
from lumina.sinks.delivery import Delivery
from lumina.sinks.hold import Hold
from lumina.sinks.judgement import Judgement
from lumina.sinks.lanes import Lanes
from lumina.sinks.parcel import Parcel


class Answers:
    """
    Takes answers for the parcels of some lanes.

    @ivar failures: how many there were since something was accepted or refused.
    @ivar gate: nothing is sent before, in monotonic seconds.
    @ivar is_paced: whether the API said last how long to wait; then one request is made at a time.
    """

    _log = Logger()

    def __init__(
        self,
        title: str,
        lanes: Lanes,
        books: Bookkeeper,
        delivery: Delivery,
        reactor: Any,
        draw: Callable[[], float],
    ) -> None:
        """
        @param title: what the sink is called in the log.
        @param draw: a random number from 0 up to 1.
        """
        self.failures = 0
        self.gate = 0.0
        self.is_paced = False
        self.hold = Hold(delivery.hold, draw)
        self.judgement = Judgement(lanes, self.hold, delivery.attempts, delivery.refusals)
        self._title = title
        self._lanes = lanes
        self._books = books
        self._delivery = delivery
        self._reactor = reactor
        self._draw = draw

    async def take(self, parcel: Parcel, verdict: Verdict, name: str, began: float) -> None:
        """
        A parcel was answered.

        @param name: of the spool that it is from.
        @param began: when it was sent, in monotonic seconds.
        @raise Replaced: the spool is not the one of this name any more.
        """
        was_held = bool(self.hold.reason)
        self.is_paced = verdict.wait is not None
        if verdict.wait is not None:
            self.gate = max(self.gate, self._reactor.seconds() + verdict.wait)
        if verdict.fate is Fate.ACCEPTED:
            await self._accepted(parcel, name, began)
        elif verdict.fate is not Fate.REFUSED:
            await self._not_now(parcel, name, verdict)
        elif len(parcel.members) > 1:
            await self._cut(parcel, name)
        else:
            await self._refused(parcel, name, verdict)
        if not was_held:
            self._say_if_held()

    async def _accepted(self, parcel: Parcel, name: str, began: float) -> None:
        await self._books.delivered(parcel, name)
        self.failures, self._books.trouble = 0, ""
        if self.hold.reason:
            self._log.info("{name}: readings are accepted again", name=self._title)
        await self._bury(self.judgement.accepted(parcel, began), name)

    async def _refused(self, parcel: Parcel, name: str, verdict: Verdict) -> None:
        self.failures, self._books.trouble = 0, verdict.sentence
        await self._bury(self.judgement.refused(parcel, verdict, self._reactor.seconds()), name)

    async def nothing_is_left(self, name: str) -> None:
        """There is nothing to send but what was refused."""
        await self._bury(self.judgement.when_nothing_is_left(self._reactor.seconds()), name)
        self._say_if_held()

    async def _bury(self, guilty: Sequence[Parcel], name: str) -> None:
        for each in guilty:
            self._lanes.convict(each)
        await self._books.dead(guilty, name)
        self._lanes.buried(guilty)

    async def _cut(self, parcel: Parcel, name: str) -> None:
        """For one reading of a batch perhaps: each half by itself."""
        halves = self.judgement.halves(parcel)
        await self._books.cut(parcel, halves, name)
        for half in halves:
            self._lanes.put_back(half)

    async def _not_now(self, parcel: Parcel, name: str, verdict: Verdict) -> None:
        now = self._reactor.seconds()
        self._books.say(verdict.sentence)
        self.failures += 1
        if verdict.wait is None:
            self.gate = max(self.gate, now + self._pause(self.failures))
            parcel.due = now + self._pause(parcel.attempts)
        if verdict.fate is Fate.BARRED and not self.hold.reason:
            self.hold.begin(verdict.sentence, now)
        elif self.hold.reason:
            self.hold.later(now)
        if self.judgement.failed(parcel, verdict, now):
            await (self._cut if len(parcel.members) > 1 else self._spoilt)(parcel, name)
        elif parcel in self._lanes.suspects:
            self._lanes.done(parcel)
        else:
            self._lanes.put_back(parcel)
            if verdict.status >= 500 and self.judgement.is_stuck(parcel):
                self._books.stick(parcel)

    async def _spoilt(self, parcel: Parcel, name: str) -> None:
        """The API fails on this reading, while it takes others."""
        assert parcel.refusal is not None
        words = f"{parcel.refusal.sentence}: {parcel.alone} times, while others were accepted"
        parcel.refusal = replace(parcel.refusal, sentence=words)
        await self._bury([parcel], name)

    async def overtaken(self, parcel: Parcel, name: str) -> None:
        """A later reading of its device was accepted, right after the API has failed on this one again."""
        assert parcel.refusal is not None
        words = f"{parcel.refusal.sentence}: {parcel.failures} times, and then a later reading was accepted"
        parcel.refusal = replace(parcel.refusal, sentence=words)
        await self._bury([parcel], name)

    def pause_of(self, parcel: Parcel) -> float:
        """How long it waits now, in seconds."""
        return self._pause(parcel.attempts)

    def _pause(self, attempts: int) -> float:
        return pause(attempts, self._delivery.shortest, self._delivery.longest, self._draw)

    def _say_if_held(self) -> None:
        """All is held from now on, if it is."""
        if self.hold.reason:
            self._log.error(
                "{name}: held, nothing is given up: {reason}; one reading is tried now and then",
                name=self._title,
                reason=self.hold.reason,
            )
