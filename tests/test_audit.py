"""The audit log: what is written of a write, and what becomes of it when the disk says no."""

import json
import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.audit import denied_beside
from lumina.interfaces import Asker, Outcome, Terms
from lumina.modbus.files import RecordData, WriteFileRecord
from lumina.modbus.pdu import (
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadHoldingRegisters,
    ReadWriteRegisters,
    Request,
    WriteCoils,
    WriteRegister,
)
from lumina.watch.audit import AuditLog, RotatedFile

WALL = 1732467890.1234
ASKER = Asker("lan", "10.0.0.5", "CN=pump\n,O=Wörks", "Operator\x1b[2J")


def outcome(request: Request, unit: int = 3, word: str = "ok", sent: float | None = 10.5) -> Outcome:
    return Outcome(
        "boiler", unit, request, Terms("lan#1", "a:\r\n", "THC", asker=ASKER), word, 10.0, sent, 11.0
    )


class AuditCase(SynchronousTestCase):
    """An audit log in a test."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.path = self.folder / "state" / "audit.log"

    def log(self, size: int = 10_000, kept: int = 2) -> AuditLog:
        self.file = RotatedFile(self.path, size, kept)
        self.denied = RotatedFile(denied_beside(self.path), size, kept)
        self.addCleanup(self.file.close)
        self.addCleanup(self.denied.close)
        return AuditLog(self.file, self.denied, lambda: WALL)

    def entries(self, number: int = 0) -> list[dict[str, Any]]:
        path = Path(f"{self.path}.{number}") if number else self.path
        return [json.loads(line) for line in path.read_text("ascii").splitlines()]


class EntryTests(AuditCase):
    def test_entry(self) -> None:
        """
        A write is one line: when it was asked, by whom, through what, what, and how it ended.
        """
        self.log().outcome(outcome(WriteRegister(100, 7)))
        self.assertEqual(
            self.entries(),
            [
                {
                    "time": "2024-11-24T17:04:49.123Z",
                    "listener": "lan",
                    "client": "lan#1",
                    "host": "10.0.0.5",
                    "identity": "CN=pump\n,O=Wörks",
                    "role": "Operator\x1b[2J",
                    "id": "a:\r\n",
                    "type": "THC",
                    "bus": "boiler",
                    "unit": 3,
                    "function": 6,
                    "request": "0600640007",
                    "writes": [{"table": "holding", "address": 100, "values": [7]}],
                    "outcome": "ok",
                    "sent": True,
                    "seconds": 1.0,
                }
            ],
        )

    def test_control_characters(self) -> None:
        """
        Nothing that a client says can begin a line, or do something to a terminal.
        """
        self.log().outcome(outcome(WriteRegister(100, 7)))
        data = self.path.read_bytes()
        self.assertEqual(data.count(b"\n"), 1)
        self.assertTrue(all(0x20 <= byte < 0x7F for byte in data[:-1]))

    def test_what_is_a_write(self) -> None:
        """
        Refused and failed writes, broadcasts, diagnostics and unknown functions are logged; reads are not.
        """
        log = self.log()
        log.outcome(outcome(ReadHoldingRegisters(0, 1)))
        log.outcome(outcome(WriteRegister(1, 1), word="suspended", sent=None))
        log.outcome(outcome(WriteRegister(1, 1), word="timeout"))
        log.outcome(outcome(WriteRegister(1, 1), unit=0))
        log.outcome(outcome(ReadHoldingRegisters(0, 1), unit=0))
        log.outcome(outcome(Diagnostics(1, 0xFF00)))
        log.outcome(outcome(Opaque(b"\x41\x01")))
        entries = self.entries()
        self.assertEqual(
            [(each["function"], each["unit"], each["outcome"], each["sent"]) for each in entries],
            [
                (6, 3, "suspended", False),
                (6, 3, "timeout", True),
                (6, 0, "ok", True),
                (3, 0, "ok", True),
                (8, 3, "ok", True),
                (65, 3, "ok", True),
            ],
        )

    def test_values(self) -> None:
        """
        What is written is decoded, for every function that writes.
        """
        log = self.log()
        for request, writes in (
            (WriteCoils(5, (True, False)), [{"table": "coil", "address": 5, "values": [1, 0]}]),
            (ReadWriteRegisters(0, 9, 4, (7, 8)), [{"table": "holding", "address": 4, "values": [7, 8]}]),
            (MaskWriteRegister(4, 1, 2), [{"table": "holding", "address": 4, "and_mask": 1, "or_mask": 2}]),
            (
                WriteFileRecord((RecordData(1, 2, (3, 4)), RecordData(5, 6, (7,)))),
                [
                    {"table": "file", "file": 1, "address": 2, "values": [3, 4]},
                    {"table": "file", "file": 5, "address": 6, "values": [7]},
                ],
            ),
            (Diagnostics(1, 0xFF00), [{"subfunction": 1, "data": 0xFF00}]),
            (Opaque(b"\x41\x01"), []),
        ):
            log.outcome(outcome(request))
            self.assertEqual(self.entries()[-1]["writes"], writes)


class FileTests(AuditCase):
    def fill(self, log: AuditLog, numbers: range) -> None:
        for number in numbers:
            log.outcome(outcome(WriteRegister(number, 0)))

    def addresses(self, number: int = 0) -> list[int]:
        return [each["writes"][0]["address"] for each in self.entries(number)]

    def test_rotation(self) -> None:
        """
        A full file makes place for a new one; a number of old ones is kept, and no more.
        """
        self.log().outcome(outcome(WriteRegister(0, 0)))
        size = self.path.stat().st_size
        self.fill(self.log(size=3 * size + 5), range(1, 9))
        self.assertEqual([self.addresses(number) for number in (0, 1, 2)], [[6, 7, 8], [3, 4, 5], [0, 1, 2]])
        self.fill(self.log(size=3 * size + 5), range(9, 10))
        self.assertEqual([self.addresses(number) for number in (0, 1, 2)], [[9], [6, 7, 8], [3, 4, 5]])
        self.assertEqual(sorted(os.listdir(self.path.parent)), ["audit.log", "audit.log.1", "audit.log.2"])

    def test_flood_of_denied_writes(self) -> None:
        """
        However many writes are denied: the line about one that was not stays where it is.
        """
        log = self.log(size=2000)
        self.fill(log, range(1))
        for number in range(100):
            log.outcome(outcome(WriteRegister(number, 0), word="denied", sent=None))
        self.assertEqual(self.addresses(), [0])
        names = ["audit-denied.log", "audit-denied.log.1", "audit-denied.log.2", "audit.log"]
        self.assertEqual(sorted(os.listdir(self.path.parent)), names)
        last = json.loads((self.path.parent / names[0]).read_text().splitlines()[-1])
        self.assertEqual((last["outcome"], last["writes"][0]["address"]), ("denied", 99))

    def test_mode(self) -> None:
        """
        Others can neither read nor write it.
        """
        self.log().outcome(outcome(WriteRegister(0, 0)))
        self.assertEqual(self.path.stat().st_mode & 0o027, 0)

    def test_cannot_be_written(self) -> None:
        """
        Where it cannot be written, nobody is disturbed; what was lost is counted when it can be again.
        """
        self.folder.mkdir()
        obstacle = self.folder / "state"
        obstacle.write_text("")
        log = self.log()
        self.fill(log, range(5))
        obstacle.unlink()
        self.fill(log, range(5, 7))
        first, *rest = self.entries()
        self.assertEqual((first["lost"], [each["writes"][0]["address"] for each in rest]), (5, [5, 6]))

    def test_full_disk(self) -> None:
        """
        A full disk is met in the same way, and no line is left half written.
        """
        full = Path("/dev/full")
        if not full.exists():
            self.skipTest("there is no /dev/full")
        self.path.parent.mkdir(parents=True)
        self.path.symlink_to(full)
        log = self.log()
        self.fill(log, range(3))
        self.path.unlink()
        self.fill(log, range(3, 4))
        self.assertEqual(self.entries()[0]["lost"], 3)
        self.assertEqual(self.entries()[1]["writes"][0]["address"], 3)

    def test_torn_line(self) -> None:
        """
        A line that was not finished, by a crash or a full disk, spoils only itself.
        """
        self.path.parent.mkdir(parents=True)
        self.path.write_text('{"time": "2024')
        self.log().outcome(outcome(WriteRegister(9, 0)))
        torn, whole = self.path.read_text().splitlines()
        self.assertEqual(torn, '{"time": "2024')
        self.assertEqual(json.loads(whole)["writes"][0]["address"], 9)
