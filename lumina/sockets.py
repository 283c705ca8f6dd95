"""TCP connections as lumina needs them: peers that vanish are noticed, and small messages leave at once."""

import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.tcp import Connection


def tcp_socket(transport: object) -> socket.socket | None:
    """What a transport, or a port that is listened on, has of the system; `None`: it is not TCP."""
    handle = getattr(transport, "socket", None)
    is_tcp = isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6)
    return handle if is_tcp else None


def keep_alive(handle: socket.socket, options: Mapping[int, int]) -> None:
    """
    Look now and then whether a silent peer is still there.

    @param options: of TCP, with their values: when, how often, and for how long.
    """
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in options.items():
        handle.setsockopt(socket.IPPROTO_TCP, option, value)


def direct_writer(transport: Any) -> Callable[[bytes], object]:
    """
    How to write to a transport so that the bytes leave at once, where nothing
    else is on its way: that saves the reactor a turn, and two calls of the
    system. What the system does not take goes the usual way, in its order;
    over TLS everything does. Whoever has many messages in one turn does better to join them.

    @param transport: one that is connected.
    """
    if not isinstance(transport, Connection) or transport.TLS:
        usual: Callable[[bytes], object] = transport.write
        return usual

    send = transport.socket.send

    def write(data: bytes) -> None:
        if transport.dataBuffer or transport._tempDataBuffer or transport.disconnecting:
            transport.write(data)
            return
        try:
            sent = send(data)
        except OSError:  # it is full, or broken: that is met again, and dealt with, in the usual way
            sent = 0
        if sent != len(data):
            transport.write(data[sent:])

    return write
