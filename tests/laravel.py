"""
The documents' API, as strict as Laravel is: `POST /api/readings`.

It validates each key as `ReadingController` does, knows which registers there
are, lets 60 requests through in a minute, and stores a reading once for its
idempotency key, by itself or in whichever batch.
"""

import json
import math
import re
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")

#: Key, whether it may be missing, and what it must be.
_RULES: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("device_id", lambda value: isinstance(value, int | str) and not isinstance(value, bool)),
    ("parameter", lambda value: isinstance(value, str) and 0 < len(value) <= 255),
    ("value", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    ("unit", lambda value: isinstance(value, str) and len(value) <= 50),
    ("timestamp", lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None),
    ("register_address", lambda value: type(value) is int and 0 <= value <= 465536),
    ("data_type", lambda value: value in ("float", "int", "uint16", "uint32")),
    ("description", lambda value: isinstance(value, str) and len(value) <= 255),
)


@dataclass(frozen=True)
class Stored:
    """A reading in the database."""

    key: str
    document: dict[str, Any]


class Readings(Resource):
    """
    The endpoint.

    @ivar stored: what is in the database, in the order of arrival.
    @ivar repeated: keys of readings that came once more.
    @ivar bodies: the body of each key; another body for it is answered with 409.
    @ivar trouble: answers in place of the API, if it gives a status.
    """

    isLeaf = True

    def __init__(
        self,
        wall: Callable[[], float],
        registers: Collection[tuple[Any, str]] | None = None,
        per_minute: int = 60,
        token: str = "",
    ) -> None:
        """
        @param registers: the device and parameter of each that is configured; `None`: any is.
        @param token: who does not bear it is answered with 401.
        """
        super().__init__()
        self.stored: list[Stored] = []
        self.repeated: list[str] = []
        self.statuses: list[int] = []
        self.bodies: dict[str, bytes] = {}
        self.trouble: Callable[[], int] = lambda: 0
        self._keys: set[str] = set()
        self._wall = wall
        self._registers = registers
        self._per_minute = per_minute
        self._token = token
        self._times: deque[float] = deque()

    def render_POST(self, request: Request) -> bytes:
        status, answer = self._answer(request)
        self.statuses.append(status)
        request.setResponseCode(status)
        request.setHeader("Content-Type", "application/json")
        return json.dumps(answer).encode()

    def _answer(self, request: Request) -> tuple[int, Any]:
        if request.path != b"/api/readings":
            return 404, {"message": "no such route"}
        if status := self.trouble():
            return status, {"message": "Server Error"}
        if not self._within_limit(request):
            return 429, {"message": "Too Many Attempts."}
        if self._token and request.getHeader("authorization") != f"Bearer {self._token}":
            return 401, {"message": "Unauthenticated."}
        if request.getHeader("content-type") != "application/json":
            return 415, {"message": "not JSON"}
        assert request.content is not None
        body = request.content.read()
        key = request.getHeader("idempotency-key") or ""
        if not key or self.bodies.setdefault(key, body) != body:
            return 409, {"message": "another body for this key"}
        document = json.loads(body, parse_constant=_refuse)
        return self._store(keys(key, request.getHeader("idempotency-members")), document)

    def _store(self, names: Sequence[str], document: Any) -> tuple[int, Any]:
        documents = document if isinstance(document, list) else [document]
        for each in documents:
            if faults := invalid(each):
                return 422, {"message": "The given data was invalid.", "errors": faults}
            if self._registers is not None and (each["device_id"], each["parameter"]) not in self._registers:
                return 404, {"message": "Register not configured"}
        for key, each in zip(names, documents, strict=True):
            if key in self._keys:
                self.repeated.append(key)
            else:
                self._keys.add(key)
                self.stored.append(Stored(key, each))
        return 201, document

    def _within_limit(self, request: Request) -> bool:
        now = self._wall()
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        left = self._per_minute - len(self._times)
        request.setHeader("X-RateLimit-Limit", str(self._per_minute))
        request.setHeader("X-RateLimit-Remaining", str(max(0, left - 1)))
        if left > 0:
            self._times.append(now)
            return True
        wait = math.ceil(self._times[0] + 60 - now)
        request.setHeader("Retry-After", str(wait))
        request.setHeader("X-RateLimit-Reset", str(int(now) + wait))
        return False


def keys(key: str, members: str | None) -> Sequence[str]:
    """The key of each reading: that of the request, or those of the members of a batch."""
    if members is None:
        return [key]
    name, _, numbers = members.partition("; ")
    found: list[str] = []
    for run in numbers.split(","):
        first, _, last = run.partition("-")
        found += [f"{name}-{number}" for number in range(int(first), int(last or first) + 1)]
    return found


def invalid(document: Any) -> dict[str, str]:
    """What is wrong with a document, by key."""
    if not isinstance(document, dict):
        return {"": "not an object"}
    faults = {key: "is invalid" for key, is_valid in _RULES if not is_valid(document.get(key))}
    known = {key for key, _ in _RULES}
    return faults | {key: "is unknown" for key in document if key not in known}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
