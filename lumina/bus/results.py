"""What comes of an exchange for those who asked, and for the unit that was asked."""

from collections.abc import Iterable

from twisted.logger import Logger

from lumina.bus.requests import Job, Requests
from lumina.bus.units import Units
from lumina.errors import ExceptionReply, LuminaError, NoReply, Sent, Suspended
from lumina.interfaces import Exchange
from lumina.modbus.pdu import EXCEPTION, Reply

_log = Logger()


def verdict_of(pdu: bytes, error: Sent | None) -> str:
    """The word for an exchange; an empty PDU without an error is a broadcast."""
    if error is not None:
        return error.word
    if not pdu:
        return "sent"
    return ExceptionReply(pdu[0] & 0x7F, pdu[1]).word if pdu[0] & EXCEPTION else "ok"


def no_reply(job: Job, waited: float) -> NoReply:
    """Its unit has not replied in so many seconds."""
    return NoReply(f"unit {job.unit} did not reply within {waited:.3g} s")


def for_asker(job: Job, result: Reply | LuminaError) -> Reply | LuminaError:
    """The result for one asker: of a write without confirmation it is said that nobody knows."""
    if isinstance(result, Sent) and job.request.writes:
        return type(result)(f"{result}; outcome unknown, the write may have happened")
    return result


def only_late(exchange: Exchange) -> bool:
    """Whether nothing came that is no reply to an earlier request: its own unit was silent."""
    return not (exchange.foreign or exchange.noise or exchange.damaged or exchange.short)


def all_over(party: Iterable[Job]) -> bool:
    """Whether nobody waits for the result any more."""
    return all(job.is_over for job in party)


def follow(port: str, units: Units, requests: Requests, unit: int, suspended: bool, now: float) -> None:
    """
    Draw the consequences when a unit has been suspended, or replies again.

    @param suspended: whether it was before the exchange.
    """
    still = units.is_suspended(unit)
    if still and not suspended:
        silence = units.silence(unit, now)
        _log.warn("{port}: unit {unit} is suspended: {silence}", port=port, unit=unit, silence=silence)
        requests.end_unit(unit, Suspended(silence))
    elif suspended and not still:
        _log.info("{port}: unit {unit} replies again", port=port, unit=unit)
