"""A reply that may come: pure, without clock or wire."""

from dataclasses import dataclass

from lumina.errors import BadReply
from lumina.modbus.pdu import Request

_FUNCTION, _EXCEPTION = 0x7F, 0x80


@dataclass(frozen=True, slots=True)
class Owed:
    """A reply that may still come; `ended` is when its request had left."""

    request: Request
    ended: float

    @property
    def function(self) -> int:
        return self.request.function

    def fits(self, pdu: bytes) -> bool:
        """Whether this may be it: an exception, or a reply that is sound in all that the request implies."""
        if pdu[0] & _FUNCTION != self.function:
            return False
        if not pdu[0] & _EXCEPTION:
            try:
                self.request.check(pdu)
            except BadReply:
                return False
        return True
