"""What is sent in one request, and what is known of it; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lumina.readings import Reading
from lumina.sinks.courier import Verdict
from lumina.sinks.records import Queued

Device = int | str


@dataclass(eq=False)
class Parcel:
    """
    Readings that are sent in one request.

    @ivar batch: the number under which its members are recorded; `None`: it is
        a single reading, sent by itself.
    @ivar attempts: how often it was sent.
    @ivar due: monotonic seconds before which it is not sent again.
    @ivar refusal: what was said, if it was refused.
    @ivar sent: when it was sent last, counted in events.
    @ivar refused: when it was refused last, counted likewise.
    @ivar refused_at: the same in monotonic seconds.
    @ivar row: how often it was refused since others were accepted, or since the present try began.
    @ivar refusals: how often it was refused, all in all, while not all was held.
    @ivar heard: whether it was sent again after another was accepted.
    @ivar failed: when it failed last, counted in events.
    @ivar failing: since when it fails, in monotonic seconds; `None`: it does not.
    @ivar tried: when a later reading of its device was tried, in monotonic seconds.
    @ivar failures: answers that the API failed.
    @ivar inherited: how many of them are those of the batch that it was cut from.
    @ivar alone: how many of them while others were accepted.
    @ivar is_unsure: whether it may have been taken although there was no answer.
    @ivar is_gone: whether some of its readings wait no longer.
    """

    members: Sequence[Queued]
    batch: int | None = None
    attempts: int = 0
    due: float = 0.0
    refusal: Verdict | None = None
    sent: int = 0
    refused: int = 0
    refused_at: float = 0.0
    row: int = 0
    refusals: int = 0
    heard: bool = False
    failed: int = 0
    failing: float | None = None
    tried: float = 0.0
    failures: int = 0
    inherited: int = 0
    alone: int = 0
    is_unsure: bool = False
    is_gone: bool = False
    devices: frozenset[Device] = field(init=False)

    def __post_init__(self) -> None:
        self.devices = frozenset(each.reading.point.device for each in self.members)

    @property
    def first(self) -> int:
        """The number of its first reading."""
        return self.members[0].seq

    @property
    def seqs(self) -> list[int]:
        """The numbers of its readings."""
        return [each.seq for each in self.members]

    @property
    def reading(self) -> Reading:
        """Its first reading."""
        return self.members[0].reading

    def halves(self) -> "list[Parcel]":
        """Two parts of it: of different devices, if there are any."""
        devices = list(dict.fromkeys(each.reading.point.device for each in self.members))
        if len(devices) > 1:
            first = {*devices[: len(devices) // 2]}
            chosen = [each for each in self.members if each.reading.point.device in first]
            others = [each for each in self.members if each.reading.point.device not in first]
        else:
            middle = len(self.members) // 2
            chosen, others = list(self.members[:middle]), list(self.members[middle:])
        return [Parcel(chosen), Parcel(others)]

    @property
    def is_retried(self) -> bool:
        """Whether it is a dead letter that an operator lets be tried once more."""
        return self.members[0].retried


def ranges(seqs: Iterable[int]) -> str:
    """Numbers in their order, such as `17-20,31`."""
    runs: list[list[int]] = []
    for seq in seqs:
        if runs and runs[-1][-1] == seq - 1:
            runs[-1][1:] = [seq]
        else:
            runs.append([seq])
    return ",".join("-".join(map(str, run)) for run in runs)
