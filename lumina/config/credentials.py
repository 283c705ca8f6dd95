"""Certificates and secrets in files: where they are, and which cannot be used, before anything is opened."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from lumina.certificates import Files, Named, pair, trusted
from lumina.config import endpoints
from lumina.config.endpoints import Endpoint
from lumina.config.listeners import RTUSlave
from lumina.config.settings import Config
from lumina.config.sinks import Post
from lumina.validity import File, Use

#: Arguments of endpoints that name certificates, and what these are for; the same of a sink.
_USES = {
    "certificate": Use.OWN,
    "certKey": Use.OWN,
    "extraCertChain": Use.OWN,
    "path": Use.OWN,
    "clients": Use.AUTHORITIES,
    "revoked": Use.LISTS,
    "trustRoots": Use.ROOTS,
    "caCertsDir": Use.ROOTS,
    "ca": Use.ROOTS,
}
_KEYS = ("key", "privateKey")
_SECURE = ("mbaps", "tls", "ssl")


def complaints(endpoint: Endpoint, listens: bool) -> list[str]:
    """
    Why files of an endpoint cannot be used, a sentence for each file.

    @param listens: whether it is listened on, or connected to.
    """
    options = endpoint.options
    method = SSL.TLS_SERVER_METHOD if listens else SSL.TLS_CLIENT_METHOD
    if endpoint.type == "mbaps":
        certificate = options["certificate"]
        key = options.get("key") or certificate
        files = Files(certificate, key, options.get("clients", ""), options.get("revoked", ""))
        return files.give(SSL.Context(method))
    shown = _shown(endpoint, listens)
    wrong = pair(SSL.Context(method), *shown) if shown else []
    for name in ("trustRoots", "caCertsDir"):
        if name in options and not os.path.isdir(options[name]):
            wrong.append(f"{name} '{options[name]}' cannot be read: it is no directory")
    return wrong


def paths(endpoint: Endpoint) -> list[str]:
    """Where the certificates and the key of an endpoint are."""
    if endpoint.type not in _SECURE:
        return []
    return [path for name, path in endpoint.options.items() if name in (*_USES, *_KEYS)]


def files(config: Config) -> Iterator[File]:
    """Every file of certificates that is used."""
    for owner, endpoint in _endpoints(config):
        if endpoint.type in _SECURE:
            yield from _files(owner, endpoint.options)
    for key, sink in config.sinks.items():
        if isinstance(sink, Post):
            named = {"ca": sink.ca, "certificate": sink.certificate}
            yield from _files(f"sinks.{key}", {name: path for name, path in named.items() if path})


def _endpoints(config: Config) -> Iterator[tuple[str, Endpoint]]:
    for section, buses in (("ports", config.ports), ("devices", config.devices)):
        for key, bus in buses.items():
            yield f"{section}.{key}", endpoints.client(bus.endpoint)
    for key, listener in config.listen.items():
        if not isinstance(listener, RTUSlave):
            yield f"listen.{key}", endpoints.server(listener.address)


def _files(owner: str, named: Mapping[str, str]) -> Iterator[File]:
    uses = _USES
    if "certificate" not in named and "certKey" not in named:
        uses = uses | {"privateKey": Use.OWN}  # then the certificate is in the file of its key
    yield from (File(owner, name, path, uses[name]) for name, path in named.items() if name in uses)


def of_sink(entry: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Files of a sink that posts which cannot be used: the key, and a sentence."""
    named = {key: value for key, value in entry.items() if isinstance(value, str)}
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if "ca" in named:
        yield from (("ca", sentence) for sentence in trusted(context, ("ca", named["ca"])))
    if "certificate" in named:
        own = "certificate", named["certificate"]
        key = "key", named.get("key", named["certificate"])
        yield from (("certificate", sentence) for sentence in pair(context, own, key))
    for key_of_secret in ("token_file", "password_file"):
        if key_of_secret in named:
            yield from ((key_of_secret, sentence) for sentence in _secret(named[key_of_secret]))


def _secret(path: str) -> Iterator[str]:
    """What is wrong with the file of a secret; never what is in it."""
    try:
        if not Path(path).read_text("utf-8", "replace").strip():
            yield f"'{path}' is empty"
    except (OSError, ValueError) as error:
        yield f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}"


def _shown(endpoint: Endpoint, listens: bool) -> tuple[Named, Named] | None:
    """The certificate and the key of an endpoint of Twisted's; a client may do without."""
    options = endpoint.options
    if endpoint.type == "ssl" and listens:
        key = options.get("privateKey", "server.pem")
        given = "certKey" if "certKey" in options else "privateKey"
        return (given, options.get(given, key)), ("privateKey", key)
    name = {"ssl": "certKey", "tls": "certificate"}.get(endpoint.type)
    if listens or name is None or name not in options:
        return None
    return (name, options[name]), ("privateKey", options.get("privateKey", options[name]))
