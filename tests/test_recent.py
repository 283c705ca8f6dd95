"""The short memory of reads."""

from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.recent import LIMIT, Recent
from lumina.modbus.pdu import ReadHoldingRegisters, Reply

READ = ReadHoldingRegisters(0, 1)


def reply(ended: float) -> Reply:
    return Reply(READ, b"\x03\x02\x00\x2a", ended - 0.02, ended)


class RecentTests(SynchronousTestCase):
    def test_young_enough(self) -> None:
        """
        A reply answers the same question until it is too old, and keeps the time of its own exchange.
        """
        recent = Recent(0.5)
        recent.put(1, "key", reply(10.0))
        known = recent.get(1, "key", 10.5)
        assert known is not None
        self.assertEqual((known.began, known.ended), (9.98, 10.0))
        self.assertIsNone(recent.get(1, "key", 10.501))

    def test_other_question(self) -> None:
        """
        Neither another unit nor another question is answered by it.
        """
        recent = Recent(0.5)
        recent.put(1, "key", reply(10.0))
        self.assertIsNone(recent.get(2, "key", 10.0))
        self.assertIsNone(recent.get(1, "other", 10.0))

    def test_latest_counts(self) -> None:
        """
        The latest reply is the one that is given.
        """
        recent = Recent(0.5)
        for ended in (10.0, 10.4):
            recent.put(1, "key", reply(ended))
        self.assertEqual(recent.get(1, "key", 10.8), reply(10.4))

    def test_off(self) -> None:
        """
        With no age allowed nothing is kept, not even for the same moment.
        """
        recent = Recent(0.0)
        recent.put(1, "key", reply(10.0))
        self.assertIsNone(recent.get(1, "key", 10.0))

    def test_forget_a_unit(self) -> None:
        """
        After a write to a unit all that it said is forgotten, and nothing of the others.
        """
        recent = Recent(0.5)
        for unit, key in ((1, "key"), (1, "other"), (2, "key")):
            recent.put(unit, key, reply(10.0))
        recent.forget(1)
        found = [recent.get(unit, key, 10.0) for unit, key in ((1, "key"), (1, "other"), (2, "key"))]
        self.assertEqual(found, [None, None, reply(10.0)])

    def test_forget_all(self) -> None:
        """
        After a broadcast nothing is known of any unit.
        """
        recent = Recent(0.5)
        for unit in (1, 2):
            recent.put(unit, "key", reply(10.0))
        recent.forget(0)
        self.assertEqual([recent.get(unit, "key", 10.0) for unit in (1, 2)], [None, None])

    def test_bounded(self) -> None:
        """
        However many questions there are, only so many replies are kept: those that came last.
        """
        recent = Recent(100.0)
        recent.put(1, 0, reply(10.0))
        for key in range(1, LIMIT):
            recent.put(1, key, reply(10.0))
        recent.put(1, 0, reply(11.0))
        recent.put(1, LIMIT, reply(11.0))
        kept = [key for key in range(LIMIT + 1) if recent.get(1, key, 11.0)]
        self.assertEqual((len(kept), kept[0], 1 in kept), (LIMIT, 0, False))
