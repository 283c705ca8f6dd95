"""
RTU frames: CRC, framing, and how long characters and silences last.

A frame is the unit, the PDU and the CRC, 4 to 256 bytes (Serial Line V1.02,
2.5.1). Where a frame ends is told by its PDU (`pdu.request_size`,
`pdu.reply_size`), not by time.
"""

from dataclasses import dataclass

from lumina.errors import BadCRC, BadRequest

MIN_FRAME = 4
MAX_FRAME = 256

_POLYNOMIAL = 0xA001
_GAP_BITS = 3.5 * 11
_LEAST_GAP = 0.00175


def _shifted(remainder: int) -> int:
    for _ in range(8):
        remainder = remainder >> 1 ^ (_POLYNOMIAL if remainder & 1 else 0)
    return remainder


_TABLE = tuple(_shifted(byte) for byte in range(256))


def crc(data: bytes) -> int:
    """CRC-16/MODBUS of the bytes (Serial Line V1.02, 6.2.2)."""
    remainder = 0xFFFF
    for byte in data:
        remainder = remainder >> 8 ^ _TABLE[(remainder ^ byte) & 0xFF]
    return remainder


def encode(unit: int, pdu: bytes) -> bytes:
    """The frame for a unit, 0 to 255; its CRC goes low byte first."""
    body = bytes((unit,)) + pdu
    return body + crc(body).to_bytes(2, "little")


def fits(frame: bytes) -> bool:
    """Whether the bytes can be a frame: at least 4 of them, the last two their CRC."""
    return len(frame) >= MIN_FRAME and not crc(frame)


def decode(frame: bytes) -> tuple[int, bytes]:
    """
    Take a whole frame apart.

    @return: unit and PDU.
    @raise BadRequest: fewer than 4 or more than 256 bytes.
    @raise BadCRC: the CRC does not fit.
    """
    if not MIN_FRAME <= len(frame) <= MAX_FRAME:
        raise BadRequest(f"frame: {len(frame)} bytes are not within {MIN_FRAME} to {MAX_FRAME}")
    if not fits(frame):
        due = crc(frame[:-2]).to_bytes(2, "little")
        raise BadCRC(f"crc: {frame[-2:].hex(' ').upper()} came, {due.hex(' ').upper()} fits")
    return frame[0], bytes(frame[1:-2])


@dataclass(frozen=True, slots=True)
class Line:
    """
    The settings of a serial line.

    @ivar baudrate: bits per second.
    @ivar parity: N, E, O, M or S.
    @ivar stopbits: 1, 1.5 or 2.
    @ivar bytesize: data bits; RTU needs 8 (Serial Line V1.02, 2.5.1).
    """

    baudrate: int = 9600
    parity: str = "N"
    stopbits: float = 1.0
    bytesize: int = 8

    @property
    def character_bits(self) -> float:
        """Bits of one character on the wire: start, data, parity, stop."""
        return 1 + self.bytesize + (self.parity != "N") + self.stopbits

    @property
    def gap(self) -> float:
        """
        The least silence between frames, in seconds.

        3.5 characters of 11 bits whatever the parity, and never under 1.75 ms,
        which is what binds at high speeds (Serial Line V1.02, 2.5.1.1).
        """
        return max(_GAP_BITS / self.baudrate, _LEAST_GAP)

    def duration(self, count: int) -> float:
        """Seconds that so many bytes take on the wire, sent without a pause."""
        return count * self.character_bits / self.baudrate

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits:g}"
