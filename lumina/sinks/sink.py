"""A sink that spools: takes readings, sifts those that are not wanted, keeps and delivers the others."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.python.failure import Failure

from lumina.readings import Reading
from lumina.sinks.deadband import Deadband
from lumina.sinks.documents import is_good
from lumina.sinks.gaps import GapSender
from lumina.sinks.sender import Sender
from lumina.sinks.spool import Spool
from lumina.status import SinkStatus


class SpoolingSink(Service):
    """A Sink: readings are taken when they are on the disk, and delivered when that is possible."""

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        kind: str,
        wall: Callable[[], float],
        bad: bool = False,
        deadband: Deadband | None = None,
        gaps: GapSender | None = None,
        claim: Callable[[], int] | None = None,
        close: Callable[[], "Deferred[Any] | None"] = lambda: None,
    ) -> None:
        """
        @param bad: whether readings without a value are wanted.
        @param gaps: delivers the records of what is lost; `None`: nobody does.
        @param claim: makes the spool this process's own.
        @param close: called when nothing more is sent.
        """
        self.setName(spool.title)
        self._spool = spool
        self._sender = sender
        self._gaps = gaps
        self._kind = kind
        self._wall = wall
        self._bad = bad
        self._deadband = deadband or Deadband({})
        self._claim = claim
        self._close = close
        self._claimed: int | None = None
        self._declined = 0
        self._unchanged = 0

    def put(self, readings: Sequence[Reading]) -> Deferred[None]:
        """
        Take readings; fires when they are on the disk.

        @return: fails with `NotTaken`: none of them is.
        """
        wanted = readings if self._bad else [each for each in readings if is_good(each)]
        self._declined += len(readings) - len(wanted)
        changed = self._deadband.worthy(wanted)
        self._unchanged += len(wanted) - len(changed)
        if not changed:
            return succeed(None)
        return self._spool.put(changed).addCallbacks(
            lambda _: self._sender.wake(), self._not_taken, errbackArgs=(changed,)
        )

    def status(self) -> SinkStatus:
        """What it has done."""
        spool, ledger = self._spool, self._spool.ledger
        return SinkStatus(
            spool.title,
            self._kind,
            "failing" if spool.trouble else self._sender.state,
            ledger.taken,
            ledger.delivered,
            ledger.dead,
            ledger.gap,
            ledger.queued,
            None if spool.oldest is None else max(0.0, self._wall() - spool.oldest),
            ledger.missed,
            self._declined,
            self._unchanged,
            spool.trouble or self._sender.holding or self._sender.trouble,
            self._sender.refused,
            self._sender.stuck,
        )

    def privilegedStartService(self) -> None:
        """@raise StartRefused: another process has the spool."""
        super().privilegedStartService()
        if self._claim is not None and self._claimed is None:
            self._claimed = self._claim()

    def startService(self) -> None:
        if self._claim is not None and self._claimed is None:
            self._claimed = self._claim()
        super().startService()
        self._sender.startService()
        if self._gaps is not None:
            self._gaps.startService()

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._gaps is not None:
            self._gaps.stopService()
        await maybeDeferred(self._sender.stopService)
        await maybeDeferred(self._close)
        await self._spool.close()
        if self._claimed is not None:
            os.close(self._claimed)
            self._claimed = None

    def _not_taken(self, failure: Failure, readings: Sequence[Reading]) -> Failure:
        self._deadband.forget(readings)
        return failure
