"""The requests of one connection that are under way, and the order of their answers."""

from collections import deque
from collections.abc import Callable

from lumina.frontends.faulty import Fate
from lumina.interfaces import Bus


class Slot:
    """
    A request, and the place of its answer.

    @ivar answer: the PDU that answers it, empty for silence; `None`: not known yet.
    """

    __slots__ = ("answer", "body", "fate", "lane", "transaction", "unit")

    def __init__(self, transaction: int, unit: int, body: bytes, fate: Fate | None) -> None:
        self.transaction = transaction
        self.unit = unit
        self.body = body
        self.fate = fate
        self.answer: bytes | None = None
        self.lane: deque[Slot] = deque()


class UnderWay:
    """Answers of one bus go out in the order of its requests, those of different buses as they are ready."""

    def __init__(self, deliver: Callable[[Slot, bytes], None]) -> None:
        self._deliver = deliver
        self._lanes: dict[int, deque[Slot]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, slot: Slot, bus: Bus) -> None:
        """A request is asked now."""
        slot.lane = self._lanes.setdefault(id(bus), slot.lane)
        slot.lane.append(slot)
        self._count += 1

    def answered(self, slot: Slot, answer: bytes) -> None:
        """Its answer is there; it goes out with those that have waited for it."""
        slot.answer = answer
        lane = slot.lane
        while lane and (ready := lane[0].answer) is not None:
            self._count -= 1
            self._deliver(lane.popleft(), ready)

    def forget(self) -> None:
        """Nobody wants the answers any more."""
        for lane in self._lanes.values():
            lane.clear()
        self._count = 0
