"""Which class a request belongs to: by its label, its client's address, its listener."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from lumina.interfaces import Priority


@dataclass(frozen=True, slots=True)
class Priorities:
    """
    @ivar otherwise: the class of the listener.
    @ivar by_type: classes of `type` labels; they come first.
    @ivar by_client: classes of networks; the narrowest that fits counts.
    """

    otherwise: Priority = Priority.NORMAL
    by_type: Mapping[str, Priority] = field(default_factory=dict)
    by_client: Mapping[IPv4Network | IPv6Network, Priority] = field(default_factory=dict)

    def of_client(self, host: str) -> Priority:
        """
        @param host: an IP address; empty for a client on a UNIX socket.
        """
        if not host or not self.by_client:
            return self.otherwise
        address = ip_address(host)
        fitting = [network for network in self.by_client if address in network]
        if not fitting:
            return self.otherwise
        return self.by_client[max(fitting, key=lambda network: network.prefixlen)]

    def of(self, label: str, client: Priority) -> Priority:
        """
        @param label: the request's `type`.
        @param client: the class of its client.
        """
        return self.by_type.get(label, client)
