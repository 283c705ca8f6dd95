"""
One round of questions to a device, whatever it answers.

What is refused is taken apart until the bad register is alone, and the others
are read in the same cycle. What is met with silence, while the device answers
others, is split at its gaps first: cheap meters do not answer to what they do
not like. While it answers nothing, `pulse` says what it is asked. Each point that
is due comes out exactly once, as a reading that is good or says why it is not.
Pure: whoever asks reports what came.
"""

from collections import deque
from collections.abc import Sequence

from lumina.errors import BadReply, ExceptionReply, LuminaError, NoReply
from lumina.poll.block import Block
from lumina.poll.costs import ALL, SOME
from lumina.poll.knowledge import Ban
from lumina.poll.lasting import Lasting
from lumina.poll.plan import Agenda, Plan
from lumina.poll.pulse import Pulse
from lumina.poll.spans import apart
from lumina.poll.splits import Splits
from lumina.poll.unanswered import FAILURE, Unanswered
from lumina.readings import Reading

#: Exceptions that say that the request should have been another one: illegal data address, and value.
_DIVIDES = (0x02, 0x03)
#: A gateway says that it has no way to the device, or that the device was silent.
_NO_WAY, _SILENT = 0x0A, 0x0B


class Cycle:
    """
    A cycle of one plan.

    Ask `next` for a block, ask the device, and report with `answered` or
    `failed`, one block at a time, until there is none; then `close`. These three give the
    readings that are settled; together they are one for each point that was due.

    @ivar asked: how many blocks were given.
    @ivar answers: how many of them the device answered, refusals included.
    @ivar silences: how many met with silence.
    """

    def __init__(self, plan: Plan, now: float, agenda: Agenda | None = None) -> None:
        """
        @param now: monotonic seconds.
        @param agenda: what is to be asked; `None`: all points.
        """
        agenda = plan.agenda(now) if agenda is None else agenda
        self.asked = self.answers = self.silences = 0
        self._plan, self._knowledge = plan, plan.knowledge
        self._blocks, self._banned = agenda.blocks, agenda.banned
        self._queue = deque(agenda.blocks)
        self._was_silent = self._knowledge.silent
        self._pulse = self._search() if self._was_silent else None
        self._single: Block | None = None
        self._already: dict[int, Reading] = {}
        self._splits: Splits | None = None
        self._unanswered: Unanswered | None = None
        self._why: LuminaError | None = None
        self._lasting = Lasting(self._knowledge.suspects) if self._knowledge.suspects else None
        self._careful = self._sound = False

    def next(self, now: float) -> Block | None:
        """The block to ask now; `None`: there is none, or the device is taken for dead."""
        if self._pulse and not self.answers and not (self._queue and self._pulse.patient(self.silences)):
            return self._alone(self._pulse)
        if self._pulse and self._unanswered and not self._queue and self._unanswered.unsure(self.answers):
            single = self._alone(self._pulse)
            if single is not None:
                return single
        while self._queue or (self._unanswered and self.answers and self._divide(self._unanswered, now)):
            block = self._queue.popleft()
            if self._lasting and block in self._lasting:
                if self._lasting.spare(block):
                    continue
                block = self._lasting.turn(block, self._queue)
            if not (self._careful and self._parts.untried(block, now)):
                self.asked += 1
                return block
            self._queue.extendleft(reversed(self._parts.at_gaps(block, now)))
        return None

    def answered(
        self, block: Block, pdu: bytes, now: float, at: float, seconds: float | None = None
    ) -> list[Reading]:
        """
        A sound reply came.

        @param now: monotonic seconds.
        @param at: when it was read, in seconds since 1970.
        @param seconds: how long the exchange took; `None`: it says nothing of
            what requests cost, as when it was shared or answered from memory.
        """
        self.answers += 1
        self._sound = True
        self._knowledge.answered(block.place, block.gaps, block.cuts, block.spans)
        costs = self._plan.costs
        costs.answers += 1
        if seconds is not None and (costs.answers <= ALL or costs.answers % SOME == 0):
            costs.learn(block.weight, seconds)
        if self._splits:
            self._splits.settle(block, True, now)
        readings = block.readings(pdu, at)
        if block is self._single:
            self._already = dict(zip(block.points, readings, strict=True))
            return []
        return readings

    def failed(self, block: Block, error: LuminaError, now: float, at: float) -> list[Reading]:
        """
        No sound reply came.

        @return: what is settled by it; nothing, if it will be asked in another way.
        """
        self._why = error
        code = error.code if isinstance(error, ExceptionReply) else None
        if code == _SILENT or isinstance(error, NoReply | BadReply):
            self._silent(block, error, now)
            return []
        if code not in (None, _NO_WAY):
            self.answers += 1
            self._knowledge.lives()
        if block is self._single:
            return []
        if code in _DIVIDES:
            return self._refused(block, error, now, at)
        if code == FAILURE:
            self._ill(block, error, now)
            return []
        self._settle(block, now)
        return self._bad(block.points, error, at)

    def close(self, now: float, at: float, error: LuminaError | None = None) -> list[Reading]:
        """
        The cycle is over: the readings of all points that are not settled.

        @param error: why those that were not asked will not be; `None`: as the last that failed.
        """
        unanswered = self._unanswered.all if self._unanswered else ()
        if not (unanswered or self._banned or self._queue or self.silences):
            return []
        if self.silences and not self.answers:
            self._knowledge.silent_cycle()
        found = [self._held(index, ban, now, at) for index, ban in self._banned]
        for mute in unanswered:
            found += self._bad(mute.block.points, mute.error, at)
        if self._unanswered and self.answers:
            self._unanswered.remember(self._sound, now)
        if self._lasting:
            for block in self._lasting.spared:
                found += [self._held(index, self._lasting.ban(block), now, at) for index in block.points]
            self._lasting.spared.clear()
        why = error or self._why or NoReply("the device was not asked")
        for block in self._queue:
            found += self._bad(block.points, why, at)
        self._banned, self._unanswered = (), None
        self._queue.clear()
        return found

    def _search(self) -> Pulse:
        return Pulse(self._blocks, self._plan.spans, self._knowledge)

    def _alone(self, pulse: Pulse) -> Block | None:
        """A single value, for a sign of life: one that is to be asked alone anyway, or one more request."""
        span = pulse.next()
        if span is None:
            return None
        self.asked += 1
        for block in self._queue:
            if block.spans == (span,):
                self._queue.remove(block)
                return block
        self._single = self._plan.same((span,))
        return self._single

    def _refused(self, block: Block, error: LuminaError, now: float, at: float) -> list[Reading]:
        if len(block.spans) > 1:
            self._queue.extendleft(reversed(self._parts.halves(block, now, silent=False)))
            return []
        self._settle(block, now)
        (span,) = block.spans
        self._knowledge.failed(span, error.word, str(error), now, silent=False)
        self._queue.extendleft(self._plan.block((each,)) for each in reversed(span.inner))
        return self._bad(span.members, error, at)

    def _ill(self, block: Block, error: LuminaError, now: float) -> None:
        if self._parts.untried(block, now):
            self._queue += self._parts.at_gaps(block, now)
        else:
            self._put_off(block, error, now)

    def _silent(self, block: Block, error: LuminaError, now: float) -> None:
        if self._pulse is None:
            self._pulse = self._search()
        self._pulse.silent(block.spans)
        self.silences += not isinstance(error, BadReply)
        if self._lasting:
            self._lasting.silent(block)
        if block is self._single:
            return
        if apart(block.spans) and (self.answers or not self._knowledge.whole(block.place)):
            self._careful = True
            self._queue += self._parts.at_gaps(block, now)
        else:
            self._put_off(block, error, now)
        if not self.answers:  # what was answered the last time says most
            self._queue = deque(sorted(self._queue, key=lambda each: self._knowledge.doubtful(each.place)))

    def _put_off(self, block: Block, error: LuminaError, now: float) -> None:
        self._settle(block, now)
        if self._unanswered is None:
            self._unanswered = Unanswered(self._plan, self._parts, self._was_silent)
        self._unanswered.add(block, error, self.answers)

    def _divide(self, unanswered: Unanswered, now: float) -> bool:
        """Take apart what was not answered; whether there is anything to ask now."""
        parts = unanswered.divided(self.answers, self._sound, now)
        self._queue += parts
        return bool(parts)

    @property
    def _parts(self) -> Splits:
        if self._splits is None:
            self._splits = Splits(self._plan)
        return self._splits

    def _settle(self, block: Block, now: float) -> None:
        """It was not answered, which says something of what it was a part of."""
        if self._splits:
            self._splits.settle(block, False, now)

    def _bad(self, points: Sequence[int], error: LuminaError, at: float) -> list[Reading]:
        """Readings without a value, but of what was read all the same, alone."""
        reason, already = _reason(error), self._already
        return [
            already.get(index) or Reading(self._plan.points[index], None, at, error.word, reason)
            for index in points
        ]

    def _held(self, index: int, ban: Ban, now: float, at: float) -> Reading:
        when = f"again in {ban.until - now:.0f} s" if ban.until > now else "in turn with others"
        reason = f"{ban.reason}; {ban.failures} times in a row, and it is asked {when}"
        return Reading(self._plan.points[index], None, at, ban.word, reason)


def _reason(error: LuminaError) -> str:
    return str(error) or error.word
