"""Connections over a network, as a bus needs them."""

import socket
from typing import Any

#: Keepalive: a device that has vanished is noticed within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

#: Bytes taken in one turn of the reactor: a flood from a device costs the others little.
READ_LIMIT = 4096


def tune(transport: Any) -> None:
    """Over TCP, send small messages at once, take little at a time, and notice a peer that has vanished."""
    handle = getattr(transport, "socket", None)
    if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
        transport.bufferSize = READ_LIMIT
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
