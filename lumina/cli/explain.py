"""`lumina check-config --explain`: what would happen to a request, and why; nothing is asked of anybody."""

from collections.abc import Iterator
from itertools import groupby

from lumina.access import Decision, View, doing
from lumina.cli.question import Question, parse
from lumina.cli.rules import access_of, reached, shut
from lumina.config.settings import Config
from lumina.interfaces import Asker
from lumina.modbus.pdu import BROADCAST
from lumina.modbus.tables import COIL


def explained(text: str, config: Config) -> Iterator[str]:
    """
    What would happen to what a sentence asks: a line for each listener, more where it depends on the value.

    @raise ValueError: what is not understood, as a sentence.
    @raise BadRequest: what is asked is beyond the limits of Modbus.
    """
    question = parse(text, config)
    yield f"{_who(question)}: {_what(question)} on {question.bus}"
    for name, listener in config.listen.items():
        if question.listener not in ("", name):
            continue
        if question.host and (why := shut(listener, question.host)):
            yield f"{name}: cannot be asked from {question.host}; {why}"
            continue
        if question.unit not in reached(listener, config).get(question.bus, ()):
            yield f"{name}: cannot be asked; no route leads to {_goal(question)}"
            continue
        asker = Asker(name, question.host, question.identity, question.role or "")
        view = access_of(name, listener, config).view(asker, question.bus)
        for decision, values in _decisions(view, question):
            verdict = "allowed" if decision.allowed else "denied"
            yield f"{name}: {verdict}{values}: {decision.reason}{_but(question, config, decision)}"


def _who(question: Question) -> str:
    parts = [question.host or "somebody"]
    if question.identity:
        parts.append(f"named {question.identity!r}")
    if question.role is not None:
        parts.append(f"as {question.role!r}" if question.role else "in the null role")
    return " ".join(parts)


def _what(question: Question) -> str:
    what = doing(question.unit, question.request())
    return what if question.values else what.replace(" = 0 of", " of")


def _goal(question: Question) -> str:
    whom = "all units" if question.unit == BROADCAST else f"unit {question.unit}"
    return f"{whom} of {question.bus}"


def _decisions(view: View, question: Question) -> Iterator[tuple[Decision, str]]:
    """Each decision, and for which values it is so; none are said where it is one decision for all."""
    if question.values or not question.writes_values:
        yield view.decide(question.unit, question.request()), ""
        return
    highest = 1 if question.table == COIL else 0xFFFF
    starts = _starts(view, highest)
    decided = [(view.decide(question.unit, question.request(value)), value) for value in starts]
    runs = [
        (decision, [value for _, value in run]) for decision, run in groupby(decided, lambda each: each[0])
    ]
    ends = [values[0] - 1 for _, values in runs[1:]] + [highest]
    for (decision, values), end in zip(runs, ends, strict=True):
        said = f"{values[0]}" if values[0] == end else f"{values[0]} to {end}"
        yield decision, f" for {said}" if len(runs) > 1 else ""


def _starts(view: View, highest: int) -> list[int]:
    """The least value, and each from which on a rule may decide otherwise."""
    spans = [rule.values for rule in view.rules if rule.values]
    edges = {0, *(span[0] for span in spans), *(span[1] + 1 for span in spans)}
    return sorted(edge for edge in edges if edge <= highest)


def _but(question: Question, config: Config, decision: Decision) -> str:
    """What else would keep it from being sent."""
    bus = config.ports.get(question.bus) or config.devices.get(question.bus)
    if decision.allowed and question.unit == BROADCAST and bus is not None and not bus.broadcast:
        return f"; but {question.bus} carries no broadcasts, see its key broadcast"
    return ""
