"""Connections over a network, as a bus needs them."""

import socket
from typing import Any

#: Keepalive: a device that has vanished is noticed within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}


def tune(transport: Any) -> None:
    """Send small messages at once, and notice a peer that has vanished; nothing, where it is no TCP."""
    handle = getattr(transport, "socket", None)
    if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
