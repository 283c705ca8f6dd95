"""What is known of polled devices: their last values, how old and how good, and who is online."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from lumina.errors import EXCEPTION_WORD, BadRequest
from lumina.ratelimit import RateLimit
from lumina.readings import ABSENT, GOOD, INVALID, Point, Reading
from lumina.status import Change, Cycles, DeviceStatus, PointStatus
from lumina.watch.unread import Unread

#: Changes that are kept of each value.
KEPT = 10

#: Times that the log tells at once that a device comes or goes, and seconds until it may once more.
TOLD, PAUSE = 10, 60.0

#: Devices that are named where one is asked about that is none of them.
_NAMED = 20

#: Qualities that come from the device itself, refusals aside.
_ANSWERED = (GOOD, ABSENT, INVALID)
#: Exceptions of a gateway that could not reach the device.
_UNREACHED = (f"{EXCEPTION_WORD}0A", f"{EXCEPTION_WORD}0B")
#: Qualities that say nothing about the device.
_OURS = ("cancelled", "shutting_down", "queue_full", "expired", "denied", "error")


def answered(quality: str) -> bool | None:
    """Whether a reading of this quality shows that its device is there; `None`: it does not tell."""
    if quality in _ANSWERED:
        return True
    if quality.startswith(EXCEPTION_WORD):
        return quality not in _UNREACHED
    return None if quality in _OURS else False


class _Value:
    """One point."""

    __slots__ = ("changes", "last", "point", "seen")

    def __init__(self, point: Point) -> None:
        self.point = point
        self.last: Reading | None = None
        self.seen = 0.0
        self.changes: deque[Change] | None = None

    def status(self, now: float) -> PointStatus:
        last = self.last
        age = 0.0 if last is None else max(0.0, now - self.seen)
        changes = tuple(reversed(self.changes or ()))
        return PointStatus(self.point.parameter, self.point.unit, last, age, changes)


class _Device:
    """
    One device.

    @ivar untold: how often it has come or gone since the log told of it.
    @ivar limit: of how often the log tells of that.
    @ivar unread: which of its values it does not give.
    """

    def __init__(self, id: int | str, bus: str, unit: int, points: Iterable[Point]) -> None:
        self.id, self.bus, self.unit = id, bus, unit
        self.values = {point.parameter: _Value(point) for point in points}
        self.online: bool | None = None
        self.since = 0.0
        self.reason = ""
        self.good = self.bad = 0
        self.read: float | None = None
        self.untold = 0
        self.limit = RateLimit(TOLD, PAUSE)
        self.unread = Unread(id, RateLimit(TOLD, PAUSE))

    def count(self, before: Reading | None, after: Reading, seen: float) -> None:
        """One value is now this good, where it was that good before."""
        if before is not None:
            self.good -= before.quality == GOOD
            self.bad -= before.quality != GOOD
        self.good += after.quality == GOOD
        self.bad += after.quality != GOOD
        self.read = seen

    def status(self, now: float, cycles: Cycles, whole: bool) -> DeviceStatus:
        return DeviceStatus(
            self.id,
            self.bus,
            self.unit,
            self.online,
            0.0 if self.online is None else max(0.0, now - self.since),
            self.reason,
            self.good,
            self.bad,
            None if self.read is None else max(0.0, now - self.read),
            tuple(value.status(now) for value in self.values.values()) if whole else (),
            cycles,
        )


class DeviceStates:
    """Takes readings as a Sink does, and tells what is known by them."""

    _log = Logger()

    def __init__(
        self,
        wall: Callable[[], float],
        seconds: Callable[[], float],
        cycles: Callable[[], Mapping[int | str, Cycles]] = dict,
    ) -> None:
        """
        @param wall: seconds since 1970, as in readings.
        @param seconds: monotonic time, so that all ages are right when the wall clock is set.
        @param cycles: how the polling of each device goes.
        """
        self._wall = wall
        self._seconds = seconds
        self._cycles = cycles
        self._devices: dict[int | str, _Device] = {}
        self._watching: list[Callable[[Change], None]] = []

    def expect(self, device: int | str, bus: str, unit: int, points: Iterable[Point]) -> None:
        """A device that is going to be polled."""
        self._devices[device] = _Device(device, bus, unit, points)

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """As of a Sink: the readings of one device in one cycle come together."""
        there: dict[int | str, Reading] = {}
        odd: dict[int | str, list[Reading]] = {}
        behind = self._wall() - self._seconds()
        for reading in readings:
            device = self._devices.get(reading.point.device)
            if device is None or reading.point.parameter not in device.values:
                continue
            self._take(device, device.values[reading.point.parameter], reading, reading.at - behind)
            answers = answered(reading.quality)
            if answers or (answers is False and device.id not in there and not device.unread.known(reading)):
                there[device.id] = reading
            if reading.quality != GOOD or device.unread.told:
                odd.setdefault(device.id, []).append(reading)
        for id, reading in there.items():
            self._seen(self._devices[id], reading, reading.at - behind)
            if id in odd and answered(reading.quality):
                self._devices[id].unread.took(odd[id], reading.at - behind)
        return succeed(None)

    def devices(self, id: str | None = None) -> Sequence[DeviceStatus]:
        """
        Every device that is expected, in that order; or one, with its values.

        @raise BadRequest: none has this id.
        """
        now, cycles = self._seconds(), self._cycles()
        found = [each for each in self._devices.values() if id is None or str(each.id) == id]
        if id is not None and not found:
            known = ", ".join(str(each) for each in [*self._devices][:_NAMED]) or "none"
            raise BadRequest(f"{id!r:.42} is not a device that is polled; there are: {known}")
        return [each.status(now, cycles.get(each.id, Cycles()), id is not None) for each in found]

    def watch(self, changed: Callable[[Change], None]) -> Callable[[], None]:
        """
        Call somebody for each change.

        @return: ends it; to call it twice does no harm.
        """
        self._watching.append(changed)

        def end() -> None:
            if changed in self._watching:
                self._watching.remove(changed)

        return end

    def _take(self, device: _Device, value: _Value, reading: Reading, seen: float) -> None:
        before, value.last, value.seen = value.last, reading, seen
        device.count(before, reading, seen)
        if before is not None and before.value == reading.value and before.quality == reading.quality:
            return
        change = Change(before, reading)
        if value.changes is None:
            value.changes = deque(maxlen=KEPT)
        value.changes.append(change)
        self._log.debug(
            "device {device}, {parameter}: {value} {quality} {reason}",
            device=device.id,
            parameter=reading.point.parameter,
            value=reading.value,
            quality=reading.quality,
            reason=reading.reason,
        )
        for changed in list(self._watching):
            try:
                changed(change)
            except Exception:
                self._log.failure("telling of a change")

    def _seen(self, device: _Device, reading: Reading, seen: float) -> None:
        online = bool(answered(reading.quality))
        device.reason = "" if online else reading.reason or reading.quality
        if online != device.online:
            device.untold += device.online is not None or not online
            device.online, device.since = online, seen
        # One that comes and goes is told of now and then; how it stands is always said in the end.
        if device.untold and device.limit.allows(seen):
            self._tell(device)

    def _tell(self, device: _Device) -> None:
        times = f", after {device.untold} changes" if device.untold > 1 else ""
        device.untold = 0
        if device.online:
            self._log.info("device {device} is online again{times}", device=device.id, times=times)
        else:
            self._log.warn(
                "device {device} is offline{times}: {reason}",
                device=device.id,
                times=times,
                reason=device.reason,
            )
