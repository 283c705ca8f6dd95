"""A server answers as the specifications say, byte for byte, whichever way it is asked."""

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from lumina.frontends.gateway import GatewayFactory
from lumina.frontends.serving import Serving
from lumina.frontends.slave import Slave
from lumina.modbus import mbap, rtu
from lumina.modbus.pdu import reply_size, request_size
from lumina.simulator.bank import Bank
from lumina.simulator.files import Files, Queues
from lumina.simulator.tables import bits, registers
from lumina.simulator.traits import Traits
from lumina.simulator.unit import Unit
from lumina.testing import site
from tests.conformance import Case, cases

LINE = rtu.Line(9600)
UNIT = 0x11

#: Asks the device with a PDU, and gives the PDU of the answer; `None` is silence.
Ask = Callable[[bytes], bytes | None]


def device(traits: Traits = Traits()) -> Unit:  # noqa: B008
    """The tables of the preset `basic`, a file and two queues."""
    return Unit(
        traits=traits,
        coils=bits(100),
        discrete_inputs=bits(100, held={address: address % 2 for address in range(100)}),
        holding_registers=registers(100, held={address: address for address in range(100)}),
        input_registers=registers(100, held={address: 1000 + address for address in range(100)}),
        files=Files({4: [0] * 100}),
        queues=Queues({0x04DE: [0x01B8, 0x1284], 0x0010: list(range(32))}),
    )


def over_serial() -> Ask:
    """A device behind the RTU slave, on a line of its own."""
    clock, line = Clock(), StringTransport()
    slave = Slave(Bank({UNIT: device()}, clock.seconds), LINE, clock)
    slave.makeConnection(line)

    def ask(pdu: bytes) -> bytes | None:
        line.clear()
        slave.dataReceived(rtu.encode(UNIT, pdu))
        clock.pump([0.05, 0, 0, 0.05, 0, 0])
        answer: bytes = line.value()
        if not answer:
            return None
        assert answer[0] == UNIT and rtu.fits(answer), answer.hex()
        return answer[1:-2]

    return ask


def over_tcp() -> Ask:
    """A device behind the Modbus TCP front end, at a unit id of its own."""
    clock, socket = Clock(), StringTransport()
    bank = Bank({UNIT: device()}, clock.seconds)
    routes = [(bank, unit) if unit == UNIT else None for unit in range(256)]
    connection = GatewayFactory(site({}, clock), Serving(routes)).buildProtocol(None)
    connection.makeConnection(socket)

    def ask(pdu: bytes) -> bytes | None:
        socket.clear()
        connection.dataReceived(mbap.encode(0xA55A, UNIT, pdu))
        answer: bytes = socket.value()
        if not answer:
            return None
        ((transaction, unit, body),) = mbap.Frames().received(answer)
        assert (transaction, unit) == (0xA55A, UNIT), answer.hex()
        return body

    return ask


#: Captured between mbpoll of libmodbus and modbus_tk, and the examples of APS 6 with the CRC of SER 6.2.2.
VECTORS = """
01 03 00 00 00 02 C4 0B                                  01 03 04 00 00 00 01 3B F3
01 03 00 60 00 05 85 D7                                  01 83 02 C0 F1
01 06 00 0A 04 D2 2B 55                                  01 06 00 0A 04 D2 2B 55
01 10 00 0A 00 02 04 04 D2 16 2E 5C A5                   01 10 00 0A 00 02 61 CA
01 05 00 05 FF 00 9C 3B                                  01 05 00 05 FF 00 9C 3B
01 0F 00 13 00 0A 02 CD 01 72 CB                         01 0F 00 13 00 0A 24 09
01 01 00 13 00 0A 4D C8                                  01 01 02 CD 01 2C AC
01 02 00 00 00 08 79 CC                                  01 02 01 AA 21 F7
01 04 00 08 00 01 B0 08                                  01 04 02 03 F0 B9 84
01 11 C0 2C                                              01 91 01 8C 50
11 01 00 13 00 13 8E 92                                  11 01 03 CD 6B 05 40 12
11 02 00 C4 00 16 BA A9                                  11 02 03 AC DB 35 20 18
11 03 00 6B 00 03 76 87                                  11 03 06 02 2B 00 00 00 64 C8 BA
11 05 00 AC FF 00 4E 8B                                  11 05 00 AC FF 00 4E 8B
11 07 4C 22                                              11 07 6D E2 18
11 08 00 00 A5 37 D8 1D                                  11 08 00 00 A5 37 D8 1D
11 0F 00 13 00 0A 02 CD 01 BF 0B                         11 0F 00 13 00 0A 26 99
11 14 0E 06 00 04 00 01 00 02 06 00 03 00 09 00 02 F9 38 11 14 0C 05 06 0D FE 00 20 05 06 33 CD 00 40 69 AD
11 15 0D 06 00 04 00 07 00 03 06 AF 04 BE 10 0D DB C7    11 15 0D 06 00 04 00 07 00 03 06 AF 04 BE 10 0D DB C7
11 17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF 4B 54 11 17 0C 00 FE 0A CD 00 01 00 03 00 0D 00 FF 0D 75
11 18 04 DE 07 87                                        11 18 00 06 00 02 01 B8 12 84 18 8D
11 06 00 01 00 03 9A 9B                                  11 06 00 01 00 03 9A 9B
11 10 00 01 00 02 04 00 0A 01 02 C6 F0                   11 10 00 01 00 02 12 98
11 06 00 04 00 12                                        11 06 00 04 00 12
11 16 00 04 00 F2 00 25 66 E2                            11 16 00 04 00 F2 00 25 66 E2
11 03 00 04 00 01                                        11 03 02 00 17
00 06 00 01 00 07                                        -
11 03 00 01 00 01                                        11 03 02 00 07
"""


def exemplary() -> Unit:
    """The device of the examples in APS 6."""
    return Unit(
        coils=bits(200, held=dict(enumerate(lowest_first("CD 6B 05"), 0x13))),
        discrete_inputs=bits(256, held=dict(enumerate(lowest_first("AC DB 35"), 0xC4))),
        holding_registers=registers(
            256,
            held={
                **dict(enumerate((0x00FE, 0x0ACD, 0x0001, 0x0003, 0x000D, 0x00FF), 3)),
                0x6B: 0x022B,
                0x6D: 0x0064,
            },
        ),
        files=Files({4: [0, 0x0DFE, 0x0020, *[0] * 20], 3: [*[0] * 9, 0x33CD, 0x0040]}),
        queues=Queues({0x04DE: [0x01B8, 0x1284]}),
        traits=Traits(exception_status=0x6D),
    )


def lowest_first(data: str) -> list[int]:
    """Bits, the lowest of the first byte first."""
    return [byte >> place & 1 for byte in bytes.fromhex(data) for place in range(8)]


def like_a_reply(pdu: bytes) -> bool:
    """Whether its length is that of a reply and not that of a request."""
    return reply_size(pdu) == len(pdu) != request_size(pdu)


class ConformanceTests(SynchronousTestCase):
    def judge(self, way: Callable[[], Ask], rows: list[Case]) -> None:
        """Ask for each row on a device of its own, and say all that is wrong."""
        wrong = []
        for row in rows:
            ask = way()
            for pdu in row.before:
                ask(pdu)
            came = ask(row.request)
            if not row.fits(came):
                said = "silence" if came is None else came.hex(" ").upper()
                wrong.append(f"{row.clause}: {row.request.hex(' ')} got {said}, not {row.reply or 'silence'}")
        self.assertEqual(wrong, [])

    def test_serial(self) -> None:
        """
        Over a serial line every row of the checklist that a serial line can carry is answered as it must be.
        """
        # One that is too short or too long, and as long as a reply, is taken for the reply of another unit.
        rows = [row for row in cases() if row.request[0] and not like_a_reply(row.request)]
        self.assertGreater(len(rows), 310)
        self.judge(over_serial, rows)

    def test_tcp(self) -> None:
        """
        Over Modbus TCP every row of the checklist is answered as it must be; a unit that only listens is one
        that does not reply, since a gateway is never silent.
        """
        rows = [
            replace(row, reply=row.reply or f"{row.request[0] | 0x80:02X} 0B")
            for row in cases()
            if row.request
        ]
        self.judge(over_tcp, rows)

    def test_known_frames(self) -> None:
        """
        Frames that other implementations were seen to exchange, and those of the specification, are answered
        to the last byte of the CRC.
        """
        clock, line = Clock(), StringTransport()
        libmodbus = device(Traits(functions=(1, 2, 3, 4, 5, 6, 15, 16, 22, 23)))
        slave = Slave(Bank({1: libmodbus, 0x11: exemplary()}, clock.seconds), LINE, clock)
        slave.makeConnection(line)
        for row in VECTORS.strip().splitlines():
            asked, due = row[:57].strip(), row[57:].strip()
            frame, answer = (b"" if part == "-" else bytes.fromhex(part) for part in (asked, due))
            if not rtu.fits(frame):
                frame, answer = (rtu.encode(each[0], each[1:]) if each else b"" for each in (frame, answer))
            line.clear()
            slave.dataReceived(frame)
            clock.pump([0.05, 0, 0, 0.05, 0, 0])
            self.assertEqual(line.value().hex(" "), answer.hex(" "), row)
