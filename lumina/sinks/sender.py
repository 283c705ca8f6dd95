"""
Delivers what a spool holds: sends, tries again, gives up on single readings, or holds.

An answer that may come another time means: the same again, later, with growing
pauses drawn at random. A reading that is refused while others are accepted
becomes a dead letter. When all are refused alike, the fault is not theirs:
nothing is given up, the operator is told, and one is tried now and then.
"""

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.errors import LuminaError
from lumina.readings import Reading
from lumina.sinks.courier import Fate, Verdict, pause
from lumina.sinks.documents import Document, encode
from lumina.sinks.feed import Feed
from lumina.sinks.judgement import Hold, Signs
from lumina.sinks.keeper import Replaced
from lumina.sinks.lanes import Device, Lanes, Parcel, ranges
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store

T = TypeVar("T")

#: So many different readings refused in a row are refused for a fault that is not theirs.
_ALIKE = 8
#: Suspects that are gathered at most, while all is refused.
_SUSPECTS = 200

#: Seconds between two words in the log about refused readings of one point.
_AGAIN = 3600.0
#: Seconds between two looks at what another process may have changed.
_LOOK = 2.0
#: Seconds that requests under way are waited for at the end.
_FAREWELL = 3.0


class Courier(Protocol):
    """Carries bodies."""

    def send(self, key: str, body: bytes, members: str = "") -> Deferred[Verdict]:
        """
        @param members: of a batch: the name of the spool, and the numbers of its readings.
        @return: fires with what was said, in bounded time; never fails.
        """


class Delivery(NamedTuple):
    """
    How to deliver.

    @ivar batch: readings in a request at most; 1: each by itself, not in a list.
    @ivar concurrency: requests under way at most.
    @ivar shortest: seconds, the bound of the first pause after a failure.
    @ivar longest: seconds, the bound that pauses grow to.
    @ivar hold: seconds between the first tries while all is refused; they grow tenfold.
    """

    batch: int = 1
    concurrency: int = 4
    shortest: float = 1.0
    longest: float = 300.0
    hold: float = 60.0


class Sender(Service):
    """
    Delivers from one spool by one courier.

    @ivar trouble: the last thing that went wrong; empty when something was accepted since.
    """

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
        self.trouble = ""
        self._spool = spool
        self._courier = courier
        self._delivery = delivery
        self._document = document
        self._reactor = reactor
        self._draw = draw
        self._lanes = Lanes(delivery.batch)
        self._feed = Feed(spool, self._lanes, self._pump)
        self._order = count(1)
        self._failures = 0
        self._gate = 0.0
        self._signs = Signs()
        self._held = Hold(delivery.hold, draw)
        self._told: dict[tuple[Device, str], float] = {}
        self._pumping = self._again = False
        self._timer: Any = None
        self._sending: set[Deferred[None]] = set()
        self._look = LoopingCall(self._look_around)
        self._look.clock = reactor
        spool.replaced = self._feed.begin_anew
        spool.dropped = self._dropped
        spool.held = lambda: self._lanes.known() if self.holding else self._lanes.all()

    @property
    def holding(self) -> str:
        """Why nothing is sent; empty: it is."""
        return self._held.reason

    @property
    def state(self) -> str:
        """In one word: `holding`, `retrying`, `delivering` or `idle`."""
        if self.holding:
            return "holding"
        if self._failures:
            return "retrying"
        return "delivering" if self._spool.ledger.queued else "idle"

    def startService(self) -> None:
        super().startService()
        self._look.start(_LOOK, now=False)
        self._feed.begin()

    def stopService(self) -> "Deferred[object]":
        super().stopService()
        if self._look.running:
            self._look.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting: Deferred[Any] = DeferredList(list(self._sending))
        waiting.addTimeout(_FAREWELL, self._reactor).addErrback(lambda _: self._give_up())
        return waiting

    def wake(self) -> None:
        """There are more readings."""
        self._feed.more()
        self._pump()

    def _give_up(self) -> None:
        for each in list(self._sending):
            each.cancel()

    def _look_around(self) -> None:
        """What another process has changed is read anew, and what came to nothing is begun again."""
        if not self._feed.ready:
            self._feed.begin()
        self._spool.do(lambda store: store.changed()).addCallbacks(self._looked, lambda _: None)

    def _looked(self, changed: bool) -> None:
        if changed:
            self._held.due = 0.0
            self._feed.read_anew()
        self._pump()

    def _dropped(self) -> None:
        """While nothing is sent, what is only looked through may be dropped."""
        if self.holding:
            self._feed.read_anew()

    # To the courier.

    def _pump(self) -> None:
        """Send what can be sent now, and see to it that this is called when more can be."""
        if not self.running or not self._feed.ready:
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
        if now < self._gate:
            return
        if self.holding:
            self._feed.load()  # what is unlike the suspects may be far behind
            self._probe(now)
            return
        while self._lanes.under_way < (1 if self._failures else self._delivery.concurrency):
            parcel = self._lanes.next(now)
            if parcel is None:
                self._feed.load()
                self._judge_the_last()
                return
            self._send(parcel)
            if self.holding or now < self._gate:
                return
        self._feed.load_if_few()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._reactor.seconds()
        due = max(self._gate, self._held.due if self.holding else self._lanes.due() or 0.0)
        if due > now and self.running:
            self._timer = self._reactor.callLater(due - now, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._pump()

    def _send(self, parcel: Parcel) -> None:
        sending = Deferred.fromCoroutine(self._deliver(parcel))
        self._sending.add(sending)
        sending.addBoth(self._sent, sending, parcel)

    def _sent(self, result: object, sending: Deferred[None], parcel: Parcel) -> None:
        self._sending.discard(sending)
        self._lanes.done(parcel)
        if isinstance(result, Failure) and self.running and not result.check(Replaced):
            self._log.failure("{name}: a delivery", result, name=self._spool.title)
            parcel.due = self._gate = self._reactor.seconds() + self._delivery.longest
            if parcel not in self._lanes.suspects:
                self._lanes.put_back(parcel)
        self._pump()

    async def _deliver(self, parcel: Parcel) -> None:
        name = self._spool.name
        if parcel.batch is None and self._delivery.batch > 1:
            parcel.batch = await self._surely(name, lambda store: store.record(parcel.seqs))
        parcel.attempts += 1
        parcel.sent, began = next(self._order), self._reactor.seconds()
        documents = [self._document(each.reading) for each in parcel.members]
        if parcel.batch is None:
            verdict = await self._courier.send(f"{name}-{parcel.first}", encode(documents[0]))
        else:
            key = f"{name}-b{parcel.batch}"
            verdict = await self._courier.send(key, encode(documents), f"{name}; {ranges(parcel.seqs)}")
        if verdict.wait is not None:
            self._gate = max(self._gate, self._reactor.seconds() + verdict.wait)
        if verdict.fate is Fate.ACCEPTED:
            await self._surely(name, lambda store: store.delivered(parcel.seqs, parcel.batch))
            self._signs.accepted(parcel.devices, began)
            await self._accepted(parcel, name)
        elif verdict.fate is Fate.REFUSED and len(parcel.members) > 1:
            await self._split(parcel, name)
        elif verdict.fate is Fate.REFUSED:
            self._refused(parcel, verdict)
        else:
            self._not_now(parcel, verdict)

    async def _surely(self, name: str, act: Callable[[Store], T]) -> T:
        """
        Do something with the spool; while that fails, nothing more goes to these devices.

        @raise Replaced: the spool is not the one of this name any more.
        """

        def checked(store: Store) -> T:
            if store.name != name:
                raise Replaced("the spool is another one")
            return act(store)

        while True:
            try:
                return await self._spool.do(checked)
            except Replaced:
                raise
            except LuminaError as error:
                self.trouble = str(error)
            await deferLater(self._reactor, _LOOK)

    # What is made of a verdict.

    async def _accepted(self, parcel: Parcel, name: str) -> None:
        self._failures, self.trouble = 0, ""
        if parcel in self._lanes.suspects:
            self._lanes.suspects.remove(parcel)
        guilty = [each for each in self._lanes.suspects if each.refused < parcel.sent]
        if self.holding:
            self._log.info("{name}: readings are accepted again", name=self._spool.title)
            self._held.end()
            # Those of its own device may not come behind it; the others get another chance.
            guilty = [each for each in guilty if each.devices & parcel.devices and each.first < parcel.first]
            self._lanes.acquit(guilty)
        await self._bury(guilty, name)

    async def _bury(self, guilty: Sequence[Parcel], name: str) -> None:
        """Those are refused for good."""

        def bury(store: Store) -> None:
            for each in guilty:
                assert each.refusal is not None
                store.refused(each.first, each.refusal.status, each.refusal.sentence, each.attempts)
                store.dissolve(each.batch, each.seqs)

        for each in guilty:
            self._lanes.convict(each)
            self._tell(each)
        if guilty:
            await self._surely(name, bury)
            self._lanes.buried(guilty)

    def _tell(self, guilty: Parcel) -> None:
        """Say whose reading is refused, of each point once in a while."""
        point, now = guilty.reading.point, self._reactor.seconds()
        if now - self._told.get((point.device, point.parameter), -_AGAIN) < _AGAIN:
            return
        self._told[point.device, point.parameter] = now
        assert guilty.refusal is not None
        self._log.warn(
            "{name}: device {device}, {parameter!r} is refused for good: {sentence}",
            name=self._spool.title,
            device=point.device,
            parameter=point.parameter,
            sentence=guilty.refusal.sentence,
        )

    async def _split(self, parcel: Parcel, name: str) -> None:
        """A batch was refused, for one of its readings perhaps: each half by itself."""
        middle = len(parcel.members) // 2
        halves = [Parcel(parcel.members[:middle]), Parcel(parcel.members[middle:])]

        def split(store: Store) -> None:
            store.dissolve(parcel.batch, parcel.seqs)
            for half in halves:
                half.batch = store.record(half.seqs)

        await self._surely(name, split)
        for half in halves:
            self._lanes.put_back(half)

    def _refused(self, parcel: Parcel, verdict: Verdict) -> None:
        self._failures, self.trouble = 0, verdict.sentence
        again = parcel in self._lanes.suspects
        parcel.refusal, parcel.refused = verdict, next(self._order)
        self._lanes.suspect(parcel)
        if not self.holding and len(self._lanes.suspects) >= _ALIKE:
            if self._signs.is_one_alone(self._lanes.suspects, self._reactor.seconds()):
                self._bury_aside(list(self._lanes.suspects))
            else:
                self._hold(f"all is refused alike: {verdict.sentence}")
        elif self.holding and not (again and self._probe_another()):
            self._held.later(self._reactor.seconds())

    def _not_now(self, parcel: Parcel, verdict: Verdict) -> None:
        now, delivery = self._reactor.seconds(), self._delivery
        self._say(verdict.sentence)
        self._failures += 1
        self._feed.read_anew()  # so that what is in no parcel may be dropped, should this last
        if verdict.wait is None:
            self._gate = max(
                self._gate, now + pause(self._failures, delivery.shortest, delivery.longest, self._draw)
            )
            parcel.due = now + pause(parcel.attempts, delivery.shortest, delivery.longest, self._draw)
        if parcel in self._lanes.suspects:
            self._lanes.done(parcel)
        else:
            self._lanes.put_back(parcel)
        if verdict.fate is Fate.BARRED and not self.holding:
            self._hold(verdict.sentence)
        elif self.holding:
            self._held.later(self._reactor.seconds())

    def _say(self, sentence: str) -> None:
        """Each trouble once."""
        if sentence != self.trouble:
            self._log.warn("{name}: {sentence}", name=self._spool.title, sentence=sentence)
        self.trouble = sentence

    # While all is refused.

    def _judge_the_last(self) -> None:
        """There is nothing else to send: what is refused is either guilty, or a sign."""
        suspects = list(self._lanes.suspects)
        if not suspects or self._lanes.under_way or self._feed.is_loading or self._lanes.due() is not None:
            return
        if self._signs.lately(self._reactor.seconds()):
            self._bury_aside(suspects)
        else:
            self._hold(f"nothing is accepted: {self.trouble}")

    def _bury_aside(self, guilty: Sequence[Parcel]) -> None:
        burying = Deferred.fromCoroutine(self._bury(guilty, self._spool.name))
        self._sending.add(burying)
        burying.addErrback(lambda failure: failure.trap(Replaced, CancelledError))
        burying.addBoth(lambda _: self._sending.discard(burying))

    def _hold(self, reason: str) -> None:
        self._held.begin(reason, self._reactor.seconds())
        self._log.error(
            "{name}: held, nothing is given up: {reason}; one reading is tried now and then",
            name=self._spool.title,
            reason=reason,
        )

    def _probe(self, now: float) -> None:
        """Try one: first that which was refused first."""
        if now < self._held.due or self._lanes.under_way:
            return
        parcel = self._lanes.take_suspect() or self._lanes.next(now)
        if parcel is not None:
            self._send(parcel)

    def _probe_another(self) -> bool:
        """What was refused is refused still: try another one as well."""
        if len(self._lanes.suspects) >= _SUSPECTS:
            return False
        parcel = self._lanes.next(self._reactor.seconds())
        if parcel is None:
            return False
        self._send(parcel)
        return True
