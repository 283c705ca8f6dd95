"""From configured sinks to where readings go."""

import os
from collections.abc import Mapping
from pathlib import Path

from twisted.application.service import IService

from lumina import plugins
from lumina.assembly.parts import Parts
from lumina.assembly.secrets import headers_of
from lumina.assembly.state import state_directory
from lumina.config import sinks as config
from lumina.errors import StartRefused
from lumina.interfaces import Outlet, Sink
from lumina.sinks.agent import Client, Trust
from lumina.sinks.ages import uptime
from lumina.sinks.counted import CountedSink
from lumina.sinks.deadband import Band, Deadband
from lumina.sinks.delivery import Delivery
from lumina.sinks.documents import document, full_document
from lumina.sinks.file import lock
from lumina.sinks.gaps import GapSender, ToFiles
from lumina.sinks.lines import LinesSink
from lumina.sinks.post import Post, Posting
from lumina.sinks.records import Limits
from lumina.sinks.sender import Sender
from lumina.sinks.sink import SpoolingSink
from lumina.sinks.spool import Spool, Thread

_MEGABYTE = 1 << 20


def add(parts: Parts, sinks: Mapping[str, config.Sink], environment: Mapping[str, str] = os.environ) -> None:
    """
    Make each sink, under its key.

    @param environment: where secrets may be, and what says where the state lies.
    @raise StartRefused: a secret or a certificate is not where it should be.
    """
    directory = state_directory(environment)
    files_first = sorted(sinks.items(), key=lambda each: not isinstance(each[1], config.Lines))
    wrong: list[str] = []
    for name, chosen in files_first:
        try:
            sink = _sink(parts, name, chosen, directory, environment)
        except OSError as error:
            wrong.append(f"lumina: sinks.{name}: {error.filename}: {error.strerror}")
            continue
        except ValueError as error:
            wrong += [f"lumina: sinks.{name}: {sentence}" for sentence in str(error).splitlines()]
            continue
        tells = hasattr(sink, "status")
        parts.sinks[name] = sink if tells else CountedSink(name, chosen.kind, sink)
        if IService.providedBy(sink):
            sink.setServiceParent(parts.outlets)
    if wrong:
        raise StartRefused("\n".join(wrong))
    for name in sinks:
        status = getattr(parts.sinks[name], "status", None)
        if status is not None:
            parts.overview.add_sink(status)


def spool_file(directory: Path, sink: str) -> Path:
    """The spool of a sink."""
    return directory / f"{sink}.spool"


def _sink(
    parts: Parts, name: str, chosen: config.Sink, directory: Path, environment: Mapping[str, str]
) -> Sink:
    if isinstance(chosen, config.Post):
        return _post(parts, name, chosen, spool_file(directory, name), environment)
    if isinstance(chosen, config.Lines):
        return LinesSink(name, chosen.path, parts.wall, Thread(parts.reactor, name), chosen.bad)
    assert isinstance(chosen, config.PluggedSink)
    outlet = Outlet(name, parts.reactor, parts.wall, directory)
    made: Sink = plugins.sinks()[chosen.kind].sink(chosen.settings, outlet)
    return made


def _post(
    parts: Parts, name: str, chosen: config.Post, file: Path, environment: Mapping[str, str]
) -> SpoolingSink:
    reactor, wall = parts.reactor, parts.wall
    client = Client(reactor, Trust(chosen.ca, chosen.certificate, chosen.key), chosen.concurrency)
    headers, secrets = headers_of(chosen, environment)
    posting = Posting(chosen.url, headers, secrets, chosen.timeout)
    spool = Spool(name, file, _limits(chosen.spool), wall, Thread(reactor, f"{name}-spool"), uptime())
    post = Post(posting, client.http, reactor, wall)
    sender = Sender(spool, post, _delivery(chosen), full_document if chosen.bad else document, reactor)
    bands = {each: Band(band.change, band.heartbeat) for each, band in chosen.deadband.items()}
    return SpoolingSink(
        spool,
        sender,
        chosen.kind,
        wall,
        bad=chosen.bad,
        deadband=Deadband(bands),
        gaps=_gaps(parts, spool, sender, post if chosen.gaps else None),
        claim=lambda: lock(file),
        close=client.close,
    )


def _gaps(parts: Parts, spool: Spool, sender: Sender, post: Post | None) -> GapSender | None:
    """Where records of what is lost go: to the API if it wants them, else to the files that there are."""
    if post is not None:
        return GapSender(spool, post, parts.reactor, lambda: sender.state in ("idle", "delivering"))
    files = [sink for sink in parts.sinks.values() if isinstance(sink, LinesSink)]
    return GapSender(spool, ToFiles(files), parts.reactor) if files else None


def _delivery(chosen: config.Post) -> Delivery:
    return Delivery(
        chosen.batch,
        chosen.concurrency,
        chosen.pause,
        chosen.longest_pause,
        chosen.hold,
        chosen.attempts,
        chosen.refusals,
    )


def _limits(chosen: config.SpoolSettings) -> Limits:
    return Limits(int(chosen.size * _MEGABYTE), chosen.age, chosen.when_full == "drop_newest")
