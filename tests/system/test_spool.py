"""Conservation in real processes: killed at any moment, an API that is ill, a disk that fills."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
MEGABYTE = 1 << 20


class Feeder:
    """
    A process that puts readings.

    @ivar taken: the values that it said were taken.
    @ivar missed: those that it said were not.
    """

    def __init__(self, environment: dict[str, str], *arguments: object) -> None:
        self.taken: set[int] = set()
        self.missed: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.feeder", *map(str, arguments)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, *numbers = line.split()
            if word in ("taken", "missed") and len(numbers) == 2:  # the last line may be cut
                first, last = map(int, numbers)
                (self.taken if word == "taken" else self.missed).update(range(first, last + 1))
            else:
                self.output.append(line)

    def kill(self) -> None:
        """As nothing can prevent; once it has ended, nothing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.wait()

    def wait(self, patience: float = PATIENCE) -> int:
        """Until it has ended."""
        status = self.process.wait(patience)
        self._reader.join(patience)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


class SpoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lumina-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.state = self.directory / "state"
        self.state.mkdir()
        self.environment = {**os.environ, "STATE_DIRECTORY": str(self.state), "PYTHONDONTWRITEBYTECODE": "1"}

    def serve(self, port: int = 0) -> int:
        """Start the API, and say on which port."""
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.system.ill_api", str(port), "1"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, server)
        assert server.stdout is not None
        return int(server.stdout.readline())

    def end(self, process: "subprocess.Popen[str]") -> None:
        process.kill()
        process.communicate()

    def feed(self, *arguments: object) -> Feeder:
        feeder = Feeder(self.environment, *arguments)
        self.addCleanup(feeder.kill)
        return feeder

    def stored(self, port: int) -> list[tuple[str, int, int]]:
        """Key, device and value of all that the API has stored, in the order of that."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            return [(key, device, value) for key, device, value in json.load(answer)]

    def spool(self, *words: str) -> str:
        """What `lumina spool` says."""
        result = subprocess.run(
            [sys.executable, "-c", "from lumina.cli.main import main; main()", "spool", *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def assertConserved(self, port: int, taken: set[int]) -> None:
        """Each value that was taken is stored once, in the order of its device, and the ledger balances."""
        stored = self.stored(port)
        values = [value for _, _, value in stored]
        self.assertEqual(len(set(values)), len(values), "stored twice")
        self.assertEqual(taken - set(values), set(), "lost")
        self.assertEqual(len({key for key, _, _ in stored}), len(stored))
        for device in range(10):
            of_device = [value for _, each, value in stored if each == device]
            self.assertEqual(of_device, sorted(of_device))
        told = self.spool("verify")
        self.assertIn(f"taken {len(values)} = delivered {len(values)} + dead 0 + gap 0 + queued 0", told)

    def killed(self, batch: int, seed: int) -> None:
        draw = random.Random(seed)
        port = self.serve()
        url = f"http://127.0.0.1:{port}/api/readings"
        taken: set[int] = set()
        for _ in range(6):
            feeder = self.feed(url, batch, 10_000, 0.01)
            deadline = time.monotonic() + PATIENCE
            while not feeder.taken and time.monotonic() < deadline and feeder.process.poll() is None:
                time.sleep(0.02)
            time.sleep(draw.random() * 0.8)
            feeder.kill()
            self.assertTrue(feeder.taken, feeder.output)
            taken |= feeder.taken
        self.spool("status")
        last = self.feed(url, batch, 5, 0.01)
        self.assertIn("sound", self.spool("verify"))
        self.assertEqual(last.wait(), 0, last.output)
        self.assertConserved(port, taken | last.taken)

    def test_killed(self) -> None:
        """
        Killed at random moments, with an API that fails, hangs and drops connections: nothing that was
        taken is lost, doubled or out of order.
        """
        self.killed(1, seed=1)

    def test_killed_with_batches(self) -> None:
        """
        The same with batches.
        """
        self.killed(25, seed=2)

    def filled(self, *limit: object) -> None:
        """Fill the disk while there is no API, then have one."""
        port = self.serve()
        url = f"http://127.0.0.1:{port}/api/readings"
        nowhere = "http://127.0.0.1:9/api/readings"
        full = self.feed(nowhere, 1000, 30_000, 0.0, *limit)
        deadline = time.monotonic() + PATIENCE
        # Some are missed at once, while the first are still on their way to the disk.
        while (
            (not full.missed or len(full.taken) <= 5000)
            and time.monotonic() < deadline
            and full.process.poll() is None
        ):
            time.sleep(0.05)
        time.sleep(0.5)
        self.assertIsNone(full.process.poll(), full.output)
        full.kill()
        self.assertGreater(len(full.taken), 5000)
        self.assertTrue(full.missed)
        self.assertEqual(full.taken & full.missed, set())
        self.assertIn("sound", self.spool("verify"))
        again = self.feed(url, 1000, 10, 0.05)
        self.assertEqual(again.wait(), 0, again.output)
        self.assertConserved(port, full.taken | again.taken)

    def test_full_disk(self) -> None:
        """
        On a disk that is full readings are missed, and said to be; those that were taken are delivered
        and removed, and then there is room again.
        """
        if (
            os.geteuid()
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", self.state], capture_output=True
            ).returncode
        ):
            raise SkipTest("only root can mount a small disk, and not everywhere")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.state], check=True))
        self.filled()

    def test_limited_files(self) -> None:
        """
        The same where no file may grow any more; there nothing can be removed either until they may.
        """
        self.filled(3 * MEGABYTE)
