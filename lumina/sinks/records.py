"""What a spool holds and says, as values."""

from dataclasses import dataclass
from typing import NamedTuple

from lumina.readings import Reading


class Limits(NamedTuple):
    """
    How much a spool may hold.

    @ivar size: bytes of its file.
    @ivar age: seconds since a reading was read, or refused.
    @ivar newest: whether a full spool drops what comes, rather than its oldest.
    """

    size: int = 512 << 20
    age: float = 30 * 86400.0
    newest: bool = False


class Queued(NamedTuple):
    """
    A reading that waits, under its number.

    @ivar retried: whether it is a dead letter that an operator lets be tried once more.
    """

    seq: int
    reading: Reading
    retried: bool = False


class Stuck(NamedTuple):
    """
    The first reading that waits, if the API fails on it again and again.

    @ivar since: seconds since 1970.
    """

    seq: int
    reading: Reading
    since: float
    failures: int
    sentence: str


class Dead(NamedTuple):
    """A reading that was refused for good, with what was said about it."""

    seq: int
    reading: Reading
    status: int
    sentence: str
    attempts: int
    refused: float


class Gap(NamedTuple):
    """Readings of a device that are lost: from when to when, how many, and why."""

    id: int
    device: int | str
    first: float
    last: float
    lost: int
    cause: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    What has become of all readings ever taken.

    @ivar gap: dropped after they were taken; each is part of a gap record.
    @ivar missed: never taken, for there was no room to; also recorded as gaps.
    """

    taken: int = 0
    delivered: int = 0
    gap: int = 0
    missed: int = 0
    queued: int = 0
    dead: int = 0

    @property
    def balance(self) -> int:
        """Readings of which nothing is known any more: 0."""
        return self.taken - self.delivered - self.dead - self.gap - self.queued
