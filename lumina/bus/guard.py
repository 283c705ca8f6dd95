"""A Bus that asks for permission first."""

from collections.abc import Callable, Sequence, Set
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from lumina.errors import Denied
from lumina.interfaces import AskAgain, Asker, Bus, Listening, Outcome, Prompt, Terms, Watcher
from lumina.modbus.pdu import Reply, Request
from lumina.ratelimit import RateLimit
from lumina.watchers import tell

#: Askers of which it is remembered what they may.
_REMEMBERED = 4096

#: Refusals of a listener that are logged at once, and seconds until one more is.
BURST, PAUSE = 10, 10.0


class View(Protocol):
    """What one asker may do on a bus: an `access.View`."""

    @property
    def free(self) -> Set[tuple[int, type[Request]]]:
        """Units, and kinds of requests, that need no further look."""

    def refusal(self, unit: int, request: Request) -> str:
        """Why a request may not be carried, as a sentence; empty: it may."""


class Refusals:
    """Logs what a listener refuses; a flood of refusals does not fill the disk."""

    _log = Logger()

    def __init__(self, listener: str, seconds: Callable[[], float]) -> None:
        """@param seconds: monotonic time."""
        self._listener = listener
        self._seconds = seconds
        self._limit = RateLimit(BURST, PAUSE)
        self._unsaid = 0

    def say(self, bus: str, terms: Terms, sentence: str) -> None:
        """Log one, or count it for the next time."""
        if not self._limit.allows(self._seconds()):
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        self._log.warn(
            "{listener}: {who} is denied on {bus}: {sentence}{more}",
            listener=self._listener,
            who=_who(terms),
            bus=bus,
            sentence=sentence,
            more=f"; {unsaid} more were denied since the last was logged" if unsaid else "",
        )


class Guard:
    """
    Another bus, of which not everything may be asked.

    A request that is refused fails with `Denied`, never reaches the bus, and
    has its `Outcome` all the same.
    """

    def __init__(
        self,
        bus: Bus,
        name: str,
        view: Callable[[Asker, str], View],
        refusals: Refusals,
        seconds: Callable[[], float],
        watchers: Sequence[Watcher] = (),
    ) -> None:
        """
        @param name: the key of the bus.
        @param view: what an asker may do on the bus of this name.
        @param seconds: monotonic time.
        """
        self._bus = bus
        self.listening: Listening | None = getattr(bus, "listening", None)
        self._ask_bus: Prompt | None = getattr(bus, "prompt", None)
        self.prompt: Prompt | None = None if self._ask_bus is None else self._allowed
        self._name = name
        self._view = view
        self._refusals = refusals
        self._seconds = seconds
        self._watchers = watchers
        # By identity, which is quicker than comparing; the asker is kept, so that no other has it.
        self._known: dict[int, tuple[Asker, View]] = {}

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        known = self._known.get(id(terms.asker))
        view = known[1] if known else self._meet(terms.asker)
        if (unit, request.__class__) not in view.free:
            sentence = view.refusal(unit, request)
            if sentence:
                return self._refuse(unit, request, terms, sentence)
        return self._bus.execute(unit, request, terms)

    def _allowed(self, unit: int, request: Request, terms: Terms) -> AskAgain | None:
        """Rules do not change: what is allowed once is always. What is refused is refused by `execute`."""
        assert self._ask_bus is not None
        if self._view(terms.asker, self._name).refusal(unit, request):
            return None
        return self._ask_bus(unit, request, terms)

    def _meet(self, asker: Asker) -> View:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        view = self._view(asker, self._name)
        self._known[id(asker)] = (asker, view)
        return view

    def _refuse(self, unit: int, request: Request, terms: Terms, sentence: str) -> Deferred[Reply]:
        self._refusals.say(self._name, terms, sentence)
        now = self._seconds()
        outcome = Outcome(self._name, unit, request, terms, Denied.word, now, None, now)
        tell(self._watchers, outcome)
        return fail(Denied(sentence))


def _who(terms: Terms) -> str:
    """Who asks, for people, whatever is in a certificate."""
    asker = terms.asker
    parts = [terms.client, asker.host and f"from {asker.host}", asker.identity and f"as {asker.identity!r}"]
    return " ".join(part for part in (*parts, asker.role and f"in role {asker.role!r}") if part)
