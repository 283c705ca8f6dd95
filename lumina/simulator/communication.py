"""
What a simulated unit counts of its line: functions 08, 11 and 12.

The counters are those of the specification for the serial line (V1.02,
appendix A), the event log that of the Application Protocol (6.10). A unit
counts a message before it answers it, so that a counter that is asked for
includes the question.
"""

from collections import deque
from collections.abc import Callable

from lumina.modbus import diagnostics
from lumina.modbus.diagnostics import MAX_EVENTS, CommEventCounter, CommEventLog
from lumina.modbus.pdu import Diagnostics

# Bits of an event byte: received (7), sent (6), and what was special.
_RECEIVED, _SENT = 0x80, 0x40
_IN_ERROR, _IN_OVERRUN, _LISTEN_ONLY, _BROADCAST = 0x02, 0x10, 0x20, 0x40
_ENTERED_LISTEN_ONLY, _RESTARTED = b"\x04", b"\x00"
#: What the byte of an exception that was sent says of its code.
_SENT_EXCEPTION = {1: 0x01, 2: 0x01, 3: 0x01, 4: 0x02, 5: 0x04, 6: 0x04, 7: 0x08}
#: An ordinary message and the reply to it, the newer first.
_GOOD = bytes((_SENT, _RECEIVED))

_CLEAR_LOG = 0xFF00
_BUSY, _NEGATIVE = 0x06, 0x07
_MASK = 0xFFFF

_COUNTERS = range(11, 19)
#: Sub-functions that change what is counted: they know themselves what is left of it.
SETTLED = frozenset(
    (diagnostics.RESTART_COMMUNICATIONS, diagnostics.FORCE_LISTEN_ONLY, diagnostics.CLEAR_COUNTERS)
)
MESSAGES, ERRORS, EXCEPTIONS, ADDRESSED, SILENT, NEGATIVE, BUSY, OVERRUN = _COUNTERS


class Traffic:
    """What has passed on the line of a simulated bus, for whomever; shared by its units."""

    __slots__ = ("messages",)

    def __init__(self) -> None:
        self.messages = 0


class Communication:
    """
    The counters, the event log and the mode of one unit.

    Counters wrap at 65536.

    @ivar addressed: messages to this unit, broadcasts included.
    @ivar listen_only: it hears all and answers nothing, but for 08/01.
    @ivar register: the diagnostic register.
    """

    __slots__ = (
        "_before",
        "_counts",
        "_delimiter",
        "_events",
        "_log",
        "_traffic",
        "addressed",
        "listen_only",
        "register",
    )

    def __init__(self, register: int = 0) -> None:
        self.register = register
        self.listen_only = False
        self._delimiter = 0x0A
        self._log: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self.join(Traffic())

    def join(self, traffic: Traffic) -> None:
        """Hear the messages on this line from now on."""
        self._traffic = traffic
        self._forget()

    def damaged(self, overrun: bool = False) -> None:
        """A frame came with a wrong CRC, or with characters lost."""
        self._counts[OVERRUN if overrun else ERRORS] += 1
        self._log.append(bytes((_RECEIVED | (_IN_OVERRUN if overrun else _IN_ERROR) | self._mode,)))

    def answered(self, counted: bool = True) -> None:
        """
        A message to this unit is answered as it wanted.

        @param counted: whether it is an event, as all are but the questions
            for the events themselves.
        """
        self._log.append(_GOOD)
        if counted:
            self._events += 1

    def refused(self, code: int) -> None:
        """A message to this unit is answered with an exception."""
        self._counts[EXCEPTIONS] += 1
        if code == _BUSY:
            self._counts[BUSY] += 1
        elif code == _NEGATIVE:
            self._counts[NEGATIVE] += 1
        self._log.append(bytes((_SENT | _SENT_EXCEPTION.get(code, 0x01), _RECEIVED)))

    def unanswered(self, broadcast: bool, code: int = 0) -> None:
        """
        A message was for this unit, and gets no answer.

        @param code: the exception that it would have been answered with; 0: none.
        """
        self._counts[SILENT] += 1
        if code:
            self._counts[EXCEPTIONS] += 1
        self._log.append(bytes((_RECEIVED | self._mode | (_BROADCAST if broadcast else 0),)))
        if not code and not self.listen_only:
            self._events += 1

    def event_counter(self) -> CommEventCounter:
        return CommEventCounter(False, self._events & _MASK)

    def event_log(self) -> CommEventLog:
        log = b"".join(reversed(self._log))[:MAX_EVENTS]
        return CommEventLog(False, self._events & _MASK, self._count(MESSAGES), log)

    def diagnose(self, request: Diagnostics) -> bytes:
        """
        Carry out function 08. The sub-functions in `SETTLED` are counted and
        logged by it, the others are to be.

        @return: the reply; empty: there is none.
        """
        special = _SPECIAL.get(request.subfunction)
        if special is not None:
            return special(self, request)
        counter = request.subfunction in _COUNTERS
        return request.answer(self._count(request.subfunction) if counter else None)

    def _count(self, counter: int) -> int:
        if counter == MESSAGES:
            return self._traffic.messages - self._before & _MASK
        return (self.addressed if counter == ADDRESSED else self._counts[counter]) & _MASK

    @property
    def _mode(self) -> int:
        return _LISTEN_ONLY if self.listen_only else 0

    def _restart(self, request: Diagnostics) -> bytes:
        reply = b"" if self.listen_only else request.answer()
        self._log.append(_GOOD if reply else bytes((_RECEIVED | self._mode,)))
        if request.data == _CLEAR_LOG:
            self._log.clear()
        self._log.append(_RESTARTED)
        self._forget()
        self.listen_only = False
        return reply

    def _enter_listen_only(self, request: Diagnostics) -> bytes:
        self.unanswered(False)
        self.listen_only = True
        self._log.append(_ENTERED_LISTEN_ONLY)
        return b""

    def _clear(self, request: Diagnostics) -> bytes:
        self._forget()
        self.register = 0
        self.answered(counted=False)
        return request.answer()

    def _clear_overrun(self, request: Diagnostics) -> bytes:
        self._counts[OVERRUN] = 0
        return request.answer()

    def _tell_register(self, request: Diagnostics) -> bytes:
        return request.answer(self.register)

    def _change_delimiter(self, request: Diagnostics) -> bytes:
        self._delimiter = request.data >> 8
        return request.answer()

    def _forget(self) -> None:
        self._before = self._traffic.messages
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self.addressed = self._events = 0


_SPECIAL: dict[int, Callable[[Communication, Diagnostics], bytes]] = {
    diagnostics.RESTART_COMMUNICATIONS: Communication._restart,
    diagnostics.RETURN_REGISTER: Communication._tell_register,
    diagnostics.CHANGE_DELIMITER: Communication._change_delimiter,
    diagnostics.FORCE_LISTEN_ONLY: Communication._enter_listen_only,
    diagnostics.CLEAR_COUNTERS: Communication._clear,
    diagnostics.CLEAR_OVERRUN: Communication._clear_overrun,
}
