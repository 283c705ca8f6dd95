"""The documents' environment variables, and the file `.env` that may have them."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from lumina.errors import ConfigError

#: The documents' names, and what they have where nothing is said.
API_URL, DEFAULT_API_URL = "LARAVEL_API_URL", "http://localhost:8000/api/readings"
CONFIG, DEFAULT_CONFIG = "MODBUS_CONFIG", "config.json"
LEVEL, DEFAULT_LEVEL = "LOG_LEVEL", "INFO"

NAMES = (API_URL, CONFIG, LEVEL)

#: Python's levels, which the documents use, and lumina's.
LEVELS = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARNING": "warn",
    "WARN": "warn",
    "ERROR": "error",
    "CRITICAL": "error",
}


def environment(directory: Path, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    The variables of a directory's `.env`, and the process's own, which win.

    @raise ConfigError: the file cannot be read, or has lines that are no variables; all of these.
    """
    text = _text(directory / ".env")
    wrong = list(_wrong(text))
    if wrong:
        raise ConfigError("\n".join(wrong))
    written = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in written.items() if value is not None} | dict(own)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{file.name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{file.name}:{line}: the byte {error.object[error.start]:02X} is not UTF-8"
        ) from error


def _wrong(text: str) -> Iterator[str]:
    """Lines that mean nothing, and names that are nearly the documents' own."""
    for found in parse_stream(StringIO(text)):
        line = found.original.line + len(found.original.string) - len(found.original.string.lstrip("\n"))
        if found.error:
            shown = found.original.string.strip()
            yield f".env:{line}: '{shown[:40]}' is no variable; a line is NAME=value, or begins with #"
        elif found.key and found.key not in NAMES and (close := get_close_matches(found.key, NAMES, 1, 0.85)):
            yield f".env:{line}: {found.key}: did you mean {close[0]}?"


def log_level(variables: Mapping[str, str]) -> str:
    """
    lumina's level for that of `LOG_LEVEL`.

    @raise ConfigError: it is none.
    """
    written = variables.get(LEVEL) or DEFAULT_LEVEL
    level = LEVELS.get(written.upper())
    if level is None:
        raise ConfigError(f"{LEVEL}: '{written}' is none of {', '.join(LEVELS)}")
    return level
