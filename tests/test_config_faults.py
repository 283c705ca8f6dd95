"""Configuration: the faults of a simulated line."""

import math
import re
from dataclasses import fields
from pathlib import Path
from textwrap import indent

from lumina.config.faults import Fault as FaultSettings
from lumina.config.listeners import RTUSlave
from lumina.config.load import loads
from lumina.simulator.faults import Babble, Echo, Effect, Fault, Rule, When
from tests.test_config import EXAMPLE, ConfigCase

#: The rules begin in line 9, column 7.
RULES = """
simulators: {s: {preset: meter}}
listen:
  l:
    kind: rtu-slave
    bus: s
    endpoint: pty:/x
    faults:
"""
DOCUMENT = Path(__file__).parent.parent / "docs" / "faults.md"


class FaultsTests(ConfigCase):
    def rule(self, keys: str) -> Rule:
        """What one rule declares."""
        listener = loads(f"{RULES}      - {{{keys}}}\n", "f").listen["l"]
        assert isinstance(listener, RTUSlave)
        (fault,) = listener.faults
        return fault.rule

    def wrong(self, keys: str) -> str:
        """What is said about one rule, without where."""
        (error,) = self.errors(f"{RULES}      - {{{keys}}}\n")
        place, _, sentence = error.partition("faults.0")
        self.assertRegex(place, r"^f:9:\d+: listen\.l\.$")
        return sentence

    def test_none(self) -> None:
        """
        Nothing goes wrong on a line unless that is wanted.
        """
        listener = loads(RULES.rstrip() + " []\n", "f").listen["l"]
        assert isinstance(listener, RTUSlave)
        self.assertEqual(listener.faults, [])

    def test_which_requests(self) -> None:
        """
        A rule says which requests it befalls; what it does not say is no condition.
        """
        self.assertEqual(self.rule("bad_crc: true"), Fault(When(), Effect(bad_crc=True), 1))
        self.assertEqual(
            self.rule(
                "units: [1, 2], functions: [3], addresses: [0, 9], after: 1, until: 60.5, skip: 2, every: 3,"
                " times: 4, chance: 0.5, seed: 7, cut: 1"
            ),
            Fault(
                When(frozenset({1, 2}), frozenset({3}), (0, 9), 1.0, 60.5, 2, 3, 4, 0.5),
                Effect(cut=1),
                seed=7,
            ),
        )

    def test_what_goes_wrong(self) -> None:
        """
        Every effect can be configured: seconds as a number or from and to, noise as bytes or how many.
        """
        for keys, effect in (
            ("lost: reply", Effect(lost="reply")),
            ("exception: 6", Effect(exception=6)),
            ("delay: 1", Effect(delay=(1.0, 1.0))),
            ("delay: [0.5, 2]", Effect(delay=(0.5, 2.0))),
            ("stale: exception", Effect(stale="exception")),
            ("count: 0", Effect(count=0)),
            ("as_function: 4, as_unit: 0", Effect(as_function=4, as_unit=0)),
            ("noise_before: 3", Effect(noise_before=3)),
            ("noise_inside: 'FF 00'", Effect(noise_inside=b"\xff\x00")),
            ("noise_after: '55'", Effect(noise_after=b"\x55")),
            ("pieces: [1, 3], pause: 0.01", Effect(pieces=(1, 3), pause=(0.01, 0.01))),
            ("again: 0", Effect(again=(0.0, 0.0))),
            ("cut: 3, gone: 5", Effect(cut=3, gone=5.0)),
        ):
            self.assertEqual(self.rule(keys), Fault(When(), effect), keys)

    def test_of_the_line(self) -> None:
        """
        A line can echo and babble, for a time or for ever.
        """
        self.assertEqual(self.rule("echo: true"), Echo(0.0, math.inf))
        self.assertEqual(self.rule("echo: true, after: 5, until: 9"), Echo(5.0, 9.0))
        self.assertEqual(self.rule("babble: '55', pace: 0.5, seed: 3"), Babble(b"\x55", 0.5, seed=3))

    def test_sentences(self) -> None:
        """
        What is wrong with a rule is said with its value and its limit.
        """
        for keys, sentence in (
            ("delay: -1", ".delay: -1 is not within 0 to 86400 seconds"),
            ("delay: [2, 1]", ".delay: the least, 2, is above the most, 1"),
            (
                "delay: soon",
                ".delay: it should be a number of seconds, or the least and the most: [0.1, 0.5]",
            ),
            ("noise_after: FG", ".noise_after: 'FG' is not hexadecimal: two digits for each byte"),
            ("noise_after: 0", ".noise_after: 0 bytes of noise are not within 1 to 256"),
            (
                "noise_after: [1]",
                '.noise_after: it should be how many bytes to draw, or the bytes in quotes: "FF 00"',
            ),
            ("addresses: [9, 2], cut: 1", ".addresses: the first, 9, is above the last, 2"),
            ("units: [0], cut: 1", ".units.0: 0 is below the limit of 1"),
            ("chance: 1.5, cut: 1", ".chance: 1.5 is above the limit of 1"),
            ("cut: 1, after: 5, until: 5", ": until 5 s is not later than after 5 s"),
            ("cut: 1, pause: 1", ": pause means nothing without pieces"),
            ("cut: 1, pace: 1", ": pace means nothing without babble"),
            ("echo: true, units: [1]", ": echo is of the whole line; units cannot be said with it"),
            (
                "babble: 1, cut: 1, lost: reply",
                ": babble is of the whole line; cut, lost cannot be said with it",
            ),
            ("cutt: 1, cut: 1", ".cutt: unknown key 'cutt'; did you mean 'cut'?"),
            ("lost: both", ".lost: it should be one of request, reply; got 'both'"),
        ):
            self.assertEqual(self.wrong(keys), sentence, keys)

    def test_nothing_wrong(self) -> None:
        """
        A rule by which nothing goes wrong is a mistake, and all that could go wrong is named.
        """
        for keys in ("units: [1]", "bad_crc: false", "echo: false"):
            sentence = self.wrong(keys)
            for field in fields(Effect):
                self.assertIn(field.name, sentence, keys)

    def test_example(self) -> None:
        """
        The example that comes with lumina has rules that are right.
        """
        text = re.sub(r"^( *)#(?! \S)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
        listener = loads(text, str(EXAMPLE)).listen["line1"]
        assert isinstance(listener, RTUSlave)
        kinds = [type(fault.rule).__name__ for fault in listener.faults]
        self.assertEqual((kinds[0], kinds[-2:]), ("Fault", ["Echo", "Babble"]))

    def test_documented(self) -> None:
        """
        Every key has a line in the documentation, whose examples are right.
        """
        text = DOCUMENT.read_text()
        for key in FaultSettings.model_fields:
            self.assertRegex(text, rf"(?m)^\| `{key}`", key)
        examples = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
        self.assertGreater(len(examples), 1)
        for example in examples:
            loads(RULES + indent(example, 6 * " ") if example.startswith("- ") else example, "f")
