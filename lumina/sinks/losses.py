"""What a spool drops, and the record that remains of it: gaps, and the bounds that make them."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from lumina.readings import Point
from lumina.sinks import schema
from lumina.sinks.ages import Ages, Uptime
from lumina.sinks.records import Gap, Limits

OVERFLOW = "the spool was full"
EXPIRED = "older than the spool keeps readings"
PURGED = "removed by an operator"

#: Gap records at most; of older ones the ledger keeps the count.
_GAPS = 10_000
_CHUNK = 1000

_Row = tuple[int, int, float]


class Losses(Ages):
    """A spool file in which every loss is written down: whose, from when to when, how many, and why."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        wall: Callable[[], float],
        uptime: Uptime = Uptime(),  # noqa: B008
    ) -> None:
        super().__init__(path, wall)
        self._uptime = uptime
        self._limits = limits
        self._points: dict[int, Point] = {}
        self._reserved: set[int] = set()

    def bound(self, held: Collection[int] = (), by_age: bool = True) -> int:
        """
        Drop what has waited too long, and the oldest while there is too much.

        @param held: what must stay, for it may be under way.
        @param by_age: whether to look at ages; there is no need to look often.
        @return: how many were dropped.
        """
        dropped = 0
        if by_age:
            self._grow(self._limits.age)
            dropped += self._expire(held, self._lived() - self._limits.age)
        while not self._limits.newest and self.used() > self._limits.size:
            gone = self._drop_oldest(lambda _: True, OVERFLOW, held) or self._drop_dead(math.inf)
            if not gone:
                break
            dropped += gone
        return dropped

    def purge(self, table: str, seqs: Iterable[int] | None = None) -> int:
        """
        Remove dead letters, or what waits; a gap remains, and batches that are torn are no batches any more.

        @param table: `dead` or `reading`.
        @param seqs: which; `None`: all.
        @return: how many.
        """
        one = f"SELECT seq, point, at FROM {table} WHERE seq = ?"
        numbers = self.numbers(table) if seqs is None else seqs
        rows = [row for seq in numbers for row in self._db.execute(one, (seq,))]
        self._tear(row[0] for row in rows)
        return self._drop(table, rows, PURGED)

    def numbers(self, table: str) -> list[int]:
        """The numbers of all dead letters (`dead`), or of all that waits (`reading`)."""
        return [seq for (seq,) in self._db.execute(f"SELECT seq FROM {table} ORDER BY seq")]

    def among(self, table: str, seqs: Iterable[int]) -> set[int]:
        """Those that are there."""
        one = f"SELECT seq FROM {table} WHERE seq = ?"
        return {seq for each in seqs for (seq,) in self._db.execute(one, (each,))}

    def _tear(self, seqs: Iterable[int]) -> None:
        """Recorded batches lose some of their readings: what is left of them is free."""
        gone = {*seqs} & self._reserved
        batches = self._db.execute("SELECT id, members FROM batch").fetchall() if gone else ()
        for number, kept in batches:
            members = schema.members(kept)
            if not gone.isdisjoint(members):
                self._db.execute("DELETE FROM batch WHERE id = ?", (number,))
                self._reserved.difference_update(members)

    def miss(self, lost: Iterable[tuple[int | str, float, float, int]], cause: str) -> None:
        """Record what could not be taken: device, from, to, count."""
        for device, first, last, count in lost:
            self._gap(device, first, last, count, cause)
            self._count(missed=count)

    def gap_delivered(self, gap: Gap) -> None:
        """A gap record was accepted, with the count that it had."""
        self._db.execute("UPDATE gap SET delivered = 1 WHERE id = ? AND count = ?", (gap.id, gap.lost))

    def gaps(self, limit: int = -1, undelivered: bool = False) -> list[Gap]:
        """Gap records, oldest first."""
        where = "WHERE delivered = 0" if undelivered else ""
        rows = self._db.execute(
            f"SELECT id, device, first, last, count, cause FROM gap {where} ORDER BY id LIMIT ?", (limit,)
        ).fetchall()
        return [Gap(row[0], schema.device(row[1]), *row[2:]) for row in rows]

    def _is_full(self) -> bool:
        return self.used() > self._limits.size

    def _point(self, number: int) -> Point:
        point = self._points.get(number)
        if point is None:
            (facts,) = self._db.execute("SELECT facts FROM point WHERE id = ?", (number,)).fetchone()
            point = self._points[number] = schema.point(facts)
        return point

    def _expire(self, held: Collection[int], lived: float) -> int:
        """Drop what was taken, or refused, before the file was so old; not what an operator retries."""
        last = self._last_before(lived)
        retried = (seq for (seq,) in self._db.execute("SELECT seq FROM retried"))
        dropped = self._drop_oldest(lambda row: row[0] <= last, EXPIRED, {*held, *retried}) if last else 0
        return dropped + self._drop_dead(lived)

    def _drop_oldest(self, is_due: Callable[[_Row], bool], cause: str, held: Collection[int]) -> int:
        """Drop those that are due from the oldest on; of what overflows, a chunk."""
        total, after = 0, 0
        while True:
            rows = self._db.execute(
                "SELECT seq, point, at FROM reading WHERE seq > ? ORDER BY seq LIMIT ?", (after, _CHUNK)
            ).fetchall()
            due = [row for row in rows if is_due(row)]
            free = [row for row in due if row[0] not in held and row[0] not in self._reserved]
            total += self._drop("reading", free, cause)
            if len(due) < _CHUNK or (free and cause == OVERFLOW):
                return total
            after = rows[-1][0]

    def _drop_dead(self, lived: float) -> int:
        rows = self._db.execute(
            "SELECT seq, point, at FROM dead WHERE lived <= ? ORDER BY seq LIMIT ?", (lived, _CHUNK)
        ).fetchall()
        return self._drop("dead", rows, EXPIRED)

    def _drop(self, table: str, rows: Sequence[_Row], cause: str) -> int:
        self._db.executemany(f"DELETE FROM {table} WHERE seq = ?", [(row[0],) for row in rows])
        self.lose(((self._point(row[1]).device, row[2]) for row in rows), cause)
        self._count(**{"queued" if table == "reading" else table: -len(rows)})
        return len(rows)

    def lose(self, lost: Iterable[tuple[int | str, float]], cause: str) -> None:
        """Readings that were taken are gone: write down of which devices, and from when."""
        spans: dict[int | str, tuple[float, float, int]] = {}
        for device, at in lost:
            first, last, count = spans.get(device, (at, at, 0))
            spans[device] = min(first, at), max(last, at), count + 1
        for device, span in spans.items():
            self._gap(device, *span, cause)
            self._count(gap=span[2])

    def _gap(self, device: int | str, first: float, last: float, count: int, cause: str) -> None:
        """One more gap, or the last one of the device for the same cause grows."""
        key = schema.device_key(device)
        values: tuple[Any, ...] = (first, last, count, key, cause)
        grown = self._db.execute(
            "UPDATE gap SET first = min(first, ?), last = max(last, ?), count = count + ? WHERE id = "
            "(SELECT max(id) FROM gap WHERE device = ? AND cause = ?) AND delivered = 0",
            values,
        ).rowcount
        if not grown:
            self._db.execute(
                "INSERT INTO gap (first, last, count, device, cause) VALUES (?, ?, ?, ?, ?)", values
            )
            self._db.execute("DELETE FROM gap WHERE id <= (SELECT max(id) FROM gap) - ?", (_GAPS,))
