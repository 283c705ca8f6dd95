"""Delivery: in order, again and again, and nothing given up for a fault that is not its own."""

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.readings import Reading
from lumina.sinks.ages import Uptime
from lumina.sinks.delivery import Delivery
from lumina.sinks.documents import document
from lumina.sinks.records import Limits
from lumina.sinks.sender import Sender
from lumina.sinks.sink import SpoolingSink
from lumina.sinks.spool import Spool
from lumina.sinks.store import Store
from lumina.testing import pass_time
from tests.spools import START, FakeCourier, Thread, directory, reading


class SenderCase(SynchronousTestCase):
    delivery = Delivery(concurrency=2)

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = directory(self) / "api.spool"
        self.courier = FakeCourier()
        self.begin()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(lambda: self.stop())

    def begin(self, limits: Limits = Limits()) -> None:  # noqa: B008
        """Start what delivers."""
        self.thread = Thread()
        self.spool = Spool("api", self.path, limits, self.wall, self.thread, Uptime("", self.clock.seconds))
        self.sender = Sender(self.spool, self.courier, self.delivery, document, self.clock, draw=lambda: 1.0)
        self.sink = SpoolingSink(self.spool, self.sender, "post", self.wall)
        self.sink.startService()

    def wall(self) -> float:
        return START + self.clock.seconds()

    def stop(self) -> None:
        """Stop it, as the service does."""
        done = self.sink.stopService()
        pass_time(self.clock, 5.0)
        self.successResultOf(done)

    def put(self, *readings: Reading) -> None:
        self.successResultOf(self.sink.put(readings))

    def counts(self) -> tuple[int, int, int, int]:
        """Taken, delivered, dead and queued."""
        status = self.sink.status()
        return status.taken, status.delivered, status.dead, status.queued

    def beside(self, act: Callable[[Store], object]) -> None:
        """Another process does something to the spool."""
        store = Store(self.path, Limits(), self.wall)
        store.open(own=False)
        store.turn([act])
        store.abandon()


class OneByOneTests(SenderCase):
    def test_delivered(self) -> None:
        """
        Each reading is a request of its own, with a key of its own, and leaves the spool when it is accepted.
        """
        self.put(reading(1.5), reading(2.5, 2))
        first, second = self.courier.sent
        self.assertEqual((first.values, second.values), ([1.5], [2.5]))
        self.assertEqual((first.key, second.key), (f"{self.spool.name}-1", f"{self.spool.name}-2"))
        self.assertEqual(self.counts(), (2, 0, 0, 2))
        first.answer(201)
        second.answer(200)
        self.assertEqual(self.counts(), (2, 2, 0, 0))
        self.assertEqual(self.sink.status().state, "idle")

    def test_order_and_concurrency(self) -> None:
        """
        Of each device one request is under way, and of all of them as many as configured.
        """
        self.put(*(reading(n, n % 3) for n in range(6)))
        self.assertEqual([each.values for each in self.courier.open], [[0], [1]])
        self.courier.sent[1].answer(201)
        self.assertEqual([each.values for each in self.courier.open], [[0], [2]])
        self.courier.sent[2].answer(201)
        self.assertEqual([each.values for each in self.courier.open], [[0], [4]])
        self.courier.sent[0].answer(201)
        self.courier.answers = lambda _: 201
        self.courier.sent[3].answer(201)
        self.courier.sent[4].answer(201)
        order = [value for each in self.courier.sent for value in each.values]
        for device in range(3):
            self.assertEqual([each for each in order if each % 3 == device], [device, device + 3])
        self.assertEqual(self.counts(), (6, 6, 0, 0))

    def test_again(self) -> None:
        """
        After a failure the same bytes are sent under the same key, after pauses that double up to a bound.
        """
        self.put(reading(1))
        times: list[float] = []
        for _ in range(12):
            pass_time(self.clock, 400.0)
            self.courier.sent[-1].answer(500) if len(times) % 2 else self.courier.sent[-1].lose()
            times.append(self.clock.seconds())
            self.assertEqual(self.sink.status().state, "retrying")
        before = len(self.courier.sent)
        pass_time(self.clock, 299.0)
        self.assertEqual(len(self.courier.sent), before)
        pass_time(self.clock, 2.0)
        self.assertEqual(len(self.courier.sent), before + 1)
        self.assertEqual(len({(each.key, each.body) for each in self.courier.sent}), 1)
        self.courier.sent[-1].answer(201)
        self.assertEqual(self.counts(), (1, 1, 0, 0))

    def test_first_pause(self) -> None:
        """
        The first pause is within the first bound, and meanwhile nobody else is sent.
        """
        self.put(reading(1), reading(2))
        self.courier.sent[0].answer(503)
        self.put(reading(3, 2))
        pass_time(self.clock, 0.9)
        self.assertEqual(len(self.courier.sent), 1)
        pass_time(self.clock, 0.2)
        self.assertEqual(len(self.courier.open), 1)

    def test_told_to_wait(self) -> None:
        """
        When the API says how long to wait, nothing is sent to it before, and then the same again.
        """
        self.put(*(reading(n, n) for n in range(3)))
        self.courier.sent[0].answer(429, wait=60.0)
        self.courier.sent[1].answer(201)
        pass_time(self.clock, 59.9)
        self.assertEqual(len(self.courier.sent), 2)
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 0.2)
        self.assertEqual([each.values for each in self.courier.sent[2:]], [[0], [2]])

    def test_one_for_each_wait(self) -> None:
        """
        Where each answer says to wait, one request is made after each wait, and not as many as allowed.
        """
        self.put(*(reading(n, n) for n in range(6)))
        for sent in (2, 3, 4):
            self.assertEqual(len(self.courier.sent), sent)
            for each in self.courier.open:
                each.answer(201, wait=1.0)
            pass_time(self.clock, 1.1)

    def test_pace(self) -> None:
        """
        An acceptance that says that the limit is used up is an acceptance, and a pause.
        """
        self.put(reading(1), reading(2))
        self.courier.sent[0].answer(201, wait=10.0)
        self.assertEqual(self.counts(), (2, 1, 0, 1))
        pass_time(self.clock, 9.0)
        self.assertEqual(len(self.courier.sent), 1)
        pass_time(self.clock, 1.5)
        self.assertEqual(len(self.courier.sent), 2)

    def test_restart(self) -> None:
        """
        What was under way when the service ended is sent anew, first, with the same key and bytes.
        """
        self.put(reading(1), reading(2))
        first = self.courier.sent[0]
        self.stop()
        self.begin()
        self.assertEqual(len(self.courier.sent), 2)
        again = self.courier.sent[1]
        self.assertEqual((again.key, again.body), (first.key, first.body))

    def test_backlog(self) -> None:
        """
        More than is read from the spool at once is delivered all the same, in its order.
        """
        self.courier.answers = lambda _: 201
        self.put(*(reading(n, n % 5) for n in range(2000)))
        self.assertEqual(self.counts(), (2000, 2000, 0, 0))
        values = [value for each in self.courier.sent for value in each.values]
        self.assertEqual(sorted(values), list(range(2000)))
        for device in range(5):
            self.assertEqual([each for each in values if each % 5 == device], list(range(device, 2000, 5)))

    def test_bad_readings(self) -> None:
        """
        A reading without a value, or with one that JSON cannot say, is not taken; it is counted.
        """
        self.put(reading(None), reading(float("nan")), reading(1))
        self.assertEqual((self.counts(), self.sink.status().declined), ((1, 0, 0, 1), 2))
        self.assertEqual([each.values for each in self.courier.sent], [[1]])


class RefusedTests(SenderCase):
    def refuse(self, *values: object, status: int = 422) -> None:
        """From now on those are refused, and others accepted."""
        self.courier.answers = lambda sent: status if set(sent.values) & set(values) else 201

    def test_dead_letter(self) -> None:
        """
        A reading that is refused while others are accepted becomes a dead letter, and costs only itself.
        """
        self.refuse(1)
        self.put(*(reading(n, n % 2) for n in range(4)))
        self.assertEqual(self.counts(), (4, 3, 1, 0))
        self.assertEqual([each.values for each in self.courier.sent], [[0], [1], [2], [1], [1], [3]])

    def test_last_of_all(self) -> None:
        """
        The last reading may be the one that is refused: it is sent twice more, and then waits for
        others, that tell whose fault it is.
        """
        self.refuse(1)
        self.put(reading(0), reading(1))
        self.assertEqual((self.counts(), self.sink.status().state), ((2, 1, 0, 1), "delivering"))
        pass_time(self.clock, 600.0)
        self.assertEqual((self.counts(), self.sink.status().state), ((2, 1, 0, 1), "waiting"))
        self.assertEqual([each.values for each in self.courier.sent], [[0], [1], [1], [1]])
        self.put(reading(2))
        self.assertEqual(self.counts(), (3, 2, 1, 0))
        self.assertEqual([each.values for each in self.courier.sent[4:]], [[1], [2]])

    def test_all_alike(self) -> None:
        """
        When many different readings are refused in a row none is given up: all is held, which is
        said once; when the API is mended all of them are delivered, in their order.
        """
        self.courier.answers = lambda _: 422
        self.put(*(reading(n, n % 10) for n in range(30)))
        self.assertEqual(self.counts(), (30, 0, 0, 30))
        status = self.sink.status()
        self.assertEqual((status.state, status.error), ("holding", "all is refused alike: 422"))
        attempts = len(self.courier.sent)
        self.assertEqual(attempts, 8)
        pass_time(self.clock, 86_400.0)
        self.assertEqual(self.counts(), (30, 0, 0, 30))
        self.assertLess(len(self.courier.sent), attempts + 2 * 24 * 7)
        self.courier.answers = lambda _: 201
        before = len(self.courier.sent)
        pass_time(self.clock, 601.0)
        self.assertEqual(self.counts(), (30, 30, 0, 0))
        values = [value for each in self.courier.sent[before:] for value in each.values]
        for device in range(10):
            self.assertEqual(
                [each for each in values if each % 10 == device], [device, device + 10, device + 20]
            )

    def test_one_parameter_everywhere(self) -> None:
        """
        A parameter that the API does not know is no fault of the whole, though each device begins with it.
        """
        self.courier.answers = lambda sent: 404 if sent.documents[0]["parameter"] == "bad" else 201
        self.put(*(reading(1, n, parameter=each) for n in range(40) for each in ("bad", "good")))
        self.assertEqual(self.counts(), (80, 40, 40, 0))

    def test_one_device_unknown(self) -> None:
        """
        A device that the API does not know is no fault of the whole, however much it has to say.
        """
        self.courier.answers = lambda sent: 404 if sent.documents[0]["device_id"] == 7 else 201
        self.put(*(reading(n, 7) for n in range(40)))
        self.assertEqual(self.sink.status().state, "holding")
        for cycle in range(2):
            self.put(*(reading(100 * cycle + n, n) for n in range(6)))
            pass_time(self.clock, 61.0)
        self.assertEqual(self.counts(), (52, 12, 40, 0))

    def test_only_one_device(self) -> None:
        """
        Where all that there is to say is refused, nothing is given up, however little it is.
        """
        self.courier.answers = lambda _: 422
        self.put(reading(1))
        pass_time(self.clock, 86_400.0)
        self.assertEqual((self.counts(), self.sink.status().state), ((1, 0, 0, 1), "holding"))
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 601.0)
        self.assertEqual((self.counts(), self.sink.status().state), ((1, 1, 0, 0), "idle"))

    def test_not_allowed(self) -> None:
        """
        An API that does not let lumina in is asked slowly from the first time on.
        """
        self.courier.answers = lambda _: 401
        self.put(*(reading(n, n) for n in range(9)))
        pass_time(self.clock, 50.0)
        self.assertEqual((len(self.courier.sent), self.sink.status().state), (1, "holding"))
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 130.0)
        self.assertEqual(self.counts(), (9, 9, 0, 0))

    def test_tried_again_by_an_operator(self) -> None:
        """
        Dead letters that another process lets wait are delivered beside the rest, under their old keys.
        """
        self.refuse(1)
        self.put(*(reading(n) for n in range(3)))
        key = self.courier.sent[1].key
        self.refuse()
        self.beside(lambda store: store.retry())
        pass_time(self.clock, 3.0)
        self.assertEqual(self.counts(), (3, 3, 0, 0))
        self.assertEqual((self.courier.sent[-1].key, self.courier.sent[-1].values), (key, [1]))

    def test_operator_ends_the_hold(self) -> None:
        """
        When another process has touched the spool, a held sink tries at once.
        """
        self.courier.answers = lambda _: 422
        self.put(reading(1))
        pass_time(self.clock, 4000.0)
        before = len(self.courier.sent)
        self.courier.answers = lambda _: 201
        self.beside(lambda store: store.retry())
        self.beside(lambda store: store.miss([(1, START, START, 1)], "a test"))
        pass_time(self.clock, 3.0)
        self.assertEqual((len(self.courier.sent), self.counts()), (before + 1, (1, 1, 0, 0)))


class BatchTests(SenderCase):
    delivery = Delivery(batch=4, concurrency=2)

    def test_batches(self) -> None:
        """
        Readings are sent as lists of at most so many, and no device is in two of them at once.
        """
        self.put(*(reading(n, n % 2) for n in range(6)), reading(6, 7))
        self.assertEqual([each.values for each in self.courier.open], [[0, 1, 2, 3], [6]])
        self.courier.answers = lambda _: 200
        self.courier.sent[0].answer(200)
        self.assertEqual(self.courier.sent[2].values, [4, 5])
        self.courier.sent[1].answer(200)
        self.assertEqual(self.counts(), (7, 7, 0, 0))

    def test_torn_by_an_operator(self) -> None:
        """
        A batch that is tried again and again, of which an operator sets one reading aside, is torn: the
        others are delivered in their order, under the names that they had.
        """
        self.courier.answers = lambda sent: 500 if 1 in sent.values else 200
        self.put(*(reading(n) for n in range(4)), *(reading(10 + n) for n in range(3)))
        pass_time(self.clock, 10.0)
        self.assertEqual(self.counts(), (7, 0, 0, 7))
        self.beside(lambda store: store.set_aside([2]))
        pass_time(self.clock, 30.0)
        self.assertEqual(self.counts(), (7, 6, 1, 0))
        self.assertEqual(
            [each.values for each in self.courier.sent if 1 not in each.values], [[0, 2, 3, 10], [11, 12]]
        )
        self.assertEqual(self.courier.sent[-2].members, f"{self.spool.name}; 1,3-5")

    def test_same_batch_after_restart(self) -> None:
        """
        A batch that was sent keeps its members, its key and its bytes, whatever comes, and after a restart.
        """
        self.put(reading(0), reading(1))
        first = self.courier.sent[0]
        first.lose()
        self.put(reading(2))
        pass_time(self.clock, 1.1)
        second = self.courier.sent[1]
        self.stop()
        self.begin()
        third = self.courier.sent[2]
        for again in (second, third):
            self.assertEqual((again.key, again.body), (first.key, first.body))
        third.answer(200)
        self.assertEqual(self.courier.sent[3].values, [2])
        self.assertNotEqual(self.courier.sent[3].key, first.key)

    def test_split(self) -> None:
        """
        Of a batch that is refused, the readings that are to blame are found; the others are delivered.
        """
        self.courier.answers = lambda sent: 422 if 2 in sent.values else 201
        self.put(*(reading(n) for n in range(8)))
        self.assertEqual(self.counts(), (8, 7, 1, 0))
        sent = {(each.key, each.body) for each in self.courier.sent}
        self.assertEqual(len({key for key, _ in sent}), len(sent))
        accepted = [value for each in self.courier.sent for value in each.values if 2 not in each.values]
        self.assertEqual(accepted, [0, 1, 3, 4, 5, 6, 7])
