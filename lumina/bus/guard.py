"""A Bus that asks for permission first."""

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail

from lumina.errors import Denied
from lumina.interfaces import Bus, Terms
from lumina.modbus.pdu import Reply, Request


class Guard:
    """
    Another bus, of which not everything may be asked.

    @param check: raises `Denied` for a unit and a request that may not be
        carried.
    """

    def __init__(self, bus: Bus, check: Callable[[int, Request], None]) -> None:
        self._bus = bus
        self._check = check

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        try:
            self._check(unit, request)
        except Denied as error:
            return fail(error)
        return self._bus.execute(unit, request, terms)
