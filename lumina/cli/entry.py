"""Where the `lumina` command begins, before anything of it is loaded."""

import signal
from collections.abc import Callable


def _load() -> Callable[[], object]:
    from lumina.cli.main import main

    return main


def run(load: Callable[[], Callable[[], object]] = _load) -> None:
    """
    Interrupted while it is still being loaded, the command ends as quietly as any other.

    @param load: gives the command itself; it takes a second on a small machine.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    load()()
