"""
When the suspended units of one port may be tried: pure, without clock or wire.

The common way is the budget: after a probe none goes until it is paid for, and
then the unit that is longest overdue is the first. A unit that is asked seldom
might always find the budget spent by others; so its own part of it is kept for
it, its turn.
"""

import math
from collections.abc import Mapping

from lumina.bus.unit import FIRST_PAUSE, READS, Habits, Unit

#: Seconds in which each of so many dead units has its turn, if their reply times are known.
TURN, TURNS = 14.0, 5

#: Seconds for which a refused request keeps the first right of its unit.
CLAIM = 2.0


class Probes:
    """The tries of all suspended units of one port."""

    def __init__(self, habits: Habits, units: Mapping[int, Unit]) -> None:
        """@param units: all units of the port; they may become more."""
        self._habits = habits
        self._units = units
        self._free = -math.inf
        self._renewable = -math.inf

    def next_try(self, known: Unit, urgent: bool) -> float:
        """From when on a suspended unit may be tried."""
        if urgent:
            return min(known.tried + FIRST_PAUSE, known.due)
        others = [other for other in self._dead() if other is not known]
        claims = [other.asked + CLAIM for other in others if not other.probing and other.due < known.due]
        free = max([math.inf if any(other.paced for other in others) else self._free, *claims])
        turn = max(self._habits.longest_pause, len(self._dead()) * self._price(known))
        return max(known.due, min(known.tried + turn, free))

    def begun(self, known: Unit, now: float) -> None:
        """A probe of a suspended unit is on its way."""
        known.paced = self.next_try(known, urgent=False) <= now
        known.probing = True

    def tried(self, known: Unit, cost: float, now: float, counted: bool) -> None:
        """
        It is over, and brought no sound reply.

        @param cost: seconds of the bus that it took.
        @param counted: whether it told that the unit is still missing.
        """
        known.tried_in_vain(cost, now, self._habits.longest_pause if counted else None)
        if known.paced:
            self._free = max(self._free, now) + self._price(known)
        known.probing = known.paced = False

    def reconnected(self, now: float) -> None:
        """
        Each may be tried at once, whatever the others cost, and soon again. That
        is paid for, too, before it is so once more: a way that is lost over
        and over makes no more tries than one that lasts.
        """
        dead = self._dead()
        if not dead or now < self._renewable:
            return
        tries = sum(known.cost for known in dead)
        self._renewable = now + max(self._habits.longest_pause, tries / self._habits.share)
        for known in dead:
            known.due, known.tried, known.pause = now, -math.inf, FIRST_PAUSE / 2
            known.paced = False

    def _price(self, known: Unit) -> float:
        """Seconds without probes that pay for the unit's last one."""
        dead = len(self._dead())
        price = known.cost / self._habits.share
        return min(price, TURN / dead) if READS in known.times and dead <= TURNS else price

    def _dead(self) -> list[Unit]:
        return [known for known in self._units.values() if known.suspended]
