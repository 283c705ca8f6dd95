"""
A configuration file becomes frozen settings, or all that is wrong with it.

Each error is one line, `file:line:column: key: sentence`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from lumina.config import checks, explain, files
from lumina.config.document import Document, Problem
from lumina.config.listeners import FrontEnds
from lumina.config.settings import Config
from lumina.config.sinks import SinkKinds
from lumina.errors import ConfigError
from lumina.plugins import front_ends, sinks

_LONG = re.compile(r"\S{161,}")


def load(path: str) -> Config:
    """
    Read a configuration file: YAML, and so JSON too.

    A file that is a list is that of `poll: devices:`, as the documents' `config.json` is.

    @raise ConfigError: it cannot be read, or is wrong; all errors at once.
    """
    try:
        with open(path, "rb") as file:
            raw = files.within(path, file.read(files.LARGEST + 1))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise ConfigError(
            f"{path}:{line}:{column}: YAML: the byte {raw[error.start]:02X} is not UTF-8; save it as UTF-8"
        ) from error
    return loads(text, path)


def loads(text: str, name: str, front_ends: FrontEnds = front_ends, sink_kinds: SinkKinds = sinks) -> Config:
    """
    Read a configuration from memory.

    @param name: stands in place of the file in errors.
    @param front_ends: finds what other packages bring, and so does `sink_kinds`.
    @raise ConfigError: it is wrong; all errors at once.
    """
    document = Document(text)
    problems = list(document.problems)
    if document.data is None and problems:
        raise ConfigError("\n".join(_lines(name, problems)))
    data = {} if document.data is None else document.data
    bare = isinstance(data, list)
    if bare:  # the documents' config.json
        data = {"poll": data}
    for path, sentence in checks.problems(data):
        path = path[1:] if bare else path
        problems.append(Problem(document.position(path), path, sentence))
    context = {
        "buses": checks.names(data),
        "listeners": checks.listeners(data),
        "positions": document.positions,
        "front_ends": front_ends,
        "folder": Path(name).parent,
        "sink_kinds": sink_kinds,
    }
    try:
        config = Config.model_validate(data, context=context)
    except ValidationError as error:
        problems += (explain.problem(document, data, each, context) for each in error.errors())
    if problems:
        raise ConfigError("\n".join(_lines(name, problems)))
    return config


def _lines(name: str, problems: list[Problem]) -> Iterator[str]:
    for position, path, sentence in sorted(problems, key=lambda problem: problem.position):
        key = ".".join(map(str, path)) or "YAML"
        yield f"{name}:{position}: {_printable(_LONG.sub(_cut, f'{key}: {sentence}'))}"


def _cut(found: re.Match[str]) -> str:
    """The beginning of what nobody wants to read to its end."""
    return f"{found[0][:40]}... ({len(found[0])} characters)"


def _printable(text: str) -> str:
    """A line of its own, whatever the file has in its keys and values."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
