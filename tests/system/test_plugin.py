"""A front end and a sink from a package of its own, found and used by a running lumina."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(__file__).parent / "plugin"
TWISTD = Path(sys.executable).with_name("twistd")
PATIENCE = 30.0

CONFIGURATION = """
simulators:
  plant: {preset: greenhouse}
listen:
  value:
    kind: shout
    endpoint: unix:SOCKET
    bus: plant
    unit: 1
    greeting: It is
poll:
  interval: 1
  addressing: modicon
  devices:
    - device_id: 1
      bus: plant
      slave_id: 1
      registers: [{address: 40001, parameter: Warmth, data_type: uint16}]
sinks:
  words: {kind: diary, file: diary.txt, opening: Hello}
"""


class PluginTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The package is installed where lumina is not: in a directory of its own."""
        self.directory = Path(tempfile.mkdtemp(prefix="lumina-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        shutil.copytree(PACKAGE, self.directory / "site")
        self.socket = str(self.directory / "socket")
        path = os.pathsep.join((str(self.directory / "site"), str(ROOT)))
        self.environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment["STATE_DIRECTORY"] = str(self.directory)

    def start(self, configuration: str) -> "subprocess.Popen[str]":
        """Start the service in the foreground."""
        self.file = self.directory / "lumina.yaml"
        self.file.write_text(configuration.replace("SOCKET", self.socket))
        process = subprocess.Popen(
            [TWISTD, "-n", "--pidfile=", "lumina", "-c", self.file],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process: "subprocess.Popen[str]") -> None:
        """Nothing of a test stays behind."""
        process.kill()
        process.communicate()

    def ask(self, process: "subprocess.Popen[str]") -> bytes:
        """What somebody is told who connects, once the service listens."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                try:
                    client.connect(self.socket)
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        self.fail(f"it does not listen: {process.communicate(timeout=PATIENCE)[0]}")
                    time.sleep(0.05)
                    continue
                with client.makefile("rb") as answer:
                    return answer.read()

    def test_served(self) -> None:
        """
        Its listener answers with a value from a bus, and stops with the service, which exits with 0.
        """
        process = self.start(CONFIGURATION)
        self.assertRegex(self.ask(process), rb"^It is \d+\r\n$")
        self.assertRegex(self.ask(process), rb"^It is \d+\r\n$")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, "Traceback" in output), (0, False), output)

    def test_sink(self) -> None:
        """
        Its sink is given what is polled.
        """
        process = self.start(CONFIGURATION)
        diary = self.directory / "diary.txt"
        deadline = time.monotonic() + PATIENCE
        while not (diary.exists() and diary.read_text().endswith("\n")) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIsNone(process.poll())
        self.assertRegex(diary.read_text(), r"^Hello, Warmth: it was \d+\.\n")

    def test_bad_settings(self) -> None:
        """
        What is wrong with its own settings ends the start with sentences and status 1, and no traceback.
        """
        process = self.start(CONFIGURATION.replace("unit: 1", "unit: 300").replace("greeting:", "greting:"))
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, output)
        self.assertEqual(
            output.splitlines(),
            [
                f"{self.file}:5:3: listen.value.greeting: it is required, and not here",
                f"{self.file}:9:11: listen.value.unit: 300 is above the limit of 247",
                f"{self.file}:10:5: listen.value.greting: unknown key 'greting'; did you mean 'greeting'?",
            ],
        )

    def test_check_config(self) -> None:
        """
        `lumina check-config` knows its kind as well.
        """
        file = self.directory / "lumina.yaml"
        file.write_text(CONFIGURATION)
        result = subprocess.run(
            [sys.executable, "-c", "from lumina.cli.main import main; main()", "check-config", file],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("listener value: shout on unix:SOCKET, reads and writes", result.stdout)

    def test_its_own_tests(self) -> None:
        """
        A package tests its front end and its sink with `lumina.testing` alone.
        """
        result = subprocess.run(
            [sys.executable, "-m", "twisted.trial", "test_lumina_shout", "test_lumina_diary"],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
