"""
What a device says of itself: functions 43/14 and 17 (Application Protocol, 6.21 and 6.13).

`Identity` is the server's side, objects by id, cut into replies. `Page` is one
reply as the client sees it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from lumina.errors import BadReply, BadRequest, ExceptionReply, LuminaError
from lumina.modbus.request import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    MAX_PDU,
    Request,
    check_whole,
    expect,
    refusal,
    within,
)

BASIC = 1
REGULAR = 2
EXTENDED = 3
INDIVIDUAL = 4

OBJECT_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "VendorName",
        1: "ProductCode",
        2: "MajorMinorRevision",
        3: "VendorUrl",
        4: "ProductName",
        5: "ModelName",
        6: "UserApplicationName",
    }
)

_FUNCTION = 0x2B
_MEI = 0x0E
_LAST_ID = {BASIC: 0x02, REGULAR: 0x7F, EXTENDED: 0xFF}
_INDIVIDUAL_TOO = 0x80
_MORE = 0xFF
_HEAD = 7
_RUNNING = 0xFF

MAX_OBJECT = MAX_PDU - _HEAD - 2
MAX_SERVER_ID = MAX_PDU - 2


@dataclass(frozen=True, slots=True)
class Page:
    """
    One reply of a device about itself.

    @ivar level: conformity: 1 basic, 2 regular, 3 extended; 80h is added where
        single objects may be asked for.
    @ivar next_id: the object to ask for next; `None`: there are no more.
    @ivar objects: id and value of each.
    """

    level: int
    next_id: int | None
    objects: tuple[tuple[int, bytes], ...]

    @property
    def names(self) -> dict[str, str]:
        """The objects as text, by the specification's names, `object 80h` and so on beyond those."""
        return {
            OBJECT_NAMES.get(number, f"object {number:02X}h"): value.decode("latin-1")
            for number, value in self.objects
        }


@dataclass(frozen=True, slots=True)
class ReadDeviceIdentification(Request):
    """
    Function 43/14.

    @ivar code: 1 basic, 2 regular or 3 extended: the objects up to that
        level, as many as go into one reply; 4: one object.
    @ivar object_id: where to begin, or which object; 0 to 255.
    """

    code: int = BASIC
    object_id: int = 0
    function = _FUNCTION
    repeatable = True

    def __post_init__(self) -> None:
        within("code", self.code, BASIC, INDIVIDUAL)
        within("object id", self.object_id, 0, 0xFF)

    @property
    def reply_length(self) -> int | None:
        return None

    def encode(self) -> bytes:
        return bytes((self.function, _MEI, self.code, self.object_id))

    def decode(self, pdu: bytes) -> Page:
        return Page(pdu[3], pdu[5] if pdu[4] else None, tuple(_objects(pdu)))

    def answer(self, identity: "Identity") -> bytes:
        """@raise ExceptionReply: 02, for a single object that the device does not have."""
        page = identity.page(self.code, self.object_id)
        rest = (0, 0) if page.next_id is None else (_MORE, page.next_id)
        head = bytes((self.function, _MEI, self.code, page.level, *rest, len(page.objects)))
        return head + b"".join(bytes((number, len(value))) + value for number, value in page.objects)

    def _check_fields(self, pdu: bytes) -> None:
        if len(pdu) < _HEAD:
            raise BadReply(f"PDU length: {len(pdu)} came, at least {_HEAD} fits")
        expect("MEI type", pdu[1], _MEI)
        expect("code", pdu[2], self.code)
        if pdu[4] not in (0, _MORE):
            raise BadReply(f"more follows: {pdu[4]:02X} came, 00 or {_MORE:02X} fits")
        objects = tuple(_objects(pdu))
        expect("PDU length", len(pdu), _HEAD + sum(2 + len(value) for _, value in objects))
        if self.code == INDIVIDUAL:
            expect("objects", len(objects), 1)
            expect("object id", objects[0][0], self.object_id)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        if len(pdu) > 1 and pdu[1] != _MEI:
            raise refusal(f"MEI type: {pdu[1]} is not {_MEI}", ILLEGAL_FUNCTION)
        check_whole(pdu)
        return cls._read(pdu)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls(pdu[2], pdu[3])


class Identity:
    """
    The objects of one device, as it answers function 43/14.

    @ivar level: the conformity level that the objects reach, with 80h.
    """

    def __init__(self, objects: Mapping[int, str | bytes]) -> None:
        """
        @param objects: by id, 0 to 255; 0, 1 and 2 are mandatory. At most 244
            bytes each, since an object is never cut; text is ASCII.
        @raise BadRequest: names the object, the value and the limit.
        """
        for number in range(_LAST_ID[BASIC] + 1):
            if number not in objects:
                raise BadRequest(
                    f"objects: {number} ({OBJECT_NAMES[number]}) is missing; 0 to 2 are mandatory"
                )
        self._objects = {number: _object(number, objects[number]) for number in sorted(objects)}
        highest = max(self._objects)
        self.level = next(level for level, last in _LAST_ID.items() if highest <= last) | _INDIVIDUAL_TOO

    def page(self, code: int, object_id: int) -> Page:
        """
        What to answer.

        A level beyond the device's own is answered at its own. A stream that
        is to begin at an object which it does not have begins at 0.

        @raise ExceptionReply: 02, for a single object that is not there.
        """
        if code == INDIVIDUAL:
            if object_id not in self._objects:
                raise ExceptionReply(_FUNCTION, ILLEGAL_ADDRESS)
            return Page(self.level, None, ((object_id, self._objects[object_id]),))
        stream = [number for number in self._objects if number <= _LAST_ID[code]]
        rest = stream[stream.index(object_id) :] if object_id in stream else stream
        return self._cut(rest)

    def _cut(self, numbers: Iterable[int]) -> Page:
        """As many whole objects as go into one PDU."""
        size = _HEAD
        objects: list[tuple[int, bytes]] = []
        for number in numbers:
            value = self._objects[number]
            size += 2 + len(value)
            if size > MAX_PDU:
                return Page(self.level, number, tuple(objects))
            objects.append((number, value))
        return Page(self.level, None, tuple(objects))


@dataclass(frozen=True, slots=True)
class ServerId:
    """
    What function 17 tells.

    @ivar identifier: the device's own kind of number, often one byte.
    @ivar running: the run indicator; `None`: the reply has none.
    @ivar additional: what the device adds, often text.
    """

    identifier: bytes
    running: bool | None
    additional: bytes = b""

    def encode(self) -> bytes:
        """@raise LuminaError: more than 251 bytes, or an addition without a run indicator."""
        if self.running is None and self.additional:
            raise LuminaError(f"additional: {len(self.additional)} bytes need a run indicator before them")
        indicator = b"" if self.running is None else bytes((_RUNNING if self.running else 0,))
        data = self.identifier + indicator + self.additional
        within("server id", len(data), 0, MAX_SERVER_ID, LuminaError)
        return data

    @classmethod
    def decode(cls, data: bytes, size: int = 1) -> Self:
        """@param size: bytes of the identifier; the specification leaves it to the device."""
        running = data[size] == _RUNNING if len(data) > size else None
        return cls(data[:size], running, data[size + 1 :])


@dataclass(frozen=True, slots=True)
class ReportServerId(Request):
    """Function 17."""

    function = 0x11
    repeatable = True

    @property
    def reply_length(self) -> int | None:
        return None

    def encode(self) -> bytes:
        return bytes((self.function,))

    def decode(self, pdu: bytes) -> ServerId:
        """With an identifier of one byte; `ServerId.decode` reads others from `pdu[2:]`."""
        return ServerId.decode(pdu[2:])

    def answer(self, server: ServerId) -> bytes:
        data = server.encode()
        return bytes((self.function, len(data))) + data

    def _check_fields(self, pdu: bytes) -> None:
        if len(pdu) < 2:
            raise BadReply(f"PDU length: {len(pdu)} came, at least 2 fits")
        expect("byte count", pdu[1], len(pdu) - 2)

    @classmethod
    def _read(cls, pdu: bytes) -> Self:
        return cls()


def _object(number: int, value: str | bytes) -> bytes:
    name = OBJECT_NAMES.get(number, f"object {number:02X}h")
    within("object id", number, 0, 0xFF)
    if isinstance(value, str) and not value.isascii():
        raise BadRequest(f"{name}: {value!r} is not ASCII")
    data = value.encode("ascii") if isinstance(value, str) else value
    within(f"{name}: length", len(data), 0, MAX_OBJECT)
    return data


def _objects(pdu: bytes) -> Iterable[tuple[int, bytes]]:
    """@raise BadReply: the PDU ends within an object."""
    start = _HEAD
    for _ in range(pdu[6]):
        end = start + 2 + pdu[start + 1] if start + 1 < len(pdu) else len(pdu) + 1
        if end > len(pdu):
            raise BadReply(
                f"object length: the object at byte {start} goes beyond the {len(pdu)} bytes that came"
            )
        yield pdu[start], pdu[start + 2 : end]
        start = end
