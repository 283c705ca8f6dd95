"""How often an API refuses what it takes another time, and so how much a refusal proves. Pure."""

import math

#: How improbable it is to be that a reading which is given up would have been taken.
_MISTAKE = 1e-6

#: Refusals at most that are waited for.
_MOST = 100

#: Acceptances after which what was learnt counts a half: lately, and in the long run; the worse is taken.
_HALF = (50, 2000)


class Doubt:
    """
    Learns from readings that were refused, and then accepted as they were.

    Of an API that does this with one reading in twenty, two refusals in a row
    befall one reading in four hundred; five of them hardly any.
    """

    def __init__(self, least: int) -> None:
        """
        @param least: refusals that prove something of an API that never changed its mind.
        """
        self._least = least
        self._shares = [_Share(0.5 ** (1 / half)) for half in _HALF]

    def accepted(self, refusals: int) -> None:
        """
        A reading, or a batch, was accepted.

        @param refusals: how often it was refused before.
        """
        for share in self._shares:
            share.add(refusals)

    @property
    def is_founded(self) -> bool:
        """Whether the API has changed its mind lately."""
        return any(share.mistaken >= 0.5 for share in self._shares)

    @property
    def needed(self) -> int:
        """How many refusals of one reading prove that it will never be taken."""
        if not self.is_founded:
            return self._least
        chance = max(share.chance for share in self._shares)
        return max(self._least, min(_MOST, math.ceil(math.log(_MISTAKE) / math.log(chance))))


class _Share:
    """How many of the requests that might have been accepted were refused; what is long ago counts less."""

    def __init__(self, fading: float) -> None:
        self.mistaken = 0.0
        self._accepted = 0.0
        self._fading = fading

    def add(self, refusals: int) -> None:
        self._accepted = self._accepted * self._fading + 1
        self.mistaken = self.mistaken * self._fading + refusals

    @property
    def chance(self) -> float:
        return (self.mistaken + 1) / (self._accepted + self.mistaken + 2)
