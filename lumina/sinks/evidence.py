"""What was accepted, failed or was refused for good: evidence of whose fault the next failure is. Pure."""

from collections import Counter
from collections.abc import Iterable

from lumina.sinks.parcel import Device, Parcel

#: An acceptance is a sign that the fault is that of others, for so many seconds.
_LATELY = 3600.0

#: What was found guilty so often without being accepted once is known to be refused:
#: a device, and one parameter of it.
_KNOWN_DEVICE = 8
_KNOWN_POINT = 3


class Evidence:
    """Of which devices readings were accepted, and of which they failed."""

    def __init__(self) -> None:
        self._accepted: dict[Device, tuple[int, float]] = {}
        self._failed: dict[Device, int] = {}

    def accepted(self, devices: Iterable[Device], order: int, at: float) -> None:
        """
        @param order: when it was sent, counted in events; `at`, in monotonic seconds.
        """
        self._accepted.update(dict.fromkeys(devices, (order, at)))

    def failed(self, devices: Iterable[Device], order: int) -> None:
        """The API has failed to take these."""
        self._failed.update(dict.fromkeys(devices, order))

    def lately(self, now: float) -> set[Device]:
        """Devices of which something was accepted within the last hour."""
        return {device for device, (_, at) in self._accepted.items() if at >= now - _LATELY}

    def is_alone(self, parcel: Parcel) -> bool:
        """Whether since it failed last, more devices were heard without failing than failed as well."""
        since = parcel.failed
        taken = {device for device, (order, _) in self._accepted.items() if order > since}
        failed = {device for device, order in self._failed.items() if order > since} - parcel.devices
        return bool(since) and len(taken - parcel.devices) > len(failed)


class Convictions:
    """What was refused for good again and again, and accepted never since."""

    def __init__(self) -> None:
        self._counts: Counter[Device | tuple[Device, str]] = Counter()

    def accepted(self, parcel: Parcel) -> None:
        """Whatever was refused of these devices and parameters is forgotten."""
        if self._counts:
            for each in parcel.members:
                point = each.reading.point
                self._counts.pop(point.device, None)
                self._counts.pop((point.device, point.parameter), None)

    def convicted(self, parcel: Parcel) -> None:
        """A parcel of one reading is refused for good."""
        point = parcel.reading.point
        self._counts.update((point.device, (point.device, point.parameter)))

    def is_known(self, parcel: Parcel) -> bool:
        """Whether its like is always refused."""
        point = parcel.reading.point
        return (
            self._counts[point.device] >= _KNOWN_DEVICE
            or self._counts[point.device, point.parameter] >= _KNOWN_POINT
        )
