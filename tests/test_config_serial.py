"""Endpoint strings of serial devices: what may be asked of the hardware, and how a port may be named."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.hardware import read
from lumina.config import endpoints
from lumina.config.load import loads
from lumina.errors import ConfigError

SWITCHES = ("lowlatency", "rts", "dtr", "rs485")
HARDWARE = (*SWITCHES, "flow", "rtsbefore", "rtsafter", "rtslevel", "rxduringtx")


class SerialCase(SynchronousTestCase):
    def said(self, arguments: str, device: str = "/dev/ttyS1:") -> str:
        """What is said about the endpoint of a port."""
        with self.assertRaises(ConfigError) as caught:
            loads(f"ports: {{bus: {{endpoint: 'serial:{device}{arguments}'}}}}\n", "f")
        return str(caught.exception).removeprefix("f:1:25: ports.bus.endpoint: ")


class HardwareTests(SerialCase):
    def test_understood(self) -> None:
        """
        All that a driver can be asked for may stand in the endpoint of a port, and of a slave.
        """
        for arguments in (
            "lowlatency=0:flow=rtscts:dtr=0",
            "lowlatency=1:flow=xonxoff:rts=1:dtr=1",
            "flow=none:rts=0:rs485=0",
            "rs485=1:rtsbefore=0.001:rtsafter=.1:rtslevel=0:rxduringtx=1:dtr=1",
            "rs485=1:rtsbefore=0:rtsafter=0.0050:rtslevel=1:rxduringtx=0:flow=xonxoff",
        ):
            for parse in (endpoints.client, endpoints.line):
                self.assertEqual(parse(f"serial:/dev/ttyS1:{arguments}").type, "serial")

    def test_switches(self) -> None:
        """
        Levels and modes are 0 or 1.
        """
        for name in SWITCHES:
            self.assertEqual(self.said(f"{name}=on"), f"{name} 'on' is none of 0, 1")
        for name in ("rtslevel", "rxduringtx"):
            self.assertEqual(self.said(f"rs485=1:{name}=2"), f"{name} '2' is none of 0, 1")
        self.assertEqual(self.said("flow=rts"), "flow 'rts' is none of none, rtscts, xonxoff")
        self.assertEqual(
            self.said("low_latency=1"), "unknown argument 'low_latency'; did you mean 'lowlatency'?"
        )

    def test_delays(self) -> None:
        """
        The delays of RS-485 mode are what the kernel can keep.
        """
        for value in ("0.0005", "0.101", "1", "-0.001", "1e-3", "0.", "", "fast", "0.0010001"):
            self.assertEqual(
                self.said(f"rs485=1:rtsbefore={value}"),
                f"rtsbefore '{value}' is not a time from 0 to 0.1 seconds in whole milliseconds, "
                "such as 0.002",
            )

    def test_without_rs485(self) -> None:
        """
        What belongs to RS-485 mode is an error where that is not on, rather than without effect.
        """
        for argument in ("rtsbefore=0.001", "rtsafter=0", "rtslevel=1", "rxduringtx=0"):
            for mode in ("", ":rs485=0"):
                self.assertEqual(
                    self.said(f"{argument}{mode}"),
                    f"{argument} has a meaning in RS-485 mode only; add rs485=1",
                )

    def test_who_has_rts(self) -> None:
        """
        RTS has one purpose at a time.
        """
        for argument in ("rts=0", "flow=rtscts"):
            self.assertEqual(
                self.said(f"rs485=1:{argument}"),
                f"rs485=1 and {argument} contradict each other; in RS-485 mode RTS is the driver's",
            )
        self.assertEqual(
            self.said("rts=1:flow=rtscts"),
            "flow=rtscts and rts=1 contradict each other; in this flow control RTS is the driver's",
        )

    def test_elsewhere(self) -> None:
        """
        What has no hardware cannot be asked for any of it.
        """
        for name in HARDWARE:
            with self.assertRaisesRegex(ValueError, f"unknown argument '{name}'"):
                endpoints.line(f"pty:/run/a:{name}=1")

    @given(st.dictionaries(st.sampled_from(HARDWARE), st.sampled_from(("0", "1", "0.002", "none", "rtscts"))))
    def test_what_passes_can_be_opened(self, options: dict[str, str]) -> None:
        """
        A configuration that is found right does not fail for its arguments later.
        """
        text = "".join(f":{name}={value}" for name, value in options.items())
        try:
            endpoints.client(f"serial:/dev/ttyS1{text}")
        except ValueError:
            return
        read(options)


class UsbTests(SerialCase):
    def test_names(self) -> None:
        """
        Such a port is called by what stands in the configuration.
        """
        for identity in ("0403.6001", "0403.6001.A50285BI", "1A86.55D3.a b.c"):
            text = f"ports: {{bus: {{endpoint: 'serial:usb={identity}:baudrate=19200'}}}}\n"
            port = loads(text, "f").ports["bus"]
            self.assertEqual((port.device, port.is_serial), (f"usb={identity}", True))
            self.assertEqual((port.line.baudrate, port.all_names), (19200, (f"usb={identity}",)))

    def test_colons(self) -> None:
        """
        A serial number with colons is written like every value with colons.
        """
        options = endpoints.client(r"serial:usb=1a86.55d3.00\:1f:parity=E").options
        self.assertEqual((options["device"], options["parity"]), ("usb=1a86.55d3.00:1f", "E"))

    def test_wrong(self) -> None:
        """
        What is no vendor and product is met with the way to write it.
        """
        for wrong in ("", "0403", "0403:6001", "403.6001", "0403.6001.", "A50285BI", "0403.600g"):
            self.assertEqual(
                self.said(f"usb={wrong}", device=""),
                f"usb '{wrong.partition(':')[0]}' is not a vendor and a product of four hexadecimal digits "
                "each, and perhaps a serial number, with dots between them, such as 0403.6001.A50285BI",
            )

    def test_two_names(self) -> None:
        """
        A port is given in one way.
        """
        self.assertEqual(
            self.said("usb=0403.6001"),
            "device is given, '/dev/ttyS1', and usb too, '0403.6001'; one of them is enough",
        )

    def test_two_ports(self) -> None:
        """
        One adapter is not two ports.
        """
        with self.assertRaisesRegex(ConfigError, "port 'a' has the device 'usb=0403.6001.A5' already"):
            loads(
                "ports:\n"
                "  a: {endpoint: 'serial:usb=0403.6001.A5'}\n"
                "  b: {endpoint: 'serial:usb=0403.6001.A5:baudrate=19200'}\n",
                "f",
            )
