"""`lumina spool`: what waits, what was refused and what was lost, beside the running service too."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from lumina.assembly.state import state_directory
from lumina.cli.spooled import change, opened, write
from lumina.sinks.documents import encode, full_document, gap_document, timestamp
from lumina.sinks.records import Queued
from lumina.sinks.store import Store

#: Where systemd keeps the state of a system service.
_SERVICE = Path("/var/lib/lumina")
_CHUNK = 500
#: Numbers that are named at most.
_NAMED = 20


@click.group(short_help="Look after readings that wait to be delivered.")
@click.option("--directory", "-d", type=click.Path(path_type=Path), help="Where the service keeps its state.")
@click.option("--file", "-f", type=click.Path(path_type=Path), help="One spool file, such as one set aside.")
@click.pass_context
def spool(context: click.Context, directory: Path | None, file: Path | None) -> None:
    """Look after readings that wait to be delivered, also beside the running service."""
    context.obj = [file] if file else _files(directory)


def _files(directory: Path | None) -> list[Path]:
    """The spools: of a directory, else of the environment, else of the system service."""
    for place in [directory] if directory else [state_directory(os.environ), _SERVICE]:
        found = sorted(place.glob("*.spool")) if place.is_dir() else []
        if found:
            return found
    return [directory or state_directory(os.environ)]


_Act = Callable[[Store, str], Iterable[str]]


def _for_each(files: Sequence[Path], sink: str | None, act: _Act, seqs: Sequence[int] = ()) -> None:
    """Do it with each spool, or with that of one sink, and print what it says."""
    chosen = [file for file in files if sink is None or file.name == f"{sink}.spool"]
    known = ", ".join(file.name.removesuffix(".spool") for file in files)
    if not chosen:
        raise click.ClickException(f"no sink is called '{sink}'; there are: {known}")
    if seqs and len(chosen) > 1:
        raise click.ClickException(f"each sink has numbers of its own: name one of {known} beside --seq")
    for file in chosen:
        with opened(file) as store:
            write(act(store, file.name.removesuffix(".spool")))


_numbers = click.option(
    "--seq", "-s", type=click.IntRange(1), multiple=True, help="The number of one; may be repeated."
)


def _done(sentence: str, what: str, absent: Sequence[int]) -> Iterator[str]:
    """What was done, and with what it could not be."""
    yield sentence
    if absent:
        named = ", ".join(map(str, absent[:_NAMED]))
        yield f"  there is no {what} {named}{' ...' if absent[_NAMED:] else ''}"


@spool.command()
@click.argument("sink", required=False)
@click.pass_obj
def status(files: Sequence[Path], sink: str | None) -> None:
    """Show what was taken, and what has become of it."""

    def act(store: Store, name: str) -> Iterator[str]:
        ledger, oldest, stuck = store.look(
            [lambda store: store.ledger(), lambda store: store.oldest(), lambda store: store.stuck()]
        )
        waits = f", the oldest of {timestamp(oldest)}" if oldest is not None else ""
        yield f"{name}: {ledger.queued} queued{waits}"
        yield (
            f"  {ledger.taken} taken = {ledger.delivered} delivered + {ledger.dead} dead"
            f" + {ledger.gap} gap + {ledger.queued} queued"
        )
        yield f"  {ledger.missed} could not be taken; {store.used() / 2**20:.1f} MB in use"
        if stuck:
            since = timestamp(stuck.since)
            yield f"  the first that waits fails since {since}, {stuck.failures} times at least:"
            yield f"  {_line(stuck)}  {stuck.sentence}"
            yield f"  `lumina spool set-aside {name} --seq {stuck.seq}` takes it out of the way"

    _for_each(files, sink, act)


@spool.command("list")
@click.argument("sink", required=False)
@click.option("--queued", "what", flag_value="queued", help="What waits.")
@click.option("--gaps", "what", flag_value="gaps", help="What was lost, and why.")
@click.option("--dead", "what", flag_value="dead", default="dead", help="What was refused (the default).")
@click.option("--limit", "-n", default=50, show_default=True, help="Lines at most.")
@click.pass_obj
def list_(files: Sequence[Path], sink: str | None, what: str, limit: int) -> None:
    """List dead letters, gaps, or what waits, oldest first."""
    lists: dict[str, _Act] = {
        "dead": lambda store, _: map(_dead_line, store.dead(limit)),
        "queued": lambda store, _: map(_line, store.waiting(0, limit)),
        "gaps": lambda store, _: (
            f"{_shown(gap.device)}  {timestamp(gap.first)} to {timestamp(gap.last)}  {gap.lost}  {gap.cause}"
            for gap in store.gaps(limit)
        ),
    }
    _for_each(files, sink, lists[what])


@spool.command(short_help="Let dead letters be delivered once more.")
@click.argument("sink", required=False)
@_numbers
@click.pass_obj
def retry(files: Sequence[Path], sink: str | None, seq: Sequence[int]) -> None:
    """Let dead letters be delivered once more: all, or some by their numbers."""

    def act(store: Store, name: str) -> Iterator[str]:
        count, absent = change(store, "dead", seq, lambda store, chunk: store.retry(chunk))
        yield from _done(f"{name}: {count} wait again", "dead letter", absent)

    _for_each(files, sink, act, seq)


@spool.command()
@click.argument("sink", required=False)
@_numbers
@click.option("--queued", is_flag=True, help="What waits, instead of dead letters.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(files: Sequence[Path], sink: str | None, seq: Sequence[int], queued: bool, yes: bool) -> None:
    """Remove dead letters, or what waits; gaps are recorded."""
    table = "reading" if queued else "dead"
    if not yes:
        what = "readings that wait" if queued else "dead letters"
        click.confirm(f"Remove {f'{len(seq)} ' if seq else 'all '}{what}?", abort=True)

    def act(store: Store, name: str) -> Iterator[str]:
        count, absent = change(store, table, seq, lambda store, chunk: store.purge(table, chunk))
        yield from _done(
            f"{name}: {count} removed", "reading that waits" if queued else "dead letter", absent
        )

    _for_each(files, sink, act, seq)


@spool.command("set-aside", short_help="Make dead letters of readings that wait.")
@click.argument("sink", required=False)
@_numbers
@click.pass_obj
def set_aside(files: Sequence[Path], sink: str | None, seq: Sequence[int]) -> None:
    """Make dead letters of readings that wait, so that they hold up nothing; `retry` undoes it."""
    if not seq:
        raise click.UsageError("say which, by --seq; `lumina spool status` names what holds up others.")

    def act(store: Store, name: str) -> Iterator[str]:
        count, absent = change(store, "reading", seq, lambda store, chunk: store.set_aside(chunk))
        yield from _done(f"{name}: {count} set aside", "reading that waits", absent)

    _for_each(files, sink, act, seq)


@spool.command()
@click.argument("sink", required=False)
@click.option("--dead", "what", flag_value="dead", help="Dead letters.")
@click.option("--gaps", "what", flag_value="gaps", help="Gap records.")
@click.option("--queued", "what", flag_value="queued", default="queued", help="What waits (the default).")
@click.pass_obj
def export(files: Sequence[Path], sink: str | None, what: str) -> None:
    """Write readings as lines of JSON; nothing is removed."""
    exports: dict[str, _Act] = {
        "dead": lambda store, _: (_json({**_whole(each), **_refusal(each)}) for each in store.dead()),
        "gaps": lambda store, _: (_json(gap_document(gap)) for gap in store.gaps()),
        "queued": lambda store, _: (_json(_whole(each)) for each in _all_queued(store)),
    }
    _for_each(files, sink, exports[what])


@spool.command(short_help="Prove that every reading is accounted for.")
@click.argument("sink", required=False)
@click.pass_obj
def verify(files: Sequence[Path], sink: str | None) -> None:
    """Prove that every reading is accounted for; exit with 1 if one is not, or a file is damaged."""
    wrong: list[str] = []

    def act(store: Store, name: str) -> Iterator[str]:
        found, ledger = store.look([lambda store: store.verify(), lambda store: store.ledger()])
        wrong.extend(found)
        yield from (f"{name}: {sentence}" for sentence in found)
        if not found:
            yield (
                f"{name}: taken {ledger.taken} = delivered {ledger.delivered} + dead {ledger.dead}"
                f" + gap {ledger.gap} + queued {ledger.queued}; the file is sound"
            )

    _for_each(files, sink, act)
    if wrong:
        sys.exit(1)


def _all_queued(store: Store) -> Iterator[Queued]:
    """What waits, that of recorded batches too."""
    for _, members in store.batches():
        yield from members
    after = 0
    while chunk := store.waiting(after, _CHUNK):
        yield from chunk
        after = chunk[-1].seq


def _line(each: Any) -> str:
    reading = each.reading
    value = reading.quality if reading.value is None else f"{reading.value} {reading.point.unit}".strip()
    parameter = _shown(reading.point.parameter)
    return f"{each.seq}  {timestamp(reading.at)}  {_shown(reading.point.device)}  {parameter}  {value}"


def _dead_line(each: Any) -> str:
    return f"{_line(each)}  {each.sentence} ({each.attempts} attempts)"


def _shown(text: int | str) -> str:
    """A name as it may stand on a terminal."""
    return json.dumps(text) if isinstance(text, str) else str(text)


def _whole(each: Any) -> dict[str, Any]:
    return {"seq": each.seq, **full_document(each.reading)}


def _refusal(each: Any) -> dict[str, Any]:
    return {"status": each.status, "sentence": each.sentence, "attempts": each.attempts}


def _json(document: dict[str, Any]) -> str:
    return encode(document).decode()
