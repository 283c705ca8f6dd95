"""Configuration: what is said about endpoints that are wrong."""

from pathlib import Path

from tests.pki import Authority
from tests.test_config import ConfigCase


class EndpointTests(ConfigCase):
    def said(self, endpoint: str) -> str:
        """What is said about the endpoint of a port."""
        (error,) = self.errors(self.port(f"endpoint: '{endpoint}'"))
        return error.removeprefix("f:3:15: ports.bus.endpoint: ")

    def said_listening(self, endpoint: str) -> str:
        """What is said about the endpoint of a listener."""
        (error,) = self.errors(self.listener(f"endpoint: '{endpoint}'"))
        return error.removeprefix("f:5:15: listen.door.endpoint: ")

    def test_serial(self) -> None:
        """
        Each argument of a serial device is checked, before it is opened.
        """
        for argument, sentence in {
            "baudrate=fast": "baudrate 'fast' is not a whole number from 50 to 4000000",
            "baudrate=49": "baudrate '49' is not a whole number from 50 to 4000000",
            "parity=e": "parity 'e' is none of N, E, O",
            "stopbits=3": "stopbits '3' is none of 1, 1.5, 2",
            "bytesize=9": "bytesize '9' is none of 7, 8",
            "baud=9600": "unknown argument 'baud'; did you mean 'baudrate'?",
            "parity=E:parity=N": "parity is given twice, as 'E' and as 'N'",
            "9600": "what is '9600'? Write baudrate=9600 for the speed",
        }.items():
            self.assertEqual(self.said(f"serial:/dev/ttyS1:{argument}"), sentence)

    def test_colons_in_device(self) -> None:
        """
        A device path with bare colons is met with the way to write it.
        """
        self.assertEqual(
            self.said("serial:/dev/serial/by-path/pci-0000:00:14.0-port0:baudrate=9600"),
            "'00' is one argument too many; a colon inside of a value is written '\\:', "
            "such as /dev/serial/by-path/pci-0000\\:00\\:14.0-port0",
        )

    def test_incomplete(self) -> None:
        """
        An endpoint without its device, host, port or path is incomplete.
        """
        for endpoint, said in {
            "serial:": "it has no device; write serial:DEVICE",
            "tcp:a": "it has no port; write tcp:HOST:PORT",
            "tcp:host=a": "it has no port; write tcp:HOST:PORT",
            "unix:": "it has no path; write unix:PATH",
        }.items():
            self.assertEqual(self.said(endpoint), said)
        self.assertEqual(self.said("serial:/dev/ttyS1\\"), "it ends in a backslash with nothing to escape")

    def test_type(self) -> None:
        """
        An unknown type of endpoint is met with the nearest one.
        """
        self.assertEqual(
            self.said("seriel:/dev/ttyS1"),
            "an endpoint begins with its type and a colon; 'seriel' is none; did you mean 'serial'?",
        )
        self.assertIn("'there' is none; known: ", self.said("there"))
        self.assertIn("'tpc' is none; did you mean 'tcp'?", self.said_listening("tpc:8888"))

    def test_tcp_port(self) -> None:
        """
        A TCP port is a number up to 65535.
        """
        self.assertEqual(self.said("tcp:a:0"), "port '0' is not a whole number from 1 to 65535")
        self.assertEqual(
            self.said_listening("tcp:65536"), "port '65536' is not a whole number from 0 to 65535"
        )

    def test_interface(self) -> None:
        """
        An interface is an address, not the name of a network card, and never empty.
        """
        for wrong in ("eth0", ""):
            self.assertIn(
                f"interface '{wrong}' is not an IP address",
                self.said_listening(f"tcp:8888:interface={wrong}"),
            )
        self.assertEqual(
            self.said_listening("tcp:8888:interface=::1"),
            "an argument is empty; a colon inside of a value is written '\\:'",
        )

    def test_modbus_security(self) -> None:
        """
        An endpoint of Modbus/TCP Security has a certificate, and no argument that means nothing.
        """
        self.assertEqual(
            self.said_listening("mbaps:802"),
            "it has no certificate; write mbaps:PORT:certificate=CERTIFICATE",
        )
        self.assertEqual(
            self.said_listening("mbaps:802:certificate=/c:cleints=/ca"),
            "unknown argument 'cleints'; did you mean 'clients'?",
        )
        self.assertEqual(
            self.said_listening("mbaps:802:certificate=/c:revoked=/r"),
            "revoked '/r' has no meaning without clients, who sign what can be revoked",
        )

    def test_certificates(self) -> None:
        """
        Certificates that cannot be used are found before anything starts: each file, at its place, and why.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority()
        good, key = authority.issue("lumina", server=True).save(folder, "good")
        old, old_key = authority.issue("old", last_day=-1, first_day=-2, server=True).save(folder, "old")
        text = (
            "devices:\n"
            f"  plc: {{endpoint: 'tls:plc:802:certificate={good}:privateKey={old_key}'}}\n"
            f"  far: {{endpoint: 'ssl:far:802:certKey={key}:caCertsDir=/nowhere'}}\n"
            "listen:\n"
            f"  one: {{kind: text, endpoint: 'mbaps:802:certificate={old}:key={old_key}:clients=/nowhere'}}\n"
            f"  two: {{kind: text, endpoint: 'ssl:803:privateKey={good}'}}\n"
        )
        not_its = "it does not belong to the certificate"
        nothing = "it has nothing of the kind in PEM"
        self.assertSays(
            text,
            f"f:2:19: devices.plc.endpoint: privateKey '{old_key}' cannot be used: {not_its}",
            f"f:3:19: devices.far.endpoint: certKey '{key}' cannot be used: {nothing}",
            "f:3:19: devices.far.endpoint: caCertsDir '/nowhere' cannot be read: it is no directory",
            "f:5:31: listen.one.endpoint: clients '/nowhere' cannot be read: No such file or directory",
            f"f:6:31: listen.two.endpoint: privateKey '{good}' cannot be used: {nothing}",
        )

    def test_mode(self) -> None:
        """
        The mode of a UNIX socket is octal.
        """
        self.assertEqual(
            self.said_listening("unix:/run/a:mode=rw"), "mode 'rw' is not an octal number, such as 660"
        )
