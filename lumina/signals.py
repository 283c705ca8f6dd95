"""What lumina does when a signal comes: all of it in a turn of the reactor."""

import signal
from collections.abc import Callable, Mapping
from typing import Any


def on_signals(reactor: Any, answers: Mapping[signal.Signals, Callable[[], object]]) -> None:
    """
    Do something whenever one of these signals comes; while the reactor does not run yet, when it does.
    """

    def answered(answer: Callable[[], object]) -> Callable[..., None]:
        def come(*_: object) -> None:
            (reactor.callFromThread if reactor.running else reactor.callWhenRunning)(answer)

        return come

    def listen() -> None:
        for number, answer in answers.items():
            signal.signal(number, answered(answer))

    listen()
    reactor.callWhenRunning(listen)  # it sets handlers of its own when it starts


def stop_signals(reactor: Any) -> Mapping[signal.Signals, Callable[[], object]]:
    """Stop on SIGTERM and SIGINT. To be asked so, once or more, and to have stopped, is success: status 0."""
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            reactor.stop()

    return {signal.SIGTERM: stop, signal.SIGINT: stop}
