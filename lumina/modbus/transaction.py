"""
One exchange on a serial line: which of the bytes that come are the reply?

A Transaction is fed bytes and silences by its owner, and knows neither port
nor clock. It reads the bytes from the left. At each place stands the echo of
the request, a whole frame (the reply, or a foreign one, which is skipped
whole), the beginning of a frame, or noise. A reply is accepted only if CRC,
unit, function code and everything that the request implies about it fit; it
is given out as soon as its last byte is there. Bytes that might be the
beginning of a frame are waited for until the line is quiet.
"""

from lumina.errors import BadReply, NoReply, Sent
from lumina.modbus import pdu, rtu
from lumina.modbus.pdu import EXCEPTION, Opaque, Request

#: Bytes without meaning that are kept for the record, the last ones.
_KEPT = 1024

#: Foreign frames that are kept for the record, the first ones; a reply to an earlier request is soon there.
_FOREIGN = 64

_LAST_UNIT = 247


class Transaction:
    """
    One request, and the search for its reply.

    @ivar outgoing: the request as an RTU frame.
    @ivar incoming: the bytes that came; of endless noise the last only.
    @ivar noise: how many of them belong to no frame.
    @ivar trailing: those that came in one piece with the reply, behind it.
    @ivar foreign: sound frames that are not the reply; beyond the first 64 they are noise.
    @ivar damaged: the reply came whole, but its CRC does not fit.
    @ivar broken_off: the reply began, and stopped before its end.
    @ivar echoed: whether what was sent came back before anything else of
        meaning; `None`: nothing has shown it. A reply that equals the request
        shows nothing.
    """

    def __init__(self, unit: int, request: Request, echo: bool | None = False) -> None:
        """
        @param echo: whether the line gives back what is sent. Then the first
            copy of the request is the echo, and never the reply. `None`: not
            known; then bytes that can be both are the echo of a read, and
            the reply to a write.
        """
        self.unit = unit
        self.request = request
        self.outgoing = rtu.encode(unit, request.encode())
        self.incoming = bytearray()
        self.noise = 0
        self.trailing = b""
        self.foreign: list[bytes] = []
        self.damaged = False
        self.broken_off = False
        self.echoed: bool | None = None
        self._echo = bool(echo) or (echo is None and not self._may_echo)
        self._judged = 0
        self._complaint = ""

    def received(self, data: bytes) -> bytes | None:
        """
        @return: the PDU of the reply or of the exception, once it is whole.
        """
        self.incoming += data
        pdu = self._judge(quiet=False)
        if self._judged > _KEPT:
            del self.incoming[: self._judged - _KEPT]
            self._judged = _KEPT
        return pdu

    def quiet(self) -> bytes | None:
        """
        The line is silent: what has begun will not be finished.

        @return: as `received`; a reply whose end only silence can tell, or one
            that followed noise which looked like the beginning of a frame.
        """
        return self._judge(quiet=True)

    @property
    def under_way(self) -> bool:
        """Whether the reply may have begun, and is not whole yet."""
        rest = self._rest()
        return bool(rest) and self._ours(rest)

    @property
    def missing(self) -> int:
        """How many bytes a reply under way lacks at least, as far as its content tells."""
        rest = self._rest()
        if not self.under_way or self._open_ended(rest):
            return 0
        return max(0, (_size(rest, self.unit) or 0) - len(rest))

    def failure(self) -> Sent:
        """Why there is no reply, once time is up."""
        if self.damaged:
            return BadReply("the reply came with a CRC that does not fit")
        if self._complaint:
            return BadReply(self._complaint)
        if came := self.noise + len(self.incoming) - self._judged:
            return BadReply(f"{came} bytes came that are no whole frame: {self._excerpt()}")
        return NoReply(f"unit {self.unit} did not reply")

    def _judge(self, quiet: bool) -> bytes | None:
        while rest := self._rest():
            length, reply = self._next(rest, quiet)
            self._judged += length
            if reply is not None:
                self.trailing = bytes(self.incoming[self._judged :])
                self.noise += len(self.trailing)
                self._judged = len(self.incoming)
                return reply
            if not length:
                return None
        return None

    def _rest(self) -> bytes:
        """What is not judged yet, as far as one frame can reach."""
        return bytes(self.incoming[self._judged : self._judged + rtu.MAX_FRAME + 1])

    def _next(self, rest: bytes, quiet: bool) -> tuple[int, bytes | None]:
        """
        @return: how many bytes are judged now, 0 when more must come first;
            and the reply's PDU if that is what they are.
        """
        if self._echo and rest.startswith(self.outgoing):
            self._echo, self.echoed = False, True
            return len(self.outgoing), None
        size = _size(rest, self.unit)
        whole = size is not None and len(rest) >= size
        doubtful = self._echoing(rest) and (self._echo or not quiet)
        if size is not None and whole and rtu.fits(rest[:size]) and not doubtful:
            return self._frame(rest[:size])
        if rest.startswith(self.outgoing) and not self._may_echo:
            self.echoed = True
            return len(self.outgoing), None
        if not quiet and (self._echoing(rest) or self._open_ended(rest) or (size is not None and not whole)):
            return 0, None
        end = _end(rest) if self._open_ended(rest) else 0
        if end:
            return end, rest[1 : end - 2]
        self._blame(rest, size)
        self.noise += 1
        return 1, None

    def _frame(self, frame: bytes) -> tuple[int, bytes | None]:
        unit, body = frame[0], frame[1:-2]
        if unit != self.unit:
            self._complaint = f"unit {unit} replied instead of unit {self.unit}: {frame.hex(' ').upper()}"
        else:
            try:
                if body[0] != self.request.function | EXCEPTION:
                    self.request.check(body)
            except BadReply as error:
                self._complaint = str(error)
            else:
                if self.echoed is None and frame != self.outgoing:
                    self.echoed = False
                return len(frame), body
        if len(self.foreign) < _FOREIGN:
            self.foreign.append(frame)
        else:
            self.noise += len(frame)
        return len(frame), None

    def _blame(self, rest: bytes, size: int | None) -> None:
        """Remember what is wrong with bytes that begin as the reply must."""
        if size is None or len(rest) < 2 or not self._ours(rest):
            return
        if len(rest) < size:
            # Three bytes that are as they must be are no accident.
            self.broken_off = self.broken_off or (len(rest) > 2 and self._expected(size, rest))
            self._complaint = f"the reply is short, {len(rest)} of {size} bytes: {rest.hex(' ').upper()}"
        elif self._expected(size, rest) and not (self._echo and self._may_echo):
            self.damaged = True

    @property
    def _may_echo(self) -> bool:
        """Whether a sound reply may equal the request."""
        return self.request.echoes or isinstance(self.request, Opaque)

    def _echoing(self, rest: bytes) -> bool:
        """Whether these may be the first bytes of an echo that is still to come, or unlooked for."""
        begun = len(rest) < len(self.outgoing) and self.outgoing.startswith(rest)
        return begun and (self._echo or not self._may_echo)

    def _ours(self, rest: bytes) -> bool:
        """Whether the bytes begin as the reply must."""
        return rest[0] == self.unit and (len(rest) < 2 or rest[1] & 0x7F == self.request.function)

    def _open_ended(self, rest: bytes) -> bool:
        """Whether only silence can tell the end of the reply that begins here."""
        return isinstance(self.request, Opaque) and self._ours(rest)

    def _expected(self, size: int, rest: bytes) -> bool:
        """Whether a frame of this size can be the reply, its CRC aside."""
        length = self.request.reply_length
        return bool(rest[1] & EXCEPTION) or length is None or size == length + 3

    def _excerpt(self) -> str:
        shown = bytes(self.incoming[:32]).hex(" ").upper()
        return shown + (" ..." if len(self.incoming) > 32 else "")


class Strays:
    """
    Looks for sound frames of whatever unit among bytes that nobody waits for.

    A late reply is found here, when it comes while nothing is asked.
    """

    def __init__(self) -> None:
        self._bytes = b""

    @property
    def begun(self) -> bool:
        """Whether what came last may be the beginning of the frame of a unit."""
        return bool(self._bytes.lstrip(b"\0"))

    def received(self, data: bytes) -> list[bytes]:
        """@return: the frames that are whole now."""
        self._bytes = (self._bytes + data)[-2 * rtu.MAX_FRAME :]
        frames = []
        start = 0
        while start < len(self._bytes):
            rest = self._bytes[start:]
            size = _size(rest)
            if size is not None and len(rest) < size:
                break
            if size is not None and rtu.fits(rest[:size]):
                frames.append(rest[:size])
                start += size
            else:
                start += 1
        self._bytes = self._bytes[start:]
        return frames

    def quiet(self) -> list[bytes]:
        """
        The line was silent: what has begun will not be finished.

        @return: frames behind bytes that looked like the beginning of another.
        """
        frames = []
        while self._bytes:
            self._bytes = self._bytes[1:]
            frames += self.received(b"")
        return frames


def _end(rest: bytes) -> int:
    """
    @return: where the reply ends of which only silence tells the end, 0 if it
        is none. Zeros behind a sound frame leave its CRC sound: they are noise.
    """
    if not rtu.MIN_FRAME <= len(rest) <= rtu.MAX_FRAME or rest[1] & EXCEPTION or not rtu.fits(rest):
        return 0
    end = len(rest)
    while rtu.fits(rest[: end - 1]):
        end -= 1
    return end


def _size(rest: bytes, unit: int = 0) -> int | None:
    """
    @param unit: one that may reply although its number is reserved.
    @return: the bytes that a reply beginning here must have, for all that is
        known yet; `None`: its content does not tell, or it is noise.
    """
    if rest[0] != unit and not 1 <= rest[0] <= _LAST_UNIT:
        return None
    if len(rest) < 2:
        return rtu.MIN_FRAME
    size = pdu.reply_size(rest[1:])
    if size is None or size + 3 > rtu.MAX_FRAME:
        return None
    return size + 3
