"""What an exchange on a serial line teaches about its unit."""

from lumina.bus.attempt import Attempt
from lumina.bus.units import Units
from lumina.errors import BadReply, NoReply
from lumina.modbus.pdu import Request
from lumina.modbus.rtu import Line


def learn(
    units: Units, unit: int, request: Request, line: Line, attempt: Attempt, waited: float, now: float
) -> bool | None:
    """
    Tell what is known of the units what came of an exchange.

    @param waited: seconds that the unit had until its reply began.
    @return: whether the unit did what must be expected of it; `None`: that was not shown.
    """
    exchange, error, baudrate = attempt.exchange, attempt.error, line.baudrate
    expected = units.expects(unit, request, baudrate)
    since = now - exchange.ended
    if error is None:
        whole = line.duration(len(attempt.pdu) + 3)
        delay = max(0.0, (exchange.last or now) - exchange.ended - whole)
        units.answered(unit, request, delay, baudrate, now, attempt.pdu)
        return True
    if isinstance(error, NoReply):
        return False if units.missed(unit, request, waited, baudrate, now) else None
    if exchange.damaged:
        units.damaged(unit, request, now, since)
        return False if expected else None
    if isinstance(error, BadReply):
        units.unclear(unit, request, now, since)
        return False if expected and exchange.short else None
    units.lost(unit, request, now, since)
    return None
