"""Services that lumina is put together from, whatever it carries."""

import errno
import gc
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import UnlistableError
from zope.interface import implementer

from lumina.errors import StartRefused
from lumina.sockets import keep_alive, tcp_socket

#: Seconds that clients get to read their last answers when lumina stops.
FAREWELL = 2.0

#: Clients that connect at the same moment, as all do after a restart.
_BACKLOG = 1024

#: A peer that has vanished is noticed within a minute.
_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 30,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 60_000,  # milliseconds; keepalive rests while an answer is not acknowledged
}


class InTurn(MultiService):
    """Stops its children one by one, last started first."""

    _log = Logger()

    def stopService(self) -> Deferred[None]:
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for child in reversed(self.services):
            try:
                await maybeDeferred(child.stopService)
            except Exception:
                self._log.failure("stopping {child}", child=child)


class GarbageCollection(Service):
    """
    Spares the garbage collector what is there to stay.

    All that was configured lives as long as lumina does. To look through it
    again and again, as the collector would, holds up the reactor, and costs a
    poller of many devices more than reading them.
    """

    #: Objects that are made before the collector looks for rings among them. Python's 700 are a few
    #: replies; ten times as many as here hold up the reactor for more than 10 ms when clients come and go.
    PATIENCE = 5_000

    #: Seconds after the start: for what was made until then, and for what the first work has made.
    _MOMENTS = (0.0, 30.0)

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._later: list[IDelayedCall] = []

    def startService(self) -> None:
        super().startService()
        gc.set_threshold(self.PATIENCE)
        gc.collect()
        self._later = [self._reactor.callLater(each, gc.freeze) for each in self._MOMENTS]

    def stopService(self) -> None:
        super().stopService()
        for call in self._later:
            if call.active():
                call.cancel()


class Listener(Service):
    """An address that is listened on; one that is taken ends the start."""

    _log = Logger()

    def __init__(self, name: str, address: str, factory: IProtocolFactory, reactor: Any) -> None:
        """
        @param address: a server endpoint string.
        """
        self._name = name
        self._address = address
        self._factory = factory
        try:
            self._endpoint = serverFromString(reactor, address)
        except Exception as error:  # no such certificate, no socket inherited: each type has its own
            raise StartRefused(
                f"lumina: listen.{name}: cannot listen on {address}: {sentence(error)}"
            ) from error
        self._listening: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """@raise StartRefused: the address cannot be listened on."""
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        super().startService()
        if self._listening is None:
            self._listen()

    def stopService(self) -> "Deferred[object]":
        super().stopService()
        listening, self._listening = self._listening, None
        return maybeDeferred(listening.stopListening) if listening else maybeDeferred(bool)

    def renew(self) -> None:
        """Take certificates anew, where the endpoint has any that it can."""
        getattr(self._endpoint, "renew", bool)()

    def _listen(self) -> None:
        failures: list[Failure] = []
        self._endpoint.listen(self._factory).addCallbacks(self._opened, failures.append)
        if failures:
            why = sentence(failures[0].value) + _advice(failures[0].value, self._address)
            raise StartRefused(f"lumina: listen.{self._name}: cannot listen on {self._address}: {why}")

    def _opened(self, listening: IListeningPort) -> None:
        self._listening = listening
        handle = tcp_socket(listening)
        if handle is not None:
            keep_alive(handle, _KEEPALIVE)  # connections inherit it when they are accepted
            handle.listen(_BACKLOG)
        self._log.info("{name}: listening on {address}", name=self._name, address=self._address)


@implementer(IStreamClientEndpoint)
class LoggedEndpoint:
    """Another endpoint, that says why it cannot be opened: each reason once in a row."""

    _log = Logger()

    def __init__(self, name: str, endpoint: IStreamClientEndpoint) -> None:
        self._name = name
        self._endpoint = endpoint
        self._reason = ""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        return self._endpoint.connect(protocolFactory).addCallbacks(self._opened, self._failed)

    def _opened(self, protocol: Any) -> Any:
        self._reason = ""
        self._log.info("{name}: open", name=self._name)
        return protocol

    def _failed(self, failure: Failure) -> Failure:
        if self._reason != str(failure.value):
            self._reason = str(failure.value)
            self._log.warn("{name}: {reason}", name=self._name, reason=self._reason)
        return failure


@implementer(IStreamClientEndpoint)
class RenewedEndpoint:
    """Another endpoint, that is made anew for the next connection when its certificates have changed."""

    _log = Logger()

    def __init__(
        self, name: str, make: Callable[[], IStreamClientEndpoint], state: Callable[[], object]
    ) -> None:
        """
        @param make: makes the endpoint, or raises what is wrong with the files.
        @param state: changes with them.
        """
        self._name = name
        self._make = make
        self._current_state = state
        self._state = state()
        self._endpoint = make()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        state = self._current_state()
        if state != self._state:
            self._state = state
            self._renew()
        return self._endpoint.connect(protocolFactory)

    def _renew(self) -> None:
        try:
            self._endpoint = self._make()
        except Exception as error:  # half written, say
            why = sentence(error)
            self._log.error("{name}: {why}; the certificates of before stay", name=self._name, why=why)
        else:
            self._log.info("{name}: new certificates, for new connections", name=self._name)


class Farewell(Service):
    """
    Lets the clients of a front end have their last answers.

    A factory takes part that has `close() -> Deferred`, which fires when its
    connections are gone.
    """

    def __init__(self, factory: IProtocolFactory, reactor: Any) -> None:
        self._factory = factory
        self._reactor = reactor

    def stopService(self) -> "Deferred[object]":
        super().stopService()
        closed: Deferred[object] = maybeDeferred(getattr(self._factory, "close", bool))
        return closed.addTimeout(FAREWELL, self._reactor).addErrback(lambda _: None)


def sentence(error: BaseException | None) -> str:
    """Why an address cannot be used, for people."""
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, UnlistableError):
        error = error.originalException
    if isinstance(error, OSError) and error.errno:
        name = error.filename2 or error.filename  # of a lock, that is a link, the second one
        file = f"'{name}': " if name else ""
        return f"{file}{os.strerror(error.errno)}"
    causes = error.args[0] if error is not None and error.args else ""
    if isinstance(causes, list):  # OpenSSL's
        return ", ".join(str(cause[-1]) for cause in causes)
    return str(error)


#: What to do about an address of the network that cannot be listened on.
_ADVICE = {
    errno.EADDRINUSE: "; another program listens there, which `ss -ltnp` names",
    errno.EADDRNOTAVAIL: "; no interface of this machine has that address",
    errno.EACCES: "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
}


def _advice(error: BaseException | None, address: str) -> str:
    cause = error.socketError if isinstance(error, CannotListenError) else error
    if address.startswith("unix:") or not isinstance(cause, OSError):
        return ""
    return _ADVICE.get(cause.errno or 0, "")
