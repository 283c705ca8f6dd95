"""What a courier says about readings that it has carried, and how long to wait; no Twisted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

#: Statuses that mean: the same again, later.
RETRIED = frozenset({408, 425, 429})

#: Statuses that say something about whoever asks or where, and nothing about a reading.
BARRED = frozenset({401, 402, 403, 405, 406, 407, 410, 411, 414, 415, 421, 426, 431, 451})

#: However long an API asks to wait: an hour at most at once.
_LONGEST_WAIT = 3600.0

#: Seconds in which an API counts requests, where it does not say: a minute, as Laravel does.
_WINDOW = 60.0

#: A number of seconds above this is a time of day, since 1970.
_TIME_OF_DAY = 1e8

_SECONDS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,6})?")


class Fate(Enum):
    """What has become of what was sent."""

    ACCEPTED = "accepted"
    #: It will not be accepted however often it is sent; nothing of it was kept.
    REFUSED = "refused"
    #: Nobody knows, or not now: the same must be sent again.
    LATER = "later"
    #: Nothing at all would be accepted now.
    BARRED = "barred"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    @ivar status: of HTTP; 0: there was no answer.
    @ivar sentence: what was said, or went wrong; it bears no secret.
    @ivar lost: whether it may have been taken all the same, for the answer was lost.
    @ivar wait: seconds in which nothing more is to be sent, to whomever; `None`: nothing was said.
    """

    fate: Fate
    status: int = 0
    sentence: str = ""
    wait: float | None = None
    lost: bool = False


def fate(status: int) -> Fate:
    """What an HTTP status says of the readings that were sent."""
    if 200 <= status < 300:
        return Fate.ACCEPTED
    if status in RETRIED or status >= 500:
        return Fate.LATER
    if status in BARRED or status < 400:
        return Fate.BARRED
    return Fate.REFUSED


def wait(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """
    How long an answer asks to wait: `Retry-After` in both of its forms, or the
    rate limit that it says is used up.

    @param headers: by their names in lower case.
    @param now: seconds since 1970, for an answer without a `Date`: the clock of the API counts.
    """
    now = _date(headers.get("date", "")) or now
    asked = _retry_after(headers, now)
    if asked is None:
        asked = _pace(headers, now)
    return None if asked is None else max(0.0, min(asked, _LONGEST_WAIT))


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    until = _date(text)
    return None if until is None else until - now


def _pace(headers: Mapping[str, str], now: float) -> float | None:
    """Where nothing is left of the limit: until it is renewed, or the time of one request."""
    for prefix in ("x-ratelimit-", "ratelimit-"):
        left = headers.get(f"{prefix}remaining", "").strip()
        if not _SECONDS.fullmatch(left) or float(left) >= 1:
            continue
        reset = headers.get(f"{prefix}reset", "").strip()
        if _SECONDS.fullmatch(reset):
            seconds = float(reset)
            return seconds - now if seconds > _TIME_OF_DAY else seconds
        limit = headers.get(f"{prefix}limit", "").strip()
        if _SECONDS.fullmatch(limit) and float(limit) >= 1:
            return _WINDOW / float(limit)
    return None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def pause(attempts: int, shortest: float, longest: float, draw: Callable[[], float]) -> float:
    """
    Full jitter: any time up to a bound that doubles with each attempt.

    @param attempts: how many have failed, at least 1.
    @param draw: a random number from 0 up to 1.
    """
    bound: float = min(longest, shortest * 2.0 ** min(attempts - 1, 32))
    return draw() * bound
