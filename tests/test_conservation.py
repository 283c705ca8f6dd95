"""
An oracle of conservation: whatever the API does, each reading is accounted for.

Hours pass in virtual time. The API is as strict as Laravel, and ill in every
way: it fails, is throttled, refuses some readings, all, or any at random, hangs,
takes a reading and drops the connection. lumina is killed at any moment, and
the clock of its machine is set to whatever time.
"""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived

from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.delivery import Delivery
from lumina.sinks.documents import document
from lumina.sinks.post import Post, Posting
from lumina.sinks.records import Limits
from lumina.sinks.sender import Sender
from lumina.sinks.sink import SpoolingSink
from lumina.sinks.spool import Spool
from lumina.testing import pass_time
from tests.laravel import Readings, keys
from tests.spools import START, Thread, directory, point

URL = "http://api.example/api/readings"
PARAMETERS = ("Voltage", "Current", "unknown", "wrong unit")
WELL_KNOWN = PARAMETERS[:2]
DEVICES = (1, 2, 3, "pump", 5)
CYCLE = 240.0


class Weather:
    """
    treq's client, and what goes wrong on the way.

    @ivar now: which trouble there is: its name, and how probable it is.
    @ivar lost: keys that the API may have seen, and whose answer was lost.
    """

    def __init__(self, api: Readings, draw: random.Random) -> None:
        self.now = ("fair", 0.0)
        self.lost: set[str] = set()
        self._stub: Any = StubTreq(api)
        self._draw = draw

    def post(self, url: str, **arguments: Any) -> Deferred[Any]:
        trouble, chance = self.now
        if self._draw.random() >= chance or trouble in ("fair", "failing", "refusing", "moody", "barred"):
            return self._answered(url, arguments)
        if trouble == "down":
            return fail(ConnectionRefusedError())
        headers = arguments["headers"]
        (key,) = headers.getRawHeaders("idempotency-key")
        (members,) = headers.getRawHeaders("idempotency-members", [None])
        self.lost.update(keys(key, members))
        if trouble == "deaf":  # it hangs, and has seen nothing
            return Deferred()
        self._answered(url, arguments)
        if trouble == "mute":  # it takes it, and hangs
            return Deferred()
        return fail(ResponseNeverReceived([Failure(ConnectionDone())]))

    def _answered(self, url: str, arguments: dict[str, Any]) -> Deferred[Any]:
        arguments.pop("reactor")
        done: Deferred[Any] = self._stub.post(url, **arguments)
        self._stub.flush()
        return done


TROUBLES = (
    ("fair", 0.0),
    ("down", 1.0),
    ("failing", 0.5),
    ("deaf", 0.3),
    ("mute", 0.3),
    ("dropping", 0.5),
    ("refusing", 1.0),
    ("moody", 0.05),
    ("barred", 1.0),
)


#: By how much the clock of lumina's machine is wrong: it starts in 1970, is set, and set back, and forward.
ERRORS = (0.0, -START, 3600.0, -7200.0, 10 * 365 * 86400.0)


class World:
    """lumina and the API through one history, which the seed decides."""

    def __init__(self, path: Path, seed: int, batch: int = 1, limits: Limits = Limits()) -> None:  # noqa: B008
        self.draw = random.Random(seed)
        self.path = path
        self.delivery = Delivery(batch=batch, concurrency=3, longest=120.0, hold=30.0)
        self.limits = limits
        self.started = START
        self.error = 0.0
        self.read: dict[float, Reading] = {}
        registers = {(device, each) for device in DEVICES for each in PARAMETERS if each != "unknown"}
        self.api = Readings(self.wall, registers)
        self.api.trouble = self._status
        self.weather = Weather(self.api, self.draw)
        self.taken = 0
        self.deaths = 0
        self.begin()

    def shown(self) -> float:
        """What the clock of lumina's machine shows."""
        return self.wall() + self.error

    def wall(self) -> float:
        return self.started + (self.clock.seconds() if hasattr(self, "clock") else 0.0)

    def _status(self) -> int:
        trouble, chance = self.weather.now
        if trouble == "refusing":
            return 422
        if trouble == "moody":
            return 422 if self.draw.random() < chance else 0
        if trouble == "barred":
            return 401
        return 500 if trouble == "failing" and self.draw.random() < chance else 0

    def begin(self) -> None:
        """lumina starts."""
        self.started, self.clock = self.wall(), Clock()
        self.thread = Thread()
        self.spool = Spool(
            "api", self.path, self.limits, self.shown, self.thread, Uptime("", self.clock.seconds)
        )
        post = Post(Posting(URL), self.weather, self.clock, self.shown)
        self.sender = Sender(self.spool, post, self.delivery, document, self.clock, self.draw.random)
        self.sink = SpoolingSink(self.spool, self.sender, "post", self.shown)
        self.sink.startService()

    def die(self) -> None:
        """lumina is killed: what it has in memory is gone, with every answer that is on its way."""
        self.deaths += 1
        under_way = [seq for parcel in self.sender._lanes._under_way for seq in parcel.seqs]
        self.weather.lost.update(f"{self.spool.name}-{seq}" for seq in under_way)
        store = self.spool._keeper._store
        if store is not None:
            store.abandon()
        self.begin()

    def poll(self, parameters: Sequence[str] = PARAMETERS) -> None:
        """One cycle of readings; each value is another."""
        readings = []
        for device in DEVICES:
            for parameter in parameters:
                value = float(len(self.read))
                where = point(device, parameter)
                if parameter == "wrong unit":
                    where = Reading(where, value, 0.0).point
                reading = Reading(where, value, self.shown())
                if parameter == "wrong unit":
                    reading = Reading(point(device, parameter), f"word {value}", self.shown())
                self.read[value] = reading
                readings.append(reading)
        done = self.sink.put(readings)
        done.addCallback(lambda _: setattr(self, "taken", self.taken + len(readings)))

    def live(self, cycles: int) -> None:
        """Time passes."""
        for _ in range(cycles):
            if self.draw.random() < 0.2:
                self.weather.now = self.draw.choice(TROUBLES)
                self.error = self.draw.choice(ERRORS)
            self.poll()
            if self.draw.random() < 0.08:
                pass_time(self.clock, self.draw.random() * CYCLE)
                self.thread.waits = self.draw.random() < 0.5  # the disk is slow, and then it comes too late
                pass_time(self.clock, self.draw.random() * 5.0)
                self.die()
            pass_time(self.clock, CYCLE)


class ConservationTests(SynchronousTestCase):
    def history(self, seed: int, cycles: int, batch: int = 1, limits: Limits = Limits()) -> World:  # noqa: B008
        """One history, with a fair end; what must hold after every one of them."""
        world = World(directory(self) / "api.spool", seed, batch, limits)
        world.live(cycles)
        self.assertBalanced(world)
        world.weather.now = TROUBLES[0]
        pass_time(world.clock, 3600.0)
        world.poll(WELL_KNOWN)  # they tell of the last ones whose fault it is that they are refused
        pass_time(world.clock, 600.0)
        self.assertBalanced(world)
        self.assertEqual(world.spool.ledger.queued, 0, world.sink.status())
        self.assertTrue(world.deaths)
        self.assertNothingInvented(world)
        self.assertNotGivenUp(world)
        self.assertInOrder(world)
        self.assertRepeatedForAReason(world)
        return world

    def assertBalanced(self, world: World) -> None:
        """Its ledger adds up to what was taken, and its file is sound."""
        store = world.spool._keeper._store
        assert store is not None
        self.assertEqual(store.verify(), [])
        self.assertEqual(store.ledger().taken, world.taken)

    def assertNothingInvented(self, world: World) -> None:
        """What is stored was read, with that time, and each of the others is a dead letter or in a gap."""
        store = world.spool._keeper._store
        assert store is not None
        stored = [each.document for each in world.api.stored]
        for each in stored:
            self.assertEqual(document(world.read[each["value"]]), each)
        self.assertEqual(len({each["value"] for each in stored}), len(stored))
        gaps = sum(each.lost for each in store.gaps())
        ledger = store.ledger()
        self.assertEqual(ledger.delivered + ledger.dead + gaps, world.taken)
        unanswered = [each for each in world.api.stored if each.key in world.weather.lost]
        self.assertIn(len(stored) - ledger.delivered, range(len(unanswered) + 1))

    def assertNotGivenUp(self, world: World) -> None:
        """Dead are only those that the API never takes."""
        store = world.spool._keeper._store
        assert store is not None
        self.assertEqual({each.reading.point.parameter for each in store.dead()} & {*WELL_KNOWN}, set())

    def assertInOrder(self, world: World) -> None:
        """Those of each device were stored in the order in which they were read."""
        for device in DEVICES:
            values = [
                each.document["value"] for each in world.api.stored if each.document["device_id"] == device
            ]
            self.assertEqual(values, sorted(values))

    def assertRepeatedForAReason(self, world: World) -> None:
        """Nothing came twice under one key, unless an answer was lost."""
        self.assertEqual(set(world.api.repeated) - world.weather.lost, set())

    def test_one_by_one(self) -> None:
        """
        Hours of everything going wrong, a reading at a time: nothing is lost, doubled, or out of order.
        """
        found: Counter[int | str] = Counter()
        for seed in range(2):
            world = self.history(seed, 75)
            found.update(world.api.statuses)
            found["again"] += len(world.api.repeated)
            self.assertGreater(len(world.api.stored), 700)
            self.assertEqual(world.spool.ledger.gap, 0)
        self.assertEqual({201, 500, 429, 404, 422, 401, "again"} - set(+found), set(), "too mild a history")

    def test_batches(self) -> None:
        """
        The same in batches.
        """
        for seed in range(10, 11):
            world = self.history(seed, 75, batch=7)
            self.assertEqual(world.spool.ledger.gap, 0)

    def test_bounded(self) -> None:
        """
        The same with a spool that keeps an hour: what is too old is in gaps.
        """
        for seed in range(20, 21):
            world = self.history(seed, 75, limits=Limits(age=3600.0))
            self.assertGreater(world.spool.ledger.gap, 0)
