"""What pydantic found, in the operator's words and at its place in the file."""

from collections.abc import Collection, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from lumina.config import misplaced
from lumina.config.document import Document, KeyPath, Problem
from lumina.config.listeners import listener_fields
from lumina.config.sentences import sentence
from lumina.config.settings import Config
from lumina.config.sinks import sink_fields
from lumina.plugins import nearest


def problem(document: Document, data: Any, error: ErrorDetails, context: Mapping[str, Any]) -> Problem:
    """
    One error of a validation, as a sentence with its place.

    @param data: the whole of the settings, where the file may be a part of them.
    @param context: what the validation knew, to name the keys that other packages know.
    """
    path = _path(document, error["loc"])
    if error["type"] == "missing":
        return Problem(document.keys[path], (*path, error["loc"][-1]), "it is required, and not here")
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return Problem(document.keys[path], path, _unknown_key(data, _whole(document, path), context))
    positions = document.keys if error["loc"][-1:] == ("[key]",) else document.positions
    return Problem(positions[path], path, sentence(error))


def _path(document: Document, loc: KeyPath) -> KeyPath:
    """The part of a location that is in the file, without what pydantic adds to it."""
    path: KeyPath = ()
    for part in loc:
        if (*path, part) in document.positions:
            path = (*path, part)
    return path


def _whole(document: Document, path: KeyPath) -> KeyPath:
    """A path in the file, as a path in the whole of the settings."""
    return ("poll", *path) if isinstance(document.data, list) else path


def _unknown_key(data: Any, path: KeyPath, context: Mapping[str, Any]) -> str:
    known = _known_keys(data, path[:-1], context)
    if str(path[-1]).isdigit():
        return f"unknown key '{path[-1]}'; if it is the rest of a decimal, that has a point, not a comma"
    return f"unknown key '{path[-1]}'; {misplaced.key(path) or nearest(str(path[-1]), known)}"


def _known_keys(data: Any, path: KeyPath, context: Mapping[str, Any]) -> Collection[str]:
    """The keys that may stand below a path."""
    inside: Any = Config.model_fields
    if path[:1] == ("listen",) and len(path) > 1:
        inside, path = listener_fields(data["listen"][path[1]]["kind"], context["front_ends"]), path[2:]
    elif path[:1] == ("sinks",) and len(path) > 1:
        inside, path = sink_fields(data["sinks"][path[1]]["kind"], context["sink_kinds"]), path[2:]
    for part in path:
        # From the fields of a model to one of them, from a mapping or a list to what is in it.
        if isinstance(inside, dict) and part not in inside:  # a bare list stands for the one that there is
            inside = _bare(inside["devices" if "devices" in inside else "registers"].annotation)
        inside = _bare(inside[part].annotation if isinstance(inside, dict) else get_args(inside)[-1])
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            inside = inside.model_fields
    return {field.alias or name for name, field in inside.items()}


def _bare(annotation: Any) -> Any:
    """An annotation without its conditions, and without `None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    return annotation
