"""
How other packages add to lumina: front ends and sinks, found as plug-ins of Twisted.

A package that brings one needs this module, `lumina.interfaces`, and
`lumina.testing` for its tests; `docs/plugins.md` shows how.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo
from twisted.internet.interfaces import IProtocolFactory
from twisted.plugin import getPlugins
from zope.interface import Attribute, Interface

from lumina.interfaces import Outlet, Sink, Site


class Settings(BaseModel):
    """
    What all settings are: keys that are not declared are errors, a value is
    taken only if it has the declared type, numbers are finite, and nothing
    changes afterwards.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def nearest(word: str, known: Collection[str]) -> str:
    """What to say about a word that is none of the known ones: the closest, or all of them."""
    close = difflib.get_close_matches(word, known, 1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(sorted(known)) or 'none'}"


def _configured(name: str, info: ValidationInfo) -> str:
    buses = (info.context or {}).get("buses")
    if buses is not None and name not in buses:
        raise ValueError(f"no bus is called '{name}'; {nearest(name, buses)}")
    return name


#: The type of a setting that names a bus: a key, a device or another name of a
#: port, or the key of a simulator. Loading the configuration checks that it exists.
BusName = Annotated[str, AfterValidator(_configured)]


class IFrontEnd(Interface):
    """
    Something that lets others ask; its provider is an `IPlugin` as well.

    lumina listens on the endpoint of each configured listener of this kind,
    and calls `factory` once for each.
    """

    kind: str = Attribute("What `kind` is in the configuration; unique among all installed packages.")
    settings: type[Settings] = Attribute(
        "The model of its own keys. `kind`, `endpoint` and `read_only` are lumina's, for every kind."
    )

    def factory(settings: Any, site: Site) -> IProtocolFactory:
        """
        @param settings: an instance of this front end's `settings`, validated.
        @param site: the buses, the time, and what may be asked about the service.
        @return: builds the protocol of each connection.
        """


class ISink(Interface):
    """
    Something that readings are delivered to; its provider is an `IPlugin` as well.

    lumina calls `sink` once for each configured sink of this kind. A sink that
    is an `IService` too is started before anything is polled, and stopped
    after.
    """

    kind: str = Attribute("What `kind` is in the configuration; unique among all installed packages.")
    settings: type[Settings] = Attribute("The model of its own keys. `kind` is lumina's, for every kind.")

    def sink(settings: Any, outlet: Outlet) -> Sink:
        """
        @param settings: an instance of this sink's `settings`, validated.
        @param outlet: its name, the time, and where it may keep files.
        """


class _OfAKind(Protocol):
    @property
    def kind(self) -> str: ...


K = TypeVar("K", bound=_OfAKind)


def by_kind(found: Iterable[K]) -> Mapping[str, K]:
    """
    @raise ValueError: two packages claim the same kind; both are named.
    """
    kinds: dict[str, K] = {}
    for each in found:
        other = kinds.setdefault(each.kind, each)
        if other is not each:
            raise ValueError(
                f"two installed packages bring the kind '{each.kind}': "
                f"{_origin(other)} and {_origin(each)}; remove one of them"
            )
    return kinds


def front_ends() -> Mapping[str, IFrontEnd]:
    """
    The front ends of all installed packages, by their kind.

    @raise ValueError: two packages claim the same kind; both are named.
    """
    return by_kind(getPlugins(IFrontEnd))


def sinks() -> Mapping[str, ISink]:
    """
    The sinks of all installed packages, by their kind.

    @raise ValueError: two packages claim the same kind; both are named.
    """
    return by_kind(getPlugins(ISink))


def _origin(plugin: object) -> str:
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"
