"""How HTTP connections are made: one pool, a private CA, a certificate of one's own."""

from pathlib import Path
from typing import Any

from treq.client import HTTPClient
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from lumina.sinks.post import Whole

_BEGIN = b"-----BEGIN CERTIFICATE-----"


@implementer(IPolicyForHTTPS)
class Trust:
    """Whom an HTTPS connection trusts, and as whom it shows itself; host names are always checked."""

    def __init__(self, ca: str | None, certificate: str | None, key: str | None) -> None:
        """
        @param ca: a PEM file of the authorities to trust, instead of the system's.
        @param certificate: a PEM file; its key is in `key`, or in it too.
        @raise ValueError: one of the files has not in it what it should.
        @raise OSError: one cannot be read.
        """
        self._roots = None if ca is None else trustRootFromCertificates(_certificates(ca))
        self._own: PrivateCertificate | None = None
        if certificate is not None:
            pem = Path(certificate).read_text() + (Path(key).read_text() if key else "")
            try:
                self._own = PrivateCertificate.loadPEM(pem)
            except Exception as error:  # of OpenSSL, whose types are its own
                raise ValueError(f"{certificate}: no certificate with its key is in it") from error

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        options: dict[str, Any] = {}
        if self._roots is not None:
            options["trustRoot"] = self._roots
        return optionsForClientTLS(hostname.decode("ascii"), clientCertificate=self._own, **options)


def _certificates(file: str) -> list[Certificate]:
    parts = Path(file).read_bytes().split(_BEGIN)[1:]
    try:
        found = [Certificate.loadPEM(_BEGIN + part) for part in parts]
    except Exception as error:  # of OpenSSL
        raise ValueError(f"{file}: a certificate in it cannot be read") from error
    if not found:
        raise ValueError(f"{file}: no certificate is in it")
    return found


class Client:
    """
    treq's client, over a pool of its own.

    @ivar http: the client.
    """

    def __init__(self, reactor: Any, trust: Trust, connections: int) -> None:
        """
        @param connections: that are kept open between requests.
        """
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        # A request is repeated by the sender alone, which counts it.
        self._pool.retryAutomatically = False
        agent = Agent(reactor, contextFactory=trust, connectTimeout=30.0, pool=self._pool)
        self.http = HTTPClient(agent, data_to_body_producer=Whole)

    def close(self) -> Any:
        """Close the connections that are kept open."""
        return self._pool.closeCachedConnections()
