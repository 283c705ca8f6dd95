"""Connections over a network, as a bus needs them."""

import socket
from typing import Any

from service_identity import VerificationError
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from lumina.sockets import keep_alive, tcp_socket

#: A device that has vanished is noticed within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

#: Bytes taken in one turn of the reactor: a flood from a device costs the others little.
READ_LIMIT = 4096

_UNTRUSTED = "certificate verify failed"


def tune(transport: Any) -> None:
    """Over TCP, send small messages at once, take little at a time, and notice a peer that has vanished."""
    handle = tcp_socket(transport)
    if handle is not None:
        transport.bufferSize = READ_LIMIT
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(handle, _KEEPALIVE)


def parting(reason: Failure) -> str:
    """Why a connection has ended, for people; empty: the other side has closed it, as it may."""
    if reason.check(ConnectionDone):
        return ""
    error: Any = reason.value
    if isinstance(error, VerificationError):
        return "TLS: its certificate is for another name than that of the endpoint"
    details = error.args[0] if error.args else None
    if not isinstance(details, list):  # of library, function and reason, as OpenSSL gives them
        return reason.getErrorMessage()
    said = ", ".join(str(each[-1]) for each in details) or "it was ended"
    why = ": it has expired, or nobody who is trusted has signed it" if said == _UNTRUSTED else ""
    return f"TLS: {said}{why}"
