"""
Units that answer more than once: pure, without clock or wire.

A copy that comes close behind what it repeats is seen by that. One that comes
some time after it cannot be told from the reply to the next request of the same
function. The first of those is met unprepared; from then on no request of the
function goes to the unit until its last reply is so old that a copy of it is
not to be expected any more. A unit that then sends none has its due again: what
came too many may have been an accident.
"""

from collections import deque

from lumina.bus.owed import Owed
from lumina.modbus.pdu import Request

#: Seconds after the last copy for which the next is looked out for.
ALERT = 600.0

#: Replies without a copy that outweigh each one, and those that outweigh what only may have been one.
PROOF, PRESUMED_PROOF = 128, 2

#: Copies whose delays count, the latest.
_REMEMBERED = 4

_FUNCTION = 0x7F


class Copies:
    """The copies that one unit sends of its replies."""

    __slots__ = ("_clean", "_delays", "_function", "_presumed", "_said", "_seen", "_slack", "_spoke", "_told")

    def __init__(self, slack: float) -> None:
        """@param slack: seconds that bytes may be held up on their way to us."""
        self._slack = slack
        self._spoke = b"", 0.0
        self._said: dict[int, tuple[Owed, bytes]] = {}
        self._delays: deque[float] = deque(maxlen=_REMEMBERED)
        self._presumed = False
        self._told = self._clean = self._function = 0
        self._seen = 0.0

    def repeats(self, pdu: bytes, now: float) -> bool:
        """
        The unit sends this now.

        @return: whether it may be a copy of what it sent before: the same, and close behind.
        """
        (before, when), self._spoke = self._spoke, (pdu, now)
        return pdu == before and now - when <= self._slack

    def replied(self, request: Request, pdu: bytes, now: float) -> None:
        """A request has got its reply."""
        self._said[request.function] = Owed(request, now), pdu
        if request.function != self._function:
            return
        self._clean += 1
        if self._clean > PRESUMED_PROOF:
            self._presumed = False
        if self._clean > PROOF * self._told:
            self._delays.clear()

    def surplus(self, pdu: bytes, now: float, linger: float) -> None:
        """
        The unit sent this, and owed nothing.

        @param linger: seconds for which a copy is looked out for at most.
        """
        answered, said = self._said.get(pdu[0] & _FUNCTION, (None, b""))
        if answered is None or not answered.fits(pdu) or now - answered.ended > linger:
            return
        if now - self._seen > ALERT:
            self.forget()
        # If it is no copy of the last reply, that may have been the copy of another: let all of them come.
        self._presumed = pdu != said
        if not self._presumed:
            self._delays.append(now - answered.ended)
            self._told += 1
        self._seen, self._clean, self._function = now, 0, answered.function

    def forget(self) -> None:
        """As if none had ever come."""
        self._delays.clear()
        self._presumed, self._told = False, 0

    def hold(self, now: float, linger: float) -> float:
        """For how many seconds after a reply its copy is looked out for; 0: the unit sends none."""
        if now - self._seen > ALERT or not (self._delays or self._presumed):
            return 0.0
        return linger if self._presumed else min(2 * max(self._delays) + self._slack, linger)

    def until(self, function: int, now: float, linger: float) -> float:
        """Until when a copy of the last reply to a function may come."""
        answered, _ = self._said.get(function, (None, b""))
        return now if answered is None else answered.ended + self.hold(now, linger)
