"""How many connections a listener lets in, in all and from one address."""

import re
from collections import Counter

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

_LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")


class Admission:
    """
    Counts those who are in.

    Programs of this machine all come from one address, so that its limit does
    not bind them.
    """

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._inside: Counter[str] = Counter()

    def refusal(self, address: IAddress | None) -> str:
        """Why one more cannot come in from there; empty: it can."""
        host = host_of(address)
        if self._inside.total() >= self._limit:
            return f"{self._limit} connections are open already, the limit"
        if host and not _LOOPBACK.match(host) and self._inside[host] >= self._limit_per_address:
            return f"{self._limit_per_address} connections from {host} are open already, the limit"
        return ""

    def enter(self, address: IAddress | None) -> None:
        self._inside[host_of(address)] += 1

    def leave(self, address: IAddress | None) -> None:
        self._inside[host_of(address)] -= 1
        self._inside += Counter()  # forget those of whom nobody is left


def host_of(address: IAddress | None) -> str:
    """The IP address of a peer; empty for one on a UNIX socket."""
    return address.host if isinstance(address, IPv4Address | IPv6Address) else ""


def peer_name(address: IAddress | None) -> str:
    """A peer, for people: `192.0.2.7:50412`, or `local`."""
    return f"{address.host}:{address.port}" if isinstance(address, IPv4Address | IPv6Address) else "local"
