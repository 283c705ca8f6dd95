"""
What a request costs, learnt from what requests have cost.

The time of an exchange is so much for the request and so much for each
register: on a serial line mostly characters, on a network mostly the way there
and back. Their ratio says how many registers that nobody wants may be read to
save one request. Pure.
"""

from lumina.modbus.rtu import Line

#: Each exchange fades to half of its weight while this many others come.
HALF_LIFE = 50
#: A device's plan learns from so many of its answers, and then from every eighth.
ALL, SOME = 20, 8
#: As many exchanges as this weighs what was thought before the first one.
CONVICTION = 0.2

#: A read request, and the reply to it without its registers, as RTU frames, in bytes.
_REQUEST, _REPLY = 8, 5

#: Seconds that nothing is quicker than: for a request, and for a register.
_LEAST_REQUEST, _LEAST_REGISTER = 1e-5, 1e-7
#: After a few exchanges, one that took more than so many times what it should counts as if it had not.
_FEW, _OUTLIER = 8, 4.0


class Costs:
    """
    What requests to one device cost.

    @ivar request: seconds for a request, whatever it reads.
    @ivar register: seconds more for each register, or for 16 coils or
        discrete inputs.
    @ivar answers: how many came.
    """

    def __init__(self, request: float, register: float) -> None:
        self.request = max(request, _LEAST_REQUEST)
        self.register = max(register, _LEAST_REGISTER)
        self.answers = 0
        self._prior = self.request, self.register
        # How far off either may be: the request by as much again, and the register by a third of
        # itself, or by so much that a hundred of them cost as much as the request.
        likely = max(self.register / 3, self.request / 100)
        self._stiffness = CONVICTION, CONVICTION * (self.request / likely) ** 2
        self._fade = 0.5 ** (1 / HALF_LIFE)
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    @classmethod
    def serial(cls, line: Line, turnaround: float = 0.01) -> "Costs":
        """
        What a serial line lets expect.

        @param turnaround: seconds until a unit begins to answer.
        """
        fixed = line.duration(_REQUEST + _REPLY) + line.gap + turnaround
        return cls(fixed, line.duration(2))

    @classmethod
    def network(cls, round_trip: float = 0.02) -> "Costs":
        """
        What a network lets expect: there, the registers' own time is next to nothing.

        @param round_trip: seconds until a reply comes.
        """
        return cls(round_trip, 2e-6)

    @property
    def ratio(self) -> float:
        """How many registers cost as much as a request."""
        return self.request / self.register

    def of(self, count: float, requests: int = 1) -> float:
        """Seconds that so many requests take, which read so many registers together."""
        return requests * self.request + count * self.register

    def learn(self, count: float, seconds: float) -> None:
        """
        An exchange was answered.

        Exchanges of one size alone do not tell both figures apart: each is
        drawn to what was thought at first, the less certain one less.

        @param count: registers that it read.
        @param seconds: from its first byte to the reply's last one.
        """
        if self._weight > _FEW:
            seconds = min(seconds, _OUTLIER * self.of(count))
        request, register = self._prior
        rest, fade = seconds - request - count * register, self._fade
        self._weight = fade * self._weight + 1
        self._x, self._y = fade * self._x + count, fade * self._y + rest
        self._xx, self._xy = fade * self._xx + count * count, fade * self._xy + count * rest
        self._solve()

    def _solve(self) -> None:
        """Weighted least squares, with a penalty for either figure's distance from what was thought."""
        request, register = self._prior
        first, second = self._weight + self._stiffness[0], self._xx + self._stiffness[1]
        determinant = first * second - self._x * self._x
        fixed = (second * self._y - self._x * self._xy) / determinant
        slope = (first * self._xy - self._x * self._y) / determinant
        self.request = max(request + fixed, _LEAST_REQUEST)
        self.register = max(register + slope, _LEAST_REGISTER)
