"""Whose fault it is that readings are not accepted: nothing is given up for a fault of the whole."""

from functools import partial

from lumina.sinks.delivery import Delivery
from lumina.testing import pass_time
from tests.spools import START, Sent, reading
from tests.test_sender import SenderCase


def _next(left: list[int], _: Sent) -> int:
    """What is left, and then acceptance."""
    return left.pop() if left else 201


class ChangeOfMindTests(SenderCase):
    delivery = Delivery(concurrency=2, hold=1.0)

    def test_refuses_all_then_none(self) -> None:
        """
        When the API changes its mind from refusing everything to accepting, nothing becomes a dead letter.
        """
        for refusals in range(1, 20):
            left = [422] * refusals
            self.courier.answers = partial(_next, left)
            self.put(*(reading(n + 100 * refusals, n % 12) for n in range(24)))
            pass_time(self.clock, 100.0)
            taken = 24 * refusals
            self.assertEqual(self.counts(), (taken, taken, 0, 0), refusals)

    def test_accepts_none_from_now_on(self) -> None:
        """
        Once the API has begun to refuse everything, nothing is given up, however little comes.
        """
        self.courier.answers = lambda _: 201
        self.put(*(reading(n, n) for n in range(9)))
        self.courier.answers = lambda _: 422
        for minute in range(20):
            self.put(reading(minute))
            pass_time(self.clock, 60.0)
        self.assertEqual((self.counts(), self.sink.status().state), ((29, 9, 0, 20), "holding"))

    def test_one_mistake(self) -> None:
        """
        A reading that is refused by mistake is delivered in its turn: only others go before it.
        """
        refused: set[float] = set()

        def once(sent: Sent) -> int:
            (value,) = sent.values
            if value == 1 and not refused:
                refused.add(value)
                return 422
            return 201

        self.courier.answers = once
        self.put(*(reading(n, n % 2) for n in range(6)))
        self.assertEqual(self.counts(), (6, 6, 0, 0))
        values = [value for each in self.courier.sent for value in each.values]
        self.assertEqual([value for value in values if value % 2], [1, 1, 3, 5])

    def test_lost_witness(self) -> None:
        """
        When the answer for the next reading of a device is lost, it alone is sent again: the one before
        was refused, and may not come behind it.
        """
        self.courier.answers = lambda sent: 422 if sent.values == [0] else None
        self.put(reading(0), reading(1))
        self.assertEqual([each.values for each in self.courier.sent], [[0], [0], [0], [1]])
        self.courier.sent[-1].lose()
        self.courier.answers = lambda _: 201
        self.put(*(reading(n, 2) for n in range(2, 4)))
        pass_time(self.clock, 10.0)
        values = [each.values for each in self.courier.sent]
        self.assertEqual((values[4:6], self.counts()), ([[1], [2]], (4, 3, 1, 0)))


class KnownTests(SenderCase):
    def test_costs_one_request(self) -> None:
        """
        What was refused for good three times costs one request a reading from then on, and when the API
        takes it at last, it is delivered.
        """
        self.courier.answers = lambda sent: 404 if sent.documents[0]["parameter"] == "bad" else 201
        for cycle in range(5):
            self.put(reading(cycle, parameter="bad"), reading(cycle), reading(cycle, 2))
        self.assertEqual(self.counts(), (15, 10, 5, 0))
        before = len(self.courier.sent)
        self.put(reading(9, parameter="bad"))
        self.assertEqual((len(self.courier.sent), self.counts()), (before + 1, (16, 10, 6, 0)))
        self.courier.answers = lambda _: 201
        self.put(reading(10, parameter="bad"))
        self.assertEqual(self.counts(), (17, 11, 6, 0))


class RetriedTests(SenderCase):
    def retried(self) -> None:
        """Twenty dead letters, that an operator lets be tried again."""
        self.courier.answers = lambda sent: 201 if sent.values[0] >= 100 else 422
        self.put(*(reading(each, n % 5) for n in range(20) for each in (n, 100 + n)))
        self.assertEqual(self.counts(), (40, 20, 20, 0))
        self.stop()  # nothing is remembered
        self.begin()
        self.beside(lambda store: store.retry())
        pass_time(self.clock, 3.0)

    def test_refused_again(self) -> None:
        """
        Any number of retried dead letters that are refused again are dead letters again, and hold nothing.
        """
        self.retried()
        status = self.sink.status()
        self.assertEqual((self.counts(), status.state, status.refused), ((40, 20, 20, 0), "idle", 20))
        self.put(reading(200))
        self.assertEqual(self.counts(), (41, 21, 20, 0))

    def test_while_held(self) -> None:
        """
        While all is refused they are given up as little as others.
        """
        self.courier.answers = lambda _: 422
        self.put(*(reading(n, n % 5) for n in range(20)))
        self.assertEqual(self.sink.status().state, "holding")
        self.beside(lambda store: store.refused(20, 422, "no", 1))
        self.beside(lambda store: store.retry())
        pass_time(self.clock, 3 * 3600.0)
        self.assertEqual(self.counts(), (20, 0, 0, 20))

    def test_removed_by_an_operator(self) -> None:
        """
        A reading that is removed beside the service while it is tried again and again holds up nobody.
        """
        self.courier.answers = lambda sent: 500 if sent.values == [0] else 201
        self.put(reading(0), reading(1))
        pass_time(self.clock, 10.0)
        self.assertEqual(self.counts(), (2, 0, 0, 2))
        self.beside(lambda store: store.purge("reading", {1}))
        pass_time(self.clock, 20.0)
        self.assertEqual((self.counts(), self.spool.ledger.gap), ((2, 1, 0, 0), 1))


class FailingTests(SenderCase):
    delivery = Delivery(concurrency=2, attempts=4)

    def test_given_up(self) -> None:
        """
        A reading on which the API fails, while it takes others, becomes a dead letter after so many
        attempts, with that cause; then the rest of its device is delivered.
        """
        self.courier.answers = lambda sent: 500 if sent.values == [0] else 201
        self.put(reading(0), reading(1))
        for n in range(1, 30):
            self.put(reading(100 + n, 2))
            pass_time(self.clock, 20.0)
        self.assertEqual(self.counts(), (31, 30, 1, 0))
        (dead,) = self.successResultOf(self.spool.do(lambda store: store.dead()))
        self.assertEqual((dead.status, dead.sentence), (500, "500: 4 times, while others were accepted"))
        self.assertEqual(dead.attempts, sum(each.values == [0] for each in self.courier.sent))

    def test_everything_fails(self) -> None:
        """
        While everything fails nothing is given up, for hours.
        """
        self.courier.answers = lambda _: 500
        self.put(*(reading(n, n % 5) for n in range(20)))
        pass_time(self.clock, 3 * 3600.0)
        self.assertEqual(self.counts(), (20, 0, 0, 20))
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 1000.0)
        self.assertEqual(self.counts(), (20, 20, 0, 0))

    def test_most_fail(self) -> None:
        """
        An API that fails more often than not fails for a fault of its own.
        """
        turns = iter(range(10**9))
        self.courier.answers = lambda _: 201 if next(turns) % 5 == 0 else 503
        for n in range(20):
            self.put(*(reading(n, device) for device in range(8)))
            pass_time(self.clock, 300.0)
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 1000.0)
        self.assertEqual(self.counts(), (160, 160, 0, 0))


class OneDeviceTests(SenderCase):
    delivery = Delivery(concurrency=2, attempts=4, longest=60.0)

    def test_one_reading(self) -> None:
        """
        A reading on which the API fails for long, and nothing of another device is there to tell, is a dead
        letter once the one behind it was accepted, right after another failure; not within the first hour.
        """
        self.courier.answers = lambda sent: 500 if sent.values == [0] else 201
        self.put(*(reading(n) for n in range(5)))
        pass_time(self.clock, 3500.0)
        self.assertEqual(self.counts(), (5, 0, 0, 5))
        self.assertEqual({sent.values[0] for sent in self.courier.sent}, {0})
        pass_time(self.clock, 200.0)
        self.assertEqual(self.counts(), (5, 4, 1, 0))
        values = [sent.values[0] for sent in self.courier.sent if sent.values != [0]]
        self.assertEqual(values, [1, 2, 3, 4])
        (dead,) = self.successResultOf(self.spool.do(lambda store: store.dead()))
        self.assertIn("times, and then a later reading was accepted", dead.sentence)

    def test_is_named(self) -> None:
        """
        Which reading that is, and what can be done, is told soon, until it is out of the way.
        """
        self.courier.answers = lambda sent: 500 if sent.values == [0] else 201
        self.put(*(reading(n) for n in range(5)))
        pass_time(self.clock, 300.0)
        stuck = self.sink.status().stuck
        self.assertIn(
            "reading 1, 'Voltage (L-N)' of device 1, is the first that waits, and has failed", stuck
        )
        self.assertIn("`lumina spool set-aside api --seq 1` takes it out of the way", stuck)
        noted = self.successResultOf(self.spool.do(lambda store: store.stuck()))
        self.assertEqual((noted and noted.seq, noted and noted.sentence), (1, "500"))
        self.beside(lambda store: store.set_aside([1]))
        pass_time(self.clock, 70.0)
        self.assertEqual((self.counts(), self.sink.status().stuck), ((5, 4, 1, 0), ""))

    def test_everything_fails(self) -> None:
        """
        While the API fails on everything, one more reading is tried each hour, and nothing is given up.
        """
        self.courier.answers = lambda _: 500
        self.put(*(reading(n) for n in range(5)))
        pass_time(self.clock, 5.5 * 3600.0)
        self.assertEqual(sum(sent.values == [1] for sent in self.courier.sent), 5)
        self.assertEqual({sent.values[0] for sent in self.courier.sent}, {0, 1})
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 120.0)
        self.assertEqual(self.counts(), (5, 5, 0, 0))
        accepted = [sent.values[0] for sent in self.courier.sent[-5:]]
        self.assertEqual(accepted, [0, 1, 2, 3, 4])

    def test_lost(self) -> None:
        """
        When the answer for the one that is tried is lost, that is sent again until it is answered: it may
        have been taken, and nothing of its device may come behind it that was read before.
        """
        self.courier.answers = lambda sent: 500 if sent.values == [0] else None
        self.put(*(reading(n) for n in range(3)))
        pass_time(self.clock, 3700.0)
        self.assertEqual(self.courier.sent[-1].values, [1])
        for _ in range(3):
            before = len(self.courier.sent)
            self.courier.sent[-1].lose()
            pass_time(self.clock, 60.0)
            self.assertEqual([each.values for each in self.courier.sent[before:]], [[1]])
        self.courier.sent[-1].answer(500)
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 120.0)
        self.assertEqual([each.values for each in self.courier.sent[-3:]], [[0], [1], [2]])
        self.assertEqual(self.counts(), (3, 3, 0, 0))

    def test_fails_mostly(self) -> None:
        """
        An API that takes one in ten is asked more often before anything is concluded.
        """
        turns = iter(range(10**9))
        self.courier.answers = lambda _: 201 if next(turns) % 10 == 0 else 503
        for cycle in range(30):
            self.put(*(reading(100 * cycle + n) for n in range(3)))
            pass_time(self.clock, 1800.0)
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 600.0)
        self.assertEqual(self.counts(), (90, 90, 0, 0))


class FailingBatchTests(SenderCase):
    delivery = Delivery(batch=8, concurrency=2, attempts=4)

    def test_cut(self) -> None:
        """
        A batch on which the API fails is cut until the reading is found, even where it has all devices;
        not within the first hour, in which it keeps its members.
        """
        self.courier.answers = lambda sent: 500 if 3 in sent.values else 201
        self.put(*(reading(n, n % 4) for n in range(8)))
        pass_time(self.clock, 3500.0)
        self.assertEqual({each.body for each in self.courier.sent}, {self.courier.sent[0].body})
        for n in range(100, 130):
            pass_time(self.clock, 300.0)
            self.put(*(reading(n, device) for device in range(4)))
        self.assertEqual(self.counts(), (128, 127, 1, 0))

    def test_one_device(self) -> None:
        """
        Where all are of one device it is found too, and the others come in their order.
        """
        self.courier.answers = lambda sent: 500 if 3 in sent.values else 201
        self.put(*(reading(n) for n in range(12)))
        pass_time(self.clock, 3 * 3600.0)
        self.assertEqual(self.counts(), (12, 11, 1, 0))
        values = [value for each in self.courier.sent if 3 not in each.values for value in each.values]
        self.assertEqual(values, [n for n in range(12) if n != 3])

    def test_lost_then_refused(self) -> None:
        """
        Of a batch whose answer was lost, and that is refused with all others afterwards, nothing is given up.
        """
        self.put(*(reading(n) for n in range(2)))
        self.courier.sent[0].lose()
        self.courier.answers = lambda _: 422
        pass_time(self.clock, 200.0)
        self.assertEqual(self.sink.status().state, "holding")
        self.courier.answers = lambda _: 201
        pass_time(self.clock, 700.0)
        self.assertEqual(self.counts(), (2, 2, 0, 0))

    def test_members(self) -> None:
        """
        In whichever batch a reading is sent, after a lost answer too, its name is the same.
        """
        self.courier.answers = lambda _: None
        self.put(*(reading(n) for n in range(4)))
        self.courier.sent[0].lose()
        self.courier.answers = lambda sent: 422 if 2 in sent.values else 201
        pass_time(self.clock, 10.0)
        self.put(*(reading(n) for n in range(4, 8)))
        self.assertEqual(self.counts(), (8, 7, 1, 0))
        names: dict[float, set[str]] = {}
        for each in self.courier.sent:
            self.assertTrue(each.members.startswith(f"{self.spool.name}; "))
            runs = [run.partition("-") for run in each.members.partition("; ")[2].split(",")]
            numbers = [n for first, _, last in runs for n in range(int(first), int(last or first) + 1)]
            for number, value in zip(numbers, each.values, strict=True):
                names.setdefault(value, set()).add(f"{number}")
        self.assertEqual(names, {value: {f"{value + 1}"} for value in range(8)})
        self.assertEqual(START, self.wall() - self.clock.seconds())
