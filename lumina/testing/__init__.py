"""
Fakes of every seam, for lumina's own tests and for the authors of plug-ins.

They need neither network nor time: `Clock` from `twisted.internet.task` is the
reactor, and what a bus answers is said beforehand or later, by the test.
"""

from lumina.testing.fakes import WALL, Asked, FakeBus, FakeOverview, FakeSink, FakeWatcher, outlet, site
from lumina.testing.lines import Cable, FakeLine, pass_time

__all__ = [
    "WALL",
    "Asked",
    "Cable",
    "FakeBus",
    "FakeLine",
    "FakeOverview",
    "FakeSink",
    "FakeWatcher",
    "outlet",
    "pass_time",
    "site",
]
