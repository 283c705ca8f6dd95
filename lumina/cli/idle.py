"""Access rules that never decide, and why, for `lumina check-config`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_network

from lumina.access import ALL, READ, WRITE, Network, Rule
from lumina.cli.hidden import decides_unknown, hides
from lumina.cli.rules import WITHOUT_ADDRESSES, listed, opened, ranged, reached, spans_of
from lumina.config.listeners import Listener
from lumina.config.routes import LAST
from lumina.config.settings import Config
from lumina.modbus.pdu import BROADCAST
from lumina.modbus.reach import TOUCHED
from lumina.modbus.tables import COIL

_EVERY_UNIT = frozenset(range(LAST + 1))
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
_WITHOUT_CERTIFICATES = ("tcp", "tcp6", "tls", "ssl", "unix", "pty", "serial")

#: A function, whether it writes, and a table that it touches; empty: none.
_Touch = tuple[int, bool, str]


def idle(config: Config) -> Iterator[str]:
    """A sentence for each rule that can never decide, whoever asks for whatever."""
    rules = config.rules
    for place, rule in enumerate(rules):
        why = _contradiction(rule) or _nobody(rule, config)
        if not why:
            earlier = next((each for each in rules[:place] if hides(each, rule)), None)
            why = f"{_named(earlier)} covers all that it is about" if earlier else ""
        if why:
            yield f"{_named(rule)} never decides: {why}"


def _named(rule: Rule) -> str:
    return f"access rule {rule.number}" + (f" (line {rule.line})" if rule.line else "")


# What it is about.


def _contradiction(rule: Rule) -> str:
    """Why no request is what it is about; empty: some are."""
    if decides_unknown(rule):
        return ""
    touches = [(code, writes, table) for code, all_ in TOUCHED.items() for writes, table in all_]
    for fits, why in _CONDITIONS:
        touches = [each for each in touches if fits(rule, each)]
        if not touches:
            return why(rule)
    return ""


def _has_values(rule: Rule, touch: _Touch) -> bool:
    _, writes, table = touch
    if rule.values is None or (rule.allow and not writes):
        return True
    return writes and bool(table) and (table != COIL or rule.values[0] <= 1)


_Fits = Callable[[Rule, _Touch], bool]
_CONDITIONS: tuple[tuple[_Fits, Callable[[Rule], str]], ...] = (
    (
        lambda rule, touch: not rule.functions or touch[0] in rule.functions,
        lambda rule: f"functions {_codes(rule)} are unknown, and are allowed by nothing but their number",
    ),
    (
        lambda rule, touch: rule.what == ALL or (rule.what == WRITE) is touch[1],
        lambda rule: f"functions {_codes(rule)} do not {rule.what}",
    ),
    (
        lambda rule, touch: not rule.tables or touch[2] in rule.tables,
        lambda rule: f"{_by(rule)} {_verb(rule)} the table {listed(rule.tables)}",
    ),
    (
        lambda rule, touch: rule.files is None or touch[2] == "file",
        lambda rule: f"{_by(rule)} {_verb(rule)} files",
    ),
    (
        lambda rule, touch: rule.addresses is None or bool(touch[2]),
        lambda rule: f"functions {_codes(rule)} have no addresses",
    ),
    (
        _has_values,
        lambda rule: f"what it is about has never a value of {ranged([rule.values or (0, 0)])}",
    ),
)


def _codes(rule: Rule) -> str:
    return ranged(spans_of(rule.functions))


def _by(rule: Rule) -> str:
    return f"none of the functions {_codes(rule)}" if rule.functions else "no function"


def _verb(rule: Rule) -> str:
    return {READ: "reads", WRITE: "writes"}.get(rule.what, "touches")


# Whom it is about.


def _nobody(rule: Rule, config: Config) -> str:
    """Why nobody who asks is meant by it; empty: somebody may be."""
    there = {
        name: listener
        for name, listener in config.listen.items()
        if not rule.listeners or name in rule.listeners
    }
    for lets, why in _ENTRANCES:
        left = {name: each for name, each in there.items() if lets(rule, each)}
        if not left:
            return why(rule, _called(there))
        there = left
    return _out_of_reach(rule, there, config)


def _called(listeners: Iterable[str]) -> str:
    names = [f"'{name}'" for name in listeners]
    return f"listener{'s' * (len(names) > 1)} {', '.join(names)}"


def _may_know(rule: Rule, listener: Listener) -> bool:
    """Whether a certificate can be shown there, if the rule wants one."""
    if not rule.identities and (not rule.roles or "" in rule.roles):
        return True
    endpoint = opened(listener)
    if endpoint.type == "mbaps":
        return bool(endpoint.options.get("clients"))
    return endpoint.type not in _WITHOUT_CERTIFICATES


def _may_come_from(rule: Rule, listener: Listener) -> bool:
    if not rule.networks:
        return True
    endpoint = opened(listener)
    if endpoint.type in WITHOUT_ADDRESSES:
        return False
    return not listener.is_local or any(_is_here(network) for network in rule.networks)


def _is_here(network: Network) -> bool:
    """Whether some of it is this machine."""
    return any(network.version == own.version and network.overlaps(own) for own in _LOOPBACK)


def _may_write(rule: Rule, listener: Listener) -> bool:
    return not (rule.allow and rule.what == WRITE and listener.read_only)


_ENTRANCES: tuple[tuple[Callable[[Rule, Listener], bool], Callable[[Rule, str], str]], ...] = (
    (
        _may_know,
        lambda rule, there: f"no certificate is asked for by {there}; mbaps: with clients= asks for one",
    ),
    (
        _may_come_from,
        lambda rule, there: f"from {', '.join(map(str, rule.networks))} nobody reaches {there}",
    ),
    (
        _may_write,
        lambda rule, there: f"nobody writes through {there}, for read_only is true",
    ),
)


def _out_of_reach(rule: Rule, there: Mapping[str, Listener], config: Config) -> str:
    """Why no listener leads to what it is about; empty: one does."""
    wanted = {unit for first, last in rule.units for unit in range(first, last + 1)} or _EVERY_UNIT
    if not rule.allow:
        wanted |= {BROADCAST}
    led = [reached(listener, config) for listener in there.values()]
    units = frozenset().union(
        *(units for each in led for bus, units in each.items() if not rule.buses or bus in rule.buses)
    )
    if units & wanted:
        return ""
    bus = f"bus {listed(rule.buses)}" if rule.buses else "any bus"
    goal = f"unit {ranged(rule.units)} of {bus}" if units else bus
    return f"no route of {_called(there)} leads to {goal}"
