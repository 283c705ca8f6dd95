"""
What is sent next: readings in their order per device, as many at once as allowed.

No device has two parcels under way, and none overtakes another of its device.
Readings that were refused one by one are suspects: whether the fault is theirs
or the API's is known only when it takes another, or refuses many alike. Pure.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lumina.readings import Reading
from lumina.sinks.courier import Verdict
from lumina.sinks.records import Queued

Device = int | str


@dataclass(eq=False)
class Parcel:
    """
    Readings that are sent in one request.

    @ivar batch: the number under which its members are recorded; `None`: it is
        a single reading, sent by itself.
    @ivar attempts: how often it was sent.
    @ivar due: monotonic seconds before which it is not sent again.
    @ivar refusal: what was said, if it was refused.
    @ivar sent: when it was sent last, counted in events.
    @ivar refused: when it was refused, counted likewise.
    """

    members: Sequence[Queued]
    batch: int | None = None
    attempts: int = 0
    due: float = 0.0
    refusal: Verdict | None = None
    sent: int = 0
    refused: int = 0
    devices: frozenset[Device] = field(init=False)

    def __post_init__(self) -> None:
        self.devices = frozenset(each.reading.point.device for each in self.members)

    @property
    def first(self) -> int:
        """The number of its first reading."""
        return self.members[0].seq

    @property
    def seqs(self) -> list[int]:
        """The numbers of its readings."""
        return [each.seq for each in self.members]

    @property
    def reading(self) -> Reading:
        """Its first reading."""
        return self.members[0].reading


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

    def put_back(self, parcel: Parcel) -> None:
        """A parcel is to be sent, once more or as it was recorded."""
        self._under_way.discard(parcel)
        self._parcels.append(parcel)
        self._parcels.sort(key=lambda each: each.first)

    def done(self, parcel: Parcel) -> None:
        """A parcel is under way no longer."""
        self._under_way.discard(parcel)

    def suspect(self, parcel: Parcel) -> None:
        """A parcel of one reading was refused."""
        self._under_way.discard(parcel)
        if parcel not in self.suspects:
            self.suspects.append(parcel)

    def acquit(self, guilty: Sequence[Parcel]) -> None:
        """All suspects but those are to be sent again."""
        for parcel in [each for each in self.suspects if each not in guilty]:
            self.suspects.remove(parcel)
            self.put_back(parcel)

    def convict(self, parcel: Parcel) -> None:
        """A suspect is to leave the spool."""
        self.suspects.remove(parcel)
        self._leaving.add(parcel)

    def buried(self, parcels: Iterable[Parcel]) -> None:
        """Those have left it."""
        self._leaving.difference_update(parcels)

    def take(self, parcel: Parcel) -> Parcel:
        """Send this one now."""
        self._under_way.add(parcel)
        return parcel

    def take_suspect(self) -> Parcel | None:
        """The first that was refused, to be sent once more; it stays suspect."""
        for parcel in self.suspects:
            if not parcel.devices & self._busy():
                return self.take(parcel)
        return None

    def next(self, now: float) -> Parcel | None:
        """What is to be sent next, and from now on is under way; `None`: nothing can be."""
        blocked = self._busy()
        ready = []
        for parcel in self._parcels:
            if parcel.due <= now and not parcel.devices & blocked:
                ready.append(parcel)
                if not self.suspects:
                    break
            blocked |= parcel.devices
        if self.suspects:
            ready += [Parcel([head]) for head in self._heads(blocked)]
            ready.sort(key=self._likeness())
        elif not ready:
            members = list(self._free(blocked, self._size))
            ready = [Parcel(members)] if members else []
        return self._leave(ready[0]) if ready else None

    def due(self) -> float | None:
        """When the first of those that were put back may be sent again; `None`: there are none."""
        return min((parcel.due for parcel in self._parcels), default=None)

    def _busy(self) -> set[Device]:
        return {device for parcel in self._under_way for device in parcel.devices}

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

    def _likeness(self) -> Callable[[Parcel], tuple[bool, bool, int]]:
        """
        How like the suspects a parcel is. If the one that is most unlike them
        is accepted, the fault is theirs.
        """
        devices = {device for parcel in self.suspects for device in parcel.devices}
        parameters = {parcel.reading.point.parameter for parcel in self.suspects}

        def likeness(parcel: Parcel) -> tuple[bool, bool, int]:
            is_known = bool(parcel.devices & devices)
            return parcel.reading.point.parameter in parameters, is_known, parcel.first

        return likeness

    def _leave(self, parcel: Parcel) -> Parcel:
        """Take it from where it waits."""
        if parcel in self._parcels:
            self._parcels.remove(parcel)
        for seq in parcel.seqs:
            self._window.pop(seq, None)
        return self.take(parcel)


def ranges(seqs: Iterable[int]) -> str:
    """Numbers in their order, such as `17-20,31`."""
    runs: list[list[int]] = []
    for seq in seqs:
        if runs and runs[-1][-1] == seq - 1:
            runs[-1][1:] = [seq]
        else:
            runs.append([seq])
    return ",".join("-".join(map(str, run)) for run in runs)
