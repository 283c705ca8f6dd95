"""
The documents' API as a process, with illnesses by a seed; `GET /` tells what is stored.

    python -m tests.system.ill_api PORT SEED

It prints its port. Of its answers one in ten is lost after the reading is
stored, one in twenty fails before, and now and then one never comes.
"""

import json
import random
import sys
import time
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.laravel import Readings


class IllReadings(Readings):
    """The endpoint, ill by a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(time.time, per_minute=10**9)
        self._draw = random.Random(seed)

    def render_GET(self, request: Request) -> bytes:
        values = [[each.key, each.document["device_id"], each.document["value"]] for each in self.stored]
        return json.dumps(values).encode()

    def render_POST(self, request: Request) -> Any:
        ill = self._draw.random()
        if ill < 0.05:
            request.setResponseCode(503)
            return b"{}"
        answer = super().render_POST(request)
        if ill < 0.15:
            request.loseConnection()
            return NOT_DONE_YET
        return NOT_DONE_YET if ill > 0.998 else answer


def main() -> None:
    reactor: Any = global_reactor
    endpoint: Resource = IllReadings(int(sys.argv[2]))
    port = reactor.listenTCP(int(sys.argv[1]), Site(endpoint), interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
