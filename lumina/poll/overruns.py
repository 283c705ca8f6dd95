"""Rounds that take longer than their interval: skipped, counted, and said."""

from collections.abc import Sequence

from twisted.logger import Logger

from lumina.poll.rounds import Round

#: Beats without a late device after which that is said: who is late now and then is spoken of once.
CALM = 10


class Overruns:
    """Which of the rounds of one interval are not over when they are to begin again."""

    _log = Logger()

    def __init__(self, rounds: Sequence[Round], interval: float) -> None:
        self._rounds = rounds
        self._interval = interval
        self._said = self._calm = 0  # how many were late when that was said, and beats since then without any

    def ready(self, now: float) -> list[Round]:
        """
        A beat has come: the rounds that can begin. Each of the others skips it.

        @param now: monotonic seconds.
        """
        late = [each for each in self._rounds if each.visits]
        # What began less than an interval ago was begun at the start, or before the clock was set.
        over = [each for each in late if now - each.began > 0.9 * self._interval]
        for each in over:
            each.tally.skipped += 1
        self._calm = 0 if over else self._calm + 1
        if len(over) > 2 * self._said or (self._said and self._calm == CALM):
            self._said = len(over)
            self._say(over)
        return [each for each in self._rounds if not each.visits] if late else [*self._rounds]

    def _say(self, late: Sequence[Round]) -> None:
        if not late:
            self._log.info(
                "polling: all {all} devices keep their beat of {interval:g} s",
                all=len(self._rounds),
                interval=self._interval,
            )
            return
        self._log.warn(
            "polling: {count} of {all} devices take longer than their beat of {interval:g} s "
            "and skip one, such as {device} on {bus}",
            count=len(late),
            all=len(self._rounds),
            interval=self._interval,
            device=late[0].device.id,
            bus=late[0].device.bus_name,
        )
