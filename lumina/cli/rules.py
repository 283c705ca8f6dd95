"""The access rules as they count for each listener, and those that never do, for `lumina check-config`."""

from collections.abc import Iterable, Iterator, Sequence

from lumina.access import ALL, Access, Network, Rule, Span
from lumina.config.listeners import Listener
from lumina.config.settings import Config
from lumina.modbus.pdu import KINDS

_HEAD = ("rule", "line", "does", "who", "bus", "units", "functions", "table", "addresses", "values")


def tables(config: Config) -> Iterator[str]:
    """For each listener the rules that count there, first to last."""
    rules = config.rules
    for name, listener in config.listen.items():
        yield f"listener {name}: {listener.kind} on {listener.address}"
        access = access_of(name, listener, config)
        rows = [_row(rule) for rule in access.rules]
        if rules:
            rows.append(("-", "-", "deny all", "what no rule allows", *("" for _ in _HEAD[4:])))
        yield from _aligned([_HEAD, *rows])


def access_of(name: str, listener: Listener, config: Config) -> Access:
    """What one listener lets through."""
    return Access(name, config.rules, listener.read_only, listener.is_local)


def unreachable(rules: Sequence[Rule]) -> Iterator[str]:
    """A sentence for each rule that can never decide, because one before it always does."""
    for place, rule in enumerate(rules):
        for earlier in rules[:place]:
            if _hides(earlier, rule):
                yield f"{_named(rule)} never decides: {_named(earlier)} covers all that it is about"
                break


def _row(rule: Rule) -> tuple[str, ...]:
    return (
        str(rule.number or "-"),
        str(rule.line or "-"),
        f"{'allow' if rule.allow else 'deny'} {rule.what}",
        rule.by_default or ", ".join(_who(rule)) or "everybody",
        _words(rule.buses) or "all",
        ",".join(map(_span, rule.units)) or "all",
        ",".join(map(_span, _spans(rule.functions))) or "all",
        " ".join(filter(None, (_words(rule.tables), rule.files and f"files {_span(rule.files)}"))) or "all",
        _span(rule.addresses) if rule.addresses else "all",
        _span(rule.values) if rule.values else "all",
    )


def _who(rule: Rule) -> Iterator[str]:
    if rule.networks:
        yield f"from {', '.join(map(str, rule.networks))}"
    if rule.identities:
        yield f"named {_words(rule.identities)}"
    if rule.roles:
        yield f"in role {', '.join(repr(role) if role else 'null' for role in sorted(rule.roles))}"


def _words(words: Iterable[str]) -> str:
    return ",".join(sorted(words))


def _span(span: Span) -> str:
    return f"{span[0]}" if span[0] == span[1] else f"{span[0]}-{span[1]}"


def _spans(numbers: Iterable[int]) -> list[Span]:
    spans: list[Span] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _named(rule: Rule) -> str:
    return f"access rule {rule.number}" + (f" (line {rule.line})" if rule.line else "")


def _hides(earlier: Rule, rule: Rule) -> bool:
    """Whether the earlier rule decides whenever the other could; where that is hard to tell, it does not."""
    if earlier.allow and not rule.allow and (earlier.in_detail or earlier.units):
        return False  # a denial touches requests that the earlier rule does not cover wholly
    if earlier.allow and not (earlier.functions and rule.functions) and not _all_known(rule.functions):
        return False  # of unknown functions the earlier rule allows none
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


def _all_known(functions: frozenset[int]) -> bool:
    return all(function in KINDS for function in functions)


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
