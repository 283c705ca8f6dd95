"""Access rules in the configuration: what they declare, and what is said about wrong ones."""

from ipaddress import ip_network

from lumina.access import Rule
from lumina.config.load import loads
from tests.test_config import ConfigCase

HEAD = (
    "ports: {boiler: {endpoint: 'serial:/dev/ttyUSB0', names: [old]}}\n"
    "listen: {lan: {kind: text, endpoint: tcp:8888}}\n"
    "access:\n"
)


class RuleTests(ConfigCase):
    def rules(self, *entries: str) -> list[Rule]:
        return loads(HEAD + "".join(f"  - {entry}\n" for entry in entries), "f").rules

    def test_everything(self) -> None:
        """
        Each key becomes a condition; a bus is known by its key, and a rule by its line.
        """
        (rule,) = self.rules(
            "{allow: write, listener: lan, from: [10.0.0.0/24, fd00::/8], identity: pump, "
            "role: [Operator, ''], bus: [old, /dev/ttyUSB0], units: [1-3, 7], functions: [6, 15-16], "
            "table: holding, addresses: [100, 120], values: [0, 100]}"
        )
        self.assertEqual(
            rule,
            Rule(
                True,
                "write",
                listeners=frozenset({"lan"}),
                networks=(ip_network("10.0.0.0/24"), ip_network("fd00::/8")),
                identities=frozenset({"pump"}),
                roles=frozenset({"Operator", ""}),
                buses=frozenset({"boiler"}),
                units=((1, 3), (7, 7)),
                functions=frozenset({6, 15, 16}),
                tables=frozenset({"holding"}),
                addresses=(100, 120),
                values=(0, 100),
                number=1,
                line=4,
            ),
        )

    def test_buses(self) -> None:
        """
        A rule can name a port, a device or a simulator.
        """
        head = HEAD.replace(
            "listen:", "devices: {plc: {endpoint: 'tcp:h:502'}}\nsimulators: {s: {preset: meter}}\nlisten:"
        )
        (rule,) = loads(head + "  - {allow: all, bus: [boiler, plc, 'tcp:h:502', s]}\n", "f").rules
        self.assertEqual(rule.buses, {"boiler", "plc", "s"})

    def test_short(self) -> None:
        """
        A single number, or a span as text, is as good as a list.
        """
        rules = self.rules(
            "deny: all",
            "{allow: read, units: 4, addresses: 7, files: 1-9, functions: 20}",
            "{deny: read, units: 1-3}",
        )
        self.assertEqual(rules[0], Rule(False, "all", number=1, line=4))
        self.assertEqual((rules[1].units, rules[1].addresses, rules[1].files), (((4, 4),), (7, 7), (1, 9)))
        self.assertEqual((rules[2].number, rules[2].line, rules[2].units), (3, 6, ((1, 3),)))

    def test_none(self) -> None:
        """
        Without the section, or with an empty one, there are no rules.
        """
        self.assertEqual(loads(HEAD, "f").rules, [])
        self.assertEqual(loads(HEAD.replace("access:", "access: []"), "f").rules, [])


class ErrorTests(ConfigCase):
    def test_sentences(self) -> None:
        """
        Each mistake is named at its place, all of them at once.
        """
        entries = (
            "{}",
            "{allow: read, deny: all}",
            "{allow: reads}",
            "{allow: all, form: 10.0.0.0/8}",
            "{allow: all, from: 10.0.0.1/8}",
            "{allow: all, bus: boler}",
            "{allow: all, listener: text}",
            "{allow: all, units: 3-1}",
            "{allow: all, units: 256}",
            "{allow: all, functions: x}",
            "{allow: all, table: coils}",
            "{allow: all, addresses: [1, 2, 3]}",
            "{allow: all, addresses: [9, 2]}",
            "{allow: read, values: 1}",
            "{allow: all, table: coil, files: 1}",
            "{allow: all, role: []}",
            "{allow: all, units: []}",
            "{allow: all, functions: []}",
        )
        span = "it should be a number, or a first and a last, such as 1-5"
        sentences = (
            "4:5: access.0: it should say either allow or deny, and what: read, write or all",
            "5:5: access.1: it should say either allow or deny, and what: read, write or all",
            "6:13: access.2.allow: it should be one of read, write, all; got 'reads'",
            "7:18: access.3.form: unknown key 'form'; did you mean 'from'?",
            "8:24: access.4.from: '10.0.0.1/8' is neither the network 10.0.0.0/8 nor the address 10.0.0.1",
            "9:23: access.5.bus: no bus is called 'boler'; did you mean 'boiler'?",
            "10:28: access.6.listener: no listener is called 'text'; known: lan",
            "11:25: access.7.units: the first, 3, is above the last, 1",
            "12:25: access.8.units: 256 is not within 0 to 255",
            f"13:29: access.9.functions: {span}; got 'x'",
            "14:25: access.10.table: it should be one of coil, discrete, holding, input, file; got 'coils'",
            "15:29: access.11.addresses: it should be the first and the last: [100, 120]; got 3 numbers",
            "16:29: access.12.addresses: the first, 9, is above the last, 2",
            "17:5: access.13: values are of what is written; a rule about reading cannot have them",
            "18:5: access.14: files are in no other table than 'file'; here it is coil",
            "19:24: access.15.role: it should have at least 1 items; got 0",
            "20:25: access.16.units: it should have at least 1 items; got 0",
            "21:29: access.17.functions: it should have at least 1 items; got 0",
        )
        self.assertSays(
            HEAD + "".join(f"  - {entry}\n" for entry in entries), *(f"f:{each}" for each in sentences)
        )

    def test_not_a_list(self) -> None:
        """
        The rules are a list: their order counts.
        """
        self.assertSays(HEAD + "  allow: all\n", "f:3:1: access: it should be a list; got a mapping")
