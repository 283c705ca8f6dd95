"""Where readings go, as it is configured: each kind of sink its own model."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from lumina.plugins import ISink, Settings, nearest, sinks

SinkKinds = Callable[[], Mapping[str, ISink]]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
#: Headers that are lumina's to set.
_OURS = {"content-type", "content-length", "host", "transfer-encoding", "connection"}
_OURS |= {"idempotency-key", "idempotency-members"}

_YEAR = 366 * 86400.0


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"'{_bare(value)}' is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"'{_bare(value)}' is not a URL such as https://example.org/api/readings")
    if parts.username is not None:
        raise ValueError("a URL is no place for secrets; see user, password_file and password_env")
    if "[" in parts.netloc:
        raise ValueError(
            f"'{_bare(value)}' has an IPv6 address, which cannot be posted to; give the machine a name"
        )
    if not value.isascii() or not value.isprintable() or " " in value or parts.fragment:
        raise ValueError(f"'{_bare(value)}' has characters that a URL cannot have, or a part behind #")
    return value


def _bare(value: str) -> str:
    """A text that may have a password or a key in it, without what could be one."""
    return re.sub(r"[?#].*", "?***", re.sub(r"(//|^)[^/]*@", r"\1***@", value), flags=re.DOTALL)


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        # What stands here instead of a name may be the secret itself.
        raise ValueError("this is not the name of an environment variable, such as LUMINA_TOKEN")
    return value


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _OURS:
        raise ValueError(f"'{name}' is not a header that can be set here")
    return name


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("the value of a header is printable ASCII")
    return value


def _file(value: str) -> str:
    try:
        name = time.strftime(value, time.gmtime(0))
    except ValueError as error:
        raise ValueError(f"'{value}' is not a path with fields of strftime: {error}") from None
    if not name or "\0" in name or name.endswith("/"):
        raise ValueError(f"'{value}' is not the path of a file, nor - for standard output")
    return value


Url = Annotated[str, AfterValidator(_url)]
Variable = Annotated[str, AfterValidator(_variable)]
Header = Annotated[str, AfterValidator(_header)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]


class Sink(Settings):
    """What every sink has, of whatever kind."""

    kind: str


class Band(Settings):
    """How much a value must change to be worth sending, and how long it may be silent otherwise."""

    change: Annotated[float, Field(ge=0)] = 0.0
    heartbeat: Annotated[float, Field(gt=0, le=_YEAR)] = 3600.0


class SpoolSettings(Settings):
    """How much is kept on disk; the size is in megabytes of 2**20 bytes."""

    size: Annotated[float, Field(ge=1, le=1_048_576)] = 512.0
    age: Annotated[float, Field(ge=60, le=10 * _YEAR)] = 30 * 86400.0
    when_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest"


class Post(Sink):
    """Posts readings to an HTTP API, as JSON."""

    url: Url
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    bad: bool = False
    gaps: bool = False
    token_env: Variable | None = None
    token_file: str | None = None
    user: str | None = None
    password_env: Variable | None = None
    password_file: str | None = None
    headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    headers_env: dict[Header, Variable] = Field(default_factory=dict)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    pause: Annotated[float, Field(ge=0.01, le=3600)] = 1.0
    longest_pause: Annotated[float, Field(ge=0.01, le=86_400)] = 300.0
    hold: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    refusals: Annotated[int, Field(ge=2, le=100)] = 3
    deadband: dict[str, Band] = Field(default_factory=dict)
    spool: SpoolSettings = SpoolSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "Post":
        for pair in (("token_env", "token_file"), ("password_env", "password_file")):
            if all(getattr(self, key) is not None for key in pair):
                raise ValueError(f"{pair[0]} and {pair[1]} are both here; one of them is enough")
        has_password = self.password_env is not None or self.password_file is not None
        if has_password != (self.user is not None):
            raise ValueError("user, and password_env or password_file, belong together")
        if has_password and self.has_token:
            raise ValueError("a token and a password are both here; an API takes one of them")
        has_own = any(name.lower() == "authorization" for name in (*self.headers, *self.headers_env))
        if has_own and (self.has_token or has_password):
            raise ValueError("an Authorization header, and a token or a password; one of them is enough")
        if self.key is not None and self.certificate is None:
            raise ValueError("a key without its certificate")
        if (self.ca or self.certificate) and not self.url.startswith("https:"):
            raise ValueError("ca and certificate are for https")
        if self.pause > self.longest_pause:
            raise ValueError(f"pause, {self.pause:g}, is above longest_pause, {self.longest_pause:g}")
        return self

    @property
    def has_token(self) -> bool:
        """Whether there is a bearer token."""
        return self.token_env is not None or self.token_file is not None


class Lines(Sink):
    """Writes readings as lines of JSON to a file, or to standard output."""

    path: Annotated[str, AfterValidator(_file)]
    bad: bool = True


def _own_settings(value: object, info: ValidationInfo) -> Settings:
    return _found(info)[info.data["kind"]].settings.model_validate(value, context=info.context)


class PluggedSink(Sink):
    """A sink of another package, with its own keys apart, as an instance of its own model."""

    settings: Annotated[Settings, PlainValidator(_own_settings)]

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: dict[Any, Any]) -> dict[Any, Any]:
        return {"kind": value["kind"], "settings": {key: value[key] for key in value if key != "kind"}}


class _OfUnknownKind(Sink):
    """Never valid; of its other keys nothing is known."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("kind")
    @classmethod
    def _unknown(cls, kind: str, info: ValidationInfo) -> str:
        raise ValueError(f"no kind of sink is called '{kind}'; {nearest(kind, {*SINKS, *_found(info)})}")


SINKS: Mapping[str, type[Sink]] = {"post": Post, "jsonl": Lines}


def sink_fields(kind: str, found: SinkKinds) -> Mapping[str, FieldInfo]:
    """The keys of a kind of sink, which must exist."""
    own = SINKS[kind] if kind in SINKS else found()[kind].settings
    return Sink.model_fields | own.model_fields


def sink_by_kind(value: object, info: ValidationInfo) -> Sink:
    """The packages are searched only for a kind that is not lumina's own."""
    kind = value.get("kind") if isinstance(value, dict) else None
    model: type[Sink] = _OfUnknownKind
    if isinstance(kind, str):
        model = SINKS.get(kind) or (PluggedSink if kind in _found(info) else _OfUnknownKind)
    return model.model_validate(value, context=info.context)


def _found(info: ValidationInfo) -> Mapping[str, ISink]:
    found: SinkKinds = (info.context or {}).get("sink_kinds", sinks)
    return found()
