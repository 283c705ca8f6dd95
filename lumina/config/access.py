"""Access rules, as they are configured: one flat entry for each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from lumina import access
from lumina.access import ALL, READ, Span
from lumina.config.types import Network
from lumina.modbus.tables import FILE
from lumina.plugins import BusName, Settings, nearest

_SPAN = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def _one(value: Any, lowest: int, highest: int) -> Span:
    """A number, or a first and a last one: `3`, `1-5`."""
    plain = isinstance(value, int | str) and not isinstance(value, bool)
    match = _SPAN.fullmatch(str(value)) if plain else None
    if not match:
        raise ValueError(f"it should be a number, or a first and a last, such as 1-5; got {value!r}")
    first = int(match[1])
    last = int(match[2] or first)
    for each in (first, last):
        if not lowest <= each <= highest:
            raise ValueError(f"{each} is not within {lowest} to {highest}")
    if first > last:
        raise ValueError(f"the first, {first}, is above the last, {last}")
    return first, last


def _several(lowest: int, highest: int) -> PlainValidator:
    """What `_one` takes, or a list of such."""

    def read(value: Any) -> tuple[Span, ...]:
        if value == []:  # it would hold for all, like a key that is left out
            raise ValueError("it should have at least 1 items; got 0")
        return tuple(_one(each, lowest, highest) for each in _listed(value))

    return PlainValidator(read)


def _run(lowest: int, highest: int) -> PlainValidator:
    """What `_one` takes, or a list of the first and the last."""

    def read(value: Any) -> Span:
        if not isinstance(value, list):
            return _one(value, lowest, highest)
        if len(value) != 2:
            raise ValueError(f"it should be the first and the last: [100, 120]; got {len(value)} numbers")
        return _one("-".join(map(str, value)), lowest, highest)

    return PlainValidator(read)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _listener(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("listeners")
    if known is not None and name not in known:
        raise ValueError(f"no listener is called '{name}'; {nearest(name, known)}")
    return name


_MANY = (BeforeValidator(_listed), Field(strict=False, min_length=1))
_Words = Annotated[tuple[str, ...], *_MANY]
_Action = Literal["read", "write", "all"]
_Table = Literal["coil", "discrete", "holding", "input", "file"]


class Rule(Settings):
    """Who may, or may not, do what; a key that is left out holds for all."""

    allow: _Action | None = None
    deny: _Action | None = None
    listener: Annotated[tuple[Annotated[str, AfterValidator(_listener)], ...], *_MANY] | None = None
    from_: Annotated[tuple[Network, ...], *_MANY] | None = Field(default=None, alias="from")
    identity: _Words | None = None
    role: _Words | None = None
    bus: Annotated[tuple[BusName, ...], *_MANY] | None = None
    units: Annotated[tuple[Span, ...], _several(0, 255)] | None = None
    functions: Annotated[tuple[Span, ...], _several(1, 127)] | None = None
    table: Annotated[tuple[_Table, ...], *_MANY] | None = None
    files: Annotated[Span, _run(1, 65535)] | None = None
    addresses: Annotated[Span, _run(0, 65535)] | None = None
    values: Annotated[Span, _run(0, 65535)] | None = None
    _number: int = PrivateAttr(0)
    _line: int = PrivateAttr(0)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Rule":
        if (self.allow is None) is (self.deny is None):
            raise ValueError("it should say either allow or deny, and what: read, write or all")
        if self.values is not None and READ in (self.allow, self.deny):
            raise ValueError("values are of what is written; a rule about reading cannot have them")
        if self.files is not None and self.table not in (None, (FILE,)):
            raise ValueError(
                f"files are in no other table than 'file'; here it is {', '.join(self.table or ())}"
            )
        return self

    def set_place(self, number: int, line: int) -> None:
        """Its place among the rules, from 1, and in the file."""
        self._number, self._line = number, line

    def rule(self, keys: Mapping[str, str]) -> access.Rule:
        """
        What it declares.

        @param keys: the key of the bus for each name of a bus.
        """
        return access.Rule(
            self.allow is not None,
            self.allow or self.deny or ALL,
            listeners=frozenset(self.listener or ()),
            networks=tuple(ip_network(each) for each in self.from_ or ()),
            identities=frozenset(self.identity or ()),
            roles=frozenset(self.role or ()),
            buses=frozenset(keys[each] for each in self.bus or ()),
            units=self.units or (),
            functions=frozenset(_numbers(self.functions or ())),
            tables=frozenset(self.table or ()),
            files=self.files,
            addresses=self.addresses,
            values=self.values,
            number=self._number,
            line=self._line,
        )


def placed(rules: list[Rule], info: ValidationInfo) -> list[Rule]:
    """Tells each rule its place, for what is said of it later."""
    positions = (info.context or {}).get("positions", {})
    for index, rule in enumerate(rules):
        position = positions.get(("access", index))
        rule.set_place(index + 1, position.line if position else 0)
    return rules


def _numbers(spans: Sequence[Span]) -> Iterator[int]:
    for first, last in spans:
        yield from range(first, last + 1)
