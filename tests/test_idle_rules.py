"""Access rules that never decide: they are named with the reason, and no others are."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.access import Rule
from lumina.cli.idle import idle
from lumina.cli.rules import access_of, reached
from lumina.config.load import loads
from lumina.config.settings import Config
from lumina.interfaces import Asker
from lumina.modbus import pdu
from lumina.modbus.pdu import Request
from lumina.modbus.reach import TOUCHED, reaches
from tests.pdus import REQUESTS
from tests.pki import Authority

CONFIG = """
ports: {boiler: {endpoint: serial:/dev/ttyUSB0}}
simulators: {plant: {preset: meter}, spare: {preset: meter}}
listen:
  here: {kind: text, endpoint: tcp:8888}
  lan: {kind: modbus-tcp, endpoint: "tcp:5020:interface=0.0.0.0", routes: {1-31: boiler, 40: plant/1}}
  safe: {kind: modbus-tcp, endpoint: "mbaps:802:TLS:interface=0.0.0.0", routes: {default: plant}}
  look: {kind: text, read_only: true, endpoint: "tcp:8889:interface=0.0.0.0"}
  line: {kind: rtu-slave, endpoint: pty:/x, bus: boiler}
access:
"""

LAN = "no route of listener 'lan' leads to"

#: Rules that never decide, and why.
NEVER = (
    ("{allow: write, table: [input, discrete]}", "no function writes the table discrete,input"),
    ("{allow: read, functions: [6, 15-16]}", "functions 6,15-16 do not read"),
    ("{allow: all, functions: 3, table: coil}", "none of the functions 3 touches the table coil"),
    ("{allow: all, functions: [7, 17], addresses: 3}", "functions 7,17 have no addresses"),
    ("{allow: read, functions: 3, files: 1}", "none of the functions 3 reads files"),
    ("{allow: write, table: coil, values: [2, 9]}", "what it is about has never a value of 2-9"),
    (
        "{allow: write, functions: 65, table: coil}",
        "functions 65 are unknown, and are allowed by nothing but their number",
    ),
    ("{allow: all, listener: lan, units: 40-49}", f"{LAN} unit 40-49 of any bus"),
    ("{allow: all, listener: lan, bus: plant, units: 2}", f"{LAN} unit 2 of bus plant"),
    ("{deny: read, listener: lan, bus: spare}", f"{LAN} bus spare"),
    (
        "{allow: all, listener: [lan, here], role: Operator}",
        "no certificate is asked for by listeners 'here', 'lan'; mbaps: with clients= asks for one",
    ),
    (
        "{deny: all, listener: look, identity: panel}",
        "no certificate is asked for by listener 'look'; mbaps: with clients= asks for one",
    ),
    (
        "{allow: all, listener: [here, line], from: 10.0.0.0/8}",
        "from 10.0.0.0/8 nobody reaches listeners 'here', 'line'",
    ),
    ("{allow: write, listener: look}", "nobody writes through listener 'look', for read_only is true"),
)

#: Rules that do.
SOMETIMES = (
    "{allow: all, table: input}",
    "{deny: write, table: input}",  # unknown functions, which may do anything
    "{allow: write, functions: [6, 65], table: holding}",
    "{allow: all, functions: 3, values: 9}",
    "{allow: write, table: coil, values: [1, 9]}",
    "{allow: all, listener: lan, units: 30-49}",
    "{deny: all, listener: here, units: 200}",
    "{allow: all, role: Operator}",
    "{allow: all, listener: lan, role: [Operator, '']}",
    "{allow: read, listener: here, from: 127.0.0.1}",
    "{allow: all, listener: look}",
)


class IdleCase(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority()
        certificate, key = authority.issue("lumina", server=True).save(folder, "lumina")
        clients, _ = authority.save(folder, "clients")
        self.text = CONFIG.replace("TLS", f"certificate={certificate}:key={key}:clients={clients}")

    def config(self, *rules: str) -> Config:
        return loads(self.text + "".join(f"  - {rule}\n" for rule in rules), "f")


class SentenceTests(IdleCase):
    def test_never(self) -> None:
        """
        A rule that can never decide is named, and why it cannot.
        """
        for rule, why in NEVER:
            said = f"access rule 1 (line 11) never decides: {why}"
            self.assertEqual(list(idle(self.config(rule))), [said], rule)

    def test_sometimes(self) -> None:
        """
        One that decides, be it rarely, is not.
        """
        for rule in SOMETIMES:
            self.assertEqual(list(idle(self.config(rule))), [], rule)

    def test_touched(self) -> None:
        """
        What is known of the functions is what their requests touch.
        """
        self.assertEqual(TOUCHED.keys(), pdu.KINDS.keys())

    def test_unknown_functions(self) -> None:
        """
        A rule that allows all covers no unknown functions, which a rule that denies all touches.
        """
        for denied in ("{deny: write}", "{deny: all, table: input}", "{deny: all, functions: 65}"):
            self.assertEqual(list(idle(self.config("{allow: all}", denied))), [], denied)
        self.assertEqual(len(list(idle(self.config("{allow: all}", "{deny: all, functions: 6}")))), 1)

    def test_reads_beside_values(self) -> None:
        """
        A rule that denies values covers no reads, which a rule about all of them allows.
        """
        self.assertEqual(list(idle(self.config("{deny: all, values: 0-9}", "{allow: all, values: 0}"))), [])


spans = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda ends: f"{min(ends)}-{max(ends)}")
keys = st.fixed_dictionaries(
    {},
    optional={
        "listener": st.sampled_from(("here", "lan", "safe", "look", "line")),
        "from": st.sampled_from(("10.0.0.0/8", "127.0.0.1", "10.0.0.5")),
        "role": st.sampled_from(("Operator", "''")),
        "bus": st.sampled_from(("boiler", "plant")),
        "units": spans,
        "functions": st.sampled_from(("3", "6", "[3, 5]", "16", "23", "8", "65")),
        "table": st.sampled_from(("coil", "holding", "input", "file")),
        "addresses": spans,
    },
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    chosen = draw(keys)
    what = draw(st.sampled_from(("read", "write", "all")))
    if what != "read" and draw(st.booleans()):
        chosen["values"] = draw(spans)
    chosen[draw(st.sampled_from(("allow", "deny")))] = what
    return "{" + ", ".join(f"{key}: {value}" for key, value in chosen.items()) + "}"


ANY = ("10.0.0.5", "127.0.0.1")
HOSTS = {"here": ("127.0.0.1",), "line": ("",), "lan": ANY, "safe": ANY, "look": ANY}

small = st.integers(0, 6)
requests = st.one_of(
    REQUESTS,
    st.builds(pdu.ReadHoldingRegisters, small, st.integers(1, 3)),
    st.builds(pdu.ReadInputRegisters, small, st.integers(1, 3)),
    st.builds(pdu.WriteRegister, small, small),
    st.builds(pdu.WriteCoil, small, st.booleans()),
    st.builds(pdu.Opaque, st.just(b"\x41\1")),
)


class PropertyTests(IdleCase):
    @given(request=REQUESTS)
    def test_touched(self, request: Request) -> None:
        """
        No request touches what is not said of its function.
        """
        for reach in reaches(request):
            self.assertIn((reach.writes, reach.table), TOUCHED[request.function])

    @given(st.lists(rules(), min_size=1, max_size=4), st.lists(requests, min_size=1, max_size=8), st.data())
    def test_sound(self, chosen: list[str], asked: list[Request], data: st.DataObject) -> None:
        """
        A rule that is said never to decide decides about nothing that can be asked.
        """
        config = self.config(*chosen)
        named = {int(sentence.split()[2]) for sentence in idle(config)}
        for name, listener in config.listen.items():
            hosts = (
                ("",) if name == "line" else ("127.0.0.1",) if name == "here" else ("10.0.0.5", "127.0.0.1")
            )
            roles = ("", "Operator") if name == "safe" else ("",)
            asker = Asker(name, data.draw(st.sampled_from(hosts)), "", data.draw(st.sampled_from(roles)))
            for bus, units in reached(listener, config).items():
                unit = data.draw(st.sampled_from(sorted(units)[:8]))
                view = access_of(name, listener, config).view(asker, bus)
                for request in (
                    each for each in asked if unit or each.writes
                ):  # a question to all has no answer
                    rule: Rule | None = view.decide(unit, request).rule
                    self.assertTrue(rule is None or rule.number not in named, f"{rule} {request} {asker}")
