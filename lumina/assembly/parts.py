"""What the parts of lumina are given, and what they leave for those that are made after them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from twisted.application.service import MultiService
from twisted.logger import Logger

from lumina.interfaces import Bus, Sink, Watcher
from lumina.services import Listener
from lumina.watch.logs import LoggedTraffic
from lumina.watch.overview import LiveOverview


@dataclass
class Parts:
    """
    All of lumina while it is put together.

    The groups of services are stopped last first: nobody new is let in, what
    is under way ends, its answers are delivered.

    @ivar reactor: monotonic time, timers and files.
    @ivar wall: seconds since 1970, for stamps and alignment only.
    @ivar watchers: see all that happens; complete before any bus is made.
    @ivar buses: every bus by each of its names, unguarded.
    @ivar sinks: where readings go, by their keys.
    @ivar outlets: the services of the sinks; they stop when nothing is read any more.
    @ivar slaves: what simulated lines are answered by.
    @ivar farewells: wait until clients have read their last answers.
    @ivar carriers: ports and devices, whatever carries requests.
    @ivar listeners: what lets others ask.
    @ivar pollers: what asks by itself.
    """

    _log: ClassVar = Logger()

    reactor: Any
    overview: LiveOverview
    wall: Callable[[], float] = time.time
    watchers: list[Watcher] = field(default_factory=list)
    buses: dict[str, Bus] = field(default_factory=dict)
    sinks: dict[str, Sink] = field(default_factory=dict)
    outlets: MultiService = field(default_factory=MultiService)
    slaves: MultiService = field(default_factory=MultiService)
    farewells: MultiService = field(default_factory=MultiService)
    carriers: MultiService = field(default_factory=MultiService)
    listeners: MultiService = field(default_factory=MultiService)
    pollers: MultiService = field(default_factory=MultiService)

    @classmethod
    def watched(cls, reactor: Any, level: str = "info") -> Self:
        """
        Nothing yet, but an overview that sees all that will happen.

        @param level: of the log; at `debug` each exchange is logged, too.
        """
        overview = LiveOverview(reactor.seconds)
        logged = [LoggedTraffic()] if level == "debug" else []
        return cls(reactor, overview, watchers=[overview, *logged])

    def hang_under(self, root: MultiService) -> None:
        """Make the groups children of a service, in the order in which they start."""
        groups = self.outlets, self.slaves, self.farewells, self.carriers, self.listeners, self.pollers
        for group in groups:
            group.setServiceParent(root)

    def renew(self) -> None:
        """Take certificates anew, for new connections."""
        self._log.info("lumina: certificates are taken anew")
        for each in self.listeners:
            if isinstance(each, Listener):
                each.renew()
