"""How the `lumina` command begins."""

import signal
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.entry import run


class EntryTests(SynchronousTestCase):
    def test_interrupted(self) -> None:
        """
        From before it is loaded on, an interrupt ends the command without a traceback.
        """
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        seen: list[object] = []

        def load() -> Callable[[], object]:
            seen.append(signal.getsignal(signal.SIGINT))
            return lambda: seen.append("ran")

        run(load)
        self.assertEqual(seen, [signal.SIG_DFL, "ran"])
