"""What a simulated device is, beside its tables."""

from collections.abc import Collection
from typing import NamedTuple

from lumina.modbus.identity import Identity, ServerId

_NOBODY = Identity({0: "lumina", 1: "simulated", 2: "1.0"})


class Traits(NamedTuple):
    """
    What a device is, beside its tables.

    @ivar identity: what it says of itself to function 43/14.
    @ivar server_id: what it says to function 17.
    @ivar exception_status: eight flags, for function 07.
    @ivar register: the diagnostic register, for 08/02.
    @ivar functions: the function codes that it serves; `None`: all that there are.
    """

    identity: Identity = _NOBODY
    server_id: ServerId = ServerId(b"\x01", True, b"lumina")
    exception_status: int = 0
    register: int = 0
    functions: Collection[int] | None = None
