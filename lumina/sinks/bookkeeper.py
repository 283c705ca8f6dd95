"""What becomes of readings in the end, written into their spool: delivered, dead, or sent in parts."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.task import deferLater
from twisted.logger import Logger

from lumina.errors import LuminaError
from lumina.sinks.keeper import Replaced
from lumina.sinks.parcel import Device, Parcel
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store

T = TypeVar("T")

#: Seconds between two words in the log about refused readings of one point.
_AGAIN = 3600.0
#: Seconds until what the disk did not take is tried again.
_PAUSE = 2.0


class Bookkeeper:
    """
    Writes outcomes down; while the disk takes none, nothing more goes to the devices concerned.

    @ivar trouble: the last thing that went wrong; empty when something was accepted since.
    @ivar refused: how many dead letters there were since the start.
    """

    _log = Logger()

    def __init__(self, spool: Spool, reactor: Any) -> None:
        self.trouble = ""
        self.refused = 0
        self._spool = spool
        self._reactor = reactor
        self._stuck: Parcel | None = None
        self._told: dict[tuple[Device, str], float] = {}

    @property
    def stuck(self) -> str:
        """On which reading, the first that waits, the API fails again and again; empty: on none."""
        parcel = self._stuck
        if parcel is None or parcel.is_gone or parcel.failing is None or parcel.refusal is None:
            return ""
        point, seconds = parcel.reading.point, self._reactor.seconds() - parcel.failing
        duration = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        mended = f"`lumina spool set-aside {self._spool.title} --seq {parcel.first}`"
        return (
            f"reading {parcel.first}, {point.parameter!r} of device {point.device}, is the first that waits,"
            f" and has failed {parcel.failures} times in {duration}: {parcel.refusal.sentence};"
            f" should it be to blame, {mended} takes it out of the way"
        )

    def stick(self, parcel: Parcel) -> None:
        """The API fails again and again on this one, the first that waits: say and note it, now and then."""
        is_new, self._stuck = parcel is not self._stuck, parcel
        if is_new:
            self._log.warn("{name}: {stuck}", name=self._spool.title, stuck=self.stuck)
        if is_new or parcel.failures.bit_count() == 1:
            assert parcel.refusal is not None and parcel.failing is not None
            seconds = self._reactor.seconds() - parcel.failing
            facts = parcel.first, seconds, parcel.failures, parcel.refusal.sentence
            noted = self._spool.do(lambda store: store.stick(*facts))
            noted.addErrback(lambda failure: failure.trap(LuminaError))

    def _free(self, parcel: Parcel) -> None:
        if parcel is self._stuck:
            self._stuck = None

    async def record(self, parcel: Parcel, name: str) -> None:
        """Remember which readings are sent together."""
        parcel.batch = await self._surely(name, lambda store: store.record(parcel.seqs))

    async def delivered(self, parcel: Parcel, name: str) -> None:
        """They leave the spool."""
        self._free(parcel)
        await self._surely(name, lambda store: store.delivered(parcel.seqs, parcel.batch))

    async def dead(self, guilty: Sequence[Parcel], name: str) -> None:
        """Those are dead letters from now on."""

        def bury(store: Store) -> None:
            for each in guilty:
                assert each.refusal is not None
                store.refused(each.first, each.refusal.status, each.refusal.sentence, each.attempts)
                store.dissolve(each.batch, each.seqs)

        for each in guilty:
            self._free(each)
            self._tell(each)
        if guilty:
            await self._surely(name, bury)
            self.refused += len(guilty)

    async def cut(self, parcel: Parcel, parts: Sequence[Parcel], name: str) -> None:
        """A batch is no batch any more, but its parts are."""

        def cut(store: Store) -> None:
            store.dissolve(parcel.batch, parcel.seqs)
            for part in parts:
                part.batch = store.record(part.seqs)

        await self._surely(name, cut)

    def say(self, sentence: str) -> None:
        """Each trouble once."""
        if sentence != self.trouble:
            self._log.warn("{name}: {sentence}", name=self._spool.title, sentence=sentence)
        self.trouble = sentence

    async def _surely(self, name: str, act: Callable[[Store], T]) -> T:
        """
        Do something with the spool, however often it takes.

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
            await deferLater(self._reactor, _PAUSE)

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
