"""What there is to know about the service, as lines for people."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from lumina import commands
from lumina.frontends.describe_devices import devices
from lumina.frontends.tables import Columns, ago, counted, short, table
from lumina.interfaces import Overview
from lumina.status import PortStatistics, PortStatus, SinkStatus, Times, UnitStatistics

#: Bits per second in the example of `help`, for a bus where a speed means nothing.
_SPEED = 9600


def answer(name: str, overview: Overview, port: str | None) -> list[str]:
    """
    The answer to a command.

    @param port: the one that is asked about, or the id of a device; `None`: all.
    @raise NotSent: there is no such port, or no such device.
    """
    return _ANSWERS[name](overview, port)


def _help(overview: Overview, port: str | None) -> list[str]:
    ports = overview.ports()
    chosen = next((each for each in ports if each.names), ports[0] if ports else None)
    return commands.help_lines() if chosen is None else commands.help_lines(_example(chosen))


def _example(port: PortStatus) -> str:
    """The documented request, to a port that is there, at its own speed."""
    speed = port.line.partition(" ")[0]
    name = port.names[0] if port.names else port.name
    return commands.example(name, int(speed) if speed.isdigit() else _SPEED)


def _version(overview: Overview, port: str | None) -> list[str]:
    return [f"lumina {version('lumina')}"]


def _ports(overview: Overview, port: str | None) -> list[str]:
    return [_status(status) for status in overview.ports()]


def _status(port: PortStatus) -> str:
    names = f" also {', '.join(port.names)};" if port.names else ""
    return f"{port.name}: {_line(port)};{names} waiting={port.waiting}{_words(port.words)}"


def _line(port: PortStatus) -> str:
    state = f"{port.state} ({port.reason})" if port.reason else port.state
    echo = ", echo" if port.echo else ""
    return f"{port.device}, {port.line}{echo}, {state}"


def _stats(overview: Overview, port: str | None) -> list[str]:
    statistics = overview.statistics(port)
    if port is not None:
        status = {each.name: each for each in overview.ports()}
        return [line for each in statistics for line in _whole(each, status[each.port])]
    return table(_STATS, statistics)


_STATS: Columns[PortStatistics] = {
    "port": lambda each: each.port,
    "requests": lambda each: each.traffic.requests,
    "failed": lambda each: _percent(each.traffic.failure_rate),
    "exchanges": lambda each: each.traffic.exchanges,
    "reply mean": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.mean),
    "p95": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.p95),
    "wait mean": lambda each: _if_any(each.traffic.wait, each.traffic.wait.mean),
    "busy": lambda each: _percent(each.busy_lately),
    "queue": lambda each: each.waiting,
    "most": lambda each: each.deepest,
}


def _whole(port: PortStatistics, status: PortStatus) -> list[str]:
    """All about one port."""
    traffic = port.traffic
    codes = "".join(f", {count} of code {code:02X}" for code, count in traffic.exceptions.items())
    rows = {
        "line": _line(status),
        "watched for": ago(port.seconds),
        "requests": f"{traffic.requests}, {_percent(traffic.failure_rate)} failed,"
        f" {traffic.shared} shared an exchange, {counted(traffic.unknown, 'write')} unconfirmed",
        "ended as": _words(traffic.words).strip() or "-",
        "exchanges": f"{traffic.exchanges}, of them {traffic.replies} with a sound reply",
        "exceptions": f"{sum(traffic.exceptions.values())}{codes}",
        "no reply": f"{counted(traffic.timeouts, 'timeout')}, {counted(traffic.damaged, 'wrong CRC')},"
        f" {traffic.short} short",
        "astray": f"{traffic.late} late and {traffic.foreign} foreign frames,"
        f" {traffic.noise} bytes of noise, {traffic.stale} stale bytes",
        "reply time": _times(traffic.reply_time),
        "percentiles": _percentiles(traffic.reply_time),
        "wait": _times(traffic.wait),
        "queue": f"{port.waiting} waiting now, {port.deepest} at most",
        "line busy": f"{_percent(port.busy_lately)} of the last minute, {_percent(port.busy)} of all time",
    }
    if traffic.remembered:
        rows["from memory"] = f"{traffic.remembered} requests, {short(traffic.oldest)} old at most"
    if status.line[:1].isdigit():  # a speed: only a serial line can give back what is sent
        rows["echo"] = {None: "not known yet", True: "yes", False: "no"}[status.echo]
    if status.echo_changes:
        rows["echo"] += f"; it has changed {counted(status.echo_changes, 'time')}"
    if status.line_errors:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in status.line_errors.items())
        rows["driver"] = f"{counts} errors since the device came up"
    return [port.port, *(f"  {name:11}  {text}" for name, text in rows.items())]


def _units(overview: Overview, port: str | None) -> list[str]:
    units = overview.units(port)
    memory = _FROM_MEMORY if any(each.traffic.remembered for each in units) else {}
    lines = table({**_UNITS, **memory, **_UNIT_STATES}, units)
    return lines + table(_ON_THE_WIRE, units) if port is not None and units else lines


_UNITS: Columns[UnitStatistics] = {
    "port": lambda each: each.port,
    "unit": lambda each: each.unit,
    "requests": lambda each: each.traffic.requests,
    "ok": lambda each: each.traffic.words.get("ok", 0),
    "failed": lambda each: _percent(each.traffic.failure_rate),
    "seen": lambda each: "never" if each.seen is None else f"{ago(each.seen)} ago",
    "reply mean": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.mean),
    "most": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.most),
}
_FROM_MEMORY: Columns[UnitStatistics] = {
    "from memory": lambda each: each.traffic.remembered,
    "oldest": lambda each: short(each.traffic.oldest),
}
_UNIT_STATES: Columns[UnitStatistics] = {
    "state": lambda each: each.state or "-",
    "last error": lambda each: each.error or "-",
}

#: What each exchange with a unit has brought.
_ON_THE_WIRE: Columns[UnitStatistics] = {
    "port": lambda each: each.port,
    "unit": lambda each: each.unit,
    "exchanges": lambda each: each.traffic.exchanges,
    "replies": lambda each: each.traffic.replies,
    "refused with": lambda each: _codes(each.traffic.exceptions),
    "timeouts": lambda each: each.traffic.timeouts,
    "late": lambda each: each.traffic.late,
    "foreign": lambda each: each.traffic.foreign,
    "noise": lambda each: each.traffic.noise,
    "stale": lambda each: each.traffic.stale,
    "wrong CRC": lambda each: each.traffic.damaged,
    "short": lambda each: each.traffic.short,
    "reply p50": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.p50),
    "p95": lambda each: _if_any(each.traffic.reply_time, each.traffic.reply_time.p95),
    "wait mean": lambda each: _if_any(each.traffic.wait, each.traffic.wait.mean),
    "most": lambda each: _if_any(each.traffic.wait, each.traffic.wait.most),
}


def _spool(overview: Overview, port: str | None) -> list[str]:
    sinks = overview.sinks()
    if not sinks:
        return ["no sinks are configured: readings go nowhere"]
    said = [(each.name, sentence) for each in sinks for sentence in (each.error, each.stuck) if sentence]
    return table(_SINKS, sinks) + [f"{name}: {sentence}" for name, sentence in said]


_SINKS: Columns[SinkStatus] = {
    "sink": lambda each: each.name,
    "kind": lambda each: each.kind,
    "taken": lambda each: each.taken,
    "delivered": lambda each: each.delivered,
    "dead": lambda each: each.dead,
    "gap": lambda each: each.gap,
    "queued": lambda each: each.queued,
    "oldest": lambda each: "-" if each.oldest is None else ago(each.oldest),
    "missed": lambda each: each.missed,
    "state": lambda each: each.state,
}

_ANSWERS: Mapping[str, Callable[[Overview, str | None], list[str]]] = {
    "devices": devices,
    "help": _help,
    "ports": _ports,
    "spool": _spool,
    "stats": _stats,
    "units": _units,
    "version": _version,
}


def _words(words: Mapping[str, int]) -> str:
    return "".join(f" {word}={number}" for word, number in sorted(words.items()))


def _codes(exceptions: Mapping[int, int]) -> str:
    return " ".join(f"{code:02X}:{count}" for code, count in exceptions.items()) or "-"


def _times(times: Times) -> str:
    if not times.count:
        return "-"
    return f"mean {short(times.mean)}, min {short(times.least)}, max {short(times.most)}"


def _percentiles(times: Times) -> str:
    if not times.count:
        return "-"
    return f"half under {short(times.p50)}, 95 % under {short(times.p95)}, 99 % under {short(times.p99)}"


def _if_any(times: Times, seconds: float) -> str:
    return short(seconds) if times.count else "-"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
