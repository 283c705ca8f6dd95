"""
A connection over which requests come as frames: whole or in part, broken, or
more of them than are to be asked in one turn of the reactor.
"""

from abc import abstractmethod
from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from lumina.frontends.connection import Connection, MakeAsker
from lumina.frontends.framings import Frame, Framing
from lumina.frontends.serving import BrokenStreams
from lumina.interfaces import Site
from lumina.modbus.mbap import LyingLength

#: Frames between two looks at the clock, and seconds of work, for one connection in one turn.
TURN_FRAMES, TURN_SECONDS = 32, 0.001


class FramedConnection(Connection):
    """One client; what becomes of its requests is said by `_ask_all`."""

    read_limit = 2048

    def __init__(
        self,
        site: Site,
        name: str,
        peer: str,
        idle: float,
        framing: Framing,
        frame_timeout: float,
        broken: BrokenStreams,
        make_asker: MakeAsker,
    ) -> None:
        """
        @param frame_timeout: seconds for a frame to come whole, while it is read from.
        @param broken: what no request can be found in is reported there.
        """
        super().__init__(site, name, peer, idle, make_asker)
        self._seconds = site.reactor.seconds
        self._framing = framing
        self._received = framing.received
        self._frame_timeout = frame_timeout
        self._broken = broken
        self._rest: list[Frame] = []
        self._began: float | None = None
        self._partial: IDelayedCall | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest.clear()
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self._leaving:
            return
        self._heard = now = self._seconds()
        try:
            frames = self._received(data)
        except LyingLength as lie:
            self._take(lie.before, now)
            self._break_off(str(lie))
            return
        if frames:
            self._take(frames, now)
        if self._framing.rest:
            self._await_rest(now, bool(frames))
        else:
            self._began = None

    # Frames that come in part, or broken.

    def _await_rest(self, now: float, is_new: bool) -> None:
        if is_new or self._began is None:
            self._began = now
        if self._partial is None:
            self._partial = self._reactor.callLater(self._frame_timeout, self._overdue)

    def _overdue(self) -> None:
        self._partial = None
        if self._began is None or self._leaving:
            return
        now = self._seconds()
        if self._brakes.are_on:  # the rest may be there, and is not taken
            self._began = now
        left = self._began + self._frame_timeout - now
        if left > 0:
            self._partial = self._reactor.callLater(left, self._overdue)
            return
        self._began = None
        if why := self._framing.overdue():
            self._break_off(why)

    def _resume(self) -> None:
        if self._began is not None:
            self._began = self._seconds()
        super()._resume()

    def _break_off(self, why: str) -> None:
        """Nothing more can be understood; what is under way is still answered."""
        self._broken.note(self._status.peer, why)
        self._still_sending = True
        self._leave()

    # Frames that come whole.

    def _take(self, frames: Sequence[Frame], now: float) -> None:
        if self._rest:
            self._rest += frames
            return
        if len(frames) <= TURN_FRAMES:
            self._ask_all(frames)
        else:
            self._ask_in_turns(frames, now)

    def _ask_in_turns(self, frames: Sequence[Frame], now: float) -> None:
        for start in range(0, len(frames), TURN_FRAMES):
            if start and self._seconds() - now >= TURN_SECONDS:
                self._rest = [*frames[start:]]
                self._brakes.put_on("turn")
                self._reactor.callLater(0, self._go_on)
                break
            self._ask_all(frames[start : start + TURN_FRAMES])

    def _go_on(self) -> None:
        """Take what was left for this turn of the reactor."""
        rest, self._rest = self._rest, []
        if rest and not self._parted:
            self._take(rest, self._seconds())
        if not self._rest:
            self._brakes.take_off("turn")
            if self._leaving:
                self._part_when_done()

    @abstractmethod
    def _ask_all(self, frames: Sequence[Frame]) -> None:
        """Requests have come, in this order."""

    def _close_input(self) -> None:
        self._began = None

    def _is_due(self) -> bool:
        return bool(self._asked or self._rest)
