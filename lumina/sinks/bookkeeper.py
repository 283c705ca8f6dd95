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
        self._told: dict[tuple[Device, str], float] = {}

    async def record(self, parcel: Parcel, name: str) -> None:
        """Remember which readings are sent together."""
        parcel.batch = await self._surely(name, lambda store: store.record(parcel.seqs))

    async def delivered(self, parcel: Parcel, name: str) -> None:
        """They leave the spool."""
        await self._surely(name, lambda store: store.delivered(parcel.seqs, parcel.batch))

    async def dead(self, guilty: Sequence[Parcel], name: str) -> None:
        """Those are dead letters from now on."""

        def bury(store: Store) -> None:
            for each in guilty:
                assert each.refusal is not None
                store.refused(each.first, each.refusal.status, each.refusal.sentence, each.attempts)
                store.dissolve(each.batch, each.seqs)

        for each in guilty:
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
