"""
Serial ports by what the USB device behind them says of itself.

`usb=0403.6001.A50285BI` is vendor, product and serial number; without the
last, any device of that vendor and product. A device keeps them when it is
plugged in again, whatever name its port is given then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lumina.errors import PortDown

#: What a device begins with that is given in this way.
PREFIX = "usb="

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class UsbPort:
    """
    One that is plugged in.

    @ivar name: of the port, such as ttyUSB0.
    @ivar vendor: four hexadecimal digits.
    @ivar product: four hexadecimal digits.
    @ivar serial: empty if the device has none.
    """

    name: str
    vendor: str
    product: str
    serial: str

    def fits(self, identity: str) -> bool:
        vendor, _, rest = identity.partition(".")
        product, _, serial = rest.partition(".")
        same = (vendor.lower(), product.lower()) == (self.vendor, self.product)
        return same and serial in ("", self.serial)

    def __str__(self) -> str:
        return f"{self.name} ({'.'.join(filter(None, (self.vendor, self.product, self.serial)))})"


def locate(device: str, root: Path = _ROOT) -> str:
    """
    The path at which a device can be opened now: itself, unless it is given
    by what it says of itself.

    Reads /sys, which may wait for a device that is just coming up: call it in
    a thread.

    @param root: where /sys and /dev are.
    @raise PortDown: none fits, or several; with what was found.
    """
    if not device.startswith(PREFIX):
        return device
    identity = device.removeprefix(PREFIX)
    found = list(ports(root))
    fitting = [port for port in found if port.fits(identity)]
    if not fitting:
        others = f"found {_listed(found)}" if found else "no USB serial port was found"
        raise PortDown(f"no USB serial port is {identity}; {others}")
    if len(fitting) > 1:
        cure = "name one by its path in /dev/serial/by-id, or in by-path"
        if identity.count(".") < 2 and all(port.serial for port in fitting):
            cure = "add the serial number, or " + cure
        raise PortDown(f"{identity} is not one USB serial port but {_listed(fitting)}; {cure}")
    return str(root / "dev" / fitting[0].name)


def ports(root: Path = _ROOT) -> Iterator[UsbPort]:
    """Every serial port of a USB device that is plugged in, by name."""
    try:
        links = sorted((root / "sys/class/tty").iterdir())
    except OSError:
        return
    for link in links:
        hardware = link / "device"
        if hardware.exists() and (port := _usb_port(link.name, hardware.resolve())):
            yield port


def _usb_port(name: str, hardware: Path) -> UsbPort | None:
    """The nearest USB device above it is its own; those beyond are hubs."""
    for folder in hardware.parents:
        if vendor := _read(folder / "idVendor"):
            return UsbPort(name, vendor, _read(folder / "idProduct"), _read(folder / "serial"))
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""  # there is none, or the device has just gone


def _listed(found: list[UsbPort]) -> str:
    return ", ".join(map(str, found))
