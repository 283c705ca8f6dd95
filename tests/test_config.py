"""Configuration: what is understood, and what is said about the rest."""

import re
from pathlib import Path
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from twisted.trial.unittest import SynchronousTestCase

from lumina.config.listeners import KINDS, RTUSlave, Text
from lumina.config.load import load, loads
from lumina.config.settings import Config
from lumina.config.sinks import SINKS
from lumina.errors import ConfigError
from lumina.modbus.rtu import Line
from tests.pki import Authority

EXAMPLE = Path(__file__).parent.parent / "etc" / "lumina.yaml"
PORT = "ports: {bus: {endpoint: 'serial:/dev/ttyUSB0'}}\n"
KEYS = (
    "ports",
    "listen",
    "bus",
    "text",
    "kind",
    "endpoint",
    "names",
    "units",
    "timeout",
    "simulators",
    "preset",
)
VALUES = (
    "serial:/dev/ttyS0",
    "tcp:8888",
    "rtu-slave",
    "18",
    "null",
    "true",
    "1.5",
    "-1",
    "2020-02-30",
    "é",
    "!x",
)
SIGNS = (*"{}[]'\" \t\n\0\ufeff", "&a", "*a", "<<", ": ", "- ", ", ", "\n  ", "\n    ")


class ConfigCase(SynchronousTestCase):
    """Settings and their errors."""

    def errors(self, text: str, **others: object) -> list[str]:
        """What is said about a configuration that is wrong."""
        error = self.assertRaises(ConfigError, loads, text, "f", **others)
        return str(error).splitlines()

    def assertSays(self, text: str, *lines: str) -> None:
        """All that is said about it, and nothing else."""
        self.assertEqual(self.errors(text), list(lines))

    def port(self, keys: str) -> str:
        """A configuration with one port; its keys begin in line 3, column 5."""
        return f"ports:\n  bus:\n    {keys}\n"

    def listener(self, keys: str) -> str:
        """A configuration with one listener of kind text; its further keys begin in line 5, column 5."""
        return f"{PORT}listen:\n  door:\n    kind: text\n    {keys}\n"


class UnderstoodTests(ConfigCase):
    def test_defaults(self) -> None:
        """
        A port and nothing else makes a service: each key has its documented
        default, and text clients are listened to on loopback.
        """
        config = loads(PORT, "f")
        port = config.ports["bus"]
        self.assertEqual((port.device, port.names, port.line), ("/dev/ttyUSB0", (), Line(9600, "N", 1.0, 8)))
        self.assertEqual((port.baudrates, port.timeout, port.gap), ((300, 921600), 1.0, None))
        self.assertEqual((port.turnaround, port.slack, port.retries), (0.1, 0.02, 0))
        self.assertEqual(
            (port.echo, port.broadcast, port.queue, port.queue_per_client), ("auto", False, 1000, 200)
        )
        self.assertEqual(config.log.level, "info")
        (listener,) = config.listen.values()
        self.assertIsInstance(listener, Text)
        self.assertEqual(listener.address, "tcp:8888:interface=127.0.0.1")

    def test_text_defaults(self) -> None:
        """
        A text listener guesses the dialect, and has limits unless told otherwise.
        """
        listener = loads(PORT, "f").listen["text"]
        assert isinstance(listener, Text)
        self.assertEqual((listener.dialect, listener.idle), ("auto", 3600.0))
        self.assertEqual((listener.connections, listener.connections_per_address), (2000, 100))

    def test_line_settings(self) -> None:
        """
        Speed and character format come from the endpoint string.
        """
        text = self.port("endpoint: serial:/dev/ttyS1:baudrate=19200:parity=E:stopbits=1.5:bytesize=7")
        self.assertEqual(loads(text, "f").ports["bus"].line, Line(19200, "E", 1.5, 7))

    def test_escaped_device(self) -> None:
        """
        A device whose path has colons is the device, its backslashes taken away.
        """
        text = self.port(r"endpoint: serial:/dev/serial/by-path/pci-0000\:00\:14.0-port0:baudrate=9600")
        self.assertEqual(loads(text, "f").ports["bus"].device, "/dev/serial/by-path/pci-0000:00:14.0-port0")

    def test_equals_sign_in_device(self) -> None:
        """
        Only the first equals sign of an argument ends its name.
        """
        text = self.port("endpoint: serial:device=/dev/a=b")
        self.assertEqual(loads(text, "f").ports["bus"].device, "/dev/a=b")

    def test_serial_server(self) -> None:
        """
        A bus behind a serial server is called by its endpoint string.
        """
        for endpoint in ("tcp:ser2net.local:4001", "tls:host=a.example:port=4001", "unix:/run/bus"):
            port = loads(self.port(f"endpoint: '{endpoint}'"), "f").ports["bus"]
            self.assertEqual((port.device, port.is_serial), (endpoint, False))

    def test_all_names(self) -> None:
        """
        A port is called by its device and its other names, beside its key.
        """
        port = loads(self.port("{endpoint: serial:/dev/ttyS1, names: [/dev/ttyAMA1, old]}"), "f").ports["bus"]
        self.assertEqual(port.all_names, ("/dev/ttyS1", "/dev/ttyAMA1", "old"))

    def test_unit(self) -> None:
        """
        What differs for one unit is kept with its number; the rest is the port's.
        """
        text = self.port("{endpoint: serial:/dev/ttyS1, units: {18: {timeout: 2, turnaround: 0.05}}}")
        unit = loads(text, "f").ports["bus"].units[18]
        self.assertEqual((unit.timeout, unit.gap, unit.turnaround), (2.0, None, 0.05))

    def test_simulator_alone(self) -> None:
        """
        Simulated buses need no real port beside them.
        """
        config = loads("simulators: {plant: {preset: meter}}\n", "f")
        self.assertEqual((config.simulators["plant"].preset, config.simulators["plant"].seed), ("meter", 1))

    def test_empty_section(self) -> None:
        """
        A section of which every line is commented out counts as left out.
        """
        config = loads(PORT + "simulators:\nlisten:\nlog:\n", "f")
        self.assertEqual((config.simulators, list(config.listen), config.log.level), ({}, ["text"], "info"))

    def test_merge_keys(self) -> None:
        """
        YAML's anchors may hold what several ports have in common; own keys win.
        """
        text = (
            "ports:\n  a: &common\n    endpoint: serial:/dev/ttyS1\n    timeout: 3\n    retries: 2\n"
            "  b:\n    <<: *common\n    endpoint: serial:/dev/ttyS2\n    retries: 1\n"
        )
        port = loads(text, "f").ports["b"]
        self.assertEqual((port.device, port.timeout, port.retries), ("/dev/ttyS2", 3.0, 1))

    def test_byte_order_mark(self) -> None:
        """
        A file that an editor began with a byte order mark is read as any other.
        """
        path = self.mktemp()
        Path(path).write_bytes(b"\xef\xbb\xbf" + PORT.encode())
        self.assertEqual(list(load(path).ports), ["bus"])

    def test_rtu_slave(self) -> None:
        """
        A bus is shown on a line by any of its names, and the line has a speed.
        """
        text = (
            PORT
            + "listen: {l: {kind: rtu-slave, endpoint: 'pty:/run/l:baudrate=19200', bus: /dev/ttyUSB0}}\n"
        )
        slave = loads(text, "f").listen["l"]
        assert isinstance(slave, RTUSlave)
        self.assertEqual((slave.bus, slave.address), ("/dev/ttyUSB0", "pty:/run/l:baudrate=19200"))
        self.assertEqual(slave.line, Line(19200))

    def test_port_on_simulated_line(self) -> None:
        """
        A port may open the very line that a simulator is shown on.
        """
        text = (
            "ports: {p: {endpoint: 'serial:/run/l'}}\nsimulators: {s: {preset: meter}}\n"
            "listen: {l: {kind: rtu-slave, endpoint: 'pty:/run/l', bus: s}}\n"
        )
        self.assertEqual(list(loads(text, "f").ports), ["p"])

    def test_frozen(self) -> None:
        """
        Settings do not change under those who hold them.
        """
        port = loads(PORT, "f").ports["bus"]
        self.assertRaises(ValueError, setattr, port, "timeout", 2.0)


class AuditTests(ConfigCase):
    def test_where(self) -> None:
        """
        The audit log is in the state directory, in a file, or nowhere.
        """
        for text, audit in (
            ("", None),
            ("log: {audit: /var/log/a.log}", "/var/log/a.log"),
            ("log: {audit: false}", ""),
        ):
            self.assertEqual(loads(PORT + text, "f").log.audit, audit)

    def test_not_a_path(self) -> None:
        """
        A path that depends on where the service was started is none.
        """
        for value in ("audit.log", "true", "3"):
            (error,) = self.errors(f"{PORT}log: {{audit: {value}}}")
            self.assertIn(
                "f:2:14: log.audit: it should be the path of a file, from / on, or false; got ", error
            )


class AccessTests(ConfigCase):
    def resolved(self, endpoint: str, keys: str = "") -> tuple[str, bool]:
        """The address that is listened on, and whether its clients may write."""
        text = f"{PORT}listen: {{l: {{kind: text, endpoint: '{endpoint}'{keys}}}}}\n"
        listener = loads(text, "f").listen["l"]
        return listener.address, listener.writable

    def certificates(self) -> tuple[str, str]:
        """The files of a certificate that can be used, and of its key."""
        folder = Path(self.mktemp())
        folder.mkdir()
        return Authority().issue("lumina", server=True).save(folder, "lumina")

    def test_loopback_unless_told_otherwise(self) -> None:
        """
        An address without an interface is on loopback, and may be written through.
        """
        self.assertEqual(self.resolved("tcp:8888"), ("tcp:8888:interface=127.0.0.1", True))
        self.assertEqual(self.resolved("tcp6:port=8888"), (r"tcp6:port=8888:interface=\:\:1", True))
        self.assertEqual(self.resolved("tls:/etc/certs:802"), (r"tls:/etc/certs:802:interface=\:\:1", True))
        certificate, key = self.certificates()
        text = f"ssl:8443:privateKey={key}:certKey={certificate}"
        self.assertEqual(self.resolved(text), (f"{text}:interface=127.0.0.1", True))

    def test_told_otherwise(self) -> None:
        """
        Others can be let in by saying so, and then they only read.
        """
        for endpoint in (
            "tcp:8888:interface=0.0.0.0",
            "tcp:8888:192.0.2.7",
            r"tcp:8888:interface=\:\:",
            r"tcp6:8888:50:\:\:",
        ):
            self.assertEqual(self.resolved(endpoint), (endpoint, False))

    def test_unix(self) -> None:
        """
        A UNIX socket is on this machine, so it may be written through.
        """
        self.assertEqual(self.resolved("unix:/run/lumina:mode=660"), ("unix:/run/lumina:mode=660", True))

    def test_modbus_security(self) -> None:
        """
        TLS with certificates of clients is on loopback too unless told otherwise.
        """
        certificate, key = self.certificates()
        text = f"mbaps:802:certificate={certificate}:key={key}:clients={certificate}"
        self.assertEqual(self.resolved(text), (f"{text}:interface=127.0.0.1", True))
        self.assertEqual(self.resolved(f"{text}:interface=0.0.0.0"), (f"{text}:interface=0.0.0.0", False))

    def test_behind_a_proxy(self) -> None:
        """
        A proxy on this machine brings clients from elsewhere: they only read.
        """
        self.assertEqual(self.resolved("haproxy:tcp:8888"), ("haproxy:tcp:8888:interface=127.0.0.1", False))

    def test_socket_of_unknown_reach(self) -> None:
        """
        Whoever can come through an inherited socket only reads.
        """
        self.assertEqual(self.resolved("systemd:domain=INET:index=0"), ("systemd:domain=INET:index=0", False))

    def test_read_only(self) -> None:
        """
        `read_only` overrules where the address is, both ways.
        """
        self.assertEqual(self.resolved("tcp:8888", ", read_only: true")[1], False)
        self.assertEqual(self.resolved("tcp:8888:interface=0.0.0.0", ", read_only: false")[1], True)

    def test_line(self) -> None:
        """
        A real line may lead anywhere, so its master only reads; a pseudo-terminal is on this machine.
        """
        text = (
            "simulators: {s: {preset: meter}}\nlisten: {l: {kind: rtu-slave, bus: s, endpoint: 'KIND:/x'}}\n"
        )
        self.assertFalse(loads(text.replace("KIND", "serial"), "f").listen["l"].writable)
        self.assertTrue(loads(text.replace("KIND", "pty"), "f").listen["l"].writable)


class AnyTextTests(SynchronousTestCase):
    @given(st.one_of(st.text(), st.lists(st.sampled_from(KEYS + VALUES + SIGNS), max_size=30).map("".join)))
    def test_settings_or_sentences(self, text: str) -> None:
        """
        Whatever is in the file, it is understood, or each line says where and what is wrong.
        """
        try:
            self.assertIsInstance(loads(text, "f"), Config)
        except ConfigError as error:
            for line in str(error).split("\n"):
                self.assertRegex(line, r"\Af:\d+:\d+: [^\n]+: [^\n]+\Z")
                self.assertTrue(line.isprintable(), line)


class ExampleTests(SynchronousTestCase):
    def test_loads(self) -> None:
        """
        The example that comes with lumina is right.
        """
        config = load(str(EXAMPLE))
        self.assertEqual((list(config.ports), list(config.listen)), (["greenhouse"], ["text"]))

    def test_commented_lines_load(self) -> None:
        """
        Whatever is commented out in it is right as well, once the `#` is taken away.
        """
        text = re.sub(r"^( *)#(?! \S)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
        config = loads(text, str(EXAMPLE))
        self.assertEqual(list(config.listen), ["text", "modbus", "line1"])
        self.assertEqual(config.ports["greenhouse"].units[18].turnaround, 0.05)
        self.assertEqual(config.simulators["plant"].preset, "industrial")
        self.assertEqual([device.device_id for device in config.poll.devices], [1, "pump 1"])
        self.assertEqual(list(config.sinks), ["api", "file"])

    def test_every_key(self) -> None:
        """
        Every key that there is appears in the example, set or commented out.
        """
        there = set(re.findall(r"(?:^[ #]*|[-{,] *)([a-z_]+):(?: |$)", EXAMPLE.read_text(), re.MULTILINE))
        self.assertEqual(keys(Config, *KINDS.values(), *SINKS.values()) - there, set())


def keys(*models: type[BaseModel]) -> set[str]:
    """All keys of the models, and of the models inside of them."""
    found: set[str] = set()
    for model in models:
        for name, field in model.model_fields.items():
            found |= {field.alias or name, *keys(*inside(field.annotation))}
    return found


def inside(annotation: object) -> list[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in inside(part)]
