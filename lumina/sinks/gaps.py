"""Delivers the records of what was lost, one by one, where they are wanted."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from lumina.sinks.courier import Fate, Verdict
from lumina.sinks.delivery import Courier
from lumina.sinks.documents import encode, gap_document
from lumina.sinks.lines import LinesSink
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store

#: Seconds between two looks for gaps that were not delivered.
_LOOK = 30.0


class GapSender(Service):
    """
    Sends gap records of a spool, oldest first.

    A gap that grows after it was sent is sent again, with its new count and
    another key. One that is refused is said and left.
    """

    _log = Logger()

    def __init__(
        self, spool: Spool, courier: Courier, reactor: Any, can_send: Callable[[], bool] = lambda: True
    ) -> None:
        """
        @param can_send: whether it is worth trying now.
        """
        self._spool = spool
        self._courier = courier
        self._can_send = can_send
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
        while self.running and self._can_send():
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
            await self._spool.do(partial(Store.gap_delivered, gap=gap))


class ToFiles:
    """A courier that writes what it is given into the files of other sinks."""

    def __init__(self, files: Sequence[LinesSink]) -> None:
        self._files = files

    def send(self, key: str, body: bytes, members: str = "") -> Deferred[Verdict]:
        """
        Write one line to each.

        @param key: is left out, and so is `members`; a line may be there twice.
        """
        written = gatherResults([file.note(body + b"\n") for file in self._files], consumeErrors=True)
        return written.addCallbacks(
            lambda _: Verdict(Fate.ACCEPTED), lambda failure: Verdict(Fate.LATER, sentence=str(failure.value))
        )
