"""What a refusal proves, of an API that keeps to what it says and of one that does not."""

import random
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from lumina.sinks.delivery import Delivery
from lumina.sinks.doubt import Doubt
from lumina.testing import pass_time
from tests.spools import Sent, reading
from tests.test_sender import SenderCase


class DoubtTests(SynchronousTestCase):
    def needed(self, accepted: int, mistaken: int) -> int:
        """Refusals that are needed after some readings were accepted, of them some at the second time."""
        doubt = Doubt(3)
        for number in range(accepted):
            doubt.accepted(1 if number < mistaken else 0)
        return doubt.needed

    def test_keeps_to_it(self) -> None:
        """
        Of an API that never changed its mind the least number of refusals is enough.
        """
        self.assertEqual([self.needed(accepted, 0) for accepted in (0, 1, 3000)], [3, 3, 3])

    def test_changes_its_mind(self) -> None:
        """
        The more often it does, the more refusals are needed: a mistake is to be one in a million.
        """
        self.assertEqual([self.needed(20, each) for each in (1, 2, 7, 20)], [6, 7, 11, 20])

    def test_no_end(self) -> None:
        """
        However often it does, there is an end.
        """
        doubt = Doubt(3)
        doubt.accepted(10**6)
        self.assertEqual(doubt.needed, 100)

    def test_is_forgotten(self) -> None:
        """
        An API that was mended is believed again.
        """
        doubt = Doubt(3)
        for _ in range(200):
            doubt.accepted(1)
        for _ in range(20_000):
            doubt.accepted(0)
        self.assertEqual((doubt.needed, doubt.is_founded), (3, False))


class ChanceTests(SenderCase):
    """An API that refuses some readings for good, and of all others now and then one at random."""

    delivery = Delivery(concurrency=4)

    def history(self, devices: int, chance: float, share: float) -> float:
        """
        Some thousand readings.

        @param chance: of any request to be refused, once the API has gone bad.
        @param share: of the readings that are refused always.
        @return: requests for each reading.
        """
        draw = random.Random(7)
        bad: set[float] = set()
        accepted: dict[int, list[float]] = {device: [] for device in range(devices)}
        asked: Counter[float] = Counter()

        def answer(sent: Sent) -> int:
            (value,) = sent.values
            asked[value] += 1
            if value in bad or draw.random() < chance * min(1.0, len(asked) / 200):
                return 422
            accepted[sent.documents[0]["device_id"]].append(value)
            return 201

        self.courier.answers = answer
        for cycle in range(31):
            if cycle < 30:
                bad |= {value for value in range(cycle * 100, cycle * 100 + 100) if draw.random() < share}
            self.put(
                *(reading(cycle * 100 + n, n % devices, parameter=f"{n // devices % 8}") for n in range(100))
            )
            pass_time(self.clock, 60.0)
        dead = {
            each.reading.value for each in self.successResultOf(self.spool.do(lambda store: store.dead()))
        }
        self.assertEqual((dead, self.counts()[3]), (bad, 0))
        for values in accepted.values():
            self.assertEqual(values, sorted(values))
        return sum(asked.values()) / len(asked)

    def test_at_random(self) -> None:
        """
        Where any request may be refused, whatever is in it, no reading is given up for that.
        """
        self.assertLess(self.history(1, 0.05, 0.0), 1.1)

    def test_often(self) -> None:
        """
        Nor is one where this has come to happen with each third.
        """
        self.assertLess(self.history(5, 0.3, 0.0), 1.55)

    def test_for_good(self) -> None:
        """
        Where some readings are refused always, each of them costs two requests more, and others none.
        """
        self.assertLess(self.history(5, 0.0, 0.05), 1.12)

    def test_both(self) -> None:
        """
        Where both are so at once, those are given up that are never taken, and no others.
        """
        self.assertLess(self.history(5, 0.05, 0.05), 1.35)
