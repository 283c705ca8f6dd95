"""Who may do what to which registers."""

from dataclasses import dataclass

from lumina.errors import Denied
from lumina.modbus.pdu import Request


@dataclass(frozen=True, slots=True)
class Access:
    """
    What one listener lets through.

    @ivar listener: its key, for the sentence.
    @ivar read_only: whether every request that may change something in a
        device is refused; one of an unknown function code may.
    """

    listener: str
    read_only: bool = False

    def check(self, unit: int, request: Request) -> None:
        """
        @raise Denied: the request may not be carried, and why.
        """
        if self.read_only and request.writes:
            raise Denied(f"listener {self.listener} is read-only; function {request.function:02X} may write")
