"""
Units that answer more than once: pure, without clock or wire.

A copy of a reply, some time after it, cannot be told from the reply to the
next request of the same function. The first one is met unprepared; from then
on no request of the function goes to the unit until its last reply is so old
that a copy of it is not to be expected any more. What comes twice at the same time
is seen without that (`Unit.repeats`).
"""

from collections import deque

from lumina.bus.unit import Owed
from lumina.modbus.pdu import Request

#: Seconds after the last copy for which the next is looked out for.
ALERT = 600.0

#: Copies whose delays count, the latest.
_REMEMBERED = 4

_FUNCTION = 0x7F


class Copies:
    """The copies that one unit sends of its replies."""

    def __init__(self, slack: float) -> None:
        """@param slack: seconds that bytes may be held up on their way to us."""
        self._slack = slack
        self._said: dict[int, tuple[Owed, bytes]] = {}
        self._delays: deque[float] = deque(maxlen=_REMEMBERED)
        self._seen = 0.0

    def replied(self, request: Request, pdu: bytes, now: float) -> None:
        """A request has got its reply."""
        self._said[request.function] = Owed(request, now), pdu

    def surplus(self, pdu: bytes, now: float, linger: float) -> None:
        """
        The unit sent this, and owed nothing.

        @param linger: seconds for which a copy is looked out for at most.
        """
        answered, said = self._said.get(pdu[0] & _FUNCTION, (None, b""))
        if answered is None or not answered.fits(pdu) or now - answered.ended > linger:
            return
        if not self.hold(now, linger):
            self._delays.clear()
        # If it is no copy of the last reply, that may have been the copy of another: let all of them come.
        self._delays.append(now - answered.ended if pdu == said else linger / 2)
        self._seen = now

    def hold(self, now: float, linger: float) -> float:
        """For how many seconds after a reply its copy is looked out for; 0: the unit sends none."""
        if not self._delays or now - self._seen > ALERT:
            return 0.0
        return min(2 * max(self._delays) + self._slack, linger)

    def until(self, function: int, now: float, linger: float) -> float:
        """Until when a copy of the last reply to a function may come."""
        answered, _ = self._said.get(function, (None, b""))
        return now if answered is None else answered.ended + self.hold(now, linger)
