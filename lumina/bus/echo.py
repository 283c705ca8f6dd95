"""Whether a line gives back what is sent: what has been learnt of it, and when that is doubtful."""

from collections.abc import Callable

from twisted.logger import Logger

from lumina.bus.attempt import Attempt
from lumina.errors import NoReply
from lumina.modbus.pdu import Opaque, Request


class Echo:
    """
    The echo of one line.

    @ivar known: whether the line gives back what is sent; `None`: not known.
    @ivar changes: how often it has appeared or vanished.
    """

    _log = Logger()

    def __init__(self, port: str, fixed: bool | None, appeared: Callable[[], None] = lambda: None) -> None:
        """
        @param port: its name, for the log.
        @param fixed: what the settings say; `None`: it is learnt.
        @param appeared: is told when there comes to be one.
        """
        self.known = fixed
        self.changes = 0
        self._port = port
        self._fixed = fixed
        self._appeared = appeared
        self._noticed = fixed
        self._confirmed = b""

    def learn(self, echoed: bool | None) -> None:
        """
        An exchange has shown whether there is one; `None`: it has shown nothing.
        One that lacks a known echo only puts it in doubt: a late reply may have
        overtaken it.
        """
        if echoed is None:
            return
        if self.known and not echoed and self._fixed is None:
            self.doubt()
            return
        if self._noticed is not None and echoed != self._noticed:
            self._changed(echoed)
        self._noticed = echoed
        if self._fixed is None:
            self.known = echoed

    def doubt(self) -> None:
        """What was learnt may be so no more: the next request shows it."""
        if self._fixed is None:
            self.known = None

    def judge(self, attempt: Attempt, request: Request) -> None:
        """
        A request whose reply may equal it was carried. Where its echo was to be
        expected and only one copy came, the echo may have vanished, and that
        copy have been the reply.
        """
        if not may_equal(request):
            return
        exchange = attempt.exchange
        if attempt.error is None:
            self._confirmed = exchange.outgoing
            if exchange.incoming.startswith(2 * exchange.outgoing):
                self.heard(exchange.outgoing)
        elif self.known and isinstance(attempt.error, NoReply) and exchange.incoming == exchange.outgoing:
            self.doubt()

    def heard(self, frame: bytes) -> bool:
        """
        A frame came that answers nothing. A second copy of what was confirmed
        by one means that the first may have been an echo, which has appeared.

        @return: whether it may mean that.
        """
        telling = self.known is False and frame == self._confirmed
        if telling:
            self.doubt()
        return telling

    def _changed(self, echoed: bool) -> None:
        self.changes += 1
        if echoed:
            self._appeared()
        has = "appeared" if echoed else "vanished"
        also = "" if self._fixed is None else f", although its echo is set to {str(self._fixed).lower()}"
        self._log.warn("{port}: the echo has {has}{also}", port=self._port, has=has, also=also)


def may_equal(request: Request) -> bool:
    """Whether a sound reply may equal the request."""
    return request.echoes or isinstance(request, Opaque)


def one_copy(attempt: Attempt) -> bool:
    """Whether what was sent has come back once, and nothing tells whether that is the echo."""
    return attempt.exchange.echoed is None and attempt.exchange.incoming == attempt.exchange.outgoing
