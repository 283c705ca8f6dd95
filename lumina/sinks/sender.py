"""
Delivers what a spool holds: sends, tries again, gives up on single readings, or holds.

One way through: the lanes say what is next, a courier carries it and says what
was answered, the judgement says whose fault a failure is, and the outcome is
written down. An answer that may come another time means: the same again,
later, with growing pauses drawn at random.
"""

import random
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.readings import Reading
from lumina.sinks.answers import Answers
from lumina.sinks.bookkeeper import Bookkeeper
from lumina.sinks.courier import Fate, Verdict
from lumina.sinks.delivery import Courier, Delivery
from lumina.sinks.documents import Document, encode
from lumina.sinks.keeper import Replaced
from lumina.sinks.lanes import Lanes
from lumina.sinks.loader import Loader
from lumina.sinks.parcel import Parcel, ranges
from lumina.sinks.spool import Spool

#: Seconds between two looks at what another process may have changed.
_LOOK = 2.0
#: Seconds at most between two attempts of a reading while another is tried in its place.
_TRIAL = 3600.0
#: Seconds that requests under way are waited for at the end.
_FAREWELL = 3.0


class Sender(Service):
    """Delivers from one spool by one courier."""

    _log = Logger()

    def __init__(
        self,
        spool: Spool,
        courier: Courier,
        delivery: Delivery,
        document: Callable[[Reading], Document],
        reactor: Any,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """
        @param document: makes of a reading what is sent; the same of the same, always.
        @param draw: a random number from 0 up to 1.
        """
        self._spool = spool
        self._courier = courier
        self._delivery = delivery
        self._document = document
        self._reactor = reactor
        self._lanes = Lanes(delivery.batch)
        self._loader = Loader(spool, self._lanes, self._pump)
        self._books = Bookkeeper(spool, reactor)
        self._answers = Answers(spool.title, self._lanes, self._books, delivery, reactor, draw)
        self._judgement = self._answers.judgement
        self._waits = False
        self._pumping = self._again = self._has_given_up = False
        self._timer: Any = None
        self._sending: set[Deferred[None]] = set()
        self._look = LoopingCall(self._look_around)
        self._look.clock = reactor
        spool.replaced = self._loader.begin_anew
        spool.dropped = self._dropped
        spool.held = lambda: self._lanes.known() if self.holding else self._lanes.all()

    @property
    def holding(self) -> str:
        """Why nothing is sent; empty: it is."""
        return self._answers.hold.reason

    @property
    def trouble(self) -> str:
        """The last thing that went wrong; empty when something was accepted since."""
        return self._books.trouble

    @property
    def stuck(self) -> str:
        """On which reading, the first that waits, the API fails again and again; empty: on none."""
        return self._books.stuck

    @property
    def refused(self) -> int:
        """How many readings have become dead letters since the start."""
        return self._books.refused

    @property
    def state(self) -> str:
        """
        In one word: `holding`, `retrying`, `waiting`, `delivering` or `idle`.

        Readings that were refused wait for others, which tell whose fault it is.
        """
        if self.holding:
            return "holding"
        if self._answers.failures:
            return "retrying"
        if self._waits:
            return "waiting"
        return "delivering" if self._spool.ledger.queued else "idle"

    def startService(self) -> None:
        super().startService()
        self._has_given_up = False
        self._look.start(_LOOK, now=False)
        self._loader.begin()

    def stopService(self) -> "Deferred[object]":
        super().stopService()
        if self._look.running:
            self._look.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        farewell = self._reactor.callLater(_FAREWELL, self._give_up)
        waiting: Deferred[Any] = DeferredList(list(self._sending))
        return waiting.addBoth(lambda _: farewell.active() and farewell.cancel())

    def wake(self) -> None:
        """There are more readings."""
        self._loader.more()
        self._pump()

    def _give_up(self) -> None:
        """Those that are not answered by now stay in the spool, whatever has become of them."""
        self._has_given_up = True
        if unanswered := self._lanes.under_way:
            self._log.info(
                "{name}: lumina stops, requests without an answer: {count}; they are sent again at the start",
                name=self._spool.title,
                count=unanswered,
            )
        for each in list(self._sending):
            each.cancel()

    def _look_around(self) -> None:
        """What another process has changed is read anew, and what came to nothing is begun again."""
        if not self._loader.ready:
            self._loader.begin()
        self._spool.do(lambda store: store.changed()).addCallbacks(self._looked, lambda _: None)

    def _looked(self, changed: bool) -> None:
        if changed:
            self._answers.hold.due = 0.0
            self._loader.read_anew()
            self._loader.forget_what_is_gone()
        self._pump()

    def _dropped(self) -> None:
        """While nothing is sent, what is only looked through may be dropped."""
        if self.holding:
            self._loader.read_anew()

    # To the courier.

    def _pump(self) -> None:
        """Send what can be sent now, and see to it that this is called when more can be."""
        if not self.running or not self._loader.ready:
            return
        if self._pumping:
            self._again = True
            return
        self._pumping = self._again = True
        while self._again:
            self._again = False
            self._send_what_can_be()
        self._pumping = False
        self._arm()

    def _send_what_can_be(self) -> None:
        now = self._reactor.seconds()
        if now < self._answers.gate:
            return
        if self.holding:
            self._loader.load()  # what is unlike the suspects may be far behind
            parcel = self._judgement.probe(now)
            if parcel is not None:
                self._send(parcel)
            return
        if self._answers.failures and self._loader.is_empty():
            return  # what is new is to have a chance
        one_by_one = self._answers.failures or self._answers.is_paced
        while self._lanes.under_way < (1 if one_by_one else self._delivery.concurrency):
            parcel = self._judgement.next(now)
            if parcel is None:
                self._loader.load()
                self._nothing_is_left()
                return
            self._send(parcel)
            if self.holding or now < self._answers.gate:
                return
        self._loader.load_if_few()

    def _nothing_is_left(self) -> None:
        lanes = self._lanes
        is_busy = lanes.under_way or self._loader.is_loading or lanes.due() is not None
        self._waits = bool(lanes.suspects) and not is_busy
        if self._waits:
            judging = Deferred.fromCoroutine(self._answers.nothing_is_left(self._spool.name))
            self._sending.add(judging)
            judging.addErrback(lambda failure: failure.trap(Replaced, CancelledError))
            judging.addBoth(lambda _: self._sending.discard(judging))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._reactor.seconds()
        due = max(self._answers.gate, self._answers.hold.due if self.holding else self._lanes.due() or 0.0)
        if due > now and self.running:
            self._timer = self._reactor.callLater(due - now, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._pump()

    def _send(self, parcel: Parcel) -> None:
        self._waits = False
        sending = Deferred.fromCoroutine(self._deliver(parcel))
        self._sending.add(sending)
        sending.addBoth(self._sent, sending, parcel)

    def _sent(self, result: object, sending: Deferred[None], parcel: Parcel) -> None:
        self._sending.discard(sending)
        self._lanes.done(parcel)
        if isinstance(result, Failure) and self.running and not result.check(Replaced):
            self._log.failure("{name}: a delivery", result, name=self._spool.title)
            parcel.due = self._answers.gate = self._reactor.seconds() + self._delivery.longest
            if parcel not in self._lanes.suspects:
                self._lanes.put_back(parcel)
        self._pump()

    async def _deliver(self, parcel: Parcel) -> None:
        name = self._spool.name
        if parcel.batch is None and self._delivery.batch > 1:
            await self._books.record(parcel, name)
        began = self._reactor.seconds()
        verdict = await self._carry(parcel, name)
        if self._has_given_up and verdict.fate is not Fate.ACCEPTED:
            return
        if verdict.fate is Fate.LATER or verdict.fate is Fate.BARRED:
            self._loader.read_anew()  # so that what is in no parcel may be dropped, should this last
        await self._answers.take(parcel, verdict, name, began)
        if self._judgement.wants_trial(parcel, verdict, self._reactor.seconds()):
            await self._try_behind(parcel, name)

    async def _try_behind(self, parcel: Parcel, name: str) -> None:
        """
        Nothing else tells whether the API fails on this reading alone: try the next one of its device.

        It must not come behind that one, so if that may have been taken, it is that which is sent again.
        """
        parcel.tried = self._reactor.seconds()
        parcel.due = parcel.tried + _TRIAL
        trial = await self._loader.behind(parcel)
        if trial is not None:
            self._lanes.try_out(trial)
            try:
                verdict = await self._tried(trial, name)
            finally:
                self._lanes.done(trial)
            if verdict.fate is Fate.ACCEPTED:
                await self._answers.overtaken(parcel, name)
        parcel.due = self._reactor.seconds() + self._answers.pause_of(parcel)

    async def _tried(self, trial: Parcel, name: str) -> Verdict:
        """Send it until it is known what has become of it."""
        if trial.batch is None and self._delivery.batch > 1:
            await self._books.record(trial, name)
        while True:
            began = self._reactor.seconds()
            verdict = await self._carry(trial, name)
            if not verdict.lost:
                await self._answers.take(trial, verdict, name, began)
                return verdict
            await deferLater(self._reactor, self._answers.pause_of(trial))

    async def _carry(self, parcel: Parcel, name: str) -> Verdict:
        self._judgement.sent(parcel)
        documents = [self._document(each.reading) for each in parcel.members]
        if parcel.batch is None:
            return await self._courier.send(f"{name}-{parcel.first}", encode(documents[0]))
        key = f"{name}-b{parcel.batch}"
        return await self._courier.send(key, encode(documents), f"{name}; {ranges(parcel.seqs)}")
