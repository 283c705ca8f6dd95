"""
What is sent next: readings in their order per device, as many at once as allowed.

No device has two parcels under way, and none overtakes another of its device.
Readings that were refused one by one are suspects: whether the fault is theirs
or the API's is known only when it takes another, or refuses many alike. Pure.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from lumina.sinks.parcel import Device, Parcel
from lumina.sinks.records import Queued


class Lanes:
    """
    @ivar suspects: parcels of one reading that were refused, in the order of that.
    """

    def __init__(self, size: int) -> None:
        """
        @param size: readings in a parcel at most.
        """
        self.suspects: list[Parcel] = []
        self._size = size
        self._window: dict[int, Queued] = {}
        self._parcels: list[Parcel] = []
        self._under_way: set[Parcel] = set()
        self._leaving: set[Parcel] = set()

    def __len__(self) -> int:
        return len(self._window)

    @property
    def under_way(self) -> int:
        """How many parcels are."""
        return len(self._under_way)

    def known(self) -> set[int]:
        """The numbers of all readings that are in a parcel."""
        parcels = (*self._parcels, *self._under_way, *self._leaving, *self.suspects)
        return {seq for parcel in parcels for seq in parcel.seqs}

    def all(self) -> set[int]:
        """The numbers of all readings that are here."""
        return self.known() | self._window.keys()

    # What comes and goes.

    def load(self, readings: Iterable[Queued]) -> None:
        """More readings that wait, behind those that are here; what is in a parcel is passed over."""
        known = self.known()
        for each in readings:
            if each.seq not in known:
                self._window[each.seq] = each

    def clear(self) -> None:
        """Forget the readings that are in no parcel; they are to be loaded anew."""
        self._window.clear()

    def forget(self) -> None:
        """Forget all that is not under way: none of it exists any more."""
        self._window.clear()
        self._parcels.clear()
        self.suspects.clear()

    def parcels(self) -> list[Parcel]:
        """All that may be sent again."""
        return [*{*self._parcels, *self.suspects, *self._under_way}]

    def drop(self, parcel: Parcel) -> None:
        """Some of its readings wait no longer: it is not sent again, and what is left of it is free."""
        parcel.is_gone = True
        for parcels in (self._parcels, self.suspects):
            if parcel in parcels:
                parcels.remove(parcel)

    def put_back(self, parcel: Parcel) -> None:
        """A parcel is to be sent, once more or as it was recorded."""
        self._under_way.discard(parcel)
        if not parcel.is_gone and parcel not in self._parcels:
            self._parcels.append(parcel)
            self._parcels.sort(key=lambda each: each.first)

    def done(self, parcel: Parcel) -> None:
        """A parcel is under way no longer."""
        self._under_way.discard(parcel)

    def suspect(self, parcel: Parcel) -> None:
        """A parcel of one reading was refused."""
        self._under_way.discard(parcel)
        if parcel not in self.suspects and not parcel.is_gone:
            self.suspects.append(parcel)

    def acquit(self, parcel: Parcel) -> None:
        """A suspect is one no longer."""
        self.suspects.remove(parcel)

    def convict(self, parcel: Parcel) -> None:
        """A parcel is to leave the spool."""
        self.drop(parcel)
        self._under_way.discard(parcel)
        self._leaving.add(parcel)

    def buried(self, parcels: Iterable[Parcel]) -> None:
        """Those have left it."""
        self._leaving.difference_update(parcels)

    # What is sent.

    def next(self, now: float, new_first: bool = False) -> Parcel | None:
        """
        What is to be sent next, and from now on is under way; `None`: nothing can be.

        @param new_first: whether what was not sent yet goes before what has failed.
        """
        blocked = self._busy()
        ready = list(self._ready(now, blocked))
        if new_first:
            ready.sort(key=lambda each: each.sent)
        if ready and not (new_first and ready[0].sent):
            return self._leave(ready[0])
        members = list(self._free(blocked, self._size))
        if members:
            return self._leave(Parcel(members))
        return self._leave(ready[0]) if ready else None

    def witness(
        self, now: float, is_heard: Callable[[Parcel], bool], barred: Collection[Device] = ()
    ) -> Parcel | None:
        """
        What tells most about the suspects, and from now on is under way; `None`: nothing can be sent.

        If the reading that is most unlike them is accepted, the fault is theirs.
        One of the device of a suspect is sent only when that itself was refused
        just now: once it is accepted, the suspect must not come behind it.

        @param is_heard: whether a suspect was refused often enough, and just now.
        @param barred: devices that have been refused enough.
        """
        blocked = self._busy() | set(barred)
        ready = list(self._ready(now, blocked))
        ready += [Parcel([head]) for head in self._heads(blocked)]
        if not ready:
            return None
        chosen = min(ready, key=self._likeness())
        for suspect in self.suspects:
            if suspect.devices & chosen.devices and not is_heard(suspect) and not self.may_be_behind(suspect):
                return self.take(suspect)
        return self._leave(chosen)

    def behind(self, parcel: Parcel) -> Parcel | None:
        """The first that was put back of the device of a parcel, behind that; `None`: there is none."""
        later = (
            each for each in self._parcels if each.first > parcel.first and each.devices & parcel.devices
        )
        return next(later, None)

    def try_out(self, parcel: Parcel) -> Parcel:
        """Send this one now, before its turn."""
        return self._leave(parcel)

    def take(self, parcel: Parcel) -> Parcel:
        """Send this one now; a suspect stays one."""
        self._under_way.add(parcel)
        return parcel

    def may_be_behind(self, suspect: Parcel) -> bool:
        """
        Whether a later reading of its device may have been taken: then it must not be sent again.

        Where the answer for both of them was lost, they were in one batch, and were taken together.
        """
        return not suspect.is_unsure and any(
            each.is_unsure and each.first > suspect.first and each.devices & suspect.devices
            for each in (*self._parcels, *self.suspects, *self._under_way)
        )

    def first_suspects(self) -> list[Parcel]:
        """Of each device that is not busy the first that was refused."""
        blocked = self._busy()
        found: list[Parcel] = []
        for parcel in self.suspects:
            if not parcel.devices & blocked and not self.may_be_behind(parcel):
                found.append(parcel)
                blocked |= parcel.devices
        return found

    def due(self) -> float | None:
        """When the first of those that were put back may be sent again; `None`: there are none."""
        return min((parcel.due for parcel in self._parcels), default=None)

    def is_first(self, parcel: Parcel) -> bool:
        """Whether nothing that was taken before it waits in a parcel."""
        return all(each.first >= parcel.first for each in (*self._parcels, *self.suspects, *self._under_way))

    def _busy(self) -> set[Device]:
        return {device for parcel in self._under_way for device in parcel.devices}

    def _ready(self, now: float, blocked: set[Device]) -> Iterator[Parcel]:
        """Those that were put back and can be sent; the devices of all that were looked at are blocked."""
        for parcel in self._parcels:
            if parcel.due <= now and not parcel.devices & blocked:
                yield parcel
            blocked |= parcel.devices

    def _free(self, blocked: set[Device], count: int) -> Iterator[Queued]:
        """The first readings of devices that are not blocked."""
        for each in self._window.values():
            if count <= 0:
                return
            if each.reading.point.device not in blocked:
                count -= 1
                yield each

    def _heads(self, blocked: set[Device]) -> Iterable[Queued]:
        """The first reading of each device that is not blocked."""
        heads: dict[Device, Queued] = {}
        for each in self._free(blocked, len(self._window)):
            heads.setdefault(each.reading.point.device, each)
        return heads.values()

    def _likeness(self) -> Callable[[Parcel], tuple[bool, bool, bool, int]]:
        """How like the suspects a parcel is; first come those for which suspects have to wait."""
        devices = {device for parcel in self.suspects for device in parcel.devices}
        parameters = {parcel.reading.point.parameter for parcel in self.suspects}

        def likeness(parcel: Parcel) -> tuple[bool, bool, bool, int]:
            is_known = bool(parcel.devices & devices)
            is_sure = not (is_known and parcel.is_unsure)
            return is_sure, parcel.reading.point.parameter in parameters, is_known, parcel.first

        return likeness

    def _leave(self, parcel: Parcel) -> Parcel:
        """Take it from where it waits."""
        if parcel in self._parcels:
            self._parcels.remove(parcel)
        for seq in parcel.seqs:
            self._window.pop(seq, None)
        return self.take(parcel)
