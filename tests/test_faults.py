"""Rules of faults: which requests they befall, and what becomes of the answers."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.rtu import encode
from lumina.simulator.faults import Babble, Echo, Effect, Fault, Faults, Rule, When

#: What is asked where nothing else is said, and its answer.
ASKED = b"\x03\x00\x00\x00\x02"
ANSWER = b"\x03\x04\x00\x2a\x00\x2b"
FRAME = encode(1, ANSWER)


class FaultsCase(SynchronousTestCase):
    """Faults of a line under a clock, one of which is usually asked about."""

    def setUp(self) -> None:
        self.clock = Clock()

    def faults(self, *rules: Rule) -> Faults:
        return Faults(rules, self.clock.seconds)

    def sent(self, *effects: Effect, answer: bytes = ANSWER) -> list[tuple[float, bytes]]:
        """What is sent for an answer of unit 1 that the effects befall, one in place of the other."""
        return list(self.faults(*(Fault(When(), one) for one in effects)).meet(1, ASKED).pieces(1, answer))


class WhenTests(FaultsCase):
    def befallen(self, when: When, requests: Sequence[tuple[int, bytes]], seed: int = 1) -> list[int]:
        """The places of the requests that a fault befalls."""
        faults = self.faults(Fault(when, Effect(lost="request"), seed))
        return [place for place, asked in enumerate(requests) if faults.meet(*asked).deaf]

    def test_unit_and_function(self) -> None:
        """
        A rule that names units and functions spares all others; one that names none spares nobody.
        """
        asked = [(1, ASKED), (2, ASKED), (2, b"\x04\x00\x00\x00\x01"), (3, ASKED)]
        self.assertEqual(self.befallen(When(), asked), [0, 1, 2, 3])
        self.assertEqual(self.befallen(When(units=frozenset({2, 3})), asked), [1, 2, 3])
        self.assertEqual(self.befallen(When(units=frozenset({2}), functions=frozenset({4})), asked), [2])

    def test_addresses(self) -> None:
        """
        A rule for a range of addresses befalls every request that touches it, and no other.
        """
        touching = (
            "03 0008 0003",
            "01 000C 0001",
            "10 0009 0002 04 0001 0002",
            "06 000A 0000",
            "05 000C FF00",
            "16 000B FFFF 0000",
            "17 0000 0001 000A 0001 02 0007",
            "17 000A 0001 0000 0001 02 0007",
            "18 000A",
        )
        missing = (
            "03 0008 0002",
            "04 000D 0001",
            "06 0009 000A",
            "17 0000 000A 000D 0001 02 0007",
            "2B 0E 01 0A",
        )
        for text in (*touching, *missing):
            asked = [(1, bytes.fromhex(text))]
            found = bool(self.befallen(When(addresses=(10, 12)), asked))
            self.assertEqual(found, text in touching, text)

    def test_nth(self) -> None:
        """
        Requests can be spared at first, befallen at intervals, and no more than so many.
        """
        asked = [(1, ASKED)] * 10
        for when, due in (
            (When(every=3), [2, 5, 8]),
            (When(times=2), [0, 1]),
            (When(skip=8), [8, 9]),
            (When(skip=3, times=1), [3]),
            (When(skip=1, every=2, times=3), [2, 4, 6]),
        ):
            self.assertEqual(self.befallen(when, asked), due, when)

    def test_only_what_fits_is_counted(self) -> None:
        """
        "Every second request to unit 2" does not count those to other units.
        """
        asked = [(unit, ASKED) for unit in (2, 1, 1, 2, 1, 2, 2)]
        self.assertEqual(self.befallen(When(units=frozenset({2}), every=2), asked), [3, 6])

    def test_time(self) -> None:
        """
        A rule holds from one second on, and not from the other on.
        """
        faults = self.faults(Fault(When(after=2, until=4), Effect(lost="request")))
        found = []
        for _ in range(6):
            found.append(faults.meet(1, ASKED).deaf)
            self.clock.advance(1)
        self.assertEqual(found, [False, False, True, True, False, False])

    def test_chance(self) -> None:
        """
        Chance befalls about its share, always the same requests with the same seed, others with another.
        """
        asked = [(1, ASKED)] * 1000
        first = self.befallen(When(chance=0.3), asked)
        self.assertEqual(first, self.befallen(When(chance=0.3), asked))
        self.assertNotEqual(first, self.befallen(When(chance=0.3), asked, seed=2))
        self.assertTrue(250 < len(first) < 350, len(first))
        self.assertEqual(self.befallen(When(chance=0.0), asked), [])

    def test_first_rule_decides(self) -> None:
        """
        Of two rules that fit the first decides; the second counts the request all the same.
        """
        faults = self.faults(
            Fault(When(times=1), Effect(exception=6)), Fault(When(every=2), Effect(exception=4))
        )
        self.assertEqual([faults.meet(1, ASKED).exception for _ in range(4)], [6, 4, None, 4])


class EffectTests(FaultsCase):
    def test_none(self) -> None:
        """
        Without a rule that fits, an answer is sent as it is, at once.
        """
        self.assertEqual(self.sent(), [(0.0, FRAME)])

    def test_lost(self) -> None:
        """
        A reply can be lost after the deed, and a request before it.
        """
        fate = self.faults(Fault(When(), Effect(lost="reply"))).meet(1, ASKED)
        self.assertEqual((fate.deaf, fate.pieces(1, ANSWER)), (False, []))
        self.assertTrue(self.faults(Fault(When(), Effect(lost="request"))).meet(1, ASKED).deaf)

    def test_delay(self) -> None:
        """
        A delay is a number of seconds, or drawn between two.
        """
        self.assertEqual(self.sent(Effect(delay=(0.5, 0.5))), [(0.5, FRAME)])
        ((pause, _),) = self.sent(Effect(delay=(0.2, 0.4)))
        self.assertTrue(0.2 <= pause <= 0.4)

    def test_again(self) -> None:
        """
        An answer can come twice.
        """
        self.assertEqual(self.sent(Effect(again=(0.1, 0.1))), [(0.0, FRAME), (0.1, FRAME)])

    def test_another_answer(self) -> None:
        """
        Answers can come from another unit, under another function, with another count, all with a sound CRC.
        """
        for effect, pdu, due in (
            (Effect(as_unit=9), ANSWER, encode(9, ANSWER)),
            (Effect(as_function=4), ANSWER, encode(1, b"\x04" + ANSWER[1:])),
            (Effect(as_function=4), b"\x83\x02", encode(1, b"\x84\x02")),
            (Effect(count=1), ANSWER, encode(1, b"\x03\x02\x00\x2a")),
            (Effect(count=3), ANSWER, encode(1, b"\x03\x06\x00\x2a\x00\x2b\x00\x00")),
            (Effect(count=9), b"\x01\x01\xff", encode(1, b"\x01\x02\xff\x00")),
            (Effect(count=7), b"\x10\x00\x01\x00\x02", encode(1, b"\x10\x00\x01\x00\x07")),
            (Effect(count=7), b"\x06\x00\x01\x00\x02", encode(1, b"\x06\x00\x01\x00\x02")),
        ):
            self.assertEqual(self.sent(effect, answer=pdu), [(0.0, due)], effect)

    def test_damage(self) -> None:
        """
        Answers can be damaged: their CRC, their end, bytes around and amidst them.
        """
        for effect, due in (
            (Effect(bad_crc=True), FRAME[:-1] + bytes((FRAME[-1] ^ 0xFF,))),
            (Effect(cut=3), FRAME[:-3]),
            (Effect(noise_before=b"\xff\x00"), b"\xff\x00" + FRAME),
            (Effect(noise_after=b"\xff"), FRAME + b"\xff"),
            (Effect(noise_inside=b"\xff"), FRAME[:4] + b"\xff" + FRAME[4:]),
        ):
            self.assertEqual(self.sent(effect), [(0.0, due)], effect)
        self.assertEqual(self.sent(Effect(cut=99)), [])

    def test_drawn_noise(self) -> None:
        """
        Noise can be drawn: as many bytes as wanted, the same ones with the same seed.
        """
        ((_, first),) = self.sent(Effect(noise_before=5))
        self.assertEqual((len(first), first[5:]), (5 + len(FRAME), FRAME))
        self.assertEqual(self.sent(Effect(noise_before=5)), [(0.0, first)])

    def test_pieces(self) -> None:
        """
        An answer can come in pieces of given sizes, with pauses between them.
        """
        self.assertEqual(
            self.sent(Effect(pieces=(1, 3), pause=(0.01, 0.01), delay=(1, 1))),
            [(1.0, FRAME[:1]), (0.01, FRAME[1:4]), (0.01, FRAME[4:5]), (0.01, FRAME[5:8]), (0.01, FRAME[8:])],
        )

    def test_stale(self) -> None:
        """
        A stale answer is the one before, of the same unit and function; the first of all is as it should be.
        """
        rules = Fault(When(skip=3), Effect(stale="reply")), Fault(When(skip=2), Effect(stale="exception"))
        faults = self.faults(*rules)
        answers = [b"\x83\x02", b"\x03\x02\x00\x01", b"\x03\x02\x00\x02", b"\x03\x02\x00\x03"]
        sent = [faults.meet(1, ASKED).pieces(1, answer) for answer in answers]
        self.assertEqual(sent[2], [(0.0, encode(1, answers[0]))])
        self.assertEqual(sent[3], [(0.0, encode(1, answers[2]))])
        self.assertEqual(faults.meet(2, ASKED).pieces(2, ANSWER), [(0.0, encode(2, ANSWER))])

    def test_both_at_once(self) -> None:
        """
        The effects of one rule combine.
        """
        sent = self.sent(Effect(as_unit=2, bad_crc=True, noise_before=b"\x00", delay=(1, 1)))
        wrong = encode(2, ANSWER)
        self.assertEqual(sent, [(1.0, b"\x00" + wrong[:-1] + bytes((wrong[-1] ^ 0xFF,)))])

    @given(
        st.builds(
            Effect,
            delay=st.just((0.0, 1.0)),
            count=st.none() | st.integers(0, 125),
            as_unit=st.none() | st.integers(0, 255),
            cut=st.integers(0, 300),
            noise_inside=st.integers(0, 20) | st.binary(max_size=9),
            pieces=st.lists(st.integers(1, 9), max_size=3).map(tuple),
            pause=st.just((0.01, 0.02)),
            stale=st.sampled_from(("", "reply", "exception")),
        ),
        st.binary(min_size=1, max_size=253),
    )
    def test_same_again(self, effect: Effect, answer: bytes) -> None:
        """
        Whatever the rule and the answer, it raises nothing, and is the same in each run.
        """

        def run() -> list[Sequence[tuple[float, bytes]]]:
            faults = Faults([Fault(When(chance=0.7), effect)], Clock().seconds)
            return [faults.meet(1, ASKED).pieces(1, answer) for _ in range(4)]

        self.assertEqual(run(), run())


class LineFaultTests(FaultsCase):
    def test_echo(self) -> None:
        """
        A line echoes from one second on, and not from the other on.
        """
        faults = self.faults(Echo(after=1, until=2))
        echoes = []
        for _ in range(3):
            echoes.append(faults.echoes)
            self.clock.advance(1)
        self.assertEqual(echoes, [False, True, False])

    def test_babble(self) -> None:
        """
        A line babbles at its pace, from one second until the other, and then is quiet.
        """
        faults = self.faults(Babble(b"\x55", pace=0.5, after=1, until=2.4))
        heard = []
        while following := faults.babble():
            self.clock.advance(following[0])
            heard.append((round(self.clock.seconds(), 6), following[1]))
        self.assertEqual(heard, [(1.0, b"\x55"), (1.5, b"\x55"), (2.0, b"\x55")])

    def test_two_babblers(self) -> None:
        """
        Two babble at once, each at its own pace.
        """
        faults = self.faults(Babble(b"a", 0.5, until=1.3), Babble(b"b", 0.7, until=1.3))
        heard = b""
        while following := faults.babble():
            self.clock.advance(following[0])
            heard += following[1]
        self.assertEqual(heard, b"aba")

    def test_away(self) -> None:
        """
        A line that goes away comes back when its time is over; what cannot be opened is tried less and less.
        """
        faults = self.faults()
        faults.leave(3)
        self.clock.advance(1)
        self.assertEqual(faults.pause(1), 2)
        self.clock.advance(2)
        self.assertEqual([faults.pause(failures) for failures in (1, 2, 3, 100)], [0.1, 0.2, 0.4, 5.0])
