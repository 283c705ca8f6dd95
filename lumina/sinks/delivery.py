"""How readings are delivered, and who carries them."""

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from lumina.sinks.courier import Verdict


class Courier(Protocol):
    """Carries bodies."""

    def send(self, key: str, body: bytes, members: str = "") -> Deferred[Verdict]:
        """
        @param members: of a batch: the name of the spool, and the numbers of its readings.
        @return: fires with what was said, in bounded time; never fails.
        """


class Delivery(NamedTuple):
    """
    How to deliver.

    @ivar batch: readings in a request at most; 1: each by itself, not in a list.
    @ivar concurrency: requests under way at most.
    @ivar shortest: seconds, the bound of the first pause after a failure.
    @ivar longest: seconds, the bound that pauses grow to.
    @ivar hold: seconds between the first tries while all is refused; they grow tenfold.
    @ivar attempts: failures of one reading, while others are accepted, after which it is given up.
    @ivar refusals: refusals likewise, at least; more where the API changes its mind.
    """

    batch: int = 1
    concurrency: int = 4
    shortest: float = 1.0
    longest: float = 300.0
    hold: float = 60.0
    attempts: int = 20
    refusals: int = 3
