"""The headers of a sink that posts, with the secrets that are in the environment or in files."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from lumina.config.sinks import Post

#: Names of headers whose values are secret, wherever they are written.
_SECRET = re.compile(r"auth|key|token|secret|cookie|passw", re.IGNORECASE)

#: How variables are called; what looks otherwise may be a secret that was put where its name belongs.
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*|[a-z_]+")


def headers_of(
    chosen: Post, environment: Mapping[str, str]
) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """
    All further headers, and what of them is secret.

    @raise ValueError: secrets are not there, or cannot stand in a header; a line for each.
    """
    found, wrong = {}, []
    for key, variable, file in _places(chosen):
        try:
            found[key] = _secret(environment, key, variable, file)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))
    headers = [*chosen.headers.items()]
    headers += [(header, found[f"headers_env.{header}"]) for header in chosen.headers_env]
    secrets = [*found.values(), *(value for name, value in chosen.headers.items() if _SECRET.search(name))]
    if chosen.has_token:
        headers.append(("Authorization", f"Bearer {found['token_env']}"))
    if chosen.user is not None:
        pair = base64.b64encode(f"{chosen.user}:{found['password_env']}".encode()).decode()
        headers.append(("Authorization", f"Basic {pair}"))
        secrets.append(pair)
    secrets += [value for _, value in parse_qsl(urlsplit(chosen.url).query) if len(value) > 3]
    secrets += [word for secret in secrets for word in secret.split(" ")[1:] if len(word) > 3]
    return headers, sorted(secrets, key=len, reverse=True)


def _places(chosen: Post) -> Iterator[tuple[str, str | None, str | None]]:
    """Where secrets are: what each is called, and its variable or its file."""
    for header, variable in chosen.headers_env.items():
        yield f"headers_env.{header}", variable, None
    if chosen.has_token:
        yield "token_env", chosen.token_env, chosen.token_file
    if chosen.user is not None:
        yield "password_env", chosen.password_env, chosen.password_file


def _secret(environment: Mapping[str, str], key: str, variable: str | None, file: str | None) -> str:
    """A secret, from the one place or the other; never part of an error."""
    if variable is not None:
        secret = environment.get(variable, "").strip()
        shown = variable if _NAME.fullmatch(variable) else f"{variable[:3]}..."
        where = f"{key}: the environment variable {shown}"
    else:
        try:
            secret = Path(file or "").read_text("utf-8", "replace").strip()
        except OSError as error:
            raise ValueError(f"{file}: {error.strerror}") from error
        where = f"{file}"
    if not secret:
        raise ValueError(f"{where} is not set or empty")
    if not secret.isascii() or not secret.isprintable():
        raise ValueError(f"{where} holds something that cannot stand in a header")
    return secret
