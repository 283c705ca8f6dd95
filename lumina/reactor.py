"""
The reactor that lumina runs on where nobody has chosen another.

Twisted's own makes a context around each event, from which its former log
learns whose message is whose. Nothing here has a use for that, and it costs as much
as all else that the reactor does about a small request.
"""

import sys

from twisted.internet.main import installReactor
from twisted.logger import Logger

if sys.platform == "linux":
    from twisted.internet.epollreactor import EPollReactor

    class PromptReactor(EPollReactor):
        """Calls those who are ready, and does nothing around it."""

        _log = Logger()

        def doPoll(self, timeout: float | None) -> None:
            """@param timeout: seconds to wait if nobody is ready; `None`: until somebody is."""
            ready = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
            for descriptor, event in ready:
                selectable = self._selectables.get(descriptor)
                if selectable is None:  # one before it has closed it
                    continue
                try:
                    self._doReadOrWrite(selectable, descriptor, event)
                except Exception:
                    self._log.failure("{selectable} failed as it ended", selectable=selectable)

        doIteration = doPoll


def install() -> None:
    """Make it the reactor of this process, unless there is one already, or the system has no epoll(7)."""
    if sys.platform == "linux" and "twisted.internet.reactor" not in sys.modules:
        installReactor(PromptReactor())
