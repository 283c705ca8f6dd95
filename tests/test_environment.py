"""The documents' environment variables."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.environment import environment, log_level


class EnvironmentTests(SynchronousTestCase):
    def test_file(self) -> None:
        """
        `.env` is read as documented, with comments; what the process has itself wins.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / ".env").write_text(
            "# Laravel API Configuration\nLARAVEL_API_URL=http://localhost:8000/api/readings\n\nLOG_LEVEL=INFO\n"
        )
        found = environment(directory, {"LOG_LEVEL": "DEBUG"})
        self.assertEqual(
            found, {"LARAVEL_API_URL": "http://localhost:8000/api/readings", "LOG_LEVEL": "DEBUG"}
        )

    def test_no_file(self) -> None:
        """
        Without one there is only the process's own.
        """
        self.assertEqual(environment(Path("/nonexistent"), {"A": "b"}), {"A": "b"})

    def test_levels(self) -> None:
        """
        Python's names of levels are understood; what is none is refused with those there are.
        """
        self.assertEqual([log_level({"LOG_LEVEL": each}) for each in ("DEBUG", "warning")], ["debug", "warn"])
        self.assertEqual(log_level({}), "info")
        error = self.assertRaises(ValueError, log_level, {"LOG_LEVEL": "loud"})
        self.assertIn("'loud' is none of DEBUG, INFO", str(error))
