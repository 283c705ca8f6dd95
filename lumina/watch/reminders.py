"""Says in the log, in time and then daily, which certificates are at their end."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from lumina.validity import Doubt

#: Seconds between looks at all files, and until the same is said again.
LOOK, AGAIN = 60.0, 86400.0

#: Calls a function in a thread of its own.
InThread = Callable[[Callable[[], Sequence[Doubt]]], Deferred[Sequence[Doubt]]]


class Reminders(Service):
    """Looks at the files at the start, and now and then; nothing is stopped by what it finds."""

    _log = Logger()

    def __init__(self, look: Callable[[], Sequence[Doubt]], reactor: Any, in_thread: InThread) -> None:
        """
        @param look: what there is to tell now; it may take its time.
        @param in_thread: where it does.
        """
        self._look = look
        self._reactor = reactor
        self._in_thread = in_thread
        self._told: dict[tuple[str, ...], float] = {}
        self._looking = LoopingCall(self._look_once)
        self._looking.clock = reactor

    def startService(self) -> None:
        super().startService()
        self._looking.start(LOOK)

    def stopService(self) -> None:
        super().stopService()
        self._looking.stop()

    def _look_once(self) -> Deferred[None]:
        return self._in_thread(self._look).addCallbacks(self._tell, self._failed)

    def _tell(self, doubts: Sequence[Doubt]) -> None:
        now = self._reactor.seconds()
        self._told = {
            each.about: self._told[each.about] for each in doubts if each.about in self._told
        }  # what is well again is news when it is not
        for doubt in doubts:
            if now - self._told.get(doubt.about, -AGAIN) >= AGAIN:
                self._told[doubt.about] = now
                say = self._log.error if doubt.is_bad else self._log.warn
                say("{sentence}", sentence=doubt.sentence)

    def _failed(self, failure: Any) -> None:
        self._log.failure("looking at certificates", failure)
