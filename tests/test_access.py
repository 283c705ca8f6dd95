"""Who may do what, and where that is asked."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.access import Access
from lumina.bus.guard import Guard
from lumina.errors import Denied
from lumina.modbus.pdu import Opaque, ReadHoldingRegisters, WriteRegister
from lumina.testing import FakeBus

READ, WRITE = ReadHoldingRegisters(0, 1), WriteRegister(0, 1)


class ReadOnlyTests(SynchronousTestCase):
    def test_writes(self) -> None:
        """
        A read-only listener refuses writes with its own name, before they reach the bus.
        """
        bus = FakeBus()
        guard = Guard(bus, Access("lan", read_only=True).check)
        error = self.failureResultOf(guard.execute(1, WRITE), Denied).value
        self.assertEqual(str(error), "listener lan is read-only; function 06 may write")
        self.assertEqual(bus.asked, [])

    def test_reads(self) -> None:
        """
        Reads pass, and so does everything where nothing is forbidden.
        """
        bus = FakeBus()
        Guard(bus, Access("lan", read_only=True).check).execute(1, READ)
        Guard(bus, Access("lan").check).execute(1, WRITE)
        self.assertEqual([asked.request for asked in bus.asked], [READ, WRITE])

    @given(st.integers(1, 127))
    def test_what_nobody_knows(self, function: int) -> None:
        """
        A request that is carried as it is may write, whatever its function code.
        """
        self.assertRaises(Denied, Access("lan", read_only=True).check, 1, Opaque(bytes((function, 0, 0))))
