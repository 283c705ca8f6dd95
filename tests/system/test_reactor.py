"""What lumina runs on."""

import os

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from lumina.reactor import PromptReactor
from tests.system import programs

CONFIGURATION = """
simulators: {{plant: {{preset: basic}}}}
listen: {{modbus: {{kind: modbus-tcp, endpoint: "tcp:{port}", routes: {{default: plant}}}}}}
"""


class ChoiceTests(TestCase):
    timeout = 60

    def said(self, *options: str) -> programs.Program:
        """A lumina that starts."""
        port = programs.free_port()
        file = self.mktemp()
        with open(file, "w") as written:
            written.write(CONFIGURATION.format(port=port))
        return programs.twistd(self, *options, "lumina", "-c", file)

    async def test_own(self) -> None:
        """
        Without an option it is lumina's own, on Linux.
        """
        await self.said().says(r"reactor class: lumina\.reactor\.PromptReactor\.")

    async def test_chosen(self) -> None:
        """
        A reactor that the command line names is used.
        """
        await self.said("--reactor=poll").says(
            r"reactor class: twisted\.internet\.pollreactor\.PollReactor\."
        )


@implementer(IReadDescriptor)
class Ready:
    """Who has something to read, and does what it is told with it."""

    def __init__(self, fails: Exception | None = None, as_it_ends: Exception | None = None) -> None:
        self._descriptor, write = os.pipe()
        os.write(write, b"-")
        os.close(write)
        self._fails, self._as_it_ends = fails, as_it_ends
        self.calls: list[str] = []

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "-"

    def doRead(self) -> None:
        self.calls.append("doRead")
        os.read(self._descriptor, 1)
        if self._fails:
            raise self._fails

    def connectionLost(self, reason: Failure) -> None:
        self.calls.append("connectionLost")
        if self._as_it_ends:
            raise self._as_it_ends


class TurnTests(SynchronousTestCase):
    def turn(self, *all_ready: Ready) -> None:
        """One turn of a reactor that is not the one under the tests."""
        reactor = PromptReactor()
        for ready in all_ready:
            self.addCleanup(os.close, ready.fileno())
            reactor.addReader(ready)
        reactor.doIteration(0)
        reactor.removeAll()
        reactor.waker.connectionLost(Failure(CONNECTION_DONE))

    def test_failures(self) -> None:
        """
        One that fails as it reads is ended. That is logged, as is an end that fails, and
        the others are read from.
        """
        wrong, worse, good = Ready(KeyError()), Ready(KeyError(), as_it_ends=ValueError()), Ready()
        self.turn(wrong, worse, good)
        calls = [each.calls for each in (wrong, worse, good)]
        self.assertEqual(calls, [["doRead", "connectionLost"], ["doRead", "connectionLost"], ["doRead"]])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
