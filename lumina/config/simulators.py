"""Simulated buses, as they are configured."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, model_validator

from lumina.config.maps import load_map, presets
from lumina.config.simulated import Units
from lumina.errors import ConfigError
from lumina.plugins import Settings, nearest


def _preset(value: str) -> str:
    known = presets()
    if value not in known:
        raise ValueError(f"no preset is called '{value}'; {nearest(value, known)}")
    return value


def _path(value: str, info: ValidationInfo) -> str:
    """A relative one is relative to the configuration."""
    if not value:
        raise ValueError("it should be the path of a file; got nothing")
    return str((info.context or {}).get("folder", Path()) / value)


def _map(value: str, info: ValidationInfo) -> str:
    path = _path(value, info)
    try:
        load_map(path)
    except ConfigError as error:
        first, *others = str(error).splitlines()
        raise ValueError(f"{first}{f' (and {len(others)} more errors)' if others else ''}") from None
    return path


class Simulator(Settings):
    """
    A bus of invented units.

    @ivar preset: its devices, by the name of those that come with lumina.
    @ivar map: a file of devices, in place of the preset's where both have one.
    @ivar units: where the devices stand; `None`: where they say themselves.
    @ivar save: the file in which what clients write is kept.
    @ivar missing: the file in which is noted what clients ask for and do not get.
    """

    preset: Annotated[str, AfterValidator(_preset)] | None = None
    map: Annotated[str, AfterValidator(_map)] | None = None
    seed: int = 1
    units: Units | None = None
    save: Annotated[str, AfterValidator(_path)] | None = None
    missing: Annotated[str, AfterValidator(_path)] | None = None

    @model_validator(mode="after")
    def _has_devices(self) -> "Simulator":
        if self.preset is None and self.map is None:
            raise ValueError("it has no devices; name a preset or a map")
        return self

    @property
    def source(self) -> str:
        """Where its devices come from, in words."""
        parts = [f"preset {self.preset}" if self.preset else "", f"map {self.map}" if self.map else ""]
        return ", ".join(filter(None, parts))
