"""The access rules as they count for each listener, for `lumina check-config`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from lumina.access import Access, Rule, Span
from lumina.assembly.listeners import targets
from lumina.config import endpoints
from lumina.config.gateway import Gateway
from lumina.config.listeners import Listener, RTUSlave
from lumina.config.settings import Config

#: Endpoints whose clients come from no IP address.
WITHOUT_ADDRESSES = ("unix", "pty", "serial")

_EVERY_UNIT = frozenset(range(256))

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


def reached(listener: Listener, config: Config) -> Mapping[str, frozenset[int] | set[int]]:
    """The units of each bus that can be asked through a listener; 0 is a broadcast."""
    keys = config.bus_keys
    if isinstance(listener, RTUSlave):
        return {keys[listener.bus]: _EVERY_UNIT}
    if not isinstance(listener, Gateway):
        return dict.fromkeys(keys.values(), _EVERY_UNIT)
    reached: dict[str, set[int]] = {}
    for name, unit in targets(listener, config.simulators.__contains__).values():
        reached.setdefault(keys[name], set()).add(unit)
    return reached


def shut(listener: Listener, host: str) -> str:
    """Why nobody can ask through a listener from an IP address, as a clause; empty: somebody may."""
    endpoint = opened(listener)
    if endpoint.type in WITHOUT_ADDRESSES:
        return "who asks there comes from no address"
    address = ip_address(host)
    if listener.is_local and not address.is_loopback:
        return "only programs on this machine reach it"
    interface = endpoint.options.get("interface")
    four_only = interface is not None and ip_address(interface).version == 4
    if (four_only and address.version == 6) or (listener.is_local and not four_only and address.version == 4):
        return f"it listens on {interface}"
    return ""


def opened(listener: Listener) -> endpoints.Endpoint:
    """What it listens on, or opens, taken apart."""
    read = endpoints.line if isinstance(listener, RTUSlave) else endpoints.server
    return read(listener.endpoint)


def _row(rule: Rule) -> tuple[str, ...]:
    return (
        str(rule.number or "-"),
        str(rule.line or "-"),
        f"{'allow' if rule.allow else 'deny'} {rule.what}",
        rule.by_default or ", ".join(_who(rule)) or "everybody",
        listed(rule.buses) or "all",
        ranged(rule.units) or "all",
        ranged(spans_of(rule.functions)) or "all",
        _tables(rule) or "all",
        ranged([rule.addresses]) if rule.addresses else "all",
        ranged([rule.values]) if rule.values else "all",
    )


def _tables(rule: Rule) -> str:
    files = f"files {ranged([rule.files])}" if rule.files else ""
    return f"{listed(rule.tables)} {files}".strip()


def _who(rule: Rule) -> Iterator[str]:
    if rule.networks:
        yield f"from {', '.join(map(str, rule.networks))}"
    if rule.identities:
        yield f"named {listed(rule.identities)}"
    if rule.roles:
        yield f"in role {', '.join(repr(role) if role else 'null' for role in sorted(rule.roles))}"


def listed(words: Iterable[str]) -> str:
    """Words in the order of the alphabet, with commas between them."""
    return ",".join(sorted(words))


def ranged(spans: Iterable[Span]) -> str:
    """Spans as people write them, such as `1-5,7`."""
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


def spans_of(numbers: Iterable[int]) -> list[Span]:
    """The fewest spans that have these numbers and no others."""
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
