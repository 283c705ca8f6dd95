"""The documents' environment variables, and the file `.env` that may have them."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

#: The documents' names, and what they have where nothing is said.
API_URL, DEFAULT_API_URL = "LARAVEL_API_URL", "http://localhost:8000/api/readings"
CONFIG, DEFAULT_CONFIG = "MODBUS_CONFIG", "config.json"
LEVEL, DEFAULT_LEVEL = "LOG_LEVEL", "INFO"

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
    """
    written = dotenv_values(directory / ".env")
    return {name: value for name, value in written.items() if value is not None} | dict(own)


def log_level(variables: Mapping[str, str]) -> str:
    """
    lumina's level for that of `LOG_LEVEL`.

    @raise ValueError: it is none.
    """
    written = variables.get(LEVEL) or DEFAULT_LEVEL
    level = LEVELS.get(written.upper())
    if level is None:
        raise ValueError(f"{LEVEL}: '{written}' is none of {', '.join(LEVELS)}")
    return level
