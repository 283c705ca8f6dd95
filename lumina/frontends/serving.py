"""What a Modbus server offers, and what of it all connections of a listener share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from twisted.logger import Logger

from lumina.frontends.faulty import Fate
from lumina.frontends.framings import MBAP, Framing
from lumina.frontends.priorities import Priorities
from lumina.interfaces import AskAgain, Bus, Prompt, Terms
from lumina.modbus import pdu
from lumina.modbus.pdu import BROADCAST, Request

#: Where a unit id leads: a bus, and the unit there; 0 is broadcast.
Route = tuple[Bus, int]

#: Different requests that are kept, so that they are not read anew.
KEPT = 2048

#: Different requests of one client that are kept, with the way to ask them again.
KEPT_BY_CLIENT = 64

#: Seconds in which a listener logs no more than one broken stream.
LOG_PACE = 1.0


class Faults(Protocol):
    """What goes wrong on the connections of a listener."""

    def meet(self, unit: int, request: bytes) -> Fate:
        """Decide about a request, a PDU, that has come just now."""


@dataclass(frozen=True)
class Serving:
    """
    @ivar routes: where each unit id, 0 to 255, leads; `None`: nowhere.
    @ivar framing: makes the framing of a connection.
    @ivar unknown: the exception code for a unit id that leads nowhere; `None`: silence.
    @ivar confirms_broadcasts: whether a broadcast that was sent is answered as
        a unit would; or else not at all.
    @ivar in_flight: requests of one connection that may be under way; those
        beyond are answered with exception 06.
    @ivar patience: seconds that a request may wait for its turn.
    @ivar idle: seconds without a byte, and with nothing outstanding, after
        which a connection is closed.
    @ivar frame_timeout: seconds for a frame to come whole.
    @ivar faults: what goes wrong; `None`: nothing does.
    """

    routes: Sequence[Route | None]
    framing: type[Framing] = MBAP
    unknown: int | None = 0x0B
    confirms_broadcasts: bool = False
    in_flight: int = 32
    patience: float = 5.0
    idle: float = 3600.0
    frame_timeout: float = 5.0
    priorities: Priorities = field(default_factory=Priorities)
    faults: Faults | None = None

    @cached_property
    def prompt(self) -> Sequence[tuple[Prompt, int] | None]:
        """The routes on which an answer is there at once, and nothing else has to be minded."""
        prompt: list[tuple[Prompt, int] | None] = [None] * len(self.routes)
        for unit, route in enumerate(self.routes):
            if route is None or route[1] == BROADCAST or self.faults is not None:
                continue
            if unit == BROADCAST and self.is_silent_to_all:
                continue
            ask = getattr(route[0], "prompt", None)
            prompt[unit] = ask and (ask, route[1])
        return prompt

    @property
    def is_silent_to_all(self) -> bool:
        """Whether unit id 0 is never answered, as on the serial line that such frames are made for."""
        return not self.framing.pipelines and not self.confirms_broadcasts


class RequestCache(dict[bytes, Request]):
    """Requests by their PDU. They are frozen, and asked again and again, so they are read once."""

    def __missing__(self, body: bytes) -> Request:
        """@raise ExceptionReply: what to answer."""
        request = pdu.parse(body)
        if len(self) >= KEPT:
            self.clear()
        self[body] = request
        return request


class Known(dict[tuple[int, bytes], AskAgain]):
    """What one client has asked before, by unit id and PDU, where it can be asked again at once."""

    def __init__(self, serving: Serving, requests: RequestCache, terms: Terms) -> None:
        """
        @param requests: those that all connections have asked.
        @param terms: those of this client.
        """
        super().__init__()
        self._prompt = serving.prompt
        self._requests = requests
        self._terms = terms

    def __missing__(self, key: tuple[int, bytes]) -> AskAgain | None:
        unit, body = key
        route, request = self._prompt[unit], self._requests.get(body)
        if route is None or request is None:
            return None
        if request.writes:  # each has an id of its own in the audit log
            return None
        ask = route[0](route[1], request, self._terms)
        if ask is not None:
            if len(self) >= KEPT_BY_CLIENT:
                self.clear()
            self[key] = ask
        return ask


class BrokenStreams:
    """
    Counts what clients send that is no Modbus, and logs some of it.

    @ivar count: how many connections were closed for it.
    """

    _log = Logger()

    def __init__(self, listener: str, seconds: Callable[[], float]) -> None:
        self._listener = listener
        self._seconds = seconds
        self._quiet_until = float("-inf")
        self.count = 0

    def note(self, peer: str, why: str) -> None:
        """One more, and why."""
        self.count += 1
        now = self._seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + LOG_PACE
            self._log.warn(
                "{listener}: {peer} is disconnected: {why}; {count} so far",
                listener=self._listener,
                peer=peer,
                why=why,
                count=self.count,
            )
