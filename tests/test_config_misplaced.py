"""Configuration: what beginners write in the wrong place, or without what belongs to it, is put right."""

from tests.test_config import ConfigCase


class MisplacedTests(ConfigCase):
    def said(self, text: str) -> str:
        """The one thing that is said about a configuration, without its place and its key."""
        (error,) = self.errors(text)
        return error.split(": ", 2)[2]

    def said_of(self, endpoint: str) -> str:
        """What is said about the endpoint of a port."""
        return self.said(self.port(f"endpoint: '{endpoint}'"))

    def said_of_listening(self, endpoint: str) -> str:
        """What is said about the endpoint of a listener."""
        return self.said(self.listener(f"endpoint: '{endpoint}'"))

    def test_keys(self) -> None:
        """
        A key that is an argument of the endpoint is met with the endpoint, not with a key that looks alike.
        """
        port = self.port("endpoint: serial:/dev/ttyS1")
        for key in ("baudrate: 9600", "speed: 9600"):
            self.assertEqual(
                self.said(port + f"    {key}\n"),
                f"unknown key '{key.split(':')[0]}'; "
                "it is a part of the endpoint, such as serial:/dev/ttyUSB0:baudrate=9600",
            )
        self.assertIn("serial:/dev/ttyUSB0:parity=E", self.said(port + "    parity: N\n"))
        self.assertIn("the device is in the endpoint", self.said(port + "    device: /dev/ttyS1\n"))
        self.assertIn(
            "unknown key 'ip'; the address is in the endpoint: tcp:192.0.2.7:502",
            self.said("devices:\n  plc: {endpoint: 'tcp:a:1', ip: 192.0.2.7}\n"),
        )
        self.assertIn(
            "the address is in the endpoint: tcp:8888:interface=127.0.0.1",
            self.said(self.listener("endpoint: tcp:8888") + "    port: 8888\n"),
        )

    def test_entries(self) -> None:
        """
        Text where an entry with keys of its own is wanted is met with the key, or the blank, that it lacks.
        """
        wanted = "it should be a mapping of keys to values; got "
        for text, said in {
            "/dev/ttyS1": "'/dev/ttyS1'; write endpoint: serial:/dev/ttyS1 below it",
            "serial:/dev/ttyS1": "'serial:/dev/ttyS1'; write endpoint: serial:/dev/ttyS1 below it",
            "timeout:3": "'timeout:3'; behind a key stands a colon and a blank, timeout: 3",
            "word": "'word'",
        }.items():
            self.assertEqual(self.said(f"ports:\n  bus: {text}\n"), wanted + said)

    def test_devices(self) -> None:
        """
        A device without the type of its endpoint, or without its directory, is met with the whole of it.
        """
        self.assertIn("a serial device is serial:/dev/ttyS1", self.said_of("/dev/ttyS1"))
        self.assertIn(
            "a serial device is serial:/dev/ttyUSB0:baudrate=9600", self.said_of("ttyUSB0:baudrate=9600")
        )
        self.assertEqual(
            self.said_of("serial:ttyS1"), "device 'ttyS1' is no path from the root; did you mean /dev/ttyS1?"
        )
        self.assertEqual(
            self.said_of("serial:COM3"), "device 'COM3' is no path from the root; such as /dev/ttyUSB0"
        )

    def test_format(self) -> None:
        """
        A speed and a format as other programs write them are met with lumina's way.
        """
        self.assertEqual(
            self.said_of("serial:/dev/ttyS1:9600:7e2"),
            "what are '9600' and '7e2'? Write baudrate=9600:bytesize=7:parity=E:stopbits=2",
        )

    def test_addresses(self) -> None:
        """
        An address without the type of its endpoint is met with the whole of it.
        """
        self.assertIn("a server is tcp:192.0.2.7:502", self.said_of("192.0.2.7"))
        self.assertIn("a server is tcp:192.0.2.7:4001", self.said_of("192.0.2.7:4001"))
        self.assertIn("is tcp:8888:interface=0.0.0.0", self.said_of_listening("0.0.0.0"))
        self.assertIn("is tcp:502:interface=192.0.2.7", self.said_of_listening("192.0.2.7:502"))
        self.assertIn("a TCP port is tcp:8888", self.said_of_listening("8888"))
        self.assertEqual(
            self.said_of_listening("tcp:127.0.0.1:8888"),
            "port '127.0.0.1' is not a whole number from 0 to 65535; "
            "the address comes behind it, as interface=127.0.0.1",
        )
