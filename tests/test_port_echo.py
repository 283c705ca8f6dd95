"""A line that gives back what is sent, as whoever asks a port meets it."""

from lumina.errors import BadReply, NoReply, PortLost
from lumina.modbus.pdu import ReadHoldingRegisters
from lumina.modbus.rtu import encode
from lumina.testing import pass_time
from tests.test_port_rules import GOOD, READ, WRITE, RulesCase

QUESTION = ReadHoldingRegisters(0, 1)


class EchoTests(RulesCase):
    def test_learnt_from_a_read(self) -> None:
        """
        The first read tells whether the line echoes; until then nobody knows.
        """
        for copies, echo in ((1, True), (0, False)):
            self.setUp()
            self.port()
            self.assertIsNone(self.bus.status().echo)
            done = self.ask()
            self.receive(copies * encode(1, READ.encode()), encode(1, GOOD))
            self.successResultOf(done)
            self.assertIs(self.bus.status().echo, echo)

    def test_first_write(self) -> None:
        """
        One copy of a write may be its echo: a read to the same unit shows
        that it is not, and the write is confirmed. Later ones are at once.
        """
        self.port()
        done = self.ask(WRITE)
        self.sent(WRITE)
        self.answer(WRITE.encode())
        self.assertNoResult(done)
        pass_time(self.clock, 0.05)
        self.sent(QUESTION)
        self.answer(b"\x03\x02\x00\x07")
        self.assertEqual(self.successResultOf(done).pdu, WRITE.encode())
        self.assertIs(self.bus.status().echo, False)
        again = self.ask(WRITE)
        self.sent(WRITE)
        self.answer(WRITE.encode())
        self.successResultOf(again)
        pass_time(self.clock, 0.1)
        self.nothing_sent()

    def test_first_write_was_echoed(self) -> None:
        """
        When the read comes back too, the write has no confirmation.
        """
        self.port()
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.receive(encode(1, QUESTION.encode()), encode(1, b"\x03\x02\x00\x07"))
        sentence = str(self.failureResultOf(done, NoReply).value)
        self.assertRegex(sentence, r"did not reply within 0\.0\d+ s; outcome unknown")
        self.assertEqual([exchange.verdict for exchange in self.seen.exchanges], ["timeout", "ok"])
        self.assertIs(self.bus.status().echo, True)

    def test_silence_settles_it_too(self) -> None:
        """
        A unit that does not answer the read leaves the write confirmed: nothing has come back.
        """
        self.port()
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.5)
        self.successResultOf(done)
        self.assertIs(self.bus.status().echo, False)

    def test_noise_does_not_settle_it(self) -> None:
        """
        Where the answer to the read is noise, the write is not confirmed, and the next one asks again.
        """
        self.port()
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.receive(b"\xff\x00")
        pass_time(self.clock, 0.5)
        self.assertIn("could not be told", str(self.failureResultOf(done, BadReply).value))
        self.assertIsNone(self.bus.status().echo)

    def test_line_lost_while_settling(self) -> None:
        """
        A line that goes while the read is under way leaves the write unknown.
        """
        self.port()
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.line.unplug()
        self.assertIn("outcome unknown", str(self.failureResultOf(done, PortLost).value))
        self.assertIsNone(self.bus.status().echo)

    def test_late_confirmation_of_an_echoed_write(self) -> None:
        """
        The confirmation of a write that was found to be only echoed may still
        come: the same write asked again does not take it for its own.
        """
        self.port()
        first = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.receive(encode(1, QUESTION.encode()))
        pass_time(self.clock, 0.3)
        self.failureResultOf(first, NoReply)
        self.line.sent()
        self.ask(WRITE)
        self.nothing_sent()
        self.receive(encode(1, WRITE.encode()))
        pass_time(self.clock, 0.1)
        self.sent(WRITE)

    def test_broadcast(self) -> None:
        """
        The echo is all that can come of a broadcast: it is sent, and the echo is learnt.
        """
        self.port(broadcast=True)
        done = self.ask(WRITE, unit=0)
        self.receive(encode(0, WRITE.encode()))
        pass_time(self.clock, 0.2)
        self.assertEqual(self.successResultOf(done).pdu, b"")
        self.sent(WRITE, unit=0)
        self.assertIs(self.bus.status().echo, True)

    def test_vanishes_and_appears(self) -> None:
        """
        An echo that vanishes, or appears, is said once each time, and what is
        known then is what counts. One reply without its echo only puts it in doubt.
        """
        self.port()
        for copies, echo, vanished, appeared in (
            (1, True, 0, 0),
            (0, None, 0, 0),
            (0, False, 1, 0),
            (0, False, 1, 0),
            (1, True, 1, 1),
            (1, True, 1, 1),
        ):
            done = self.ask()
            self.receive(copies * encode(1, READ.encode()), encode(1, GOOD))
            self.successResultOf(done)
            self.assertIs(self.bus.status().echo, echo)
            found = self.logged("the echo has vanished"), self.logged("the echo has appeared")
            self.assertEqual(found, (vanished, appeared))
            self.assertEqual(self.bus.status().echo_changes, vanished + appeared)

    def test_reply_that_overtakes_the_echo(self) -> None:
        """
        A late reply that comes before the echo of the repeated read has not
        made it vanish: the echo of the next write does not confirm it.
        """
        self.port(retries=1)
        done = self.ask()
        self.receive(encode(1, READ.encode()), encode(1, GOOD))
        self.successResultOf(done)
        done = self.ask()
        self.receive(encode(1, READ.encode()))
        pass_time(self.clock, 0.24)
        self.line.receive(encode(1, GOOD))
        self.successResultOf(done)
        self.receive(encode(1, READ.encode()))
        pass_time(self.clock, 0.1)
        done = self.ask(WRITE)
        self.receive(encode(1, WRITE.encode()))
        pass_time(self.clock, 0.05)
        self.receive(encode(1, QUESTION.encode()))
        self.failureResultOf(self.lasting(done), NoReply)
        self.assertIs(self.bus.status().echo, True)
        self.assertEqual(self.bus.status().echo_changes, 0)

    def test_against_the_settings(self) -> None:
        """
        Where the settings say that there is none, an echo is said, and they stand.
        """
        self.port(echo=False)
        for _ in range(3):
            done = self.ask()
            self.receive(encode(1, READ.encode()), encode(1, GOOD))
            self.successResultOf(done)
        self.assertEqual(self.logged("has appeared, although its echo is set to false"), 1)
        self.assertIs(self.bus.status().echo, False)

    def test_first_write_and_its_second_copy(self) -> None:
        """
        Where the confirmation follows the echo of the first write, the write is confirmed.
        """
        self.port()
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.receive(encode(1, WRITE.encode()), encode(1, QUESTION.encode()), encode(1, b"\x03\x02\x00\x07"))
        self.assertEqual(self.successResultOf(done).pdu, WRITE.encode())
        self.assertIs(self.bus.status().echo, True)
        self.assertEqual([(each.verdict, each.late) for each in self.seen.exchanges], 2 * [("ok", ())])

    def test_vanishes_where_only_writes_are_asked(self) -> None:
        """
        Where an echo is known and one copy comes, it may be the reply: the
        next write settles it, and a relay that never gets reads is confirmed.
        """
        self.port()
        done = self.ask()
        self.receive(encode(1, READ.encode()), encode(1, GOOD))
        self.successResultOf(done)
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        self.failureResultOf(self.lasting(done), NoReply)
        pass_time(self.clock, 1)
        done = self.ask(WRITE)
        self.answer(WRITE.encode())
        pass_time(self.clock, 0.05)
        self.answer(b"\x03\x02\x00\x07")
        self.successResultOf(done)
        self.assertIs(self.bus.status().echo, False)
        self.assertEqual(self.logged("the echo has vanished"), 1)

    def test_stays_where_a_unit_is_silent(self) -> None:
        """
        Where an echo is known and a unit is silent, the echo alone confirms
        none of its writes, and has not vanished.
        """
        self.port(misses=0)
        done = self.ask()
        self.receive(encode(1, READ.encode()), encode(1, GOOD))
        self.successResultOf(done)
        for _ in range(4):
            done = self.ask(WRITE)
            self.answer(WRITE.encode())
            pass_time(self.clock, 0.05)
            if self.line.sent().endswith(encode(1, QUESTION.encode())):
                self.receive(encode(1, QUESTION.encode()))
            pass_time(self.clock, 1.5)
            self.failureResultOf(done, NoReply)
        self.assertEqual(self.bus.status().echo_changes, 0)

    def test_appears_where_only_writes_are_asked(self) -> None:
        """
        A second copy of a confirmed write is the sign of an echo that has
        appeared: from then on one copy is no confirmation.
        """
        for together in (True, False):
            self.setUp()
            self.port()
            done = self.ask()
            self.receive(encode(1, GOOD))
            self.successResultOf(done)
            self.ask(WRITE)
            copy = encode(1, WRITE.encode())
            if together:
                self.receive(copy, copy)
            else:
                self.receive(copy)
                self.receive(copy)
            pass_time(self.clock, 0.1)
            done = self.ask(WRITE)
            self.receive(copy)  # and now the unit is dead
            pass_time(self.clock, 0.05)
            self.receive(encode(1, QUESTION.encode()))
            pass_time(self.clock, 0.3)
            self.failureResultOf(done, NoReply)
            self.assertIs(self.bus.status().echo, True)
            self.assertTrue(self.logged("the echo has appeared"))

    def test_another_adapter(self) -> None:
        """
        After a line has been lost, whether it echoes is not known any more.
        """
        self.port()
        done = self.ask()
        self.receive(encode(1, GOOD))
        self.successResultOf(done)
        self.line.unplug()
        pass_time(self.clock, 0.3)
        done = self.ask(WRITE)
        self.receive(encode(1, WRITE.encode()))
        pass_time(self.clock, 0.05)
        self.receive(encode(1, QUESTION.encode()))
        pass_time(self.clock, 0.3)
        self.failureResultOf(done, NoReply)
