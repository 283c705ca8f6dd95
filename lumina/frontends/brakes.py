"""Reasons not to read from a client for a while."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Brakes:
    """
    A client is read from while no brake is on.

    Registered as the producer of the transport it puts one on itself: when the
    client does not read its answers. One that does not for too long is dropped.
    """

    def __init__(
        self,
        reactor: Any,
        patience: float,
        pause: Callable[[], object],
        resume: Callable[[], object],
        drop: Callable[[], object],
    ) -> None:
        """
        @param patience: seconds that answers may lie unread.
        """
        self._reactor = reactor
        self._patience = patience
        self._pause = pause
        self._resume = resume
        self._drop = drop
        self._on: set[str] = set()
        self._dropping: IDelayedCall | None = None

    @property
    def are_on(self) -> bool:
        """Whether the client is not read from now."""
        return bool(self._on)

    def put_on(self, why: str) -> None:
        """Stop reading, for one more reason."""
        if not self._on:
            self._pause()
        self._on.add(why)

    def take_off(self, why: str) -> None:
        """The reason is gone; with the last one, reading goes on."""
        if why in self._on:
            self._on.discard(why)
            if not self._on:
                self._resume()

    def take_all_off(self) -> None:
        """Nothing holds the client any more."""
        for why in tuple(self._on):
            self.take_off(why)

    def stop(self) -> None:
        """The client has gone."""
        self._on.clear()
        self._spare()

    def pauseProducing(self) -> None:
        self.put_on("unread")
        if self._dropping is None:
            self._dropping = self._reactor.callLater(self._patience, self._overdue)

    def resumeProducing(self) -> None:
        self._spare()
        self.take_off("unread")

    def stopProducing(self) -> None:
        self._spare()

    def _overdue(self) -> None:
        self._dropping = None
        self._drop()

    def _spare(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
