"""Requests and replies to test with: recorded ones, and any that are possible."""

from hypothesis import strategies as st

from lumina.modbus import pdu
from lumina.modbus.identity import Identity, ServerId
from lumina.modbus.pdu import (
    CommEventCounter,
    CommEventLog,
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadCommEventCounter,
    ReadCommEventLog,
    ReadDeviceIdentification,
    ReadDiscreteInputs,
    ReadExceptionStatus,
    ReadFIFOQueue,
    ReadFileRecord,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadWriteRegisters,
    RecordData,
    RecordRange,
    ReportServerId,
    Request,
    WriteCoil,
    WriteCoils,
    WriteFileRecord,
    WriteRegister,
    WriteRegisters,
)

TEN = (True, False, True, True, False, False, True, True, True, False)
BITS = (*TEN, False, True, False, True, True, False, True, False, True)
INPUTS = "0011010111011011101011"

#: Request frame, the request in it, reply frame (empty: none is known), the values in that.
VECTORS = (
    ("0103000000 02C40B", ReadHoldingRegisters(0, 2), "010304 0000 0001 3BF3", (0, 1)),
    ("0106000A04D22B55", WriteRegister(10, 1234), "0106000A04D22B55", None),
    ("0110000A00020404D2162E5CA5", WriteRegisters(10, (1234, 5678)), "0110000A000261CA", None),
    ("01050005FF009C3B", WriteCoil(5, True), "01050005FF009C3B", None),
    ("010F0013000A02CD0172CB", WriteCoils(19, TEN), "010F0013000A2409", None),
    ("01010013000A4DC8", ReadCoils(19, 10), "010102CD012CAC", TEN),
    ("01020000000879CC", ReadDiscreteInputs(0, 8), "010201AA21F7", (False, True) * 4),
    ("010400080001B008", ReadInputRegisters(8, 1), "01040203F0B984", (0x3F0,)),
    ("1101001300138E92", ReadCoils(19, 19), "110103CD6B054012", None),
    ("110200C40016BAA9", ReadDiscreteInputs(196, 22), "110203ACDB352018", tuple(c == "1" for c in INPUTS)),
    ("1103006B00037687", ReadHoldingRegisters(107, 3), "110306022B00000064C8BA", (555, 0, 100)),
    ("110500ACFF004E8B", WriteCoil(172, True), "110500ACFF004E8B", None),
    ("1106000100039A9B", WriteRegister(1, 3), "1106000100039A9B", None),
    ("11074C22", ReadExceptionStatus(), "11076DE218", 0x6D),
    ("11080000A537D81D", Diagnostics(0, 0xA537), "11080000A537D81D", 0xA537),
    ("110B4C27", ReadCommEventCounter(), "110BFFFF0108A6E9", CommEventCounter(True, 264)),
    ("110F0013000A02CD01BF0B", WriteCoils(19, TEN), "110F0013000A2699", None),
    ("111000010002 04000A0102C6F0", WriteRegisters(1, (10, 258)), "1110000100021298", None),
    (
        "11140E 06000400010002 06000300090002 F938",
        ReadFileRecord((RecordRange(4, 1, 2), RecordRange(3, 9, 2))),
        "11140C 05060DFE0020 050633CD0040 69AD",
        ((0x0DFE, 0x20), (0x33CD, 0x40)),
    ),
    (
        "11150D 06000400070003 06AF04BE100D DBC7",
        WriteFileRecord((RecordData(4, 7, (0x06AF, 0x04BE, 0x100D)),)),
        "11150D 06000400070003 06AF04BE100D DBC7",
        None,
    ),
    ("1116000400F2002566E2", MaskWriteRegister(4, 0xF2, 0x25), "1116000400F2002566E2", None),
    (
        "11170003000600 0E00030600FF00FF00FF4B54",
        ReadWriteRegisters(3, 6, 14, (255, 255, 255)),
        "11170C00FE0ACD00010003000D00FF0D75",
        (254, 0x0ACD, 1, 3, 13, 255),
    ),
    ("111804DE0787", ReadFIFOQueue(0x04DE), "111800060002 01B81284188D", (440, 4740)),
    ("112B0E0100B1B4", ReadDeviceIdentification(1, 0), "", None),
    ("00060001000399DA", WriteRegister(1, 3), "", None),
)

ADDRESS = st.integers(0, 0xFFFF)
WORD = st.integers(0, 0xFFFF)


def ranged(kind: type[Request], most: int) -> st.SearchStrategy[Request]:
    """Reads of 1 to so many, none beyond the last address."""
    counts = st.integers(1, most)
    return counts.flatmap(lambda n: st.builds(kind, st.integers(0, 0x10000 - n), st.just(n)))


def words(most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(WORD, min_size=1, max_size=most).map(tuple)


def diagnostics() -> st.SearchStrategy[Request]:
    counters = st.sampled_from((2, 4, *range(10, 19), 20))
    return st.one_of(
        st.builds(Diagnostics, st.just(0), WORD),
        st.builds(Diagnostics, st.just(1), st.sampled_from((0, 0xFF00))),
        st.builds(Diagnostics, st.just(3), st.integers(0, 255).map(lambda c: c << 8)),
        st.builds(Diagnostics, counters, st.just(0)),
    )


FILE, RECORD = st.integers(1, 0xFFFF), st.integers(0, 9900)
LOW = st.integers(0, 0xFFFF - 2000)
REQUESTS = st.one_of(
    ranged(ReadCoils, 2000),
    ranged(ReadDiscreteInputs, 2000),
    ranged(ReadHoldingRegisters, 125),
    ranged(ReadInputRegisters, 125),
    st.builds(WriteCoil, ADDRESS, st.booleans()),
    st.builds(WriteRegister, ADDRESS, WORD),
    st.sampled_from((ReadExceptionStatus(), ReadCommEventCounter(), ReadCommEventLog(), ReportServerId())),
    diagnostics(),
    st.builds(WriteCoils, LOW, st.lists(st.booleans(), min_size=1, max_size=1968).map(tuple)),
    st.builds(WriteRegisters, LOW, words(123)),
    st.builds(MaskWriteRegister, ADDRESS, WORD, WORD),
    st.builds(ReadWriteRegisters, LOW, st.integers(1, 125), LOW, words(121)),
    st.builds(ReadFIFOQueue, ADDRESS),
    st.lists(st.builds(RecordRange, FILE, RECORD, st.integers(1, 2)), min_size=1, max_size=35).map(
        lambda groups: ReadFileRecord(tuple(groups))
    ),
    st.lists(st.builds(RecordData, FILE, RECORD, words(3)), min_size=1, max_size=19).map(
        lambda groups: WriteFileRecord(tuple(groups))
    ),
    st.builds(ReadDeviceIdentification, st.integers(1, 4), st.integers(0, 2)),
)
OPAQUE = st.builds(
    lambda function, rest: Opaque(bytes((function,)) + rest),
    st.sampled_from(sorted(set(range(1, 0x80)) - set(pdu.KINDS))),
    st.binary(max_size=252),
)
IDENTITY = Identity({0: "lumina", 1: "bus", 2: "1.0", 3: "x" * 200, 0x80: b"\xff"})


def answer(request: Request, draw: st.DrawFn) -> bytes:
    """Some good reply to the request."""
    match request:
        case pdu.ReadBits():
            return request.answer(
                draw(st.lists(st.booleans(), min_size=request.count, max_size=request.count))
            )
        case pdu.ReadRegisters():
            return request.answer([draw(WORD)] * request.count)
        case ReadWriteRegisters():
            return request.answer([draw(WORD)] * request.read_count)
        case ReadFIFOQueue():
            return request.answer(draw(st.lists(WORD, max_size=31)))
        case ReadFileRecord():
            return request.answer([[draw(WORD)] * group.count for group in request.groups])
        case ReadExceptionStatus():
            return request.answer(draw(st.integers(0, 255)))
        case ReadCommEventCounter():
            return request.answer(CommEventCounter(draw(st.booleans()), draw(WORD)))
        case ReadCommEventLog():
            return request.answer(CommEventLog(draw(st.booleans()), 1, 2, draw(st.binary(max_size=64))))
        case ReportServerId():
            return request.answer(ServerId(draw(st.binary(max_size=40)), True, draw(st.binary(max_size=100))))
        case ReadDeviceIdentification():
            return request.answer(IDENTITY)
    return request.answer()  # type: ignore[attr-defined,no-any-return]


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Request, bytes]:
    """A request of any known function, and a good reply to it."""
    request = draw(REQUESTS)
    return request, answer(request, draw)
