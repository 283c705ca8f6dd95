"""Who may do what to which registers."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lumina.access import Access, Rule, Span
from lumina.interfaces import Asker
from lumina.modbus.files import ReadFileRecord, RecordData, RecordRange, WriteFileRecord
from lumina.modbus.pdu import (
    Diagnostics,
    MaskWriteRegister,
    Opaque,
    ReadCoils,
    ReadDeviceIdentification,
    ReadFIFOQueue,
    ReadHoldingRegisters,
    ReadInputRegisters,
    ReadWriteRegisters,
    ReportServerId,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)

ASKER = Asker("lan", "10.0.0.5", "CN=pump,O=Works", "Operator")
READ, WRITE = ReadHoldingRegisters(0, 1), WriteRegister(0, 1)
ALL = Rule(True)


class RuleCase(SynchronousTestCase):
    """Rules, and whether a request is allowed by them."""

    def allowed(self, request: Request, *rules: Rule, unit: int = 1, asker: Asker = ASKER) -> bool:
        view = Access(asker.listener, rules).view(asker, "boiler")
        self.assertEqual(view.refusal(unit, request), view.refusal(unit, request))
        return not view.refusal(unit, request)

    def assertAllowed(self, request: Request, *rules: Rule, unit: int = 1, asker: Asker = ASKER) -> None:
        self.assertTrue(self.allowed(request, *rules, unit=unit, asker=asker), request)

    def assertDenied(self, request: Request, *rules: Rule, unit: int = 1, asker: Asker = ASKER) -> None:
        self.assertFalse(self.allowed(request, *rules, unit=unit, asker=asker), request)


class WhoTests(RuleCase):
    def test_first_match_decides(self) -> None:
        """
        Rules are read from the top, and what none matches is denied.
        """
        self.assertDenied(READ, Rule(False), ALL)
        self.assertAllowed(READ, ALL, Rule(False))
        self.assertDenied(READ, Rule(True, "write"))

    def test_networks(self) -> None:
        """
        A network of either family; an IPv4 client on an IPv6 socket is an IPv4 client.
        """
        v4, v6 = (
            Rule(True, networks=(ip_network("10.0.0.0/24"),)),
            Rule(True, networks=(ip_network("fd00::/8"),)),
        )
        for host, rule, inside in (
            ("10.0.0.5", v4, True),
            ("10.0.1.5", v4, False),
            ("::ffff:10.0.0.5", v4, True),
            ("fd00::1", v6, True),
            ("fd00::1%eth0", v6, True),
            ("10.0.0.5", v6, False),
            ("", v4, False),
        ):
            self.assertEqual(self.allowed(READ, rule, asker=Asker("lan", host)), inside, host)

    def test_certificate(self) -> None:
        """
        A rule is for a role, the null role too, for a whole subject, or for a common name.
        """
        for conditions, inside in (
            ({"roles": frozenset({"Operator"})}, True),
            ({"roles": frozenset({"operator", ""})}, False),
            ({"identities": frozenset({"pump"})}, True),
            ({"identities": frozenset({"CN=pump,O=Works"})}, True),
            ({"identities": frozenset({"O=Works", "Works", ""})}, False),
        ):
            self.assertEqual(self.allowed(READ, Rule(True, **conditions)), inside, conditions)  # type: ignore[arg-type]
        self.assertAllowed(READ, Rule(True, roles=frozenset({""})), asker=Asker("lan"))

    def test_forged_name(self) -> None:
        """
        A common name cannot pretend to be another by the commas in it.
        """
        rule = Rule(True, identities=frozenset({"pump"}))
        for subject in ("O=x\\,CN=pump", "CN=x\\,CN=pump", "CN=x,CN=pump", "CN=pump\\,CN=x"):
            self.assertDenied(READ, rule, asker=Asker("lan", identity=subject))

    def test_common_names(self) -> None:
        """
        A common name is compared as it is, whatever stands beside it; to deny, one of several is enough.
        """
        for subject, name, allowed, denied in (
            ("O=x\\\\,CN=pump", "pump", True, True),
            ("CN=a\\,b\\+c\\\\,O=x", "a,b+c\\", True, True),
            ("CN=pump,CN=x", "pump", False, True),
            ("CN=pump+CN=x", "x", False, True),
            ("O=CN=pump", "pump", False, False),
            ("", "", False, False),
        ):
            asker, named = Asker("lan", identity=subject), frozenset({name})
            self.assertEqual(self.allowed(READ, Rule(True, identities=named), asker=asker), allowed, subject)
            rules = (Rule(False, identities=named), Rule(True))
            self.assertEqual(self.allowed(READ, *rules, asker=asker), not denied, subject)

    def test_listener_and_bus(self) -> None:
        """
        A rule can be for some listeners, whatever a front end says of itself, and for some buses.
        """
        access = Access("lan", [Rule(True, listeners=frozenset({"lan"}))])
        self.assertEqual(access.view(Asker("-"), "boiler").refusal(1, READ), "")
        self.assertAllowed(READ, Rule(True, listeners=frozenset({"lan"}), buses=frozenset({"boiler"})))
        self.assertDenied(READ, Rule(True, listeners=frozenset({"web"})))
        self.assertDenied(READ, Rule(True, buses=frozenset({"meter"})))


class WhatTests(RuleCase):
    def test_writes(self) -> None:
        """
        Broadcasts, diagnostics and functions that nobody knows are writes.
        """
        reading, writing = Rule(True, "read"), Rule(True, "write")
        reads: tuple[Request, ...] = (
            READ,
            ReadFIFOQueue(0),
            ReportServerId(),
            ReadDeviceIdentification(1, 0),
        )
        writes: tuple[Request, ...] = (WRITE, Diagnostics(0), Diagnostics(1), MaskWriteRegister(0, 0, 0))
        for request in reads:
            self.assertAllowed(request, reading)
            self.assertDenied(request, writing)
            self.assertDenied(request, reading, unit=0)
            self.assertAllowed(request, writing, unit=0)
        for request in writes:
            self.assertDenied(request, reading)
            self.assertAllowed(request, writing)

    def test_addresses_allowed(self) -> None:
        """
        A rule that allows some addresses allows no request that touches others too.
        """
        rule = Rule(True, tables=frozenset({"holding"}), addresses=(100, 120))
        for request, inside in (
            (ReadHoldingRegisters(100, 21), True),
            (ReadHoldingRegisters(100, 22), False),
            (ReadHoldingRegisters(99, 2), False),
            (ReadInputRegisters(100, 1), False),
            (WriteRegisters(119, (1, 2)), True),
            (WriteRegisters(119, (1, 2, 3)), False),
            (WriteCoil(100, True), False),
            (ReadWriteRegisters(100, 5, 110, (1,)), True),
            (ReadWriteRegisters(0, 5, 110, (1,)), False),
            (ReadWriteRegisters(100, 5, 0, (1,)), False),
            (ReadFIFOQueue(100), False),
            (ReportServerId(), False),
            (Diagnostics(0), False),
        ):
            self.assertEqual(self.allowed(request, rule), inside, request)

    def test_addresses_denied(self) -> None:
        """
        A rule that denies some addresses denies every request that touches one of them.
        """
        rule = Rule(False, tables=frozenset({"holding"}), addresses=(100, 120))
        for request, touched in (
            (ReadHoldingRegisters(90, 10), False),
            (ReadHoldingRegisters(90, 11), True),
            (ReadHoldingRegisters(120, 50), True),
            (ReadHoldingRegisters(121, 50), False),
            (ReadInputRegisters(100, 1), False),
            (ReadWriteRegisters(0, 5, 95, (1,) * 6), True),
            (ReadWriteRegisters(99, 2, 0, (1,)), True),
            (ReadFIFOQueue(70), True),
            (ReportServerId(), False),
        ):
            self.assertEqual(not self.allowed(request, rule, ALL), touched, request)

    def test_values_allowed(self) -> None:
        """
        Every value that is written has to be allowed, and what a mask could make of a register too.
        """
        rule = Rule(True, values=(10, 100))
        for request, inside in (
            (WriteRegister(0, 100), True),
            (WriteRegister(0, 101), False),
            (WriteRegisters(0, (10, 100, 50)), True),
            (WriteRegisters(0, (50, 9, 50)), False),
            (ReadWriteRegisters(0, 5, 0, (101,)), False),
            (MaskWriteRegister(0, 0x0000, 50), True),
            (MaskWriteRegister(0, 0x000F, 50), True),
            (MaskWriteRegister(0, 0x00FF, 50), False),
            (WriteFileRecord((RecordData(1, 0, (10,)), RecordData(1, 9, (9,)))), False),
            (WriteCoil(0, True), False),
            (Diagnostics(0, 50), False),
            (READ, True),
        ):
            self.assertEqual(self.allowed(request, rule), inside, request)
        self.assertAllowed(WriteCoils(0, (False, False)), Rule(True, values=(0, 0)))
        self.assertDenied(WriteCoils(0, (False, True)), Rule(True, values=(0, 0)))

    def test_values_denied(self) -> None:
        """
        One value that is denied is enough; what is read has none.
        """
        rule = Rule(False, values=(100, 200))
        self.assertDenied(WriteRegisters(0, (0, 150)), rule, ALL)
        self.assertAllowed(WriteRegisters(0, (0, 999)), rule, ALL)
        there = Rule(False, addresses=(7, 9), values=(100, 200))
        self.assertAllowed(WriteRegisters(6, (100, 99)), there, ALL)
        self.assertDenied(WriteRegisters(6, (99, 100)), there, ALL)
        self.assertDenied(MaskWriteRegister(0, 0x00FF, 0), rule, ALL)
        self.assertAllowed(WriteRegister(0, 99), rule, ALL)
        self.assertAllowed(ReadHoldingRegisters(150, 1), rule, ALL)

    def test_files(self) -> None:
        """
        Files are allowed by their number, and by their records; each group counts.
        """
        rule = Rule(True, files=(4, 5), addresses=(0, 9))
        for groups, inside in (
            ((RecordRange(4, 0, 10),), True),
            ((RecordRange(4, 1, 10),), False),
            ((RecordRange(4, 0, 1), RecordRange(6, 0, 1)), False),
        ):
            self.assertEqual(self.allowed(ReadFileRecord(groups), rule), inside, groups)
        self.assertDenied(ReadHoldingRegisters(0, 1), rule)
        self.assertDenied(
            WriteFileRecord((RecordData(4, 0, (1,)),)), Rule(False, tables=frozenset({"file"})), ALL
        )

    def test_units(self) -> None:
        """
        A broadcast touches every unit: a rule denies it for one of them, and allows it only for unit 0.
        """
        some = ((1, 3), (7, 7))
        for unit, inside in ((1, True), (3, True), (4, False), (7, True), (0, False)):
            self.assertEqual(self.allowed(WRITE, Rule(True, units=some), unit=unit), inside, unit)
        self.assertDenied(WRITE, Rule(False, units=some), ALL, unit=0)
        self.assertAllowed(WRITE, Rule(False, units=some), ALL, unit=4)
        self.assertAllowed(WRITE, Rule(True, units=((0, 0),)), unit=0)

    def test_functions(self) -> None:
        """
        Rules can name functions.
        """
        rule = Rule(True, functions=frozenset({3, 23}))
        self.assertAllowed(READ, rule)
        self.assertAllowed(ReadWriteRegisters(0, 1, 0, (1,)), rule)
        self.assertDenied(ReadCoils(0, 1), rule)
        self.assertDenied(WRITE, rule)

    def test_reads_and_writes_at_once(self) -> None:
        """
        Function 23 needs permission to read what it reads, and to write what it writes.
        """
        reading = Rule(True, "read", addresses=(0, 9))
        writing = Rule(True, "write", addresses=(10, 19))
        self.assertAllowed(ReadWriteRegisters(0, 1, 10, (1,)), reading, writing)
        self.assertDenied(ReadWriteRegisters(10, 1, 10, (1,)), reading, writing)
        self.assertDenied(ReadWriteRegisters(0, 1, 0, (1,)), reading, writing)

    def test_unknown_functions(self) -> None:
        """
        What nobody knows is denied where there are rules, unless one names its function and nothing finer.
        """
        private, relay = Opaque(b"\x41\x00"), Opaque(b"\x05\x00\x00\x55\x00")
        named = Rule(True, functions=frozenset({0x41, 5}))
        self.assertDenied(private, ALL)
        self.assertAllowed(private, named)
        self.assertAllowed(private, Rule(True, "write", functions=frozenset({0x41}), units=((1, 1),)))
        self.assertDenied(private, Rule(True, functions=frozenset({0x41}), addresses=(0, 65535)))
        self.assertDenied(private, Rule(True, "read", functions=frozenset({0x41})))
        self.assertDenied(private, Rule(False, tables=frozenset({"coil"}), addresses=(5, 5)), named)
        self.assertAllowed(private, Rule(False, "read"), named)
        self.assertDenied(relay, named)
        self.assertDenied(relay, ALL)

    @given(st.integers(0, 65535), st.integers(1, 50), st.integers(0, 65535), st.integers(0, 100))
    def test_denied_where_touched(self, address: int, count: int, first: int, more: int) -> None:
        """
        For any run of addresses: to allow is to cover all, to deny is to touch one.
        """
        count, last = min(count, 65536 - address), min(first + more, 65535)
        touched, span = set(range(address, address + count)), set(range(first, last + 1))
        request = ReadHoldingRegisters(address, count)
        self.assertEqual(self.allowed(request, Rule(True, addresses=(first, last))), touched <= span)
        self.assertEqual(
            self.allowed(request, Rule(False, addresses=(first, last)), ALL), touched.isdisjoint(span)
        )


def _span(highest: int) -> st.SearchStrategy[tuple[int, int]]:
    numbers = st.integers(0, highest)
    return st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends)))


#: Whether it allows; read, write or all; addresses; values.
_RULES = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(("read", "write", "all")),
        st.none() | _span(9),
        st.none() | _span(5),
    ),
    max_size=6,
)


class ListTests(RuleCase):
    @given(_RULES, st.integers(0, 8), st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans())
    def test_first_that_matches(
        self,
        drawn: list[tuple[bool, str, Span | None, Span | None]],
        address: int,
        values: list[int],
        writes: bool,
    ) -> None:
        """
        The first rule decides that covers all, if it allows, or touches some, if it denies.
        """
        request: Request = (
            WriteRegisters(address, tuple(values)) if writes else ReadHoldingRegisters(address, len(values))
        )
        rules = [Rule(allow, what, addresses=run, values=span) for allow, what, run, span in drawn]
        cells = [(address + place, value) for place, value in enumerate(values)]
        due = False
        for allow, what, run, span in drawn:
            if what == ("read" if writes else "write"):
                continue
            places = [run is None or run[0] <= each <= run[1] for each, _ in cells]
            good = [span is None or span[0] <= value <= span[1] for _, value in cells]
            if not writes:
                good = [allow or span is None] * len(cells)
            if all(places + good) if allow else any(map(all, zip(places, good, strict=True))):
                due = allow
                break
        self.assertEqual(self.allowed(request, *rules) if rules else due, due)


class DefaultTests(RuleCase):
    def test_read_only_by_one_word(self) -> None:
        """
        A read-only listener lets no rule write.
        """
        view = Access("lan", [ALL], read_only=True).view(ASKER, "boiler")
        self.assertEqual(view.refusal(3, READ), "")
        self.assertEqual(
            view.refusal(3, WRITE),
            "writing holding 0 = 1 of unit 3 with function 06: listener lan is read-only",
        )

    @given(st.integers(1, 127))
    def test_what_nobody_knows(self, function: int) -> None:
        """
        A request that is carried as it is may write, whatever its function code.
        """
        view = Access("lan", read_only=True).view(ASKER, "boiler")
        self.assertNotEqual(view.refusal(1, Opaque(bytes((function, 0, 0)))), "")

    def test_without_rules(self) -> None:
        """
        Without rules who is on this machine may do all, others only read, unless the listener says otherwise.
        """
        for read_only, local, open_ in (
            (None, True, True),
            (None, False, False),
            (False, False, True),
            (True, True, False),
        ):
            access = Access("lan", (), read_only, local)
            self.assertEqual(access.is_open, open_)
            view = access.view(ASKER, "boiler")
            self.assertEqual(view.refusal(1, READ), "")
            self.assertEqual(view.refusal(1, WRITE) == "", open_)
            self.assertEqual(view.refusal(1, Opaque(b"\x05\x00\x00\x55\x00")) == "", open_)

    def test_with_rules(self) -> None:
        """
        With a rule, even of another listener, what is not allowed is denied on every listener.
        """
        access = Access("here", [Rule(True, listeners=frozenset({"web"}))], False, True)
        self.assertFalse(access.is_open)
        self.assertNotEqual(access.view(Asker("here"), "boiler").refusal(1, READ), "")


class SentenceTests(RuleCase):
    def test_which_rule(self) -> None:
        """
        A refusal says what was asked, and which rule forbids it, or that none allows it.
        """
        rules = [Rule(False, "write", addresses=(5, 9), number=1, line=12), Rule(True, "read", number=2)]
        view = Access("lan", rules).view(ASKER, "boiler")
        for request, sentence in (
            (
                WriteRegisters(8, (7, 5, 6)),
                "writing holding 8 to 10 = 5 to 7 of unit 2 with function 16 (10h): "
                "access rule 1 (line 12) forbids it",
            ),
            (WRITE, "writing holding 0 = 1 of unit 2 with function 06: no access rule allows it"),
            (
                ReadWriteRegisters(0, 2, 0, (4,)),
                "writing holding 0 = 4 and reading holding 0 to 1 of unit 2 with function 23 (17h): "
                "no access rule allows it",
            ),
            (Diagnostics(1), "asking unit 2 for function 08, which may write: no access rule allows it"),
        ):
            self.assertEqual(view.refusal(2, request), sentence)
        self.assertEqual(view.decide(2, READ).reason, "access rule 2 allows it")

    def test_long_requests(self) -> None:
        """
        A request of many groups gives a sentence that is not long.
        """
        request = WriteFileRecord(tuple(RecordData(1, record, (record,)) for record in range(20)))
        self.assertIn("and more of all units with", self.refused(request))

    def refused(self, request: Request) -> str:
        return Access("lan", [Rule(False)]).view(ASKER, "boiler").refusal(0, request)


class MemoryTests(RuleCase):
    def test_flood_of_different_requests(self) -> None:
        """
        However many different requests are judged, each is judged by its own addresses.
        """
        view = Access("lan", [Rule(True, addresses=(0, 1999))]).view(ASKER, "boiler")
        for _ in range(2):
            for address in range(4000):
                self.assertEqual(view.refusal(1, ReadHoldingRegisters(address, 1)) == "", address < 2000)

    def test_only_what_never_depends_on_addresses_is_free(self) -> None:
        """
        A kind of request needs no further look only where no rule asks for its addresses or values.
        """
        rules = [Rule(False, "write", addresses=(5, 5)), Rule(True)]
        view = Access("lan", rules).view(ASKER, "boiler")
        for request in (READ, WRITE, ReadWriteRegisters(0, 1, 0, (1,)), Opaque(b"\x41")):
            view.refusal(1, request)
        self.assertEqual(view.free, {(1, ReadHoldingRegisters)})
