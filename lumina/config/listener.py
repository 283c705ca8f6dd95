"""What every listener has; apart from the kinds of them, which are in several modules."""

from typing import Annotated

from lumina.config import endpoints
from lumina.config.types import checked_by
from lumina.plugins import Settings


class Listener(Settings):
    """What every listener has, of whatever kind."""

    kind: str
    endpoint: Annotated[str, checked_by(endpoints.server)]
    read_only: bool | None = None

    @property
    def address(self) -> str:
        """The endpoint to listen on: loopback, where it does not say where."""
        return endpoints.address(self.endpoint)

    @property
    def writable(self) -> bool:
        """Whether those who ask here may write, as long as there are no access rules."""
        return self.is_local if self.read_only is None else not self.read_only

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine reach it."""
        return endpoints.is_local(endpoints.server(self.endpoint))
