"""The documents' environment variables."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.environment import environment, log_level
from lumina.errors import ConfigError


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

    def complaints(self, content: bytes) -> list[str]:
        """What is said about a file with these bytes."""
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / ".env").write_bytes(content)
        return str(self.assertRaises(ConfigError, environment, directory, {})).splitlines()

    def test_editors(self) -> None:
        """
        A byte order mark, the line ends of Windows, quotes and `export` change nothing.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / ".env").write_bytes(
            b"\xef\xbb\xbfexport LOG_LEVEL='INFO' # all\r\nMODBUS_CONFIG=\"a b.json\"\r\n"
        )
        self.assertEqual(environment(directory, {}), {"LOG_LEVEL": "INFO", "MODBUS_CONFIG": "a b.json"})

    def test_wrong_lines(self) -> None:
        """
        Lines that set nothing, and names with a slip in them, are errors: what they would set has a default.
        """
        self.assertEqual(
            self.complaints(
                b"# mine\n\nLARAVEL_API_URL http://x\nMY_OWN=5\nLARAVEL_API_URI=http://x\nLOGLEVEL=INFO\n"
            ),
            [
                ".env:3: 'LARAVEL_API_URL http://x' is no variable; a line is NAME=value, or begins with #",
                ".env:5: LARAVEL_API_URI: did you mean LARAVEL_API_URL?",
                ".env:6: LOGLEVEL: did you mean LOG_LEVEL?",
            ],
        )

    def test_unreadable(self) -> None:
        """
        A file in another encoding, or what is no file, is said in a sentence.
        """
        self.assertEqual(self.complaints(b"A=b\nX=\xe9\n"), [".env:2: the byte E9 is not UTF-8"])
        directory = Path(self.mktemp())
        (directory / ".env").mkdir(parents=True)
        error = self.assertRaises(ConfigError, environment, directory, {})
        self.assertEqual(str(error), ".env: cannot be read: Is a directory")

    def test_levels(self) -> None:
        """
        Python's names of levels are understood; what is none is refused with those there are.
        """
        self.assertEqual([log_level({"LOG_LEVEL": each}) for each in ("DEBUG", "warning")], ["debug", "warn"])
        self.assertEqual(log_level({}), "info")
        error = self.assertRaises(ConfigError, log_level, {"LOG_LEVEL": "loud"})
        self.assertIn("'loud' is none of DEBUG, INFO", str(error))
