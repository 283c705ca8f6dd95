"""
Readings on disk until they are accepted, and a ledger that balances.

A service calls this in a thread of its own, `lumina spool` in its only one.
Whatever changes the file is done inside of `turn`. The ledger is in the same
transactions, so that at any moment, and after any crash,
taken = delivered + dead + gap + queued.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from lumina.readings import Point, Reading
from lumina.sinks import schema
from lumina.sinks.losses import OVERFLOW, Losses
from lumina.sinks.records import Dead, Ledger, Queued, Stuck

#: Points that are known by their identity; there are as many as are polled.
_KNOWN = 100_000

#: What is said of a dead letter that the API has not refused.
SET_ASIDE = "set aside by an operator"

_COLUMNS = "seq, point, at, value, quality, reason"
_RETRIED = "seq IN retried"


class Store(Losses):
    """An open spool."""

    def open(self, own: bool = True) -> None:
        super().open(own)
        self._known: dict[int, tuple[Point, int]] = {}
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._points.clear()
        self._ids = {facts: number for number, facts in self._db.execute("SELECT id, facts FROM point")}
        self._reserved = set()
        for (kept,) in self._db.execute("SELECT members FROM batch"):
            self._reserved.update(schema.members(kept))

    # Changes.

    def take(self, readings: Sequence[Reading]) -> None:
        """Keep readings; a full spool that drops what comes only writes down that they came."""
        if self._limits.newest and self._is_full():
            self.lose(((each.point.device, each.at) for each in readings), OVERFLOW)
            self._count(taken=len(readings))
            return
        known, number, pack = self._known, self._number, schema.pack
        rows = []
        for seq, reading in enumerate(readings, self._taken() + 1):
            point = reading.point
            seen = known.get(id(point))
            place = seen[1] if seen is not None and seen[0] is point else number(point)
            rows.append((seq, place, *pack(reading)))
        self._db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._count(taken=len(rows), queued=len(rows))

    def delivered(self, seqs: Collection[int], batch: int | None = None) -> None:
        """Readings were accepted, one by one or as a recorded batch."""
        gone = self._db.executemany("DELETE FROM reading WHERE seq = ?", [(seq,) for seq in seqs]).rowcount
        self._count(delivered=gone, queued=-gone)
        self.dissolve(batch, seqs)

    def set_aside(self, seqs: Collection[int]) -> int:
        """
        An operator makes dead letters of readings that wait.

        @return: how many.
        """
        self._tear(seqs)
        before = self._change.get("dead", 0)
        for seq in seqs:
            self.refused(seq, 0, SET_ASIDE, 0)
        return self._change.get("dead", 0) - before

    def stick(self, seq: int, seconds: float, failures: int, sentence: str) -> None:
        """
        The API fails on the first reading that waits.

        @param seconds: for so long.
        """
        self._db.execute("DELETE FROM stuck")
        row = seq, self._wall() - seconds, failures, sentence
        self._db.execute("INSERT INTO stuck VALUES (?, ?, ?, ?)", row)

    def refused(self, seq: int, status: int, sentence: str, attempts: int) -> None:
        """A reading was refused for good; it becomes a dead letter."""
        gone = self._db.execute(
            f"INSERT INTO dead SELECT {_COLUMNS}, ?, ?, ?, ?, ? FROM reading WHERE seq = ?",
            (status, sentence, attempts, self._wall(), self._lived(), seq),
        ).rowcount
        self._db.execute("DELETE FROM reading WHERE seq = ?", (seq,))
        self._count(dead=gone, queued=-gone)

    def record(self, seqs: Sequence[int]) -> int:
        """
        Remember which readings are sent together.

        @return: the number of the batch, which is never used again.
        """
        kept = f"[{','.join(map(str, seqs))}]"
        number = self._db.execute("INSERT INTO batch (members) VALUES (?)", (kept,)).lastrowid
        assert number is not None
        self._reserved.update(seqs)
        return number

    def dissolve(self, batch: int | None, seqs: Iterable[int]) -> None:
        """Forget a batch, if it was one; its readings are readings again."""
        if batch is not None:
            self._db.execute("DELETE FROM batch WHERE id = ?", (batch,))
            self._reserved.difference_update(seqs)

    def retry(self, seqs: Iterable[int] | None = None) -> int:
        """
        Let dead letters wait again, under their old numbers.

        @param seqs: which; `None`: all.
        @return: how many.
        """
        chosen = [(seq,) for seq in (self.numbers("dead") if seqs is None else self.among("dead", seqs))]
        self._db.executemany(f"INSERT INTO reading SELECT {_COLUMNS} FROM dead WHERE seq = ?", chosen)
        self._db.executemany("DELETE FROM dead WHERE seq = ?", chosen)
        self._db.execute("DELETE FROM retried WHERE seq NOT IN (SELECT seq FROM reading)")
        self._db.executemany("INSERT OR IGNORE INTO retried VALUES (?)", chosen)
        self._count(dead=-len(chosen), queued=len(chosen))
        return len(chosen)

    # Questions.

    def waiting(self, after: int, limit: int) -> list[Queued]:
        """What waits and is in no recorded batch, oldest first, behind a number."""
        while True:
            rows = self._db.execute(
                f"SELECT {_COLUMNS}, {_RETRIED} FROM reading WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            ).fetchall()
            found = [self._queued(row) for row in rows if row[0] not in self._reserved]
            if found or len(rows) < limit:
                return found
            after = rows[-1][0]

    def batches(self) -> list[tuple[int, list[Queued]]]:
        """Every recorded batch with those of its readings that still wait, in their order."""
        batches = self._db.execute("SELECT id, members FROM batch ORDER BY id").fetchall()
        return [(number, self._read(schema.members(kept))) for number, kept in batches]

    def dead(self, limit: int = -1) -> list[Dead]:
        """Dead letters, oldest first."""
        rows = self._db.execute("SELECT * FROM dead ORDER BY seq LIMIT ?", (limit,)).fetchall()
        return [Dead(*self._queued((*row[:6], 1))[:2], *row[6:10]) for row in rows]

    def stuck(self) -> Stuck | None:
        """The first reading that waits, if the API fails on it again and again, as it was noted last."""
        row = self._db.execute("SELECT seq, since, failures, sentence FROM stuck").fetchone()
        found = self._read(row[:1]) if row else []
        return Stuck(row[0], found[0].reading, *row[1:]) if found else None

    def ledger(self) -> Ledger:
        """The ledger, as of the last transaction."""
        row = self._db.execute("SELECT taken, delivered, gap, missed, queued, dead FROM ledger").fetchone()
        return Ledger(*row)

    def oldest(self) -> float | None:
        """When the first of those that wait was read, in seconds since 1970; `None`: none waits."""
        row = self._db.execute("SELECT at FROM reading ORDER BY seq LIMIT 1").fetchone()
        return row[0] if row else None

    def verify(self) -> list[str]:
        """What is wrong with the file or its ledger, a sentence each; nothing: all is well."""
        wrong = [text for (text,) in self._db.execute("PRAGMA integrity_check(20)") if text != "ok"]
        ledger = self.ledger()
        for name, table in (("queued", "reading"), ("dead", "dead")):
            (count,) = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()
            if count != getattr(ledger, name):
                wrong.append(f"the ledger says {name}={getattr(ledger, name)}, and there are {count}")
        if ledger.balance:
            wrong.append(
                f"taken={ledger.taken} is not delivered={ledger.delivered} + dead={ledger.dead}"
                f" + gap={ledger.gap} + queued={ledger.queued}; the difference is {ledger.balance}"
            )
        return wrong

    def _number(self, point: Point) -> int:
        """The number of a point in this file; from now on it is known by its identity."""
        facts = schema.facts(point)
        number = self._ids.get(facts)
        if number is None:
            number = self._db.execute("INSERT INTO point (facts) VALUES (?)", (facts,)).lastrowid
            assert number is not None
            self._ids[facts] = number
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[id(point)] = point, number
        return number

    def _queued(self, row: Sequence[Any]) -> Queued:
        return Queued(row[0], schema.unpack(self._point(row[1]), *row[2:6]), bool(row[6]))

    def _read(self, seqs: Iterable[int]) -> list[Queued]:
        one = f"SELECT {_COLUMNS}, {_RETRIED} FROM reading WHERE seq = ?"
        found = (self._db.execute(one, (seq,)).fetchone() for seq in seqs)
        return [self._queued(row) for row in found if row is not None]
