"""One exchange on the way to a Modbus TCP device and back, and what comes beside it."""

from dataclasses import dataclass, field

from twisted.internet.interfaces import IDelayedCall

from lumina.bus.requests import Job
from lumina.errors import BadReply
from lumina.modbus.pdu import EXCEPTION, Request


@dataclass(eq=False, slots=True)
class Flight:
    """
    One exchange under way.

    @ivar party: the jobs that it answers; the first is why it was sent.
    @ivar wait: seconds for which the reply is waited for.
    @ivar trial: how often the same was sent before.
    @ivar outgoing: the ADU.
    @ivar due: when the reply must have begun.
    @ivar incoming: messages with its transaction id, the reply included; of many wrong ones the first.
    @ivar leaving: at which times askers give up that wait less long than the others.
    @ivar complaint: why the last of them was not the reply.
    """

    party: list[Job]
    unit: int
    request: Request
    wait: float
    trial: int = 0
    outgoing: bytes = b""
    sent: float = 0.0
    due: float = 0.0
    first: float | None = None
    incoming: bytes = b""
    complaint: str = ""
    broken_off: bool = False
    leaving: tuple[IDelayedCall, ...] = ()

    def misfit(self, unit: int, pdu: bytes) -> str:
        """Why a message with the right transaction id is not the reply; empty: it is."""
        if unit != self.unit:
            return f"unit {unit} replied instead of unit {self.unit}"
        if pdu[0] == self.request.function | EXCEPTION and len(pdu) == 2:
            return ""
        try:
            self.request.check(pdu)
        except BadReply as error:
            return str(error)
        return ""


@dataclass(slots=True)
class Strays:
    """
    What has come since the last exchange ended and belongs to none. A frame is
    the unit id and the PDU.

    @ivar late: replies to requests that were given up.
    @ivar foreign: other messages; beyond the first 64 their bytes are noise.
    @ivar stale: bytes that came while nothing was asked.
    """

    late: list[bytes] = field(default_factory=list)
    foreign: list[bytes] = field(default_factory=list)
    stale: int = 0
    noise: int = 0

    def counted(self) -> tuple[int, int, tuple[bytes, ...], tuple[bytes, ...]]:
        """As in an `Exchange`: stale, noise, foreign, late."""
        return self.stale, self.noise, tuple(self.foreign), tuple(self.late)
