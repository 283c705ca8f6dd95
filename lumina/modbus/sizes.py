"""
How long a PDU is, told by its own first bytes.

Both functions take the bytes that are there and give the least length that
the PDU must have for all that these say, so that `len(head) >= size` means
that it is whole. Bytes behind the PDU do no harm.
"""

#: What an exception reply has added to the function code (Application Protocol V1.1b3, 7).
EXCEPTION = 0x80

# The bytes up to and with the byte count, and where that stands; 0: there is none.
_REQUESTS = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08), (5, 0)),
    **dict.fromkeys((0x07, 0x0B, 0x0C, 0x11), (1, 0)),
    **dict.fromkeys((0x0F, 0x10), (6, 5)),
    **dict.fromkeys((0x14, 0x15), (2, 1)),
    0x16: (7, 0),
    0x17: (10, 9),
    0x18: (3, 0),
}
_REPLIES = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04, 0x0C, 0x11, 0x14, 0x15, 0x17), (2, 1)),
    **dict.fromkeys((0x05, 0x06, 0x08, 0x0B, 0x0F, 0x10), (5, 0)),
    0x07: (2, 0),
    0x16: (7, 0),
}
_FIFO = 0x18
_ENCAPSULATED = 0x2B
_IDENTIFICATION = 0x0E


def request_size(head: bytes) -> int | None:
    """
    @return: bytes of the request PDU that begins so; `None`: its content does
        not tell (functions that are not the specification's, 43 with an MEI
        other than 14).
    """
    if not head:
        return 1
    if head[0] == _ENCAPSULATED:
        return _encapsulated(head, 4)
    return _counted(head, _REQUESTS.get(head[0]))


def reply_size(head: bytes) -> int | None:
    """
    @return: as `request_size`, for a reply; an exception reply is 2 bytes.
    """
    if not head:
        return 1
    if head[0] >= EXCEPTION:
        return 2
    if head[0] == _FIFO:
        return 3 + int.from_bytes(head[1:3], "big") if len(head) > 2 else 3
    if head[0] == _ENCAPSULATED:
        return _encapsulated(head, _objects_size(head))
    return _counted(head, _REPLIES.get(head[0]))


def _counted(head: bytes, shape: tuple[int, int] | None) -> int | None:
    if shape is None:
        return None
    size, place = shape
    return size + head[place] if place and len(head) > place else size


def _encapsulated(head: bytes, size: int) -> int | None:
    if len(head) < 2:
        return 2
    return size if head[1] == _IDENTIFICATION else None


def _objects_size(head: bytes) -> int:
    """Walk the objects of a device identification: 7 bytes, then id, length and value of each."""
    size = 7
    left = head[6] if len(head) > 6 else 0
    while left and len(head) > size + 1:
        size += 2 + head[size + 1]
        left -= 1
    return size + 2 * left
