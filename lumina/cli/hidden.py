"""Access rules of which an earlier one decides first, always."""

from lumina.access import ALL, READ, WRITE, Network, Rule, Span
from lumina.modbus.pdu import KINDS


def hides(earlier: Rule, rule: Rule) -> bool:
    """Whether the earlier rule decides whenever the other could; where that is hard to tell, it does not."""
    if earlier.allow and not rule.allow and (earlier.in_detail or earlier.units):
        return False  # a denial touches requests that the earlier rule does not cover wholly
    if earlier.allow and decides_unknown(rule) and not (rule.functions and _allows_unknown(earlier, rule)):
        return False
    if rule.allow and rule.what != WRITE and earlier.values and not earlier.allow:
        return False  # what is read has no values: it passes the rule, and is not denied
    return (
        earlier.what in (ALL, rule.what)
        and _within(rule.listeners, earlier.listeners)
        and _within(rule.identities, earlier.identities)
        and _within(rule.roles, earlier.roles)
        and _within(rule.buses, earlier.buses)
        and _within(rule.functions, earlier.functions)
        and _within(rule.tables, earlier.tables)
        and _networks_within(rule, earlier)
        and _units_within(rule, earlier)
        and all(
            _span_within(*spans)
            for spans in (
                (rule.files, earlier.files),
                (rule.addresses, earlier.addresses),
                (rule.values, earlier.values),
            )
        )
    )


def decides_unknown(rule: Rule) -> bool:
    """Whether it may decide about functions of which nobody knows what they touch."""
    if rule.what == READ:
        return False
    if not rule.allow:
        return not rule.functions or bool(_unknown(rule))
    return bool(_unknown(rule)) and _is_plain(rule)


def _allows_unknown(earlier: Rule, rule: Rule) -> bool:
    """Whether the earlier rule allows each unknown function that the other names."""
    return _is_plain(earlier) and _unknown(rule) <= earlier.functions


def _unknown(rule: Rule) -> frozenset[int]:
    return rule.functions - KINDS.keys()


def _is_plain(rule: Rule) -> bool:
    return not rule.tables and not rule.in_detail


def _within(some: frozenset[str] | frozenset[int], others: frozenset[str] | frozenset[int]) -> bool:
    """Whether one condition holds only where the other does; an empty one holds everywhere."""
    return not others or bool(some and some <= others)


def _networks_within(rule: Rule, earlier: Rule) -> bool:
    if not earlier.networks:
        return True
    return bool(rule.networks) and all(
        any(_is_inside(network, other) for other in earlier.networks) for network in rule.networks
    )


def _is_inside(network: Network, other: Network) -> bool:
    return (
        network.version == other.version
        and network.network_address in other
        and network.prefixlen >= other.prefixlen
    )


def _units_within(rule: Rule, earlier: Rule) -> bool:
    if not earlier.units:
        return True
    return bool(rule.units) and all(
        any(first <= unit[0] and unit[1] <= last for first, last in earlier.units) for unit in rule.units
    )


def _span_within(some: Span | None, other: Span | None) -> bool:
    return other is None or (some is not None and other[0] <= some[0] and some[1] <= other[1])
