"""
How long the readings of a spool have waited: by the time that the machine ran, whatever its wall clock says.

A machine without a clock of its own starts in 1970, or where it stopped, and
jumps as soon as it has heard of the time; no reading grows old by that.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lumina.sinks.file import SpoolFile

#: Seconds that may pass without being written down.
_UNWRITTEN = 600.0
#: Marks within the age that readings may reach.
_MARKS = 64

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """
    How long the machine has run.

    @ivar boot: which start of it this is; empty: not known.
    @ivar seconds: since then; monotonic.
    """

    boot: str = ""
    seconds: Callable[[], float] = time.monotonic


def uptime() -> Uptime:
    """That of this machine, the time in which it was asleep included."""
    with suppress(OSError):
        return Uptime(_BOOT.read_text().strip(), lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    return Uptime()


class Ages(SpoolFile):
    """
    A spool file with marks: so many readings were taken when it was so old.

    It grows older while the machine runs, from one start of lumina to the next
    too; what passes while the machine is off is not known, and not counted.
    """

    _uptime = Uptime()

    def open(self, own: bool = True) -> None:
        super().open(own)
        lived, boot, ran = self._db.execute("SELECT lived, boot, ran FROM spool").fetchone()
        now = self._uptime.seconds()
        is_same = self._uptime.boot and self._uptime.boot == boot and ran <= now
        self._begun: float = (ran if is_same else now) - lived

    def _lived(self) -> float:
        """How old the file is, in seconds."""
        return self._uptime.seconds() - self._begun

    def _grow(self, age: float) -> None:
        """
        Write down how old the file is, if there is reason to.

        @param age: that readings may reach.
        """
        run, taken, lived = self._db.execute, self._taken(), self._lived()
        seq, marked = run("SELECT max(seq), max(lived) FROM mark").fetchone()
        if taken > (seq or 0) and (marked is None or lived >= marked + age / _MARKS):
            run("INSERT INTO mark VALUES (?, ?)", (taken, lived))
        elif lived < run("SELECT lived FROM spool").fetchone()[0] + _UNWRITTEN:
            return
        run("UPDATE spool SET lived = ?, boot = ?, ran = ?", (lived, self._uptime.boot, self._begun + lived))

    def _last_before(self, lived: float) -> int:
        """The last reading that was taken before the file was so old; 0: there is none."""
        (seq,) = self._db.execute("SELECT max(seq) FROM mark WHERE lived <= ?", (lived,)).fetchone()
        self._db.execute("DELETE FROM mark WHERE seq < ?", (seq,))
        return seq or 0
