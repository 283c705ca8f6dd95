"""What pydantic found wrong with a value, in the operator's words."""

from collections.abc import Callable, Mapping

from pydantic_core import ErrorDetails

from lumina.config import misplaced


def sentence(error: ErrorDetails) -> str:
    """What is wrong with a value, whatever it stands for."""
    return _SENTENCES.get(error["type"], _in_general)(error)


def _got(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, dict | list):
        return f"got a {'mapping' if isinstance(value, dict) else 'list'}"
    if value is None or isinstance(value, bool):
        return f"got {'nothing' if value is None else str(value).lower()}"
    return f"got '{value}'" if isinstance(value, str) else f"got {value}"


def _wants(what: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"it should be {what}; {_got(error)}"


def _mapping(error: ErrorDetails) -> str:
    value = error["input"]
    meant = misplaced.entry(value) if isinstance(value, str) else ""
    return f"it should be a mapping of keys to values; {_got(error)}{meant}"


def _text(error: ErrorDetails) -> str:
    quotes = "" if isinstance(error["input"], dict | list | None) else "; put it in quotes"
    return f"it should be text; {_got(error)}{quotes}"


def _beyond(limit: str, side: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"{error['input']} is {side} the limit of {error['ctx'][limit]:g}"


def _one_of(error: ErrorDetails) -> str:
    allowed = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
    return f"it should be one of {', '.join(allowed)}; {_got(error)}"


def _too_many(error: ErrorDetails) -> str:
    return f"it should have at most {error['ctx']['max_length']} items; got {error['ctx']['actual_length']}"


def _too_few(error: ErrorDetails) -> str:
    return f"it should have at least {error['ctx']['min_length']} items; got {error['ctx']['actual_length']}"


def _too_long_text(error: ErrorDetails) -> str:
    return f"it should have at most {error['ctx']['max_length']} characters; it has {len(error['input'])}"


def _too_short_text(error: ErrorDetails) -> str:
    least = error["ctx"]["min_length"]
    return "it is empty" if least == 1 else f"it should have at least {least} characters; {_got(error)}"


def _in_general(error: ErrorDetails) -> str:
    return f"{error['msg'][0].lower()}{error['msg'][1:]}; {_got(error)}"


_SENTENCES: Mapping[str, Callable[[ErrorDetails], str]] = {
    "value_error": lambda error: str(error["ctx"]["error"]),
    "string_type": _text,
    "int_type": _wants("a whole number"),
    "float_type": _wants("a number"),
    "finite_number": _wants("a finite number"),
    "bool_type": _wants("true or false"),
    "dict_type": _mapping,
    "model_type": _mapping,
    "list_type": _wants("a list"),
    "tuple_type": _wants("a list"),
    "literal_error": _one_of,
    "string_too_long": _too_long_text,
    "string_too_short": _too_short_text,
    "too_long": _too_many,
    "too_short": _too_few,
    "greater_than_equal": _beyond("ge", "below"),
    "greater_than": _beyond("gt", "not above"),
    "less_than_equal": _beyond("le", "above"),
    "less_than": _beyond("lt", "not below"),
}
