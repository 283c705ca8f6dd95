"""How a request is to be carried, and for whom; plug-ins find these names in `lumina.interfaces`."""

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """The class of a request: higher ones go first, the lowest has a share that it keeps."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks, as far as access rules and the audit log can know; the same object for all
    requests of a connection.

    @ivar listener: the key of the listener that let it in; the name of a part
        of lumina that asks for itself, such as `poll`.
    @ivar host: its IP address; empty on a UNIX socket or a serial line, and
        for a part of lumina.
    @ivar identity: the subject of its TLS certificate; empty: it showed none.
    @ivar role: the role in that certificate (Modbus/TCP Security, R-21); empty:
        none, which is the null role.
    """

    listener: str = "-"
    host: str = ""
    identity: str = ""
    role: str = ""


NOBODY = Asker()


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How a request is to be carried, and for whom.

    @ivar client: who asks; a connection. Clients take turns, and the requests
        of one client keep their order.
    @ivar asker: who that is, for access rules and the audit log.
    @ivar id: what the asker calls the request; need not be unique.
    @ivar type: the asker's label of the device, for logs and priorities.
    @ivar priority: its class.
    @ivar patience: seconds it may wait until sending begins; `None`: for ever.
    @ivar timeout: seconds from the end of the request on the wire until the
        reply begins; `None`: the unit's or the port's own.
    @ivar baudrate: bits per second for this request; `None`: the port's own.
        A bus without a speed ignores it.
    @ivar hint: bytes that the asker expects, CRC included; 0: not known.
        Framing never relies on it.
    """

    client: str = "-"
    id: str = "-"
    type: str = "-"
    priority: Priority = Priority.NORMAL
    patience: float | None = None
    timeout: float | None = None
    baudrate: int | None = None
    hint: int = 0
    asker: Asker = NOBODY
