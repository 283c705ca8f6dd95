"""`lumina spool`, for people and scripts."""

import json
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.main import main
from lumina.sinks.records import Limits
from lumina.sinks.store import Store
from tests.spools import START, directory, reading


class SpoolCommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = directory(self)
        self.store = Store(self.directory / "api.spool", Limits(), lambda: START)
        self.store.open()
        self.addCleanup(self.store.abandon)
        self.store.turn([lambda store: store.take([reading(n, "pump \x1b") for n in range(5)])])
        self.store.turn([lambda store: store.delivered([1])])
        for seq in (2, 3):
            self.store.turn([lambda store, seq=seq: store.refused(seq, 422, "422: no", 1)])  # type: ignore[misc]

    def run_(self, *words: str, status: int = 0) -> list[str]:
        """What it prints; the store is open meanwhile, as in the service."""
        result = CliRunner().invoke(main, ["spool", "-d", str(self.directory), *words])
        self.assertEqual(result.exit_code, status, result.output)
        self.assertNotIn("Traceback", result.output)
        return result.output.splitlines()

    def test_status(self) -> None:
        """
        `status` shows the ledger and the age of what waits.
        """
        first, second, _ = self.run_("status")
        self.assertEqual(first, "api: 2 queued, the oldest of 2025-07-08T16:00:00Z")
        self.assertEqual(second, "  5 taken = 1 delivered + 2 dead + 0 gap + 2 queued")

    def test_stuck(self) -> None:
        """
        `status` names a reading on which the API fails again and again, until it is out of the way.
        """
        self.store.turn([lambda store: store.stick(4, 300.0, 8, "500 Server Error")])
        lines = self.run_("status")[3:]
        self.assertEqual(
            lines[0], "  the first that waits fails since 2025-07-08T15:55:00Z, 8 times at least:"
        )
        self.assertIn("4  2025-07-08T16:00:00Z", lines[1])
        self.assertIn("500 Server Error", lines[1])
        self.assertIn("lumina spool set-aside api --seq 4", lines[2])
        self.run_("set-aside", "api", "--seq", "4")
        self.assertEqual(len(self.run_("status")), 3)

    def test_list(self) -> None:
        """
        `list` shows dead letters with what was said, or what waits, and tricks no terminal.
        """
        first, _ = self.run_("list")
        self.assertIn("V  422: no (1 attempts)", first)
        self.assertEqual(len(self.run_("list", "--queued")), 2)
        self.assertEqual(self.run_("list", "--gaps"), [])
        self.assertTrue(all(line.isprintable() for line in self.run_("list", "api")))

    def test_retry(self) -> None:
        """
        `retry` lets dead letters wait again: some, or all.
        """
        first, second = self.run_("retry", "-s", "3", "-s", "9")
        self.assertEqual((first, second), ("api: 1 wait again", "  there is no dead letter 9"))
        self.assertEqual(self.run_("retry"), ["api: 1 wait again"])
        self.assertEqual(self.store.ledger().queued, 4)

    def test_purge(self) -> None:
        """
        `purge` asks before it removes anything, and a gap remains.
        """
        self.run_("purge", status=1)
        self.assertEqual(self.store.ledger().dead, 2)
        self.assertEqual(self.run_("purge", "--yes"), ["api: 2 removed"])
        self.assertEqual(self.run_("purge", "--yes", "--queued", "-s", "4"), ["api: 1 removed"])
        self.assertIn("removed by an operator", self.run_("list", "--gaps")[0])
        self.assertEqual(self.store.verify(), [])

    def test_set_aside(self) -> None:
        """
        `set-aside` makes dead letters of what waits: only of what is named.
        """
        self.assertIn("say which, by --seq", self.run_("set-aside", status=2)[-1])
        self.assertIn("0 is not in the range", self.run_("set-aside", "-s", "0", status=2)[-1])
        self.assertEqual(self.run_("set-aside", "api", "-s", "4"), ["api: 1 set aside"])
        self.assertIn("set aside by an operator", self.run_("list")[-1])
        self.assertEqual(self.store.ledger().queued, 1)

    def test_numbers_of_several(self) -> None:
        """
        The numbers of readings are those of one sink: where there are some sinks, one is to be named.
        """
        other = Store(self.directory / "other.spool", Limits(), lambda: START)
        other.open()
        self.addCleanup(other.abandon)
        for command in ("retry", "purge", "set-aside"):
            words = (command, "-s", "3", *(["--yes"] if command == "purge" else []))
            (line,) = self.run_(*words, status=1)
            self.assertEqual(
                line, "Error: each sink has numbers of its own: name one of api, other beside --seq"
            )
        self.assertEqual(self.run_("retry", "api", "-s", "3"), ["api: 1 wait again"])

    def test_many(self) -> None:
        """
        However many there are, each of them is removed, or waits again.
        """
        self.store.turn([lambda store: store.take([reading(n) for n in range(3000)])])
        self.assertEqual(self.run_("purge", "--yes", "--queued"), ["api: 3002 removed"])
        self.assertEqual((self.store.ledger().queued, self.store.verify()), (0, []))

    def test_export(self) -> None:
        """
        `export` writes what is there as lines of JSON, and removes nothing.
        """
        queued = [json.loads(line) for line in self.run_("export")]
        self.assertEqual([(each["seq"], each["value"]) for each in queued], [(4, 3), (5, 4)])
        dead = [json.loads(line) for line in self.run_("export", "--dead")]
        self.assertEqual([each["sentence"] for each in dead], ["422: no", "422: no"])
        self.assertEqual(self.store.ledger().queued, 2)

    def test_verify(self) -> None:
        """
        `verify` says that all is accounted for, or what is not, with status 1.
        """
        (line,) = self.run_("verify")
        expected = "api: taken 5 = delivered 1 + dead 2 + gap 0 + queued 2; the file is sound"
        self.assertEqual(line, expected)
        self.store.turn([lambda store: store._db.execute("DELETE FROM reading WHERE seq = 4")])
        self.assertEqual(self.run_("verify", status=1), ["api: the ledger says queued=2, and there are 1"])

    def test_nothing_there(self) -> None:
        """
        Where there is no spool, or none of that name, that is said.
        """
        self.assertIn("no sink is called 'x'; there are: api", self.run_("status", "x", status=1)[0])
        result = CliRunner().invoke(main, ["spool", "-d", "/no/such", "status"])
        self.assertEqual((result.exit_code, "there is no spool at /no/such" in result.output), (1, True))

    def test_other_versions(self) -> None:
        """
        A file that nothing was written to yet, or that another lumina wrote, is said to be that.
        """
        file = self.directory / "api.spool"
        for version, words in (
            (0, "nothing was ever written to it"),
            (1, "an earlier lumina wrote it"),
            (9, "a later lumina wrote it: its version is 9, the last known here is 4"),
        ):
            self.store._db.execute(f"PRAGMA user_version = {version}")
            (line,) = self.run_("status", status=1)
            self.assertTrue(line.startswith(f"Error: {file}: {words}"), line)

    def test_damaged(self) -> None:
        """
        A file that is no spool is an error in a sentence.
        """
        file = Path(self.directory / "other.spool")
        file.write_bytes(b"nonsense" * 1000)
        result = CliRunner().invoke(main, ["spool", "-f", str(file), "verify"])
        self.assertEqual((result.exit_code, "file is not a database" in result.output), (1, True))
