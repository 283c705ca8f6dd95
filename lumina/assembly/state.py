"""Where lumina keeps what outlives it."""

from collections.abc import Mapping
from pathlib import Path


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where lumina keeps what outlives it: `$STATE_DIRECTORY`, else where the user's programs do."""
    named = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if named:
        return Path(named)
    home = (
        environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    )
    return Path(home) / "lumina"
