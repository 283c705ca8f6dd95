"""
Whose fault it is that readings are not accepted: theirs, or that of the whole. Pure.

A reading that is refused is a suspect. It becomes a dead letter when it was
refused again and again, others were accepted meanwhile, and one more was
accepted, or there is none; so when the API changes its mind about everything,
nothing is given up. How many refusals that takes, doubt tells. When many
different ones are refused in a row, all is held.
"""

from collections.abc import Sequence
from itertools import count

from lumina.sinks.courier import Verdict
from lumina.sinks.doubt import Doubt
from lumina.sinks.evidence import Convictions, Evidence
from lumina.sinks.hold import Hold
from lumina.sinks.lanes import Lanes
from lumina.sinks.parcel import Device, Parcel

#: So many different readings refused in a row are refused for a fault that is not theirs.
_ALIKE = 8
#: Suspects that are gathered at most, while all is refused.
_SUSPECTS = 200

#: A refusal is one of just now for so many seconds; and where the API lets only
#: few requests through, for the last of so many.
_JUST_NOW = 1.0
_OFTEN = 4

#: Where nothing else is left to send, a suspect is sent again so long after it was refused.
_AGAIN = 1.0

#: So many failures of the first reading that waits are said.
_AGAIN_AND_AGAIN = 5

#: A batch that fails while nothing at all is accepted is cut after so many seconds, and
#: for a reading that does another one is tried.
_STUCK = 3600.0


class Judgement:
    """
    Judges the parcels of some lanes.

    @ivar hold: of the whole.
    """

    def __init__(self, lanes: Lanes, hold: Hold, attempts: int, refusals: int) -> None:
        """
        @param attempts: failures after which a reading is given up, if others are accepted.
        @param refusals: the same for refusals, at least.
        """
        self.hold = hold
        self._lanes = lanes
        self._attempts = attempts
        self._evidence = Evidence()
        self._convictions = Convictions()
        self._doubt = Doubt(refusals)
        self._failures = Doubt(attempts)
        self._events = count(1)
        self._fails_again = False

    def sent(self, parcel: Parcel) -> None:
        """A parcel is sent."""
        parcel.attempts += 1
        parcel.sent = next(self._events)

    def accepted(self, parcel: Parcel, began: float) -> Sequence[Parcel]:
        """
        @param began: when it was sent, in monotonic seconds.
        @return: suspects that are guilty; they are to be buried.
        """
        lanes, was_held = self._lanes, bool(self.hold.reason)
        self._evidence.accepted(parcel.devices, parcel.sent, began)
        self._convictions.accepted(parcel)
        self._doubt.accepted(0 if was_held else parcel.refusals)
        self._failures.accepted(parcel.failures - parcel.inherited)
        self._fails_again = False
        self.hold.end()
        if parcel in lanes.suspects:
            lanes.acquit(parcel)
        guilty = []
        for each in list(lanes.suspects):
            is_later = each.refused < parcel.sent
            is_overtaken = bool(each.devices & parcel.devices) and each.first < parcel.first
            if is_later and (is_overtaken or (self._is_proved(each) and not was_held)):
                guilty.append(each)
                self._convictions.convicted(each)
            elif (is_later or was_held) and not lanes.may_be_behind(each):
                if was_held:
                    each.refusals, each.heard = 0, False
                else:
                    each.heard = True
                self._hear_again(each)
        return guilty

    def refused(self, parcel: Parcel, verdict: Verdict, now: float) -> Sequence[Parcel]:
        """
        A parcel of one reading is refused.

        @return: it, if it is guilty without more ado: it was a dead letter
            before, or its like always is.
        """
        is_new = parcel not in self._lanes.suspects
        parcel.refusal, parcel.refused, parcel.refused_at = verdict, next(self._events), now
        parcel.row += 1
        parcel.refusals += 1
        if self.hold.reason:
            self._lanes.suspect(parcel)
            if is_new:
                self.hold.later(now)
            return ()
        if self._is_expected(parcel):
            return [parcel]
        self._lanes.suspect(parcel)
        if len(self._lanes.suspects) >= _ALIKE and self._one_alone(now) is None:
            self.hold.begin(f"all is refused alike: {verdict.sentence}", now)
        return ()

    def failed(self, parcel: Parcel, verdict: Verdict, now: float) -> bool:
        """
        The API has failed, or did not answer.

        @return: whether it fails on this parcel alone: if that is one reading
            it is given up, else it is to be cut.
        """
        is_alone = self._evidence.is_alone(parcel)
        parcel.failed = next(self._events)
        self._evidence.failed(parcel.devices, parcel.failed)
        parcel.is_unsure |= verdict.lost
        self._fails_again = parcel.attempts > 1
        if verdict.status < 500:
            return False
        parcel.refusal = verdict
        parcel.failing = now if parcel.failing is None else parcel.failing
        parcel.failures += 1
        parcel.alone += is_alone
        if self.hold.reason:
            return False
        if parcel.alone >= self._attempts:
            return True
        is_stuck = parcel.failures >= self._attempts and now - parcel.failing >= _STUCK
        return is_stuck and len(parcel.members) > 1 and self._lanes.is_first(parcel)

    def is_stuck(self, parcel: Parcel) -> bool:
        """Whether the API fails again and again on this reading, the first that waits."""
        return (
            len(parcel.members) == 1 and parcel.failures >= _AGAIN_AND_AGAIN and self._lanes.is_first(parcel)
        )

    def wants_trial(self, parcel: Parcel, verdict: Verdict, now: float) -> bool:
        """
        Whether a later reading of its device is to be tried, right now.

        The API has failed on this one for long, so often that it is not by
        chance, and just now; nothing tells yet whether it takes another.
        """
        if verdict.status < 500 or parcel.failing is None or len(parcel.members) > 1 or self.hold.reason:
            return False
        is_due = now - max(parcel.failing, parcel.tried) >= _STUCK
        return is_due and not parcel.is_gone and parcel.failures >= self._failures.needed

    def halves(self, parcel: Parcel) -> Sequence[Parcel]:
        """
        Cut a batch, between its devices if it has some, so that no half waits for the other.

        What is known of it is known of both parts, and a few failures more will do.
        """
        halves = parcel.halves()
        for each in halves:
            each.failing, each.failed, each.is_unsure = parcel.failing, parcel.failed, parcel.is_unsure
            each.failures = each.inherited = min(parcel.failures, self._attempts * 3 // 4)
            each.alone = min(parcel.alone, self._attempts * 3 // 4)
        return halves

    def next(self, now: float) -> Parcel | None:
        """What is to be sent next, and from now on is under way; `None`: nothing can be."""
        if not self._lanes.suspects:
            return self._lanes.next(now, self._fails_again)
        alone = self._one_alone(now) if len(self._lanes.suspects) >= _ALIKE else None
        return self._lanes.witness(
            now, lambda each: self._is_heard(each, now), () if alone is None else (alone,)
        )

    def probe(self, now: float) -> Parcel | None:
        """While all is held: what is to be tried now; the suspects by turns, and then another one."""
        hold, lanes = self.hold, self._lanes
        if now < hold.due or lanes.under_way:
            return None
        first = None
        if not hold.steps:
            for each in lanes.suspects:
                each.row = 0
            first = min(lanes.first_suspects(), key=lambda each: each.refused, default=None)
        if first is not None:
            parcel: Parcel | None = lanes.take(first)
        elif len(lanes.suspects) < _SUSPECTS and hold.goes_on(len(lanes.suspects)):
            parcel = lanes.witness(now, lambda each: self._is_heard(each, now))
        else:
            parcel = None
        if parcel is not None:
            hold.steps += 1
        elif hold.steps:
            hold.later(now)
        return parcel

    def when_nothing_is_left(self, now: float) -> Sequence[Parcel]:
        """
        There is nothing to send but suspects: let them wait for others, or hold all.

        @return: those that are guilty: others were accepted between their
            refusals, or their likes are always refused.
        """
        suspects = list(self._lanes.suspects)
        guilty = [each for each in suspects if self._is_proved(each) or self._is_expected(each)]
        for each in guilty:
            self._convictions.convicted(each)
        for each in suspects:
            if each.refusals < self._doubt.needed and each not in guilty:
                each.due = each.refused_at + _AGAIN * each.refusals
                if not self._lanes.may_be_behind(each):
                    self._hear_again(each)
        if not guilty and not self._evidence.lately(now):
            refusal = suspects[-1].refusal
            self.hold.begin(f"nothing is accepted: {refusal.sentence if refusal else ''}", now)
        return guilty

    def _hear_again(self, parcel: Parcel) -> None:
        parcel.row = 0
        self._lanes.acquit(parcel)
        self._lanes.put_back(parcel)

    def _is_proved(self, suspect: Parcel) -> bool:
        """Whether it was refused often enough, and others were accepted meanwhile."""
        return suspect.heard and suspect.refusals >= self._doubt.needed

    def _is_expected(self, parcel: Parcel) -> bool:
        """Whether it was a dead letter before, or its like always is, and the API keeps to what it says."""
        is_known = parcel.is_retried or self._convictions.is_known(parcel)
        return is_known and not self._doubt.is_founded

    def _is_heard(self, suspect: Parcel, now: float) -> bool:
        is_new = now - suspect.refused_at <= _JUST_NOW
        return suspect.refusals >= self._doubt.needed and suspect.row >= (1 if is_new else _OFTEN)

    def _one_alone(self, now: float) -> Device | None:
        """The device of all suspects, if nothing of it is accepted while of others something is."""
        devices = {device for parcel in self._lanes.suspects for device in parcel.devices}
        lately = self._evidence.lately(now)
        return devices.pop() if len(devices) == 1 and lately and not devices & lately else None
