"""
A question about access rules, as people put it.

    10.0.0.5 write holding 100 = 5 on boiler unit 3 via lan as Operator
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from lumina.config.settings import Config
from lumina.modbus import pdu
from lumina.modbus.pdu import Request
from lumina.modbus.tables import COIL, DISCRETE, FILE, HOLDING, INPUT, TABLES
from lumina.plugins import nearest

_RUN = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")

#: An equals sign may touch the numbers beside it.
_EQUALS = re.compile(r"(?<=[0-9])\s*=\s*(?=[0-9])")

_EXAMPLE = "10.0.0.5 write holding 100 = 5 on boiler unit 3 via lan as Operator"
_FORM = f"read, write or function, such as: {_EXAMPLE}"

_TABLES = (*TABLES, FILE)
_TABLE_OF = {
    1: COIL,
    2: DISCRETE,
    3: HOLDING,
    4: INPUT,
    5: COIL,
    6: HOLDING,
    15: COIL,
    16: HOLDING,
    24: HOLDING,
}
_WRITE = {COIL: (5, 15), HOLDING: (6, 16), FILE: (21, 21)}
_READ = {COIL: 1, DISCRETE: 2, HOLDING: 3, INPUT: 4, FILE: 20}
_PLAIN: Mapping[int, Callable[[], Request]] = {
    7: pdu.ReadExceptionStatus,
    8: lambda: pdu.Diagnostics(0),
    11: pdu.ReadCommEventCounter,
    12: pdu.ReadCommEventLog,
    17: pdu.ReportServerId,
    43: lambda: pdu.ReadDeviceIdentification(1, 0),
}
#: How much of a request depends on what else is written; those are asked about in parts.
_IN_PARTS = (22, 23)


@dataclass(slots=True)
class Question:
    """
    Who would ask what; what is not said is empty.

    @ivar function: the function code; 0: that which fits.
    @ivar first: the first address or record; -1: there is none.
    @ivar values: what is written, one for all or one for each; empty: it is not said.
    """

    host: str = ""
    identity: str = ""
    role: str | None = None
    listener: str = ""
    bus: str = ""
    unit: int = -1
    writes: bool = False
    function: int = 0
    table: str = ""
    file: int = 0
    first: int = -1
    last: int = -1
    values: tuple[int, ...] = ()

    @property
    def writes_values(self) -> bool:
        """Whether it matters what is written."""
        return self.function in (5, 6, 15, 16, 21)

    def request(self, value: int = 0) -> Request:
        """
        What would be asked.

        @param value: is written everywhere, where nothing is said about values.
        @raise BadRequest: it is beyond the limits of Modbus.
        """
        count = self.last - self.first + 1
        values = self.values if len(self.values) > 1 else (self.values or (value,)) * count
        make: Mapping[int, Callable[[], Request]] = {
            1: lambda: pdu.ReadCoils(self.first, count),
            2: lambda: pdu.ReadDiscreteInputs(self.first, count),
            3: lambda: pdu.ReadHoldingRegisters(self.first, count),
            4: lambda: pdu.ReadInputRegisters(self.first, count),
            5: lambda: pdu.WriteCoil(self.first, bool(values[0])),
            6: lambda: pdu.WriteRegister(self.first, values[0]),
            15: lambda: pdu.WriteCoils(self.first, tuple(map(bool, values))),
            16: lambda: pdu.WriteRegisters(self.first, values),
            20: lambda: pdu.ReadFileRecord((pdu.RecordRange(self.file, self.first, count),)),
            21: lambda: pdu.WriteFileRecord((pdu.RecordData(self.file, self.first, values),)),
            24: lambda: pdu.ReadFIFOQueue(self.first),
            **_PLAIN,
        }
        return make.get(self.function, lambda: pdu.Opaque(bytes((self.function,))))()


def parse(text: str, config: Config) -> Question:
    """
    Understand a question.

    @raise ValueError: what is not understood, as a sentence.
    """
    reader = _Reader(text, config)
    reader.read()
    return reader.question


class _Reader:
    """Takes one word after the other."""

    def __init__(self, text: str, config: Config) -> None:
        try:
            self._words = shlex.split(_EQUALS.sub(" = ", text))
        except ValueError:
            raise ValueError("a quote is opened, and not closed") from None
        self._config = config
        self.question = Question()

    def read(self) -> None:
        self._who()
        self._what()
        while self._words:
            word = self._words.pop(0)
            clause = self._clauses.get(word)
            if clause is None:
                raise ValueError(f"'{word}' is not understood here; {nearest(word, self._clauses)}")
            clause(self)
        self._complete()

    def _next(self, after: str, what: str) -> str:
        if not self._words:
            raise ValueError(f"after '{after}' there should be {what}")
        return self._words.pop(0)

    def _who(self) -> None:
        if self._words and self._words[0] not in self._verbs:
            word = self._words.pop(0)
            try:
                ip_address(word)
            except ValueError:
                raise ValueError(f"'{word}' is neither an IP address nor {_FORM}") from None
            self.question.host = word

    def _what(self) -> None:
        if not self._words:
            raise ValueError(f"it does not say what is asked: {_FORM}")
        verb = self._words.pop(0)
        if verb not in self._verbs:
            raise ValueError(f"'{verb}' is none of read, write, function")
        self._verbs[verb](self)

    def _read(self) -> None:
        self._table("read")
        self.question.function = _READ[self.question.table]

    def _write(self) -> None:
        self._table("write")
        if self.question.table not in _WRITE:
            raise ValueError(f"nobody can write to the table '{self.question.table}'")
        one, several = _WRITE[self.question.table]
        self.question.function = one if self.question.first == self.question.last else several

    def _function(self) -> None:
        number = self._number("function", 1, 127)
        if number in _IN_PARTS:
            raise ValueError(
                f"function {number} does several things; ask about what it reads and what it writes"
            )
        self.question.function = number
        if number in _TABLE_OF:
            self._table("function", _TABLE_OF[number])

    def _table(self, after: str, due: str = "") -> None:
        word = self._next(after, f"a table: {', '.join(_TABLES)}")
        if word not in _TABLES:
            raise ValueError(f"'{word}' is no table; {nearest(word, _TABLES)}")
        if due and word != due:
            raise ValueError(f"function {self.question.function} is about the table '{due}', not '{word}'")
        self.question.table = word
        if word == FILE:
            self.question.file = self._number("file", 1, 65535)
        run = self._next(word, "an address, or a first and a last, such as 100-120")
        match = _RUN.fullmatch(run)
        if not match:
            raise ValueError(f"'{run}' is no address, nor a first and a last, such as 100-120")
        self.question.first, self.question.last = int(match[1]), int(match[2] or match[1])
        if self.question.first > self.question.last:
            raise ValueError(f"the first address, {match[1]}, is above the last, {match[2]}")

    def _number(self, after: str, lowest: int, highest: int) -> int:
        word = self._next(after, f"a number from {lowest} to {highest}")
        if not (word.isascii() and word.isdigit() and lowest <= int(word) <= highest):
            raise ValueError(f"{after} '{word}' is not a number from {lowest} to {highest}")
        return int(word)

    def _on(self) -> None:
        word = self._next("on", "a bus")
        keys = self._config.bus_keys
        if word not in keys:
            raise ValueError(f"no bus is called '{word}'; {nearest(word, keys)}")
        self.question.bus = keys[word]

    def _via(self) -> None:
        word = self._next("via", "a listener")
        if word not in self._config.listen:
            raise ValueError(f"no listener is called '{word}'; {nearest(word, self._config.listen)}")
        self.question.listener = word

    def _unit(self) -> None:
        self.question.unit = self._number("unit", 0, 255)

    def _broadcast(self) -> None:
        self.question.unit = 0

    def _as(self) -> None:
        self.question.role = self._next("as", 'a role; "" is the null role')

    def _named(self) -> None:
        self.question.identity = self._next("named", "the subject of a certificate, or its common name")

    def _equals(self) -> None:
        words = self._next("=", "a value, or several with commas between them").split(",")
        if not all(word.isascii() and word.isdigit() and int(word) <= 0xFFFF for word in words):
            raise ValueError(
                f"'{','.join(words)}' is no value from 0 to 65535, nor several with commas between them"
            )
        self.question.values = tuple(map(int, words))

    def _complete(self) -> None:
        question = self.question
        if not question.bus:
            raise ValueError("it does not say on which bus: 'on' and its name")
        if question.unit < 0:
            raise ValueError("it does not say to which unit: 'unit' and a number, or 'broadcast'")
        if question.values and not question.writes_values:
            raise ValueError("values are of what is written to coils, registers and files")
        if question.table == COIL and max(question.values, default=0) > 1:
            raise ValueError("a coil is 0 or 1")
        if len(question.values) > 1:
            self._spread(len(question.values))

    def _spread(self, count: int) -> None:
        """Several values, from the first address on."""
        question = self.question
        if question.first == question.last:
            question.last = question.first + count - 1
            question.function = {5: 15, 6: 16}.get(question.function, question.function)
        elif question.last - question.first + 1 != count:
            raise ValueError(f"{question.first}-{question.last} are not as many as the {count} values")

    _verbs: Mapping[str, Callable[["_Reader"], None]] = {
        "read": _read,
        "write": _write,
        "function": _function,
    }
    _clauses: Mapping[str, Callable[["_Reader"], None]] = {
        "on": _on,
        "unit": _unit,
        "broadcast": _broadcast,
        "via": _via,
        "as": _as,
        "named": _named,
        "=": _equals,
    }
