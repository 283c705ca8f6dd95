"""Connections over a network, as a bus needs them."""

import socket
from typing import Any

from lumina.sockets import keep_alive, tcp_socket

#: A device that has vanished is noticed within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

#: Bytes taken in one turn of the reactor: a flood from a device costs the others little.
READ_LIMIT = 4096


def tune(transport: Any) -> None:
    """Over TCP, send small messages at once, take little at a time, and notice a peer that has vanished."""
    handle = tcp_socket(transport)
    if handle is not None:
        transport.bufferSize = READ_LIMIT
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(handle, _KEEPALIVE)
