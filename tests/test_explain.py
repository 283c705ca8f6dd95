"""`lumina check-config --access` and `--explain`: the rules as they count, and what would happen by them."""

from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.main import main

CONFIG = """
ports:
  boiler: {endpoint: serial:/dev/ttyUSB0, names: [old]}
simulators: {plant: {preset: meter}}
listen:
  here: {kind: text, endpoint: tcp:8888}
  lan: {kind: modbus-tcp, endpoint: 'tcp6:5020:interface=\\:\\:', routes: {default: boiler, 201: plant/1}}
"""

RULES = """
access:
  - {allow: write, from: [10.0.0.0/24, fd00::/8], bus: old, units: [1-3, 9], table: holding, LAST}
  - {deny: write, bus: boiler, units: 7}
  - {allow: write, listener: lan, role: [Operator, ""], identity: panel, functions: [5, 15-16], files: [1, 4]}
  - allow: read
""".replace("LAST", "addresses: [100, 120], values: [5, 100]")

FIRST, NONE = "allowed: access rule 1 (line 10) allows it", "denied: no access rule allows it"


class CommandCase(SynchronousTestCase):
    """`lumina check-config` on a file."""

    def check(self, text: str, *options: str) -> Result:
        path = self.mktemp()
        Path(path).write_text(text)
        self.path = path
        return CliRunner().invoke(main, ["check-config", path, *options])

    def explain(self, sentence: str, rules: str = RULES) -> list[str]:
        """What is said about a question."""
        result = self.check(CONFIG + rules, "--explain", sentence)
        self.assertEqual((result.exit_code, result.stderr), (0, ""))
        return result.stdout.splitlines()

    def complaint(self, sentence: str) -> str:
        """What is said about a question that is not understood."""
        result = self.check(CONFIG + RULES, "--explain", sentence)
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        return result.stderr.rstrip("\n")


class TableTests(CommandCase):
    def test_rules(self) -> None:
        """
        Each listener has a table of the rules that count there, and what is so at its end.
        """
        result = self.check(CONFIG + RULES, "--access")
        self.assertEqual(result.exit_code, 0)
        self.assertEqual(
            [" ".join(line.split()) for line in result.stdout.splitlines()],
            [
                "listener here: text on tcp:8888:interface=127.0.0.1",
                "rule line does who bus units functions table addresses values",
                "1 10 allow write from 10.0.0.0/24, fd00::/8 boiler 1-3,9 all holding 100-120 5-100",
                "2 11 deny write everybody boiler 7 all all all all",
                "4 13 allow read everybody all all all all all all",
                "- - deny all what no rule allows",
                "listener lan: modbus-tcp on tcp6:5020:interface=\\:\\:",
                "rule line does who bus units functions table addresses values",
                "1 10 allow write from 10.0.0.0/24, fd00::/8 boiler 1-3,9 all holding 100-120 5-100",
                "2 11 deny write everybody boiler 7 all all all all",
                "3 12 allow write named panel, in role null, 'Operator' all all 5,15-16 files 1-4 all all",
                "4 13 allow read everybody all all all all all all",
                "- - deny all what no rule allows",
            ],
        )

    def test_defaults(self) -> None:
        """
        Without rules the table says what is so by default.
        """
        result = self.check(CONFIG, "--access")
        self.assertEqual(
            [" ".join(line.split()) for line in result.stdout.splitlines()],
            [
                "listener here: text on tcp:8888:interface=127.0.0.1",
                "rule line does who bus units functions table addresses values",
                "- - allow all there are no access rules all all all all all all",
                "listener lan: modbus-tcp on tcp6:5020:interface=\\:\\:",
                "rule line does who bus units functions table addresses values",
                "- - deny write listener lan is read-only all all all all all all",
                "- - allow all there are no access rules all all all all all all",
            ],
        )

    def test_summary(self) -> None:
        """
        Without options, each listener says by what it is decided who may do what.
        """
        result = self.check(CONFIG + RULES.replace("  - allow: read\n", ""))
        self.assertIn(
            "listener here: text on tcp:8888:interface=127.0.0.1, by 3 access rules\n", result.stdout
        )
        result = self.check(CONFIG.replace("tcp:8888", "tcp:8888, read_only: true") + RULES)
        self.assertIn("interface=127.0.0.1, read-only, by 4 access rules\n", result.stdout)

    def test_rules_that_never_decide(self) -> None:
        """
        A rule behind one that covers all that it is about gets a warning, and no other does.
        """
        rules = (
            "{allow: read, from: 10.0.0.0/8}",  # 1
            "{allow: read, from: 10.1.0.0/16, units: 3}",  # 2: never
            "{allow: all, from: 10.1.0.0/16}",
            "{allow: write, functions: [6, 65], bus: boiler}",
            "{allow: write, functions: 6, bus: [boiler]}",  # 5: never
            "{allow: all, addresses: [0, 100]}",
            "{deny: write, addresses: [0, 10]}",
            "{allow: write, addresses: [5, 10], values: 1}",  # 8: never
            "{deny: all}",
            "{allow: all, functions: 66}",  # 10: never
        )
        result = self.check(CONFIG + "access:\n" + "".join(f"  - {rule}\n" for rule in rules))
        self.assertEqual(result.exit_code, 0)
        self.assertEqual(
            [line.removeprefix(f"{self.path}: ") for line in result.stderr.splitlines()],
            [
                f"access rule {later} (line {later + 8}) never decides: "
                f"access rule {earlier} (line {earlier + 8}) covers all that it is about"
                for later, earlier in ((2, 1), (5, 4), (8, 6), (10, 9))
            ],
        )


class ExplainTests(CommandCase):
    def test_the_documented_one(self) -> None:
        """
        The sentence of the documentation: each listener answers, for each value where it depends on it.
        """
        self.assertEqual(
            self.explain("10.0.0.5 write holding 100 on boiler unit 3"),
            [
                "10.0.0.5: writing holding 100 of unit 3 with function 06 on boiler",
                "here: cannot be asked from 10.0.0.5; only programs on this machine reach it",
                "lan: denied for 0 to 4: no access rule allows it",
                "lan: allowed for 5 to 100: access rule 1 (line 10) allows it",
                "lan: denied for 101 to 65535: no access rule allows it",
            ],
        )

    def test_where_nobody_comes_from(self) -> None:
        """
        Nobody comes through a UNIX socket from an address, nor to one of IPv4 from one of IPv6.
        """
        for endpoint, host, why in (
            ("unix:/run/lumina", "127.0.0.1", "who asks there comes from no address"),
            ("tcp:8888", "::1", "it listens on 127.0.0.1"),
            ("tcp6:8888", "127.0.0.1", "it listens on ::1"),
            ("tcp:8888:interface=0.0.0.0", "fd00::1", "it listens on 0.0.0.0"),
        ):
            text = (CONFIG + RULES).replace("tcp:8888}", f"'{endpoint}'}}")
            result = self.check(text, "--explain", f"{host} read holding 0 on boiler unit 3 via here")
            self.assertEqual(
                result.stdout.splitlines()[1:], [f"here: cannot be asked from {host}; {why}"], result.stderr
            )

    def test_no_route(self) -> None:
        """
        Where no route leads to a unit, no rule lets anybody ask it.
        """
        self.assertEqual(
            self.explain("read holding 0 on plant unit 2 via lan")[1:],
            ["lan: cannot be asked; no route leads to unit 2 of plant"],
        )
        self.assertEqual(
            self.explain("write holding 0 = 1 on boiler broadcast via lan")[1:],
            ["lan: cannot be asked; no route leads to all units of boiler"],
        )

    def test_a_value(self) -> None:
        """
        With a value, or several, there is one answer.
        """
        for sentence, what, verdict in (
            (
                "write holding 100=5",
                "writing holding 100 = 5 of unit 3 with function 06",
                FIRST,
            ),
            (
                "write holding 100-101 = 5",
                "writing holding 100 to 101 = 5 of unit 3 with function 16 (10h)",
                FIRST,
            ),
            (
                "write holding 119 = 5,6,7",
                "writing holding 119 to 121 = 5 to 7 of unit 3 with function 16 (10h)",
                "denied: no access rule allows it",
            ),
            (
                "write coil 1 = 1",
                "writing coil 1 = 1 of unit 3 with function 05",
                "denied: no access rule allows it",
            ),
        ):
            self.assertEqual(
                self.explain(f"fd00::7 {sentence} on old unit 3 via lan"),
                [f"fd00::7: {what} on boiler", f"lan: {verdict}"],
            )

    def test_who(self) -> None:
        """
        A role and a name of a certificate can be said.
        """
        ask = "write file 2 0-9 = 1 on plant unit 1 via lan"
        self.assertEqual(
            self.explain(f"{ask} as Operator named panel", RULES.replace("15-16", "15-21")),
            [
                "somebody named 'panel' as 'Operator': "
                "writing file 2 record 0 to 9 = 1 of unit 1 with function 21 (15h) on plant",
                "lan: allowed: access rule 3 (line 12) allows it",
            ],
        )
        lines = self.explain(f'{ask} as ""')
        self.assertEqual(lines[0].partition(":")[0], "somebody in the null role")
        self.assertEqual(lines[1], "lan: denied: no access rule allows it")

    def test_functions(self) -> None:
        """
        Functions can be asked for by their number, those that nobody knows too.
        """
        for what, verdict in (
            ("function 3 holding 0-9", "allowed: access rule 4 (line 13) allows it"),
            ("function 17", "allowed: access rule 4 (line 13) allows it"),
            ("function 8", "denied: no access rule allows it"),
            ("function 65", "denied: an unknown function needs an access rule that names it"),
        ):
            self.assertEqual(self.explain(f"10.0.0.5 {what} on boiler unit 3 via lan")[1], f"lan: {verdict}")

    def test_broadcast(self) -> None:
        """
        A broadcast is denied by what denies one unit; a bus that carries none is named.
        """
        ask = "write holding 1 = 1 on boiler broadcast via here"
        self.assertEqual(self.explain(ask)[1], "here: denied: access rule 2 (line 11) forbids it")
        self.assertEqual(
            self.explain(ask, "access: [{allow: all}]")[1],
            "here: allowed: access rule 1 (line 8) allows it; "
            "but boiler carries no broadcasts, see its key broadcast",
        )

    def test_defaults(self) -> None:
        """
        Without rules the default is said.
        """
        self.assertEqual(
            self.explain("write coil 1 on boiler unit 1", ""),
            [
                "somebody: writing coil 1 of unit 1 with function 05 on boiler",
                "here: allowed: there are no access rules",
                "lan: denied: listener lan is read-only",
            ],
        )

    def test_complaints(self) -> None:
        """
        What is not understood is said in a sentence.
        """
        example = "10.0.0.5 write holding 100 = 5 on boiler unit 3 via lan as Operator"
        form = f"read, write or function, such as: {example}"
        for sentence, complaint in (
            ("", f"it does not say what is asked: {form}"),
            (
                "10.0.0.300 read coil 1",
                f"'10.0.0.300' is neither an IP address nor {form}",
            ),
            ("read coils 1 on boiler unit 1", "'coils' is no table; did you mean 'coil'?"),
            ("read coil on boiler unit 1", "'on' is no address, nor a first and a last, such as 100-120"),
            ("read coil 9-1 on boiler unit 1", "the first address, 9, is above the last, 1"),
            ("read coil 1 on boler unit 1", "no bus is called 'boler'; did you mean 'boiler'?"),
            ("read coil 1 on boiler", "it does not say to which unit: 'unit' and a number, or 'broadcast'"),
            ("read coil 1 unit 1", "it does not say on which bus: 'on' and its name"),
            ("read coil 1 on boiler unit 256", "unit '256' is not a number from 0 to 255"),
            ("read coil 1 on boiler unit 1 via lna", "no listener is called 'lna'; did you mean 'lan'?"),
            ("read coil 1 on boiler unit 1 vai lan", "'vai' is not understood here; did you mean 'via'?"),
            ("write input 1 on boiler unit 1", "nobody can write to the table 'input'"),
            ("write coil 1 = 2 on boiler unit 1", "a coil is 0 or 1"),
            (
                "write holding 1 = x on boiler unit 1",
                "'x' is no value from 0 to 65535, nor several with commas between them",
            ),
            ("write holding 1-3 = 1,2 on boiler unit 1", "1-3 are not as many as the 2 values"),
            ("read holding 0-200 on boiler unit 1", "count: 201 is not within 1 to 125"),
            ("read holding 65536 on boiler unit 1", "address: 65536 is not within 0 to 65535"),
            (
                "read coil 1 = 1 on boiler unit 1",
                "values are of what is written to coils, registers and files",
            ),
            (
                "function 23 on boiler unit 1",
                "function 23 does several things; ask about what it reads and what it writes",
            ),
            ("function 6 coil 1 on boiler unit 1", "function 6 is about the table 'holding', not 'coil'"),
            ('read coil 1 on boiler unit 1 as "x', "a quote is opened, and not closed"),
            ("read coil 1 on boiler unit", "after 'unit' there should be a number from 0 to 255"),
        ):
            self.assertEqual(self.complaint(sentence), complaint)

    def test_wrong_file(self) -> None:
        """
        A configuration that is wrong is said to be so, whatever is asked.
        """
        result = self.check("ports: {}\n", "--explain", "read coil 1 on boiler unit 1")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertIn("there is nothing to share", result.stderr)
