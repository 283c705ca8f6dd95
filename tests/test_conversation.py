"""
The answer belongs to the question, whatever goes wrong on the line.

Random faults, clients, cancellations and unplugging, in virtual time, against
the real Port, Wire and Transaction. `tests.examples` says how to have
more of them. That each rule of the bus is needed for it, and its loss
noticed, is shown by `tests/system/test_broken_builds.py`.

Two replies that are the same in unit, function and shape cannot be told apart
by their bytes. So after a silence nothing of that function goes to the unit
until its late reply has come, or could only come after the linger; and what
came before a request is sent is never its reply. A unit that speaks without
being asked, in the form of the reply that is just awaited, is beyond what
serial Modbus can tell, and is not among the faults here.
"""

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from tests.conversation import Conversation, Scenario
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
    thoroughly,
)


class ConversationTests(SynchronousTestCase):
    """
    Always: no request is answered with what the unit did not say to it, no
    write goes out twice, every request has one answer in bounded time, and the
    bus is usable when the faults are over.
    """

    @thoroughly
    @given(ANY)
    def test_any_conversation(self, scenario: Scenario) -> None:
        """
        Whatever is asked, in whatever order, and whatever goes wrong.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(LATE)
    def test_late_replies(self, scenario: Scenario) -> None:
        """
        A reply that is late by anything up to the linger is never taken for the
        reply to another request.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(REPLUGGED)
    def test_replugged(self, scenario: Scenario) -> None:
        """
        A reply that comes when the port has been opened anew is not taken for another either.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(COPIES)
    def test_copies(self, scenario: Scenario) -> None:
        """
        A late reply that comes twice is not counted as the replies to two requests.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(AGAIN)
    def test_again(self, scenario: Scenario) -> None:
        """
        The replies of a unit that is known to send all of them once more, some
        time after, answer nobody else.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(ORDER)
    def test_order(self, scenario: Scenario) -> None:
        """
        What a client asks of a unit is sent in the order in which it asked.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(WRITES)
    def test_writes(self, scenario: Scenario) -> None:
        """
        A write that the unit has not confirmed is never reported as done,
        whether the line echoes, and whether that is known; and it is sent once.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(SHARING)
    def test_sharing(self, scenario: Scenario) -> None:
        """
        Reads on both sides of a write are not answered by one exchange.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(MEMORY)
    def test_memory(self, scenario: Scenario) -> None:
        """
        What is answered from memory is never older than a write that was asked before it.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(FOREIGN)
    def test_foreign_frames(self, scenario: Scenario) -> None:
        """
        What looks like the reply, and is that of another unit or to another
        request, or is damaged, is not taken for it.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(BROKEN)
    def test_still_speaking(self, scenario: Scenario) -> None:
        """
        Nothing is sent between the parts of a frame, whose ever it is.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(NOISE)
    def test_noise(self, scenario: Scenario) -> None:
        """
        Noise before, inside and after replies, and replies that break off, fool nobody.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(JAM)
    def test_jam(self, scenario: Scenario) -> None:
        """
        After noise without end the line is used again soon.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(INTERRUPTIONS)
    def test_interruptions(self, scenario: Scenario) -> None:
        """
        A port that is pulled out leaves nobody waiting, and is found again.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(REGRET)
    def test_regret(self, scenario: Scenario) -> None:
        """
        What was withdrawn, or has expired, is not sent.
        """
        Conversation(scenario).run()

    @thoroughly
    @given(DEAD)
    def test_dead_units(self, scenario: Scenario) -> None:
        """
        A unit that is silent for long and comes back is served again.
        """
        Conversation(scenario).run()
