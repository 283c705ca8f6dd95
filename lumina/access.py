"""
Who may do what to which registers.

Rules stand in a list; for each thing that a request touches the first that
matches decides, and what none matches is denied. A rule that allows matches
only what it covers wholly: each address and each value. A rule that denies
matches whatever it touches at all. Every decision says which rule made it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from lumina.modbus.pdu import BROADCAST, KINDS, Opaque, Request
from lumina.modbus.reach import Reach, reaches
from lumina.terms import Asker

READ, WRITE, ALL = "read", "write", "all"

#: Decisions that are remembered for all who have the same rules, on all buses.
_REMEMBERED = 1000

#: How many parts of a request a sentence has; one of function 21 can have many.
_SHOWN = 3

#: The parts of a subject; a comma inside of one is escaped, and so is a backslash (RFC 4514).
_PART = re.compile(r"(?:\\.|[^\\,+])+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Span = tuple[int, int]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rule:
    """
    What is allowed, or denied, to whom; a condition that is empty, or `None`, holds for all.

    @ivar number: its place among the rules, from 1; 0: nobody wrote it.
    @ivar line: where it stands in the configuration; 0: not known.
    @ivar by_default: for a rule that nobody wrote, why it is there.
    @ivar what: `read`, `write` or `all`. Broadcasts, diagnostics (08) and
        unknown functions are writes.
    @ivar networks: of the asker; one without an address is in none.
    @ivar identities: whole subjects of certificates, or their common names.
    @ivar roles: those in certificates; an empty one is the null role.
    @ivar buses: their keys.
    @ivar units: spans; a broadcast is unit 0, and touches every unit.
    @ivar functions: function codes. Only a rule that names an unknown one
        allows it, and only without tables, files, addresses and values.
    @ivar files: numbers of files; then `addresses` are records.
    @ivar values: what may be written; of no meaning to what is read.
    """

    allow: bool
    what: str = ALL
    listeners: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    identities: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    buses: frozenset[str] = frozenset()
    units: tuple[Span, ...] = ()
    functions: frozenset[int] = frozenset()
    tables: frozenset[str] = frozenset()
    files: Span | None = None
    addresses: Span | None = None
    values: Span | None = None
    number: int = 0
    line: int = 0
    by_default: str = ""

    @property
    def reason(self) -> str:
        """A clause that says why, such as `access rule 3 (line 14) forbids it`."""
        place = f" (line {self.line})" if self.line else ""
        verb = "allows" if self.allow else "forbids"
        return self.by_default or f"access rule {self.number}{place} {verb} it"

    @property
    def in_detail(self) -> bool:
        """Whether it matters which addresses are touched, or what is written."""
        return (self.files, self.addresses, self.values) != (None, None, None)

    def meant_for(self, asker: Asker, bus: str) -> bool:
        """Whether it is about this asker, on this bus, if it is about the listener."""
        return (
            (not self.buses or bus in self.buses)
            and (not self.roles or asker.role in self.roles)
            and (not self.identities or self._is_called(asker.identity))
            and (not self.networks or self._is_in(asker.host))
        )

    def concerns(self, unit: int, function: int, reach: Reach) -> bool:
        """Whether it is about requests of this kind, whatever their addresses and values."""
        writes = reach.writes or unit == BROADCAST
        return (
            (self.what == ALL or (self.what == WRITE) is writes)
            and (not self.functions or function in self.functions)
            and (not self.tables or reach.table in self.tables)
            and self._has_unit(unit)
        )

    def takes(self, reach: Reach) -> bool:
        """Whether its addresses and values match, for something that it concerns."""
        if not self._matches(self.files, reach.file or None, reach.file):
            return False
        if self.values is not None and reach.values and not self.allow:
            return self._touches_one(self.values, reach)
        first = reach.first if reach.table else None
        return self._matches(self.addresses, first, reach.last) and (
            (self.allow and not reach.writes) or self._matches(self.values, reach.low, reach.high)
        )

    def _touches_one(self, values: Span, reach: Reach) -> bool:
        """Whether one of the values goes where it must not."""
        first, last = self.addresses or (reach.first, reach.last)
        return any(
            values[0] <= value <= values[1] and first <= address <= last
            for address, value in enumerate(reach.values, reach.first)
        )

    def concerns_unknown(self, unit: int, function: int) -> bool:
        """Whether it decides about a function of which nobody knows what it touches."""
        named = function in self.functions
        if self.what == READ or not self._has_unit(unit) or (self.functions and not named):
            return False
        plain = not self.tables and not self.in_detail
        return not self.allow or bool(self.by_default) or (named and plain and function not in KINDS)

    def _matches(self, span: Span | None, first: int | None, last: int | None) -> bool:
        """To allow, it has to cover all; to deny, to touch some."""
        if span is None:
            return True
        if first is None or last is None:
            return False
        if self.allow:
            return span[0] <= first and last <= span[1]
        return span[0] <= last and first <= span[1]

    def _has_unit(self, unit: int) -> bool:
        if not self.units or (unit == BROADCAST and not self.allow):
            return True
        return any(first <= unit <= last for first, last in self.units)

    def _is_called(self, identity: str) -> bool:
        """To allow, a common name has to be the only one; to deny, one of them."""
        names = _common_names(identity)
        called = {identity, *names} if len(names) == 1 or not self.allow else {identity}
        return bool(identity) and not self.identities.isdisjoint(called)

    def _is_in(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What was decided.

    @ivar rule: the rule that decided; `None`: no rule matched.
    @ivar general: it is so for every request of this kind to this unit.
    """

    allowed: bool
    rule: Rule | None
    reason: str
    general: bool = False


class View:
    """
    The rules that are left for one asker on one bus, and what was decided by them lately.

    @ivar rules: first to last.
    @ivar free: units, and kinds of requests, that are allowed whatever their addresses and values.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.free: set[tuple[int, type[Request]]] = set()
        self.rules = rules
        self._refusals: dict[tuple[int, Request], str] = {}

    def refusal(self, unit: int, request: Request) -> str:
        """Why a request may not be carried, as a sentence; empty: it may."""
        key = (unit, request)
        known = self._refusals.get(key)
        if known is not None:
            return known
        decision = self.decide(unit, request)
        if decision.allowed and decision.general:
            self.free.add((unit, type(request)))
        if len(self._refusals) >= _REMEMBERED:
            self._refusals.clear()
        sentence = "" if decision.allowed else f"{doing(unit, request)}: {decision.reason}"
        self._refusals[key] = sentence
        return sentence

    def decide(self, unit: int, request: Request) -> Decision:
        """Each thing that a request touches has to be allowed."""
        if isinstance(request, Opaque):
            return self._unknown(unit, request)
        decisions = [self._part(unit, request.function, reach) for reach in reaches(request)]
        refused = next((each for each in decisions if not each.allowed), None)
        if refused is not None:
            return refused
        return replace(decisions[0], general=all(each.general for each in decisions))

    def _part(self, unit: int, function: int, reach: Reach) -> Decision:
        general = True
        for rule in self.rules:
            if rule.concerns(unit, function, reach):
                if rule.takes(reach):
                    return Decision(rule.allow, rule, rule.reason, general and not rule.in_detail)
                general = False
        return Decision(False, None, "no access rule allows it", general)

    def _unknown(self, unit: int, request: Opaque) -> Decision:
        """Nobody can tell what it does: only its own name allows it, whatever it may touch denies it."""
        for rule in self.rules:
            if rule.concerns_unknown(unit, request.function):
                return Decision(rule.allow, rule, rule.reason)
        if request.function in KINDS:
            return Decision(False, None, "beyond the specification's limits no access rule can judge it")
        return Decision(False, None, "an unknown function needs an access rule that names it")


def doing(unit: int, request: Request) -> str:
    """What a request does, for people: `writing holding 100 = 5 of unit 3 with function 06`."""
    whom = "all units" if unit == BROADCAST else f"unit {unit}"
    touched = reaches(request)
    if not touched[0].table:
        may = ", which may write" if request.writes else ""
        return f"asking {whom} for {_called(request.function)}{may}"
    parts = [f"{'writing' if reach.writes else 'reading'} {reach}" for reach in touched[:_SHOWN]]
    more = " and more" if len(touched) > _SHOWN else ""
    return f"{' and '.join(parts)}{more} of {whom} with {_called(request.function)}"


def _called(function: int) -> str:
    """A function code as rules name it, in decimal, and as manuals do, where that differs."""
    return f"function {function:02}" + (f" ({function:02X}h)" if function > 9 else "")


class Access:
    """
    What one listener lets through.

    @ivar listener: its key.
    @ivar rules: those that count for it, first to last, with what is so by default.
    @ivar is_open: whether nothing is ever denied.
    """

    def __init__(
        self, listener: str, rules: Sequence[Rule] = (), read_only: bool | None = None, local: bool = True
    ) -> None:
        """
        @param rules: those of the configuration, of all listeners.
        @param read_only: whether it is read-only whatever they say; `None`: it
            is not, unless there are no rules and it is not local.
        @param local: whether only programs on this machine reach it.
        """
        self.listener = listener
        if read_only is None:
            read_only = not rules and not local
        first = [Rule(False, WRITE, by_default=f"listener {listener} is read-only")] if read_only else []
        last = [] if rules else [Rule(True, by_default="there are no access rules")]
        own = [rule for rule in rules if not rule.listeners or listener in rule.listeners]
        self.rules = (*first, *own, *last)
        self.is_open = not rules and not read_only
        self._views: dict[tuple[Rule, ...], View] = {}

    def view(self, asker: Asker, bus: str) -> View:
        """What is left of the rules for one asker on one bus; those who are left the same share it."""
        left = tuple(rule for rule in self.rules if rule.meant_for(asker, bus))
        if left not in self._views:
            if len(self._views) >= _REMEMBERED:
                self._views.clear()
            self._views[left] = View(left)
        return self._views[left]


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """An address as rules mean it: one of IPv4 that came through IPv6 is one of IPv4."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _common_names(identity: str) -> list[str]:
    """The common names in the subject of a certificate (RFC 4514)."""
    parts = (part for part in _PART.findall(identity) if part.upper().startswith("CN="))
    return [_ESCAPED.sub(r"\1", part[3:]) for part in parts]
