"""What a simulator keeps in files: its tables, and what was asked for and is not there."""

import os
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.parts import Parts
from lumina.assembly.simulators import add, bank
from lumina.config.maps import load_map
from lumina.config.simulators import Simulator
from lumina.errors import StartRefused
from lumina.modbus import pdu
from lumina.modbus.pdu import RecordData, Request
from lumina.simulator import snapshot
from lumina.simulator.bank import Bank
from lumina.simulator.files import Files
from lumina.simulator.kept_file import PAUSE, KeptFile, set_aside, write
from lumina.simulator.memory import Signal
from lumina.simulator.missing import Missing
from lumina.simulator.process import Counter
from lumina.simulator.tables import Table, bits, registers
from lumina.simulator.unit import Unit
from lumina.watch.overview import LiveOverview


def at_once(function: Callable[[], None]) -> Deferred[None]:
    """A thread that has done its work when it is asked."""
    try:
        function()
    except OSError as error:
        return fail(error)
    return succeed(None)


def device() -> Unit:
    holding = registers(6, 10, held={10: 5}, signals={14: Signal(Counter(0, 1))})
    return Unit(bits(4), None, holding, Table(holding.memory, 0), Files({1: [0, 0]}))


class SnapshotTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def bank(self) -> Bank:
        return Bank({3: device()}, self.clock.seconds, anywhere=device())

    def ask(self, made: Bank, request: Request, unit: int = 3) -> str:
        return self.successResultOf(made.execute(unit, request)).pdu.hex()

    def test_restored(self) -> None:
        """
        Another simulator of the same devices holds what the first did; what moved goes on moving.
        """
        old, new = self.bank(), self.bank()
        self.ask(old, pdu.WriteRegisters(10, (1, 2)))
        self.ask(old, pdu.WriteRegister(11, 77), unit=9)
        self.ask(old, pdu.WriteCoil(3, True))
        self.ask(old, pdu.WriteFileRecord((RecordData(1, 1, (0xABCD,)),)))
        self.assertEqual(snapshot.restore(new, snapshot.encode(snapshot.take(old))), [])
        self.clock.advance(7)
        self.assertEqual(self.ask(new, pdu.ReadHoldingRegisters(10, 5)), "030a00010002000000000007")
        self.assertEqual(self.ask(new, pdu.ReadHoldingRegisters(10, 2), 200), "03040005004d")
        self.assertEqual(self.ask(new, pdu.ReadCoils(0, 4)), "010108")
        self.assertEqual(snapshot.take(new)["3/file 1"], [(0, b"\0\0\xab\xcd")])

    def test_a_held_value_stays_held(self) -> None:
        """
        A moving value that a client has stopped stands still after a restart.
        """
        old, new = self.bank(), self.bank()
        self.ask(old, pdu.WriteRegister(14, 500))
        snapshot.restore(new, snapshot.encode(snapshot.take(old)))
        self.clock.advance(9)
        self.assertEqual(self.ask(new, pdu.ReadHoldingRegisters(14, 1)), "030201f4")

    def test_other_devices(self) -> None:
        """
        What has no place any more is said, and the rest is restored.
        """
        kept = snapshot.encode(snapshot.take(self.bank()))
        new = Bank({3: Unit(holding_registers=registers(2, 10))}, self.clock.seconds)
        lost = snapshot.restore(new, kept)
        self.assertIn("there is no 3/coils any more", lost)
        self.assertIn("3/holding_registers has no place for 8 bytes at 0 any more", lost)

    @given(st.binary(max_size=40), st.integers(0, 200), st.integers(1, 255))
    def test_damaged(self, noise: bytes, place: int, flip: int) -> None:
        """
        Whatever became of the file, it is refused, and nothing is restored from it.
        """
        kept = bytearray(snapshot.encode(snapshot.take(Bank({1: device()}, Clock().seconds))))
        kept[place % (len(kept) - 1)] ^= flip
        for damaged in (noise, bytes(kept), bytes(kept[:place])):
            new = Bank({1: device()}, Clock().seconds)
            before = snapshot.take(new)
            self.assertRaises(snapshot.Damaged, snapshot.restore, new, damaged)
            self.assertEqual(snapshot.take(new), before)


class KeptFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()
        self.content = b"1"
        self.threads: list[Callable[[], None]] = []
        self.written: list[Deferred[None]] = []

    def kept_file(self, in_thread: Callable[[Callable[[], None]], Deferred[None]] = at_once) -> KeptFile:
        return KeptFile(self.path, lambda: lambda: self.content, self.clock, in_thread)

    def later(self, function: Callable[[], None]) -> Deferred[None]:
        """A thread that the test lets run."""
        self.threads.append(function)
        self.written.append(Deferred())
        return self.written[-1]

    def let_run(self) -> None:
        self.threads.pop(0)()
        self.written.pop(0).callback(None)

    def read(self) -> bytes:
        return Path(self.path).read_bytes()

    def test_once_for_many(self) -> None:
        """
        Many changes are one write, soon after the first.
        """
        kept = self.kept_file()
        for _ in range(100):
            kept.changed()
        self.assertFalse(os.path.exists(self.path))
        self.clock.advance(PAUSE)
        self.assertEqual((self.read(), self.clock.getDelayedCalls()), (b"1", []))

    def test_change_while_writing(self) -> None:
        """
        What changes while the disk is waited for is written afterwards, never at the same time.
        """
        kept = self.kept_file(self.later)
        kept.changed()
        self.clock.advance(PAUSE)
        self.content = b"2"
        kept.changed()
        self.clock.advance(10 * PAUSE)
        self.assertEqual(len(self.threads), 1)
        self.let_run()
        self.clock.advance(PAUSE)
        self.let_run()
        self.assertEqual((self.read(), self.threads), (b"2", []))

    def test_stopping_writes(self) -> None:
        """
        To stop is to write what has not been written, and to wait for it.
        """
        kept = self.kept_file(self.later)
        kept.startService()
        kept.changed()
        self.clock.advance(PAUSE)
        kept.changed()
        stopped = kept.stopService()
        self.content = b"last"
        self.let_run()
        self.assertNoResult(stopped)
        self.let_run()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual((self.read(), self.clock.getDelayedCalls()), (b"last", []))

    def test_nothing_to_write(self) -> None:
        """
        Nothing is written where nothing has changed.
        """
        self.successResultOf(self.kept_file().stopService())
        self.assertFalse(os.path.exists(self.path))

    def test_disk_that_refuses(self) -> None:
        """
        A file that cannot be written is said once, and tried again at the next change.
        """
        self.path = "/nonexistent/file"
        kept = self.kept_file()
        with capturedLogs() as logged:
            for _ in range(3):
                kept.changed()
                self.clock.advance(PAUSE)
        (event,) = logged
        self.assertIn("/nonexistent/file cannot be written", formatEvent(event))

    def test_whole(self) -> None:
        """
        A file is replaced as a whole: what could not be written harms nothing.
        """
        write(self.path, b"old")
        os.mkdir(f"{self.path}.new")
        self.assertRaises(OSError, write, self.path, b"new")
        self.assertEqual(self.read(), b"old")

    def test_set_aside(self) -> None:
        """
        Each damaged file gets a name of its own.
        """
        for number in (1, 2):
            write(self.path, b"x")
            self.assertEqual(set_aside(self.path), f"{self.path}.damaged-{number}")
        self.assertFalse(os.path.exists(self.path))


class RestartTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.saved = str(folder / "plant.saved")

    def start(self) -> Bank:
        clock = Clock()
        parts = Parts(clock, LiveOverview(clock.seconds))
        add(parts, {"plant": Simulator(preset="basic", save=self.saved)})
        made = parts.buses["plant"]
        assert isinstance(made, Bank)
        return made

    def test_damaged_file(self) -> None:
        """
        A damaged file is set aside and reported, and the simulator begins anew.
        """
        write(self.saved, b"rubbish")
        with capturedLogs() as logged:
            made = self.start()
        (event,) = logged
        self.assertIn("plant.saved is damaged: it does not begin like a saved simulator", formatEvent(event))
        self.assertEqual(Path(f"{self.saved}.damaged-1").read_bytes(), b"rubbish")
        self.assertEqual(
            self.successResultOf(made.execute(1, pdu.ReadHoldingRegisters(7, 1))).registers, (7,)
        )

    def test_restored(self) -> None:
        """
        What was saved is there again.
        """
        made = self.start()
        self.successResultOf(made.execute(1, pdu.WriteRegister(7, 99)))
        write(self.saved, snapshot.encode(snapshot.take(made)))
        again = self.start()
        self.assertEqual(
            self.successResultOf(again.execute(1, pdu.ReadHoldingRegisters(7, 1))).registers, (99,)
        )

    def test_unreadable_file(self) -> None:
        """
        A file that is there and cannot be read ends the start.
        """
        os.mkdir(self.saved)
        error = self.assertRaises(StartRefused, self.start)
        self.assertIn("plant.saved: cannot be read: Is a directory", str(error))

    def test_no_place_for_a_file(self) -> None:
        """
        A file in a directory that is not there ends the start, and not only when something is written.
        """
        self.saved = "/nonexistent/plant.saved"
        error = self.assertRaises(StartRefused, self.start)
        self.assertEqual(
            str(error),
            "lumina: simulators.plant: /nonexistent/plant.saved cannot be written: "
            "/nonexistent is no directory that lumina may write to",
        )


class MissingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.missing = Missing()
        self.changes = 0
        self.missing.changed = self.change
        unit = Unit(bits(4), None, registers(10))
        self.bank = Bank({5: unit}, Clock().seconds, missed=self.missing)
        self.missing.bank = self.bank

    def change(self) -> None:
        self.changes += 1

    def ask(self, unit: int, *requests: Request) -> None:
        for request in requests:
            self.bank.execute(unit, request).addErrback(lambda _: None)

    def test_noted(self) -> None:
        """
        Noted is what was asked for and is not there, of units that are not there too; once.
        """
        for _ in range(2):
            self.ask(5, pdu.ReadHoldingRegisters(8, 4), pdu.WriteCoil(4, True), pdu.ReadCoils(0, 4))
            self.ask(5, pdu.ReadWriteRegisters(20, 1, 9, (1, 2)), pdu.Diagnostics(0), pdu.ReadFIFOQueue(1))
            self.ask(9, pdu.ReadInputRegisters(0, 1))
        self.assertEqual(
            list(self.missing.ranges()),
            [
                ("5", "coils", 4, 1),
                ("5", "holding_registers", 10, 2),
                ("5", "holding_registers", 20, 1),
                ("9", "input_registers", 0, 1),
            ],
        )
        self.assertEqual(self.changes, 4)

    def test_a_map(self) -> None:
        """
        What is written is a map, as YAML and as CSV: a simulator of it has all that was missing.
        """
        self.ask(5, pdu.ReadHoldingRegisters(8, 4), pdu.ReadCoils(100, 3))
        self.ask(6, pdu.ReadInputRegisters(65535, 1))
        for name in ("missing.yaml", "missing.csv"):
            path = Path(f"{self.mktemp()}{name}")
            path.write_bytes(self.missing.take(name.endswith("csv"))())
            made = bank(load_map(str(path)), Clock().seconds)
            for unit, request in (
                (5, pdu.ReadHoldingRegisters(10, 2)),
                (5, pdu.ReadCoils(100, 3)),
                (6, pdu.ReadInputRegisters(65535, 1)),
            ):
                self.successResultOf(made.execute(unit, request))

    def test_bounded(self) -> None:
        """
        A client that asks all units for everything does not cost memory without end.
        """
        for unit in range(1, 256):
            self.ask(unit, pdu.ReadCoils(50, 1), pdu.ReadInputRegisters(0, 1), pdu.ReadDiscreteInputs(0, 1))
        self.assertEqual(len(list(self.missing.ranges())), 256)
