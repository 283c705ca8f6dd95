"""
What a written address means: which table, and which address on the wire.

Three conventions are in use, and a number alone does not tell which is meant:

- `modicon`: the first digit is the table. 40001 is holding register 0, 30001
  input register 0, 10001 discrete input 0, 00001 coil 0; with six digits
  400001 and so on. Of a register, a number below 10000 is a PDU address.
- `pdu`: what is on the wire, from 0.
- `one-based`: the same counted from 1.
"""

from typing import NamedTuple

from lumina.modbus.tables import COIL, DISCRETE, HOLDING, INPUT, REGISTERS

MODICON, PDU, ONE_BASED = CONVENTIONS = ("modicon", "pdu", "one-based")

_DIGITS = {0: COIL, 1: DISCRETE, 3: INPUT, 4: HOLDING}
_LAST = 0xFFFF

#: Digits of an address that is written as text.
_LONGEST = 6

#: The first number that names a table in its first of five digits.
_FIVE = 10_000
#: The same of six.
_SIX = 100_000


class Place(NamedTuple):
    """A table, and the zero-based PDU address in it."""

    table: str
    address: int

    def __str__(self) -> str:
        noun = "register" if self.table in REGISTERS else "input" if self.table != COIL else ""
        return f"{self.table} {noun} {self.address}".replace("  ", " ")


def resolve(written: int | str, convention: str, table: str | None, bits: bool) -> Place:
    """
    What an address means.

    @param written: as it stands in the configuration; text keeps its leading
        zeros, by which `00001` is a coil.
    @param table: the table, where it is said.
    @param bits: whether the value is a single bit of its own table, rather than registers.
    @raise ValueError: it means nothing; a sentence for the operator.
    """
    if isinstance(written, str) and not (written.isascii() and written.isdigit()):
        raise ValueError(f"'{written}' is not a whole number")
    if isinstance(written, str) and len(written) > _LONGEST:
        raise ValueError(f"'{written}' has more than {_LONGEST} digits")
    number = int(written)
    if convention == MODICON:
        return _modicon(number, isinstance(written, str) and len(written) >= 5, table, bits)
    first = 1 if convention == ONE_BASED else 0
    if not first <= number <= _LAST + first:
        raise ValueError(
            f"{number} is not within {first} to {_LAST + first}, as addresses are with {convention}"
        )
    return Place(table or (COIL if bits else HOLDING), number - first)


def meanings(written: int, table: str, bits: bool) -> dict[str, Place]:
    """
    What a number means by each convention by which it means anything.

    @param table: where it is taken to be, for the conventions that do not tell.
    """
    found = {}
    for convention in CONVENTIONS:
        try:
            found[convention] = resolve(written, convention, None if convention == MODICON else table, bits)
        except ValueError:
            continue
    return found


def _modicon(number: int, long: bool, table: str | None, bits: bool) -> Place:
    """
    @param long: whether it is written with five digits at least.
    """
    named, place = _reference(number)
    is_coil = named == COIL and (long or table == COIL or (table is None and bits))
    if named == COIL and not is_coil:
        if not 0 <= number < _FIVE:
            raise _meaningless(number)
        return Place(table or HOLDING, number)
    if named is None or place < 0:
        raise _meaningless(number)
    if table not in (None, named):
        raise ValueError(f"{number} is of the table {named}, but table: {table} is said beside it")
    return Place(named, place)


def _reference(number: int) -> tuple[str | None, int]:
    """The table that a number names, and the address; below 0 it means nothing."""
    if number < _FIVE:
        return COIL, number - 1
    unit = _SIX if number >= _SIX else _FIVE
    digit, rest = divmod(number, unit)
    return _DIGITS.get(digit), rest - 1 if rest <= _LAST + 1 else -1


def _meaningless(number: int) -> ValueError:
    return ValueError(
        f"{number} is no Modicon address: those begin with 0, 1, 3 or 4 and count from 1, such as 40001; "
        "say addressing: pdu if it is what goes over the wire"
    )
