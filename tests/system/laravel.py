"""A stand-in for the Laravel endpoint of the documents, as strict as it is."""

import json
import re
from collections.abc import Collection
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

KEYS = (
    "device_id",
    "parameter",
    "value",
    "unit",
    "timestamp",
    "register_address",
    "data_type",
    "description",
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

#: Requests that its router lets through in a minute.
LIMIT = 60


class Readings(Resource):
    """
    Takes readings of known registers, and refuses all else as Laravel would.

    @ivar stored: what it has accepted, in order.
    @ivar refused: what it has not, with the status of the answer.
    """

    isLeaf = True

    def __init__(self, known: Collection[tuple[int | str, str]], limit: int = LIMIT) -> None:
        """
        @param known: device and parameter of each register in its database.
        @param limit: requests before the first 429.
        """
        super().__init__()
        self.stored: list[dict[str, Any]] = []
        self.refused: list[tuple[int, bytes]] = []
        self._known = known
        self._left = limit

    def render_POST(self, request: Request) -> bytes:
        body = request.content.read() if request.content else b""
        status = self._judged(body)
        request.setResponseCode(status)
        request.setHeader("Content-Type", "application/json")
        if status == 429:
            request.setHeader("Retry-After", "1")
            self._left = LIMIT
        if status != 201:
            self.refused.append((status, body))
        return b"{}"

    def _judged(self, body: bytes) -> int:
        self._left -= 1
        if self._left < 0:
            return 429
        reading = json.loads(body)
        if tuple(reading) != KEYS or not _TIMESTAMP.fullmatch(reading["timestamp"]):
            return 422
        if isinstance(reading["value"], bool) or not isinstance(reading["value"], int | float):
            return 422
        if (reading["device_id"], reading["parameter"]) not in self._known:
            return 404
        self.stored.append(reading)
        return 201
