"""
A serial line with units that misbehave as told, and that know what they said.

It stands where a device would, under the real Port, Wire and Transaction. Each
request that reaches it gets a number; the registers of a reply are that number,
so that a reply proves which request it answers, and whether a write came
between. What was put on the line, when, and in reply to what, is kept for the
judgement.
"""

from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock

from lumina.errors import ExceptionReply
from lumina.modbus import pdu
from lumina.modbus.rtu import Line, encode
from lumina.testing import FakeLine

#: What never is the number of a request.
ALIEN = 60000

#: A unit that nobody asks.
STRANGER = 200


@dataclass(frozen=True)
class Fate:
    """
    What becomes of one request.

    @ivar kind: `good`, `silent`, `late`, `crc`, `cut`, `unit`, `function`,
        `count`, `other`, `before`, `after`, `inside`, `twice`, `again`, `pieces` or
        `exception`.
    @ivar delay: seconds from the end of the request until the answer begins; of
        what comes `again`, as long after that.
    @ivar at: where in the frame it happens.
    @ivar noise: bytes that are no frame.
    """

    kind: str = "good"
    delay: float = 0.005
    at: int = 1
    noise: bytes = b"\xff"


@dataclass
class Heard:
    """
    A request that reached the line.

    @ivar began: when its first byte was on the line, and `ended` its last.
    @ivar line: the speed and format it was sent with.
    @ivar quiet: seconds since the byte before it, whoever sent that.
    @ivar broken: whether that byte ended a part of a frame, of which the rest may follow.
    @ivar replies: the sound replies that were sent to it.
    """

    began: float
    ended: float
    line: Line
    quiet: float
    broken: bool
    unit: int
    frame: bytes
    replies: list[bytes] = field(default_factory=list)


class Units(FakeLine):
    """
    All units of one line.

    @ivar fates: what becomes of the next requests; then all goes well.
    @ivar heard: every request that reached the line.
    @ivar noisy: until when there is noise without end.
    """

    def __init__(self, clock: Clock, line: Line, echo: bool) -> None:
        super().__init__()
        self.clock = clock
        self.line = line
        self.echo = echo
        self.fates: list[Fate] = []
        self.heard: list[Heard] = []
        self.noisy = float("-inf")
        self._busy: dict[int, float] = {}
        self._last = float("-inf")
        self._broken = False

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        self.formats.clear()
        connected = super().connect(protocolFactory)
        self._last = float("-inf")
        if self._transport is not None:
            self._transport.write = self._written  # type: ignore[method-assign]
        return connected

    def babble(self, seconds: float) -> None:
        """Bytes without meaning, never with a silence between them, for so long."""
        self.noisy = max(self.noisy, self.clock.seconds() + seconds)
        self._babble(self.opened)

    def _babble(self, opened: int) -> None:
        self._deliver(b"\x00", opened)
        if self.clock.seconds() < self.noisy and opened == self.opened:
            self.clock.callLater(0.0018, self._babble, opened)

    def _written(self, frame: bytes) -> None:
        speed = self.formats[-1] if self.formats else self.line
        now, end = self.clock.seconds(), self.clock.seconds() + speed.duration(len(frame))
        self.heard.append(Heard(now, end, speed, now - self._last, self._broken, frame[0], frame))
        self._last, self._broken = end, False
        if self.echo:
            self._later(end, frame, opened=self.opened)
        if frame[0]:
            self._answer(len(self.heard) - 1, end)

    def _answer(self, number: int, end: float) -> None:
        heard = self.heard[number]
        fate = self.fates.pop(0) if self.fates else Fate()
        reply = self._reply(heard, number, fate)
        good = encode(heard.unit, reply)
        begin = max(end + fate.delay, self._busy.get(heard.unit, 0.0))  # a unit answers in turn
        pieces = self._pieces(heard, good, fate)
        if good in b"".join(pieces):
            heard.replies.append(good)
        for index, piece in enumerate(pieces):
            alien = fate.kind == "function" and not index
            self._later(begin, piece, good.startswith(piece) and piece != good, number if alien else None)
            begin += 0.012
            self._busy[heard.unit] = begin
        if fate.kind == "again":
            self._later(begin + fate.delay, good)

    def _reply(self, heard: Heard, number: int, fate: Fate) -> bytes:
        request = pdu.parse(heard.frame[1:-2])
        if fate.kind == "exception":
            return ExceptionReply(request.function, 6).pdu
        if isinstance(request, pdu.ReadRegisters):
            return request.answer([number] * request.count)
        return request.encode()

    def _pieces(self, heard: Heard, good: bytes, fate: Fate) -> list[bytes]:
        """What is put on the line, with a pause of 12 ms between the pieces."""
        at = max(1, min(fate.at, len(good) - 1))
        function, alien = heard.frame[1], ALIEN.to_bytes(2, "big")
        reads, alike = function in (3, 4), bytes([4]) + 2 * alien
        count = 6 if fate.at % 2 else 2  # too many, or too few
        miscounted = encode(heard.unit, bytes([function if reads else 3, count]) + count // 2 * alien)
        misplaced = encode(heard.unit, heard.frame[1:3] + bytes([heard.frame[3] ^ 1]) + heard.frame[4:-2])
        return {
            "silent": [],
            "crc": [good[:-1] + bytes([good[-1] ^ 1])],
            "cut": [good[:at]],
            "unit": [encode(STRANGER, bytes([function]) + (alike if reads else heard.frame[2:-2])), good],
            "function": [encode(heard.unit, bytes([3 if function == 4 else 4]) + alike), good],
            "count": [miscounted, good],
            "other": [miscounted if reads else misplaced, good],
            "before": [fate.noise + good],
            "after": [good + fate.noise],
            "inside": [good[:at] + fate.noise + good[at:]],
            "twice": [good + good],
            "pieces": [good[:at], good[at:]],
        }.get(fate.kind, [good])

    def _later(
        self,
        when: float,
        data: bytes,
        broken: bool = False,
        last: int | None = None,
        opened: int | None = None,
    ) -> None:
        delay = max(0.0, when - self.clock.seconds())
        self.clock.callLater(delay, self._deliver, data, opened, broken, last)

    def _deliver(
        self, data: bytes, opened: int | None, broken: bool = False, last: int | None = None
    ) -> None:
        """
        @param opened: by which opening of the line it can be heard; `None`: by any. A unit
            does not notice that the port was pulled out, and says what it has to say.
        @param last: say it only while this is the last request that was heard. The reply of
            another function, when that is just what is awaited, nobody could tell.
        """
        if last is not None and last != len(self.heard) - 1:
            return
        if self.is_open and opened in (None, self.opened):
            self._last = max(self._last, self.clock.seconds())
            self._broken = broken
            self.receive(data)
