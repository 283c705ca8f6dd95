"""From all that is configured to a service that looks after the certificates in it."""

from datetime import UTC, datetime

from twisted.internet.threads import deferToThreadPool

from lumina.assembly.parts import Parts
from lumina.config import credentials
from lumina.config.settings import Config
from lumina.validity import Doubt, doubts
from lumina.watch.reminders import Reminders


def add(parts: Parts, config: Config) -> None:
    """Let the log tell of certificates at their end, if there are any."""
    files = list(credentials.files(config))
    if not files:
        return
    reactor = parts.reactor

    def look() -> list[Doubt]:
        return list(doubts(files, config.log.expiry, datetime.fromtimestamp(parts.wall(), UTC)))

    reminders = Reminders(
        look, reactor, lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work)
    )
    reminders.setServiceParent(parts.outlets)
