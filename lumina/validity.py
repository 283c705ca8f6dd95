"""
Until when certificates, and lists of revoked ones, are good.

Time alone stops nothing of lumina: one certificate that has expired must not
keep every bus of a site from coming back after a power cut. Whoever verifies
it refuses it anyway, so it is said, early and again and again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from lumina.certificates import LARGEST, certificates_in, lists_in

#: Of what is made for a short time, the last quarter is the end.
_LAST_PART = 4

_DAY = timedelta(days=1)


class Use(Enum):
    """What a file is for, and what follows when its time is over."""

    OWN = "whoever verifies it refuses it"
    AUTHORITIES = "nobody who is signed for by it is let in"
    ROOTS = "nothing that is signed for by it is trusted"
    LISTS = "nobody who is signed for by that authority is let in"


class File(NamedTuple):
    """
    Where certificates are.

    @ivar owner: the entry of the configuration, such as `listen.secure`.
    @ivar argument: what names the path there.
    """

    owner: str
    argument: str
    path: str
    use: Use


class Doubt(NamedTuple):
    """
    What an operator is to be told.

    @ivar about: the same as long as nothing changes but the time.
    @ivar is_bad: whether it cannot be used now; or else, not for much longer.
    """

    about: tuple[str, ...]
    is_bad: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Dated:
    """What is good for a time only; `whose` is a subject, or of a list its issuer."""

    whose: str
    begins: datetime
    ends: datetime


def doubts(files: Iterable[File], days: float, now: datetime) -> Iterator[Doubt]:
    """
    What has expired, will soon, or is not valid yet.

    What cannot be read is passed over: whoever uses it says why.

    @param days: before the end, from which on it is told; less of what is made for a short time.
    """
    for file in files:
        for dated in _dated(file):
            word, clause = _judged(dated, file.use, days, now)
            if clause:
                is_bad = word != "soon"
                about = (file.owner, file.argument, file.path, dated.whose, word)
                yield Doubt(about, is_bad, f"{file.owner}: {file.argument} '{file.path}' {clause}")


def ends(files: Iterable[File]) -> Iterator[str]:
    """Until when each is good, a line for each; what cannot be read is passed over."""
    for file in files:
        for dated in _dated(file):
            until = "to be renewed by" if file.use is Use.LISTS else "until"
            yield f"{file.owner}: {file.argument} of {dated.whose}, {until} {_moment(dated.ends)}"


def _judged(dated: Dated, use: Use, days: float, now: datetime) -> tuple[str, str]:
    """@return: what is the matter in a word, and a clause for people; empty: nothing is."""
    early = min(days * _DAY, (dated.ends - dated.begins) / _LAST_PART)
    if now < dated.begins:
        return "early", f"{_early(dated, use)}; the clock says {_moment(now)}, is it right?"
    if now >= dated.ends:
        return "over", f"{_over(dated, use)}; {use.value}"
    if now >= dated.ends - early:
        left = (dated.ends - now) / _DAY
        return "soon", _soon(dated, use, f"{left:.0f} days" if left >= 2 else f"{left * 24:.0f} hours")
    return "", ""


def _early(dated: Dated, use: Use) -> str:
    if use is Use.LISTS:
        return f"has a list of {dated.whose} from {_moment(dated.begins)}"
    return f"is not valid before {_moment(dated.begins)} ({dated.whose})"


def _over(dated: Dated, use: Use) -> str:
    if use is Use.LISTS:
        return f"has a list of {dated.whose} that was to be renewed by {_moment(dated.ends)}"
    return f"has expired, on {_moment(dated.ends)} ({dated.whose})"


def _soon(dated: Dated, use: Use, left: str) -> str:
    if use is Use.LISTS:
        return f"has a list of {dated.whose} to be renewed within {left}, by {_moment(dated.ends)}"
    return f"expires in {left}, on {_moment(dated.ends)} ({dated.whose})"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _dated(file: File) -> Iterable[Dated]:
    """Each that counts: of several by one name the last to end, of roots the last of all."""
    read: Callable[[str], Iterable[Dated]] = _of_lists if file.use is Use.LISTS else _of_certificates
    try:
        within = sorted(Path(file.path).glob("*.pem")) if Path(file.path).is_dir() else [Path(file.path)]
        paths = [path for path in within if path.is_file() and path.stat().st_size <= LARGEST]
        found = [dated for path in paths for dated in read(str(path))]
    except (OSError, ValueError):
        return ()
    last: dict[str, Dated] = {}
    for dated in sorted(found, key=lambda each: each.ends):
        last["" if file.use is Use.ROOTS else dated.whose] = dated
    return last.values()


def _of_certificates(path: str) -> Iterator[Dated]:
    for each in certificates_in(path):
        yield Dated(each.subject.rfc4514_string(), each.not_valid_before_utc, each.not_valid_after_utc)


def _of_lists(path: str) -> Iterator[Dated]:
    for each in lists_in(path):
        if each.next_update_utc is not None:
            yield Dated(each.issuer.rfc4514_string(), each.last_update_utc, each.next_update_utc)
