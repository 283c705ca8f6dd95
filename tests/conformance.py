"""
What a Modbus server must answer, byte for byte: the rows of the checklist.

Application Protocol V1.1b3 (APS) with its per-function figures, Messaging on
TCP/IP V1.0b (TCP), Serial Line V1.02 (SER). The cases are PDUs, so that one
table judges each way to a server.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: The last address of each table.
LAST = 99


@dataclass(frozen=True)
class Case:
    """
    A row.

    @ivar clause: where it is written, and what it says.
    @ivar request: the PDU that is asked last.
    @ivar reply: the PDU that must come, `??` for a byte that is free; `None`: silence.
    @ivar before: PDUs that are asked before, whatever is answered.
    """

    clause: str
    request: bytes
    reply: str | None
    before: tuple[bytes, ...] = ()

    def fits(self, came: bytes | None) -> bool:
        """Whether this is what must come."""
        if came is None or self.reply is None:
            return came is None and self.reply is None
        due = self.reply.replace(" ", "").upper()
        said = came.hex().upper()
        return len(due) == len(said) and all(a in ("?", b) for a, b in zip(due, said, strict=True))


def _pdu(*parts: int | str | bytes | Sequence[int]) -> bytes:
    """Integers are bytes, strings are hex."""
    data = b""
    for part in parts:
        if isinstance(part, int):
            data += bytes([part])
        elif isinstance(part, str):
            data += bytes.fromhex(part)
        else:
            data += bytes(part)
    return data


def _word(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _words(numbers: Sequence[int]) -> bytes:
    return b"".join(map(_word, numbers))


def read(function: int, address: int, count: int) -> bytes:
    """Functions 01 to 04."""
    return _pdu(function, _word(address), _word(count))


def write_bits(address: int, count: int, data: bytes, size: int | None = None) -> bytes:
    """Function 15, its byte count as it should be unless said."""
    return _pdu(0x0F, _word(address), _word(count), len(data) if size is None else size, data)


def write_registers(address: int, values: Sequence[int], size: int | None = None) -> bytes:
    """Function 16, its byte count as it should be unless said."""
    return _pdu(
        0x10, _word(address), _word(len(values)), 2 * len(values) if size is None else size, _words(values)
    )


def read_write(read_address: int, read_count: int, address: int, values: Sequence[int]) -> bytes:
    """Function 23."""
    head = _words((read_address, read_count, address, len(values)))
    return _pdu(0x17, head, 2 * len(values), _words(values))


def cases() -> Iterator[Case]:
    """All of them, for a device with the tables of the preset `basic`."""
    yield from _reads()
    yield from _single_writes()
    yield from _multiple_writes()
    yield from _masks_and_exchanges()
    yield from _status()
    yield from _events()
    yield from _files_read()
    yield from _files_written()
    yield from _queues()
    yield from _identification()
    yield from _unknown()


def _reads() -> Iterator[Case]:
    yield Case(
        "APS 6.1: coils come first in bit 0, the last byte filled with 0",
        read(1, 0x13, 10),
        "01 02 CD 01",
        (write_bits(0x13, 10, b"\xcd\x01"),),
    )
    yield Case("APS 6.2: discrete inputs likewise", read(2, 0, 11), "02 02 AA 02")
    yield Case("APS 6.3: registers come high byte first", read(3, 0x60, 4), "03 08 0060 0061 0062 0063")
    yield Case("APS 6.4: input registers likewise", read(4, 8, 1), "04 02 03F0")
    for function, most in ((1, 2000), (2, 2000), (3, 125), (4, 125)):
        refused = f"{function | 0x80:02X}"
        for count in (0, most + 1, 0xFFFF):
            yield Case(
                f"APS fig. {function + 10}: quantity {count} is 03", read(function, 0, count), refused + "03"
            )
        yield Case("... before the address is looked at", read(function, 0xFFFF, most + 1), refused + "03")
        yield Case("... the most is an address matter here: 02", read(function, 0, most), refused + "02")
        yield Case("one past the end is 02", read(function, LAST, 2), refused + "02")
        yield Case(
            "the last is there", read(function, LAST, 1), f"{function:02X} ?? ??" + "??" * (function > 2)
        )
        yield Case("an address that is not there is 02", read(function, LAST + 1, 1), refused + "02")
        yield Case("past 65535 is 02, never a wrap", read(function, 0xFFFF, 2), refused + "02")
        for short in (1, 2, 3, 4):
            yield Case("a missing byte is 03", read(function, 0, 1)[:short], refused + "03")
        yield Case("a byte too many is 03", read(function, 0, 1) + b"\0", refused + "03")


def _single_writes() -> Iterator[Case]:
    yield Case("APS 6.5: a coil is confirmed by its echo", _pdu(5, "0005 FF00"), "05 0005 FF00")
    yield Case("... and is on", read(1, 5, 1), "01 01 01", (_pdu(5, "0005 FF00"),))
    yield Case("... and off", read(1, 5, 1), "01 01 00", (_pdu(5, "0005 FF00"), _pdu(5, "0005 0000")))
    for value in ("0001", "00FF", "FF01", "FFFF", "1234"):
        yield Case(f"APS fig. 15: {value} is neither on nor off, 03", _pdu(5, "000A", value), "85 03")
        yield Case("... even where the address is wrong too", _pdu(5, "FFFF", value), "85 03")
    yield Case("an address that is not there is 02", _pdu(5, "0064 FF00"), "85 02")
    for short in (1, 2, 3, 4):
        yield Case("a missing byte is 03", _pdu(5, "0005 FF00")[:short], "85 03")
    yield Case("a byte too many is 03", _pdu(5, "0005 FF00 00"), "85 03")
    for value in ("0000", "0003", "FFFF"):
        yield Case("APS 6.6: a register takes any value, echoed", _pdu(6, "0001", value), f"06 0001 {value}")
        yield Case("... and holds it", read(3, 1, 1), f"03 02 {value}", (_pdu(6, "0001", value),))
    yield Case("an address that is not there is 02", _pdu(6, "0064 0003"), "86 02")
    for short in (1, 2, 3, 4):
        yield Case("a missing byte is 03", _pdu(6, "0001 0003")[:short], "86 03")
    yield Case("a byte too many is 03", _pdu(6, "0001 0003 00"), "86 03")


def _multiple_writes() -> Iterator[Case]:
    good = write_bits(0x13, 10, b"\xcd\x01")
    yield Case("APS 6.11: address and quantity are confirmed", good, "0F 0013 000A")
    for count in (0, 1969, 0xFFFF):
        yield Case(f"APS fig. 21: quantity {count} is 03", write_bits(0x13, count, b"\xcd\x01"), "8F 03")
    for size, data in ((1, b"\xcd"), (3, b"\xcd\x01\0"), (2, b"\xcd"), (2, b"\xcd\x01\0"), (0, b"")):
        yield Case("a byte count that does not fit is 03", write_bits(0x13, 10, data, size), "8F 03")
    yield Case("... before the address", write_bits(0xFFFF, 10, b"\xcd", 1), "8F 03")
    yield Case("past the end is 02", write_bits(LAST, 2, b"\x03"), "8F 02")
    yield Case("... and writes nothing", read(1, LAST, 1), "01 01 00", (write_bits(LAST, 2, b"\x03"),))
    yield Case("past 65535 is 02", write_bits(0xFFFF, 2, b"\x03"), "8F 02")
    yield Case("1968 are not too many: 02 here", write_bits(0, 1968, bytes(246)), "8F 02")
    yield Case("... nor are 100", write_bits(0, 100, b"\xff" * 12 + b"\x0f"), "0F 0000 0064")
    good = write_registers(1, (10, 0x102))
    yield Case("APS 6.12: address and quantity are confirmed", good, "10 0001 0002")
    yield Case("... and both are there", read(3, 1, 2), "03 04 000A 0102", (good,))
    yield Case("APS fig. 22: quantity 0 is 03", write_registers(1, ()), "90 03")
    yield Case("124 registers are 03", _pdu(0x10, "0001 007C F8", b"\0" * 246), "90 03")
    yield Case("a byte count that does not fit is 03", _pdu(0x10, "0001 0002 02 000A"), "90 03")
    yield Case("... nor one beyond", _pdu(0x10, "0001 0002 06 000A 000B 000C"), "90 03")
    yield Case("... nor data that do not fit", _pdu(0x10, "0001 0002 04 000A"), "90 03")
    yield Case("... before the address", _pdu(0x10, "FFFF 0002 02 000A"), "90 03")
    yield Case("past the end is 02", write_registers(LAST, (1, 2)), "90 02")
    yield Case("... and writes nothing", read(3, LAST, 1), "03 02 0063", (write_registers(LAST, (1, 2)),))
    yield Case("past 65535 is 02", write_registers(0xFFFF, (1, 2)), "90 02")
    yield Case("123 are not too many: 02 here", write_registers(0, (1,) * 123), "90 02")
    yield Case("... nor are 100", write_registers(0, (1,) * 100), "10 0000 0064")


def _masks_and_exchanges() -> Iterator[Case]:
    good = _pdu(0x16, "0004 00F2 0025")
    yield Case("APS 6.16: the request is echoed", good, "16 0004 00F2 0025", (_pdu(6, "0004 0012"),))
    yield Case("... 0012 becomes 0017", read(3, 4, 1), "03 02 0017", (_pdu(6, "0004 0012"), good))
    yield Case("an address that is not there is 02", _pdu(0x16, "0064 00F2 0025"), "96 02")
    yield Case("a missing byte is 03", good[:-1], "96 03")
    yield Case("a byte too many is 03", good + b"\0", "96 03")
    good = read_write(3, 6, 14, (0xFF, 0xFF, 0xFF))
    yield Case("APS 6.17: registers are read", good, "17 0C 0003 0004 0005 0006 0007 0008")
    yield Case("... the write comes first", read_write(13, 2, 14, (0xFF,)), "17 04 000D 00FF")
    for count in (0, 126):
        yield Case(f"reading {count} is 03", read_write(3, count, 14, (1,)), "97 03")
    yield Case("writing none is 03", read_write(3, 6, 14, ()), "97 03")
    yield Case("writing 122 is 03", _pdu(0x17, "0003 0006 000E 007A F4", b"\0" * 242), "97 03")
    yield Case("writing 121 is not too many: 02 here", read_write(3, 1, 0, (1,) * 121), "97 02")
    yield Case("... nor is reading 125", read_write(0, 125, 14, (1,)), "97 02")
    yield Case("... nor are 100", read_write(99, 1, 0, (7,) * 100), "17 02 0007")
    yield Case("a byte count that does not fit is 03", _pdu(0x17, "0003 0006 000E 0002 02 00FF"), "97 03")
    yield Case("... before addresses", _pdu(0x17, "FFFF 0006 FFFF 0002 02 00FF"), "97 03")
    for bad in (read_write(LAST, 2, 14, (7,)), read_write(3, 1, LAST, (7, 7))):
        yield Case("either range past the end is 02", bad, "97 02")
        yield Case("... and nothing is written", read(3, 14, 1), "03 02 000E", (bad,))
        yield Case("... nor there", read(3, LAST, 1), "03 02 0063", (bad,))


def _status() -> Iterator[Case]:
    yield Case("APS 6.7: exception status is a byte", _pdu(7), "07 ??")
    yield Case("a byte too many is 03", _pdu(7, 0), "87 03")
    yield Case("APS 6.8, 00: data come back, any", _pdu(8, "0000 A537"), "08 0000 A537")
    yield Case("... 01: restart, data 0000", _pdu(8, "0001 0000"), "08 0001 0000")
    yield Case("... 01: restart, data FF00 clears the log", _pdu(8, "0001 FF00"), "08 0001 FF00")
    yield Case("... 01: other data are 03", _pdu(8, "0001 0001"), "88 03")
    yield Case("... 02: the diagnostic register", _pdu(8, "0002 0000"), "08 0002 ????")
    yield Case("... 03: a delimiter in the high byte", _pdu(8, "0003 0A00"), "08 0003 0A00")
    yield Case("... 03: data in the low byte are 03", _pdu(8, "0003 0A01"), "88 03")
    yield Case("... 04: listen only is not answered", _pdu(8, "0004 0000"), None)
    yield Case("... nor is what follows", read(3, 0, 1), None, (_pdu(8, "0004 0000"),))
    yield Case(
        "... until a restart",
        read(3, 7, 1),
        "03 02 0007",
        (_pdu(8, "0004 0000"), read(3, 0, 1), _pdu(8, "0001 0000")),
    )
    for sub in (10, *range(11, 19), 20):
        answer = f"08 {sub:04X} " + ("0000" if sub in (10, 20) else "????")
        yield Case(f"... {sub}: is served", _pdu(8, _word(sub), "0000"), answer)
        yield Case(f"... {sub}: data are 03", _pdu(8, _word(sub), "0001"), "88 03")
    for sub in (5, 9, 19, 21, 0xFFFF):
        yield Case(f"... {sub}: is not, 01", _pdu(8, _word(sub), "0000"), "88 01")
    yield Case("a missing byte is 03", _pdu(8, "0000 00"), "88 03")
    restart, broken, good = _pdu(8, "0001 0000"), read(3, 0, 0), read(3, 0, 1)
    messages = (restart, good, broken)
    yield Case(
        "SER A, 0B: messages, this one too", _pdu(8, "000B 0000"), "08 000B 0003", (restart, good, broken)
    )
    yield Case("... 0D: exceptions", _pdu(8, "000D 0000"), "08 000D 0001", messages)
    yield Case("... 0E: addressed, this one too", _pdu(8, "000E 0000"), "08 000E 0003", (restart, good, good))
    yield Case("... 10 clears", _pdu(8, "000D 0000"), "08 000D 0000", (broken, _pdu(8, "000A 0000")))


def _events() -> Iterator[Case]:
    restart, broken, good = _pdu(8, "0001 0000"), read(3, 0, 0), read(3, 0, 1)
    yield Case("APS 6.9: status and events", _pdu(11), "0B 0000 ????")
    yield Case("... each success counts", _pdu(11), "0B 0000 0002", (restart, good, good))
    yield Case("... an exception does not", _pdu(11), "0B 0000 0001", (restart, good, broken))
    yield Case("... nor does asking for it", _pdu(11), "0B 0000 0001", (restart, good, _pdu(11), _pdu(11)))
    yield Case("a byte too many is 03", _pdu(11, 0), "8B 03")
    fresh = _pdu(8, "0001 FF00")
    yield Case("APS 6.10: status, events, messages, the log", _pdu(12), "0C 07 0000 0000 0001 00", (fresh,))
    yield Case(
        "... newest first: exception sent, received, sent, received, restarted",
        _pdu(12),
        "0C 0B 0000 0001 0003 41 80 40 80 00",
        (fresh, good, broken),
    )
    yield Case(
        "... 64 at most",
        _pdu(12),
        "0C 46 0000 0028 0029" + " 40 80" * 32,
        (fresh, *(good for _ in range(40))),
    )
    yield Case("APS 6.13: the id, running, and more", _pdu(17), "11 08 01 FF" + b"lumina".hex())
    yield Case("a byte too many is 03", _pdu(12, 0), "8C 03")
    yield Case("a byte too many is 03", _pdu(17, 0), "91 03")


#: A record of a file that holds three.
RECORDS = _pdu(0x15, "0D 06 0004 0007 0003 06AF 04BE 100D")

#: The last record of the file, and what it holds at first.
LAST_RECORD, EMPTY = _pdu(0x14, "07 06 0004 0063 0001"), "14 04 03 06 0000"


def _files_read() -> Iterator[Case]:
    groups = _pdu(0x14, "0E 06 0004 0007 0002 06 0004 0009 0001")
    yield Case("APS 6.14: groups in their order", groups, "14 0A 05 06 06AF 04BE 03 06 100D", (RECORDS,))
    for size in ("00", "06", "F6", "08"):
        data = b"\x06\0\x04\0\x01\0\x01" * 40
        yield Case(f"a byte count of {size} is 03", _pdu(0x14, size, data[: int(size, 16)]), "94 03")
    most = _pdu(0x14, "F5", bytes.fromhex("06000400010001") * 35)
    yield Case("35 groups are not too many", most, "14 8C" + " 03 06 0000" * 35)
    long = _pdu(0x14, "0E 06 0004 0000 0064 06 0004 0000 0020")
    yield Case("a reply beyond 253 bytes is 03", long, "94 03")
    yield Case("a reference type other than 6 is 02", _pdu(0x14, "07 05 0004 0001 0001"), "94 02")
    for file in ("0000", "0005"):
        yield Case("a file that is not there is 02", _pdu(0x14, "07 06", file, "0001 0001"), "94 02")
    yield Case("a record beyond 9999 is 02", _pdu(0x14, "07 06 0004 2710 0001"), "94 02")
    yield Case("the last record is there", LAST_RECORD, EMPTY)
    yield Case("one past the end is 02", _pdu(0x14, "07 06 0004 0063 0002"), "94 02")


def _files_written() -> Iterator[Case]:
    yield Case("APS 6.15: the request is echoed", RECORDS, "15 0D 06 0004 0007 0003 06AF 04BE 100D")
    for wrong in ("0C 06 0004 0007 0003 06AF 04BE 100D", "0A 06 0004 0007 0001 06AF 06"):
        yield Case("a byte count that does not fit is 03", _pdu(0x15, wrong), "95 03")
    yield Case("a byte count of 8 is 03", _pdu(0x15, "08 06 0004 0007 0001 06"), "95 03")
    full = _pdu(0x15, "FB 06 0004 0000 007A", bytes(244))
    yield Case("a byte count of FB is not too much: 02 here", full, "95 02")
    yield Case("a reference type other than 6 is 02", _pdu(0x15, "09 05 0004 0001 0001 0000"), "95 02")
    yield Case("a file of number 0 is 02", _pdu(0x15, "09 06 0000 0001 0001 0000"), "95 02")
    past = _pdu(0x15, "0B 06 0004 0063 0002 0001 0002")
    yield Case("one past the end is 02", past, "95 02")
    yield Case("... and writes nothing", LAST_RECORD, EMPTY, (past,))
    half = _pdu(0x15, "12 06 0004 0063 0001 06AF 06 0005 0000 0001 0001")
    yield Case("one group that is not there is 02", half, "95 02")
    yield Case("... and no other is written", LAST_RECORD, EMPTY, (half,))


def _queues() -> Iterator[Case]:
    yield Case("APS 6.18: byte count, number, registers", _pdu(0x18, "04DE"), "18 0006 0002 01B8 1284")
    yield Case("a queue of more than 31 is 03", _pdu(0x18, "0010"), "98 03")
    yield Case("a queue that is not there is 02", _pdu(0x18, "0011"), "98 02")
    yield Case("a missing byte is 03", _pdu(0x18, "04"), "98 03")
    yield Case("a byte too many is 03", _pdu(0x18, "04DE 00"), "98 03")


def _identification() -> Iterator[Case]:
    for code in (0, 5, 0xFF):
        yield Case(f"APS 6.21: code {code} is 03", _pdu(0x2B, 0x0E, code, 0), "AB 03")
    yield Case("an object that is not there is 02, alone", _pdu(0x2B, "0E 04 7F"), "AB 02")
    for mei in (0x0D, 0x0F, 0):
        yield Case("another MEI type is 01", _pdu(0x2B, mei, "01 00"), "AB 01")
    yield Case("a missing byte is 03", _pdu(0x2B, "0E 01"), "AB 03")
    # The device has three objects, and level 81: streams and single objects of the basic ones.
    vendor, product, version = "00 06" + b"lumina".hex(), "01 09" + b"simulated".hex(), "02 03" + b"1.0".hex()
    basic = f"81 00 00 03 {vendor} {product} {version}"
    yield Case("the basic objects, in a stream", _pdu(0x2B, "0E 01 00"), "2B 0E 01" + basic)
    yield Case("an object that is not there begins anew at 0", _pdu(0x2B, "0E 01 7F"), "2B 0E 01" + basic)
    rest = f"81 00 00 02 {product} {version}"
    yield Case("a stream begins where it is told", _pdu(0x2B, "0E 01 01"), "2B 0E 01" + rest)
    for code in (2, 3):
        clause = f"code {code} is above its own level, and is answered at that"
        yield Case(clause, _pdu(0x2B, 0x0E, code, 0), f"2B 0E {code:02X}" + basic)
    yield Case("an object alone", _pdu(0x2B, "0E 04 01"), "2B 0E 04 81 00 00 01" + product)


def _unknown() -> Iterator[Case]:
    for function in (9, 10, 13, 14, 18, 19, *range(25, 43), *range(65, 73), *range(100, 111), 125, 126, 127):
        refused = f"{function | 0x80:02X} 01"
        yield Case("APS 7: a function that is not served is 01", _pdu(function, "0000 0000"), refused)
        yield Case("... without any data too", _pdu(function), refused)
    yield Case("function 00 is none", _pdu(0, "0000 0001"), "80 01")
