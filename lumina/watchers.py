"""Telling watchers what has happened."""

from collections.abc import Iterable

from twisted.logger import Logger

from lumina.interfaces import Exchange, Outcome, Watcher

_log = Logger()


def tell(watchers: Iterable[Watcher], event: Outcome | Exchange) -> None:
    """Tell all of them; one that fails is logged, and the others are told."""
    for watcher in watchers:
        try:
            if isinstance(event, Outcome):
                watcher.outcome(event)
            else:
                watcher.exchange(event)
        except Exception:
            _log.failure("{watcher} failed on {event}", watcher=watcher, event=event)
