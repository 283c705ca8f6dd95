"""
What is known of each unit on one port: pure, without clock or wire.

*Doubt*: a request that was not answered may still be. Until its reply has come
or can come no more, no request of the same function goes to that unit, since
that reply might be taken for the answer. *Reply times* are learnt from all
sound replies, late ones too. *Copies* of replies are looked out for where a unit
sends them. The *breaker*: a unit that keeps silent is
suspended, and real requests are let through as probes, seldom enough that the
dead cost the living little.

All times are monotonic seconds.
"""

from lumina.bus.copies import Copies
from lumina.bus.probes import Probes
from lumina.bus.unit import FIRST_PAUSE, READS, Habits, Unit, UnitView, kind_of
from lumina.modbus.pdu import Request
from lumina.modbus.rtu import Line

#: Limits of a linger that follows from the slowest reply, in seconds.
SHORTEST_LINGER, LONGEST_LINGER = 1.0, 3.0

#: One probe in so many waits as long as was stated: a unit may have grown slower than all that was learnt.
FULL_WAIT = 16

#: Seconds for which a request that the unit answers keeps others from being the probe.
PROMISE = 15.0

#: Different blocks that a unit never answered, and silence to all of which is its own, at least.
STRANGE = 3

_NEAR = 1e-6


class Units:
    """All units of one port."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._units: dict[int, Unit] = {}
        self._probes = Probes(habits, self._units)

    def timeout_of(self, unit: int) -> float:
        """Seconds until its reply begins, unless a client states others."""
        return self._habits.timeouts.get(unit, self._habits.timeout)

    def refusal(
        self,
        unit: int,
        now: float,
        urgent: bool,
        request: Request | None = None,
        baudrate: int | None = None,
    ) -> str | None:
        """
        Why a unit may not be asked now. To have asked gives it a claim to
        the port's next probe, so ask on behalf of real requests only.

        @param urgent: of high priority, or a write: spared the long pauses.
        @param request: what would be asked, and at which speed. One that the
            unit is not known to answer is no good probe, and stands back while
            better ones are asked.
        @return: a sentence; `None`: it may be asked. If it is suspended, that
            request is the probe: report it to `probing`.
        """
        known = self._units.get(unit)
        if known is None or not known.suspended:
            return None
        promising = request is None or known.expects(request, baudrate)
        when = self._probes.next_try(known, urgent)
        if not promising and not urgent:
            when = max(when, known.asked + PROMISE)
        if promising:
            known.asked = now
        if known.guessed and request is not None and promising:
            when = now  # whether it lives is best told by what it has answered
        if known.probing:
            return f"{known.silence(unit, now)}; a try is under way"
        if when <= now:
            return None
        return f"{known.silence(unit, now)}; the next try may go in {when - now:.1f} s"

    def is_suspended(self, unit: int) -> bool:
        """Whether it is, without a claim to anything."""
        known = self._units.get(unit)
        return known is not None and known.suspended

    def tried(self, unit: int) -> int:
        """How often a suspended unit was tried in vain; 0: it is not suspended."""
        known = self._units.get(unit)
        return known.probes if known is not None and known.suspended else 0

    def expects(self, unit: int, request: Request, baudrate: int) -> bool:
        """Whether a unit that lives must be expected to answer this, at this speed."""
        known = self._units.get(unit)
        return known is None or known.expects(request, baudrate)

    def silence(self, unit: int, now: float) -> str:
        """A sentence about a unit that is missing."""
        return self._know(unit, now).silence(unit, now)

    def probing(self, unit: int, now: float) -> None:
        """
        The request let through is on its way: until it has ended, or
        `probe_over`, no other goes to this unit. Nothing, if the unit is not
        suspended.
        """
        known = self._units.get(unit)
        if known is not None and known.suspended:
            self._probes.begun(known, now)

    def probe_over(self, unit: int, now: float) -> None:
        """The probe ended and proved nothing: withdrawn, or the port was lost. The turn stays the unit's."""
        known = self._units.get(unit)
        if known is not None:
            known.probing = known.paced = False

    def reconnected(self, now: float) -> None:
        """
        The way to the units is a new one: each that is suspended may be tried
        at once. They know nothing of it: what they owed is owed still.
        """
        self._probes.reconnected(now)

    def free_at(self, unit: int, function: int, now: float) -> float:
        """From when a request may be sent, for all that late replies can do to it; `now`: at once."""
        known = self._units.get(unit)
        if known is None:
            return now
        linger = self._linger(known)
        free = known.doubt(linger).get(function, now)
        return max(now, free, known.copies.until(function, now, linger))

    def hold(self, unit: int, now: float) -> float:
        """For how many seconds after each reply of a unit its copy is looked out for; 0: it sends none."""
        known = self._units.get(unit)
        return 0.0 if known is None else known.copies.hold(now, self._linger(known))

    def forget_copies(self) -> None:
        """What came twice was an echo, and its reply."""
        for known in self._units.values():
            known.copies.forget()

    def wait(self, unit: int, request: Request, stated: float, now: float) -> float:
        """
        How many seconds to wait for the first byte of the reply: less than
        was stated only for a read of a unit that is missing already, or that
        may be, since it was silent to other blocks that it never answered.
        """
        known = self._units.get(unit)
        if known is None or not (known.misses or known.strange) or kind_of(request) != READS:
            return stated
        times = known.times.get(READS)
        if not known.misses:
            half = 2.0 ** len(known.strange)
            if times is None or known.expects(request, None):
                return stated
            return min(stated, max(stated / half, times.bound(self._habits.slack) * half))
        if known.suspended and known.probes % FULL_WAIT == FULL_WAIT - 1:
            return stated
        if times is None:
            return min(stated, self.timeout_of(unit))
        doubled = 1 if known.suspended else min(known.misses, 8)
        return min(stated, times.bound(self._habits.slack) * 2.0**doubled)

    def answered(
        self, unit: int, request: Request, delay: float, baudrate: int, now: float, pdu: bytes = b""
    ) -> bool:
        """
        A sound reply or an exception came.

        @param delay: from the end of the request to the first byte.
        @param pdu: what came; empty where copies do not matter.
        @return: whether the unit was suspended until now.
        """
        known = self._know(unit, now)
        if pdu:
            known.copies.repeats(pdu, now)
            known.copies.replied(request, pdu, now)
        suspended = known.suspended
        if known.owed:
            known.owe(request, now - delay)
            known.settle(lambda owed: owed.function == request.function)
        known.remember(request, baudrate)
        known.learn(kind_of(request), delay)
        known.lives()
        return suspended

    def missed(self, unit: int, request: Request, waited: float, baudrate: int, now: float) -> bool:
        """
        Nothing came.

        It counts if the unit must be expected to answer the request. If it
        never did, it may lack the block: then only silence to several different
        ones counts, nothing having come from the unit since the first of them.

        @param waited: from the end of the request until now.
        @return: whether it did not do what must be expected of it.
        """
        known = self._know(unit, now)
        known.owe(request, now - waited)
        line = Line(baudrate)
        cost = line.duration(len(request.encode()) + 3) + waited + line.gap
        expected = known.expects(request, baudrate)
        telling = known.telling(request, self.timeout_of(unit), self._habits.slack)
        counts = known.listens(baudrate) and waited >= telling - _NEAR
        if counts and expected:
            known.missed(now - waited)
            known.guessed = False
        elif counts and not known.suspended:
            known.missed_strange(request, now - waited)
        limit = self._habits.misses
        if known.suspended:
            self._probes.tried(known, cost, now, counts and (expected or known.guessed))
        elif limit and (known.misses >= limit or known.presumed(max(limit, STRANGE))):
            known.suspend(cost, now, min(FIRST_PAUSE, self._habits.longest_pause))
        return counts and expected

    def damaged(self, unit: int, request: Request, now: float, waited: float = 0.0) -> None:
        """
        The reply came whole, with a wrong CRC: the unit is there, and owes
        nothing. It is no sound reply, so a suspended one stays so.

        @param waited: from the end of the request until now.
        """
        known = self._know(unit, now)
        if known.suspended:
            self._probes.tried(known, waited, now, counted=False)
        else:
            known.lives()

    def unclear(self, unit: int, request: Request, now: float, waited: float = 0.0) -> None:
        """
        Bytes came, and no reply: it may still come.

        @param waited: from the end of the request until now.
        """
        known = self._know(unit, now)
        known.owe(request, now - waited)
        known.strange.clear()
        if known.suspended:
            self._probes.tried(known, waited, now, counted=False)

    def lost(self, unit: int, request: Request, now: float, waited: float) -> None:
        """
        The way to the units was lost while a reply was awaited. It may come yet,
        once there is a way again.

        @param waited: from the end of the request until now.
        """
        self._know(unit, now).owe(request, now - waited)
        self.probe_over(unit, now)

    def heard(self, frame: bytes, now: float) -> bool:
        """
        A sound reply came that answers nothing in hand. A copy of what the unit
        said just before settles nothing: it answers no request of its own.

        @param frame: its unit id and PDU, whatever carried them.
        @return: whether it is a late reply; then the unit is known to live.
        """
        unit = frame[0]
        if unit not in self._units:
            return False
        known = self._know(unit, now)
        pdu = frame[1:]
        copy = known.copies.repeats(pdu, now)
        owed = None if copy else known.settle(lambda owed: owed.fits(pdu))
        if owed is None:
            if not known.owed:
                known.copies.surplus(pdu, now, self._linger(known))
            return False
        known.copies.replied(owed.request, pdu, now)
        known.learn(kind_of(owed.request), now - owed.ended)
        known.lives()
        return True

    def view(self, now: float) -> list[UnitView]:
        """All units that anything is known of, by number."""
        return [self._view(unit, known, now) for unit, known in sorted(self._units.items())]

    def _view(self, unit: int, known: Unit, now: float) -> UnitView:
        next_try = self._probes.next_try(known, False) if known.suspended and not known.probing else None
        return known.view(unit, self._linger(known), next_try, now)

    def _know(self, unit: int, now: float) -> Unit:
        known = self._units.get(unit)
        if known is None:
            known = self._units[unit] = Unit(Copies(self._habits.slack))
        if known.owed:
            known.forgive(self._linger(known), now)
        return known

    def _linger(self, known: Unit) -> float:
        if self._habits.linger is not None:
            return self._habits.linger
        slowest = max((times.slowest for times in known.times.values()), default=0.0)
        return min(max(2 * slowest, SHORTEST_LINGER), LONGEST_LINGER)
