"""One exchange on a wire: while it is in hand, and what came of it."""

from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from lumina.bus.results import verdict_of
from lumina.errors import Sent
from lumina.interfaces import Exchange
from lumina.modbus.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    What came of one exchange.

    @ivar pdu: the reply or the exception; empty for a broadcast that was sent,
        and when there is an error.
    @ivar quiet: seconds of silence before the request.
    @ivar strays: sound frames that came in one piece with the reply, behind it.
    """

    exchange: Exchange
    pdu: bytes
    error: Sent | None
    quiet: float
    strays: tuple[bytes, ...] = ()


@dataclass(slots=True)
class InHand:
    """The exchange in hand, after so many seconds of silence; `due` is when its reply must have begun."""

    transaction: Transaction
    broadcast: bool
    baudrate: int
    stale: int
    quiet: float
    sent: float
    ended: float
    due: float
    first: float | None = None
    last: float | None = None
    done: Deferred[Attempt] = field(default_factory=lambda: Deferred(lambda _: None))

    def exchange(self, port: str, pdu: bytes, error: Sent | None) -> Exchange:
        transaction = self.transaction
        return Exchange(
            port=port,
            unit=transaction.unit,
            request=transaction.request,
            baudrate=self.baudrate,
            outgoing=transaction.outgoing,
            incoming=bytes(transaction.incoming),
            verdict="sent" if self.broadcast and error is None else verdict_of(pdu, error),
            sent=self.sent,
            ended=self.ended,
            first=self.first,
            last=self.last,
            stale=self.stale,
            noise=transaction.noise,
            foreign=tuple(transaction.foreign),
            damaged=transaction.damaged,
            short=transaction.broken_off,
            echoed=transaction.echoed,
        )
