"""Delivers the records of what was lost, one by one, where they are wanted."""

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.sinks.courier import Fate
from lumina.sinks.documents import encode, gap_document
from lumina.sinks.sender import Courier, Sender
from lumina.sinks.spool import Spool

#: Seconds between two looks for gaps that were not delivered.
_LOOK = 30.0


class GapSender(Service):
    """
    Sends gap records of a spool, oldest first, while its readings can be sent.

    A gap that grows after it was sent is sent again, with its new count and
    another key. One that is refused is said and left.
    """

    _log = Logger()

    def __init__(self, spool: Spool, courier: Courier, sender: Sender, reactor: Any) -> None:
        self._spool = spool
        self._courier = courier
        self._sender = sender
        self._look = LoopingCall(self._send_all)
        self._look.clock = reactor
        self._under_way: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()
        self._look.start(_LOOK, now=False)

    def stopService(self) -> None:
        super().stopService()
        self._look.stop()
        if self._under_way is not None:
            self._under_way.cancel()

    def _send_all(self) -> Deferred[None]:
        self._under_way = Deferred.fromCoroutine(self._sending())
        return self._under_way.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if self.running:
            self._log.warn("{name}: gaps: {why}", name=self._spool.title, why=failure.getErrorMessage())

    async def _sending(self) -> None:
        while self.running and self._sender.state in ("idle", "delivering"):
            gaps = await self._spool.do(lambda store: store.gaps(1, undelivered=True))
            if not gaps:
                return
            (gap,) = gaps
            verdict = await self._courier.send(
                f"{self._spool.name}-g{gap.id}-{gap.lost}", encode(gap_document(gap))
            )
            if verdict.fate is Fate.REFUSED:
                self._log.warn(
                    "{name}: a gap record is refused: {why}", name=self._spool.title, why=verdict.sentence
                )
            elif verdict.fate is not Fate.ACCEPTED:
                return
            await self._spool.do(lambda store, gap=gap: store.gap_delivered(gap))  # type: ignore[misc]
