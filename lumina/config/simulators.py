"""Simulated units, as they are configured."""

from importlib import resources
from typing import Annotated

from pydantic import AfterValidator

from lumina.plugins import Settings, nearest


def presets() -> list[str]:
    """The names of the simulators that come with lumina."""
    folder = resources.files("lumina.simulator") / "presets"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def _preset(value: str) -> str:
    known = presets()
    if value not in known:
        raise ValueError(f"no preset is called '{value}'; {nearest(value, known)}")
    return value


class Simulator(Settings):
    """A bus of invented units."""

    preset: Annotated[str, AfterValidator(_preset)]
    seed: int = 1
