"""What waits in a spool comes into the lanes: recorded batches first, then as much as is looked through."""

from collections.abc import Callable, Sequence

from twisted.python.failure import Failure

from lumina.errors import LuminaError
from lumina.sinks.lanes import Lanes
from lumina.sinks.parcel import Parcel
from lumina.sinks.records import Queued
from lumina.sinks.spool import Spool

#: Readings that are read at once.
_LOADED = 500
#: Readings that are looked through for one whose device is free.
_LOOKED_THROUGH = 20_000


class Loader:
    """
    @ivar ready: whether the batches of an earlier life are in the lanes, before which nothing is sent.
    @ivar is_loading: whether something is being read.
    """

    def __init__(self, spool: Spool, lanes: Lanes, changed: Callable[[], None]) -> None:
        """
        @param changed: is called when there is something new in the lanes.
        """
        self.ready = False
        self.is_loading = False
        self._spool = spool
        self._lanes = lanes
        self._changed = changed
        self._cursor = 0
        self._more = True

    def begin(self) -> None:
        """Read the recorded batches; while the spool cannot be used this comes to nothing."""
        if not self.is_loading:
            self.is_loading = True
            self._spool.do(lambda store: store.batches()).addCallbacks(self._batches, self._failed)

    def more(self) -> None:
        """There are more at the end."""
        self._more = True

    def is_empty(self) -> bool:
        """Whether nothing is here that was not sent yet, although there is something; then that is read."""
        if not len(self._lanes):
            self.load()
        return self.is_loading and not len(self._lanes)

    def load(self) -> None:
        """Read on, if there may be more."""
        if self.is_loading or not self._more or len(self._lanes) >= _LOOKED_THROUGH:
            return
        self.is_loading = True
        cursor = self._cursor
        self._spool.do(lambda store: store.waiting(cursor, _LOADED)).addCallbacks(
            self._loaded, self._failed, callbackArgs=(cursor,)
        )

    def load_if_few(self) -> None:
        """Read on, if little is left."""
        if len(self._lanes) < _LOADED // 2:
            self.load()

    def read_anew(self) -> None:
        """Readings have come or gone elsewhere than at the end: forget those that are in no parcel."""
        self._lanes.clear()
        self._cursor = 0
        self._more = True

    def forget_what_is_gone(self) -> None:
        """Somebody else may have removed some of what is in parcels: such are not sent any more."""
        parcels = self._lanes.parcels()
        seqs = [seq for parcel in parcels for seq in parcel.seqs]
        if seqs:
            self._spool.do(lambda store: store.among("reading", seqs)).addCallbacks(
                self._known, lambda _: None, callbackArgs=(parcels,)
            )

    def _known(self, still: set[int], parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if not still.issuperset(parcel.seqs):
                self._lanes.drop(parcel)
                self.read_anew()
        self._changed()

    async def behind(self, parcel: Parcel) -> Parcel | None:
        """
        What is to be sent next of the device of a parcel of one reading, behind that.

        @return: `None`: there is nothing, or nothing of this device alone.
        """
        found = self._lanes.behind(parcel)
        if found is None:
            waiting = await self._spool.do(lambda store: store.waiting(parcel.first, _LOADED))
            known = self._lanes.known()
            later = (each for each in waiting if each.reading.point.device in parcel.devices)
            found = next((Parcel([each]) for each in later if each.seq not in known), None)
        return found if found is not None and found.devices == parcel.devices else None

    def begin_anew(self) -> None:
        """The spool is another one: forget all."""
        self._lanes.forget()
        self._cursor = 0
        self._more = True

    def _batches(self, batches: Sequence[tuple[int, Sequence[Queued]]]) -> None:
        self.is_loading = False
        for number, members in batches:
            if members:
                self._lanes.put_back(Parcel(members, number))
        self.ready = True
        self._changed()

    def _loaded(self, readings: Sequence[Queued], cursor: int) -> None:
        self.is_loading = False
        if cursor == self._cursor:
            self._more = len(readings) == _LOADED
            self._lanes.load(readings)
            if readings:
                self._cursor = readings[-1].seq
        self._changed()

    def _failed(self, failure: Failure) -> None:
        failure.trap(LuminaError)
        self.is_loading = False
