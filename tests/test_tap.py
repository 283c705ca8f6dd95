"""What runs when nobody says what."""

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from lumina.config.settings import Config
from lumina.errors import ConfigError
from lumina.tap import Options, configuration


class OptionsTests(SynchronousTestCase):
    def test_stray_word(self) -> None:
        """
        A file that is named without -c is met with how to name it.
        """
        error = self.assertRaises(UsageError, Options().parseOptions, ["lumina.yaml"])
        self.assertEqual(str(error), "what is 'lumina.yaml'? A configuration is named with -c")


class ConfigurationTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.file, self.device = folder / "lumina.yaml", folder / "ttyAMA1"

    def chosen(self, **environment: str) -> tuple[Config, Path | None]:
        return configuration(None, self.file, [str(self.device)], environment)

    def refused(self, *words: str, **environment: str) -> None:
        error = self.assertRaises(ConfigError, self.chosen, **environment)
        for word in words:
            self.assertIn(word, str(error))

    def test_demonstration(self) -> None:
        """
        Where there is nothing at all, the demonstration runs in a directory of its own.
        """
        config, directory = self.chosen()
        assert directory is not None
        self.addCleanup(directory.rmdir)
        self.assertEqual(list(config.ports), ["greenhouse", "meter"])

    def test_file(self) -> None:
        """
        A file that exists is what runs.
        """
        self.file.write_text("ports: {mine: {endpoint: 'serial:/dev/ttyS9'}}\n")
        config, directory = self.chosen()
        self.assertEqual((list(config.ports), directory), (["mine"], None))

    def test_file_that_leads_nowhere(self) -> None:
        """
        A file that is meant to be there is never replaced by invented values.
        """
        self.file.symlink_to("/no/such/file.yaml")
        self.refused("lumina.yaml: cannot be read")

    def test_real_device(self) -> None:
        """
        The demonstration never answers for a device that exists.
        """
        self.device.touch()
        self.refused("would answer for", "ttyAMA1")

    def test_system_service(self) -> None:
        """
        Nor does it run where systemd starts lumina.
        """
        self.refused("does not run as a system service", NOTIFY_SOCKET="/run/systemd/notify")
