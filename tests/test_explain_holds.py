"""What `--explain` says is what happens: the same question, put to the explanation and to the listener."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL.crypto import X509
from twisted.application.service import MultiService
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lumina.assembly import listeners, simulators
from lumina.assembly.parts import Parts
from lumina.cli.explain import explained
from lumina.cli.question import parse
from lumina.config.load import loads
from lumina.modbus import mbap
from lumina.watch.overview import LiveOverview
from tests.pki import Authority, Issued, utf8
from tests.sockets import Socket

CONFIG = """
simulators: {plant: {preset: basic}, other: {preset: basic}}
listen:
  lan: {kind: modbus-tcp, endpoint: "tcp:1:interface=0.0.0.0", routes: {1-9: plant, 200: other/3, 0: plant}}
  look: {kind: modbus-tcp, endpoint: "tcp:2:interface=0.0.0.0", read_only: true, routes: {default: plant}}
access:
"""
#: Where a unit of a bus is found, by unit id.
ROUTES = {("plant", unit): unit for unit in range(10)} | {("other", 3): 200}
PORTS = {"lan": 1, "look": 2}
DENIED = 0x01


@implementer(ISSLTransport)
class Shown(Socket):
    """A connection on which a certificate is shown, or none."""

    def __init__(self, host: str, issued: Issued | None) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", host, 50412))
        self._issued = issued

    def getPeerCertificate(self) -> X509 | None:
        return None if self._issued is None else X509.from_cryptography(self._issued.certificate)


spans = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda ends: f"{min(ends)}-{max(ends)}")
keys = st.fixed_dictionaries(
    {},
    optional={
        "listener": st.sampled_from(("lan", "look")),
        "from": st.sampled_from(("10.0.0.0/8", "10.0.0.5", "192.0.2.0/24")),
        "role": st.sampled_from(("Operator", "''")),
        "identity": st.sampled_from(("panel", "'CN=panel,O=Works'")),
        "bus": st.sampled_from(("plant", "other")),
        "units": spans,
        "functions": st.sampled_from(("3", "6", "[5, 15]", "16", "8", "65", "[20, 21]")),
        "table": st.sampled_from(("coil", "holding", "input", "file", "discrete")),
        "addresses": spans,
    },
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    chosen = draw(keys)
    if chosen.get("table") == "file" and draw(st.booleans()):
        chosen["files"] = draw(st.sampled_from(("1", "1-2")))
    what = draw(st.sampled_from(("read", "write", "all")))
    if what != "read" and draw(st.booleans()):
        chosen["values"] = draw(spans)
    chosen[draw(st.sampled_from(("allow", "deny")))] = what
    return "{" + ", ".join(f"{key}: {value}" for key, value in chosen.items()) + "}"


def words(*several: str) -> st.SearchStrategy[str]:
    return st.sampled_from(several)


addresses = st.one_of(st.integers(0, 4).map(str), spans)
asked = st.one_of(
    st.tuples(words("read coil", "read discrete", "read holding", "read input", "read file 1"), addresses),
    st.tuples(words("write coil", "write holding", "write file 2"), addresses),
    st.tuples(words("write coil 1 = 1", "write holding 2 = 3", "write holding 1 = 1,2,3"), words("")),
    st.tuples(words("function 65", "function 8", "function 7", "function 17", "function 43"), words("")),
).map(" ".join)


class ExplainedTests(SynchronousTestCase):
    def setUp(self) -> None:
        authority = Authority()
        self.shown = {
            (name, role): authority.issue(name, *((utf8(role),) if role else ()))
            for name in ("panel", "scada")
            for role in ("", "Operator")
        }

    def served(self, text: str) -> MemoryReactorClock:
        """The listeners of a configuration, on a network in memory."""
        config, reactor = loads(text, "f"), MemoryReactorClock()
        parts = Parts(reactor, LiveOverview(reactor.seconds))
        simulators.add(parts, config.simulators)
        listeners.add(parts, config.listen, config.rules)
        root = MultiService()
        parts.hang_under(root)
        root.privilegedStartService()
        return reactor

    def answer(
        self, reactor: MemoryReactorClock, port: int, transport: Shown, unit: int, body: bytes
    ) -> bytes:
        """@return: the PDU that comes back; empty: none does."""
        (factory,) = [each[1] for each in reactor.tcpServers if each[0] == port]
        connection: Any = factory.buildProtocol(transport.getPeer())
        connection.makeConnection(transport)
        connection.dataReceived(mbap.encode(1, unit, body))
        answers = mbap.Frames().received(transport.value())
        return answers[0].pdu if answers else b""

    @given(st.lists(rules(), max_size=4), st.lists(asked, min_size=1, max_size=5), st.data())
    def test_verdict(self, chosen: list[str], questions: list[str], data: st.DataObject) -> None:
        """
        For any rules, and any question, what is said to be denied is denied, and nothing else.
        """
        text = CONFIG.replace("access:", "access: []" if not chosen else "access:")
        text += "".join(f"  - {rule}\n" for rule in chosen)
        config, reactor = loads(text, "f"), self.served(text)
        for question in questions:
            listener = data.draw(words(*PORTS))
            host = data.draw(words("10.0.0.5", "10.1.1.1", "192.0.2.7"))
            who = data.draw(st.sampled_from((None, *self.shown)))
            (bus, unit), unit_id = data.draw(st.sampled_from(sorted(ROUTES.items())))
            sentence = f"{host} {question} on {bus} unit {unit} via {listener}"
            if who is not None:
                sentence += f" named 'CN={who[0]},O=Works' as '{who[1]}'"
            _, *said = explained(sentence, config)
            if "no route" in said[0]:
                self.assertEqual(listener, "look")
                continue
            value = data.draw(st.integers(0, 1 if "coil" in question else 5))
            request = parse(sentence, config).request(value)
            transport = Shown(host, None if who is None else self.shown[who])
            came = self.answer(reactor, PORTS[listener], transport, unit_id, request.encode())
            denied = came == bytes((request.function | 0x80, DENIED))
            if isinstance(request.function, int) and request.function == 65:
                continue
            self.assertEqual(denied, not allowed(said, value), (text, sentence, said, came))


def allowed(said: list[str], value: int) -> bool:
    """What is said about a value."""
    for line in said:
        verdict, lowest, highest = re.findall(r": (allowed|denied)(?: for (\d+)(?: to (\d+))?)?:", line)[0]
        if not lowest or int(lowest) <= value <= int(highest or lowest):
            return bool(verdict == "allowed")
    raise AssertionError(f"nothing is said about {value}: {said}")
