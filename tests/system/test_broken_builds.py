"""
The loss of any one rule of the bus is noticed.

Each row is a bus without one rule, the kind of trouble in which that shows,
and what the conversation must object to. The same trouble is none for the
whole bus. It is always the same trouble, so that this cannot fail by chance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from unittest import TestResult

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.port import Port
from lumina.frontends.text import TextConnection
from tests import broken, test_field_faults
from tests.broken import rebuilt, text_rebuilt
from tests.conversation import Conversation, Scenario, Wrong
from tests.scenarios import (
    AGAIN,
    ANY,
    BROKEN,
    COPIES,
    DEAD,
    FOREIGN,
    INTERRUPTIONS,
    JAM,
    LATE,
    MEMORY,
    NOISE,
    ORDER,
    REGRET,
    REPLUGGED,
    SHARING,
    WRITES,
)

Build = Callable[[Port], Port]

always_the_same = settings(
    derandomize=True,
    max_examples=100,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Row:
    """
    @ivar parts: those of the bus that break the rule.
    @ivar trouble: what it takes to notice.
    @ivar complaint: words of the objection.
    """

    parts: tuple[type, ...]
    trouble: SearchStrategy[Scenario]
    complaint: str


FALSE = "what the unit did not say to it"
SENT = "and sent all the same"
LOST = "never served again"

TROUBLES = (
    AGAIN,
    ANY,
    BROKEN,
    COPIES,
    DEAD,
    FOREIGN,
    INTERRUPTIONS,
    JAM,
    LATE,
    MEMORY,
    NOISE,
    ORDER,
    REGRET,
    REPLUGGED,
    SHARING,
    WRITES,
)

ROWS = {
    "the CRC fits": Row((broken.AnyCRC,), FOREIGN, FALSE),
    "the unit is the one asked": Row((broken.AnyUnit,), FOREIGN, FALSE),
    "the function is the one asked": Row((broken.AnyFunction,), FOREIGN, FALSE),
    "as many bytes as were asked": Row((broken.AnyCount,), FOREIGN, FALSE),
    "the address of the write": Row((broken.AnyAddress,), FOREIGN, FALSE),
    "two copies of a write behind an echo": Row((broken.OneCopy,), WRITES, FALSE),
    "an unknown echo is settled": Row((broken.TrustedEcho,), WRITES, FALSE),
    "stale input is discarded": Row((broken.StaleInput,), LATE, FALSE),
    "doubt": Row((broken.NoDoubt,), LATE, FALSE),
    "the whole linger": Row((broken.ShortLinger,), LATE, FALSE),
    "each attempt is owed a reply": Row((broken.OneDebt,), LATE, FALSE),
    "a lost port leaves doubt": Row((broken.NothingOwed,), REPLUGGED, FALSE),
    "a copy ends no doubt": Row((broken.Counted,), COPIES, FALSE),
    "copies are looked out for": Row((broken.NothingPrepared,), AGAIN, FALSE),
    "only a sound reply ends doubt": Row((broken.Paid,), LATE, FALSE),
    "writes are not repeated": Row((broken.RepeatedWrites,), WRITES, "a write was sent twice"),
    "withdrawn while its gap passes": Row((broken.Withdrawn,), REGRET, SENT),
    "withdrawn while it waits": Row((broken.Withdrawn, broken.QueuedForEver), REGRET, "cancelled, " + SENT),
    "expired while it waits": Row((broken.Withdrawn, broken.QueuedForEver), REGRET, "expired, " + SENT),
    "deadlines": Row((broken.NoDeadline,), INTERRUPTIONS, "its time passed"),
    "ended once": Row((broken.EndedTwice,), LATE, "ended twice"),
    "the gap": Row((broken.NoGap,), ANY, "sent without the gap"),
    "draining": Row((broken.NoDraining,), BROKEN, "sent into another's reply"),
    "turnaround": Row((broken.NoTurnaround,), SHARING, "busy with a broadcast"),
    "each at its own speed": Row((broken.OneSpeed,), INTERRUPTIONS, "sent at another speed"),
    "the order of a client": Row((broken.Disorder,), ORDER, "sent before what its client asked before"),
    "the barrier": Row((broken.NoBarrier,), SHARING, "for what was asked around a write"),
    "a write empties the memory": Row((broken.Unforgetting,), MEMORY, "from before a write"),
    "a write under way empties it": Row((broken.Unchanging,), MEMORY, "from before a write"),
    "a jam ends": Row((broken.Jammed,), JAM, LOST),
    "a jam ends soon": Row((broken.NoTrial,), JAM, "a quiet line is still refused"),
    "what is in flight when a port is lost": Row((broken.Unaware,), INTERRUPTIONS, "are not told"),
    "a lost port is found again": Row((broken.OneLife,), INTERRUPTIONS, LOST),
    "a suspended unit is tried": Row((broken.NeverProbed,), DEAD, LOST),
    "a probe that was withdrawn": Row((broken.LostProbe,), DEAD, LOST),
}

#: The one fault of the text front end, which is no part of the bus.
TEXT = "L21_every_line_is_answered"

#: Faults that the field taught, as `test_field_faults` has them, and what must not be missing for each.
FIELD: dict[str, tuple[type, ...]] = {
    "L1_exception_is_as_quick_as_a_reply": (broken.SlowExceptions,),
    "L2_frame_of_another_unit_is_no_reply": (broken.AnyUnit,),
    "L3_late_reply_to_one_client_is_not_another_clients": (broken.NoDoubt,),
    "L4_nobody_behind_an_echoing_adapter": (broken.OneCopy,),
    "L5_read_behind_an_echoing_adapter": (broken.NoEcho,),
    "L6_write_goes_out_once": (broken.RepeatedWrites,),
    "L7_queued_write_of_a_client_that_left": (broken.Withdrawn, broken.QueuedForEver),
    "L8_port_that_disappears": (broken.Silent,),
    "L9_every_function": (broken.KnownFunctions,),
    "L10_each_request_at_its_own_speed": (broken.OneSpeed,),
    "L11_echoed_write_is_not_confirmed": (broken.OneCopy,),
    "L12_exception_where_more_bytes_were_expected": (broken.SlowExceptions,),
    "L13_request_whose_time_runs_out_in_the_queue": (broken.NoDeadline,),
    "L14_wrong_length_and_broadcast": (broken.EndlessBroadcast,),
    "L15_late_reply_is_not_the_next_answer": (broken.NoDoubt,),
    "L16_pause_inside_a_frame": (broken.Impatient, broken.Strict),
    "L17_reply_of_another_shape": (broken.AnyCount,),
    "L18_echo_that_nobody_configured": (broken.TrustedEcho,),
}


def objection(trouble: SearchStrategy[Scenario], build: Build, complaint: str = "") -> str:
    """What the conversation objects to; objections that lack these words are passed over."""

    @always_the_same
    @given(trouble)
    def converse(scenario: Scenario) -> None:
        try:
            Conversation(scenario, build).run()
        except Wrong as wrong:
            if complaint in str(wrong):
                raise

    try:
        converse()
    except Wrong as wrong:
        return str(wrong)
    return ""


class BrokenBuildTests(SynchronousTestCase):
    def test_sound_build(self) -> None:
        """
        The whole bus gives no cause for complaint, in any of the kinds of trouble.
        """
        for trouble in TROUBLES:
            self.assertEqual(objection(trouble, rebuilt()), "")

    def test_what_is_replaced(self) -> None:
        """
        A broken part replaces what the sound one has, by the name that it has there.
        """
        for part in (part for part in vars(broken).values() if isinstance(part, type)):
            if part.__module__ != broken.__name__:
                continue
            sound = {name for base in part.__mro__[1:] for name in vars(base)}
            own = {name for name, value in vars(part).items() if callable(value)}
            self.assertEqual(own - sound, set(), part.__name__)

    def test_broken_builds(self) -> None:
        """
        Without any one rule somebody suffers, and it is noticed.
        """
        unnoticed = [
            rule
            for rule, row in ROWS.items()
            if not objection(row.trouble, rebuilt(*row.parts), row.complaint)
        ]
        self.assertEqual(unnoticed, [])

    def test_field_faults(self) -> None:
        """
        Each fault that the field taught comes back when its rule is missing.
        """
        for name, missing in FIELD.items():
            for parts, is_right in (((), True), (missing, False)):
                case = test_field_faults.MeasuredTests(f"test_{name}")
                case.build = rebuilt(*parts)
                result = TestResult()
                case.run(result)
                self.assertIs(result.wasSuccessful(), is_right, f"{name} {parts} {result.errors}")

    def test_every_line_is_answered(self) -> None:
        """
        L21 comes back with a text front end that passes over a malformed line,
        hangs up at a byte that is no UTF-8, or stumbles over an empty command.
        """
        for kind in (TextConnection, broken.Mute, broken.Utf8Only, broken.EmptyCommand):
            case = test_field_faults.MeasuredTests(f"test_{TEXT}")
            case.text_factory = text_rebuilt(kind)
            result = TestResult()
            case.run(result)
            self.assertIs(result.wasSuccessful(), kind is TextConnection, f"{kind} {result.errors}")

    def test_every_field_fault_has_its_rule(self) -> None:
        """
        None is left out; L21 is of the text protocol, and has its own test.
        """
        names = {
            name.removeprefix("test_")
            for name in vars(test_field_faults.MeasuredTests)
            if name.startswith("test_L")
        }
        self.assertEqual(names - {TEXT}, set(FIELD))
