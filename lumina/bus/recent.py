"""Replies that are young enough to answer the same question again."""

from collections.abc import Hashable

from lumina.modbus.pdu import BROADCAST, Reply

#: More than this many are not kept; the oldest go first.
LIMIT = 1000


class Recent:
    """
    A short-lived memory of reads, never across a write.

    @ivar max_age: seconds from the end of an exchange; 0: nothing is kept.
    """

    def __init__(self, max_age: float) -> None:
        self.max_age = max_age
        self._replies: dict[tuple[int, Hashable], Reply] = {}

    def get(self, unit: int, key: Hashable, now: float) -> Reply | None:
        """The reply to the same question, if it is young enough; it keeps its own times."""
        reply = self._replies.get((unit, key))
        return reply if reply is not None and now - reply.ended <= self.max_age else None

    def put(self, unit: int, key: Hashable, reply: Reply) -> None:
        if self.max_age:
            self._replies.pop((unit, key), None)
            self._replies[unit, key] = reply
            if len(self._replies) > LIMIT:
                del self._replies[next(iter(self._replies))]

    def forget(self, unit: int) -> None:
        """Something may have changed in a unit; in every unit if it is 0, a broadcast."""
        if unit == BROADCAST:
            self._replies.clear()
        for known in [known for known in self._replies if known[0] == unit]:
            del self._replies[known]
