"""
A process that reads nothing, and puts numbers into a sink of lumina instead; each that is taken is said.

    python -m tests.system.feeder URL BATCH COUNT PAUSE [BYTES]

The state lies where the environment says. It prints `taken FIRST LAST` or
`missed FIRST LAST` for each cycle of ten devices, and ends after COUNT cycles
when all is delivered. No file of it grows beyond BYTES.
"""

import resource
import sys
import time
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from lumina.assembly import sinks
from lumina.assembly.parts import Parts
from lumina.config.load import loads
from lumina.readings import Point, Reading
from lumina.watch.overview import LiveOverview

DEVICES = 10
POINTS = [
    Point(device, "Voltage (L-N)", unit="V", register_address=40001, data_type="float", description="x" * 40)
    for device in range(DEVICES)
]

CONFIGURATION = """
simulators: {{plant: {{preset: greenhouse}}}}
sinks:
  api:
    kind: post
    url: {url}
    batch: {batch}
    timeout: 1
    pause: 0.05
    longest_pause: 0.5
    hold: 1
"""


def say(*words: object) -> None:
    print(*words, flush=True)


async def feed(parts: Parts, reactor: Any, count: int, pause: float) -> None:
    """Put numbers, from the time of day on, and wait until they are gone."""
    sink = parts.sinks["api"]
    start = time.time_ns() // 1000
    for cycle in range(count):
        first = start + cycle * DEVICES
        readings = [Reading(point, first + n, time.time()) for n, point in enumerate(POINTS)]
        said = first, first + DEVICES - 1
        sink.put(readings).addCallbacks(
            lambda _, said=said: say("taken", *said), lambda _, said=said: say("missed", *said)
        )
        if pause or cycle % 50 == 0:
            await deferLater(reactor, pause)
    while parts.overview.sinks()[0].queued or not parts.overview.sinks()[0].taken:
        await deferLater(reactor, 0.05)


def main() -> None:
    reactor: Any = global_reactor
    url, batch, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    if len(sys.argv) > 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]), resource.RLIM_INFINITY))
    parts = Parts(reactor, LiveOverview(reactor.seconds))
    sinks.add(parts, loads(CONFIGURATION.format(url=url, batch=batch), "feeder").sinks)
    parts.outlets.privilegedStartService()
    parts.outlets.startService()

    def end(result: object) -> Deferred[Any]:
        if isinstance(result, Failure):
            say("failed", result.getTraceback())
        return maybeDeferred(parts.outlets.stopService).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(feed(parts, reactor, count, pause)).addBoth(end))
    reactor.run()


if __name__ == "__main__":
    main()
