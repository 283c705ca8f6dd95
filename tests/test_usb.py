"""Serial ports found by what their USB device says of itself."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.usb import locate, ports
from lumina.errors import PortDown


class Machine:
    """The /sys and /dev of a machine into which devices are plugged."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listed = root / "sys/class/tty"
        self.listed.mkdir(parents=True)
        hub = root / "sys/devices/pci0000:00/0000:00:14.0/usb1"
        self._identify(hub, "1d6b", "0002", "0000:00:14.0")
        self.hub = hub

    def _identify(self, folder: Path, vendor: str, product: str, serial: str) -> None:
        folder.mkdir(parents=True)
        (folder / "idVendor").write_text(f"{vendor}\n")
        (folder / "idProduct").write_text(f"{product}\n")
        if serial:
            (folder / "serial").write_text(f"{serial}\n")

    def plug(self, socket: str, vendor: str, product: str, serial: str, *names: str) -> None:
        """A device with a port, or several; each is under an interface of its own, as usb-serial has it."""
        self._identify(self.hub / socket, vendor, product, serial)
        for index, name in enumerate(names):
            self._port(self.hub / socket / f"{socket}:1.{index}" / name, name)

    def plug_modem(self, socket: str, vendor: str, product: str, serial: str, name: str) -> None:
        """A device whose port is the interface itself, as cdc-acm has it."""
        self._identify(self.hub / socket, vendor, product, serial)
        self._port(self.hub / socket / f"{socket}:1.0", name)

    def solder(self, name: str) -> None:
        """A port that is no USB device."""
        self._port(self.root / "sys/devices/pnp0/00:04" / name, name)

    def terminal(self, name: str) -> None:
        """A terminal without any device."""
        (self.root / "sys/devices/virtual/tty" / name).mkdir(parents=True)
        (self.listed / name).symlink_to(self.root / "sys/devices/virtual/tty" / name)

    def unplug(self, *names: str) -> None:
        for name in names:
            (self.listed / name).unlink()

    def _port(self, device: Path, name: str) -> None:
        (device / "tty" / name).mkdir(parents=True)
        (device / "tty" / name / "device").symlink_to(device)
        (self.listed / name).symlink_to(device / "tty" / name)


class LocateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.machine = Machine(Path(self.mktemp()).absolute())
        self.machine.terminal("tty1")
        self.machine.solder("ttyS0")

    def located(self, device: str) -> str:
        return str(Path(locate(device, self.machine.root)).relative_to(self.machine.root / "dev"))

    def refusal(self, device: str) -> str:
        with self.assertRaises(PortDown) as caught:
            locate(device, self.machine.root)
        return str(caught.exception)

    def test_path(self) -> None:
        """
        A path is the device itself; nobody has to have USB for it.
        """
        self.assertEqual(locate("/dev/serial/by-id/usb-A", Path("/nowhere")), "/dev/serial/by-id/usb-A")

    def test_by_serial_number(self) -> None:
        """
        Of two adapters of one make, the serial number tells which.
        """
        self.machine.plug("1-1", "0403", "6001", "A50285BI", "ttyUSB0")
        self.machine.plug("1-2", "0403", "6001", "A50285BJ", "ttyUSB1")
        self.assertEqual(self.located("usb=0403.6001.A50285BI"), "ttyUSB0")
        self.assertEqual(self.located("usb=0403.6001.A50285BJ"), "ttyUSB1")

    def test_without_serial_number(self) -> None:
        """
        Vendor and product are enough where only one such adapter is there, in either case of letters.
        """
        self.machine.plug("1-1", "0403", "6001", "A50285BI", "ttyUSB0")
        self.machine.plug_modem("1-2", "1a86", "55d3", "", "ttyACM0")
        self.assertEqual(self.located("usb=1A86.55D3"), "ttyACM0")
        self.assertEqual(self.located("usb=0403.6001"), "ttyUSB0")

    def test_dots_in_serial_number(self) -> None:
        """
        All that follows the second dot is the serial number, compared letter by letter.
        """
        self.machine.plug("1-1", "0403", "6001", "FT.1 x", "ttyUSB0")
        self.assertEqual(self.located("usb=0403.6001.FT.1 x"), "ttyUSB0")
        self.assertIn("no USB serial port is", self.refusal("usb=0403.6001.ft.1 x"))

    def test_replugged(self) -> None:
        """
        An adapter that comes back under another name, in another socket, is found again.
        """
        self.machine.plug("1-1", "0403", "6001", "A50285BI", "ttyUSB0")
        self.assertEqual(self.located("usb=0403.6001.A50285BI"), "ttyUSB0")
        self.machine.unplug("ttyUSB0")
        self.machine.plug("1-1.4", "0403", "6001", "A50285BI", "ttyUSB7")
        self.assertEqual(self.located("usb=0403.6001.A50285BI"), "ttyUSB7")

    def test_none(self) -> None:
        """
        Where the adapter is not, what was found in its place is said.
        """
        self.assertEqual(
            self.refusal("usb=0403.6001.A5"),
            "no USB serial port is 0403.6001.A5; no USB serial port was found",
        )
        self.machine.plug("1-1", "0403", "6001", "B7", "ttyUSB0")
        self.machine.plug("1-2", "1a86", "7523", "", "ttyUSB1")
        self.assertEqual(
            self.refusal("usb=0403.6001.A5"),
            "no USB serial port is 0403.6001.A5; found ttyUSB0 (0403.6001.B7), ttyUSB1 (1a86.7523)",
        )

    def test_several(self) -> None:
        """
        Which of several adapters is meant is not guessed.
        """
        self.machine.plug("1-1", "0403", "6001", "A5", "ttyUSB0")
        self.machine.plug("1-2", "0403", "6001", "B7", "ttyUSB1")
        self.assertEqual(
            self.refusal("usb=0403.6001"),
            "0403.6001 is not one USB serial port but ttyUSB0 (0403.6001.A5), ttyUSB1 (0403.6001.B7); "
            "add the serial number, or name one by its path in /dev/serial/by-id, or in by-path",
        )

    def test_several_ports_of_one(self) -> None:
        """
        An adapter with several ports has one serial number; their paths tell them apart.
        """
        self.machine.plug("1-1", "0403", "6011", "A5", "ttyUSB0", "ttyUSB1")
        self.assertEqual(
            self.refusal("usb=0403.6011.A5"),
            "0403.6011.A5 is not one USB serial port but ttyUSB0 (0403.6011.A5), ttyUSB1 (0403.6011.A5); "
            "name one by its path in /dev/serial/by-id, or in by-path",
        )

    def test_no_sysfs(self) -> None:
        """
        A machine that shows no devices has no USB serial port.
        """
        self.assertEqual(list(ports(Path("/nowhere"))), [])
