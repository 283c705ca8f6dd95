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
#: As many exchanges as this weighs what was thought before the first one.
CONVICTION = 8.0

#: A read request, and the reply to it without its registers, as RTU frames, in bytes.
_REQUEST, _REPLY = 8, 5

#: Seconds that nothing is quicker than: for a request, and for a register.
_LEAST_REQUEST, _LEAST_REGISTER = 1e-5, 1e-7
#: An exchange that took so many times what it should says nothing of the next one.
_OUTLIER = 4.0


class Costs:
    """
    What requests to one device cost.

    @ivar request: seconds for a request, whatever it reads.
    @ivar register: seconds more for each register, or for 16 coils or
        discrete inputs.
    """

    def __init__(self, request: float, register: float) -> None:
        self.request = max(request, _LEAST_REQUEST)
        self.register = max(register, _LEAST_REGISTER)
        self._prior = self.request, self.register
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

        Both figures are drawn to what was thought at first, as if `CONVICTION`
        exchanges had said so: exchanges of one size alone do not tell them apart.

        @param count: registers that it read.
        @param seconds: from its first byte to the reply's last one.
        """
        if seconds > _OUTLIER * self.of(count) and self._weight > CONVICTION:
            seconds = _OUTLIER * self.of(count)
        request, register = self._prior
        x, y = count * register, seconds - request - count * register
        fade = self._fade
        self._weight = fade * self._weight + 1
        self._x, self._y = fade * self._x + x, fade * self._y + y
        self._xx, self._xy = fade * self._xx + x * x, fade * self._xy + x * y
        self._solve()

    def _solve(self) -> None:
        """
        The weighted least squares of y = a + b x, both drawn to 0.

        Their penalties make equal shares of a typical exchange equally unlikely:
        `a` is in seconds, `b` in parts of what a register was thought to cost.
        """
        request, register = self._prior
        scale = (request + 10 * register) ** 2
        first, second = self._weight + CONVICTION * 0.1, self._xx + CONVICTION * 0.1 * scale * 0.1
        determinant = first * second - self._x * self._x
        if determinant <= 0:
            return
        a = (second * self._y - self._x * self._xy) / determinant
        b = (first * self._xy - self._x * self._y) / determinant
        self.request = max(request + a, _LEAST_REQUEST)
        self.register = max(register * (1 + b), _LEAST_REGISTER)
