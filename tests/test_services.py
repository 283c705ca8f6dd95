"""How parts of the service start and stop."""

import errno
import gc
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from lumina.assembly.ports import client_endpoint
from lumina.certificates import state
from lumina.errors import StartRefused
from lumina.services import (
    FAREWELL,
    Farewell,
    GarbageCollection,
    InTurn,
    Listener,
    RenewedEndpoint,
    sentence,
)
from tests.pki import Authority


class Part(Service):
    """Notes when it stops, and takes as long as the test likes."""

    def __init__(self, name: str, stopped: list[str], ending: Any = None) -> None:
        self.part, self.stopped, self.ending = name, stopped, ending

    def stopService(self) -> Any:
        super().stopService()
        self.stopped.append(self.part)
        return self.ending


class InTurnTests(SynchronousTestCase):
    def test_last_first(self) -> None:
        """
        Each part stops when those that were started after it have stopped.
        """
        stopped: list[str] = []
        listener: Deferred[None] = Deferred()
        whole = InTurn()
        for part in (Part("port", stopped), Part("listener", stopped, listener)):
            part.setServiceParent(whole)
        whole.startService()
        done = whole.stopService()
        self.assertEqual(stopped, ["listener"])
        listener.callback(None)
        self.assertEqual(stopped, ["listener", "port"])
        self.successResultOf(done)

    def test_one_fails(self) -> None:
        """
        A part that cannot stop is logged, and does not keep the others.
        """
        stopped: list[str] = []
        whole = InTurn()
        for part in (Part("port", stopped), Part("listener", stopped, fail(ValueError("no")))):
            part.setServiceParent(whole)
        whole.startService()
        self.successResultOf(whole.stopService())
        self.assertEqual(stopped, ["listener", "port"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class Taken(MemoryReactorClock):
    """A machine on which somebody else listens already."""

    def __init__(self, number: int = errno.EADDRINUSE) -> None:
        super().__init__()
        self.number = number

    def listenTCP(self, port: int, *arguments: Any, **options: Any) -> Any:
        raise CannotListenError(options.get("interface", ""), port, OSError(self.number, ""))


class ListenerTests(SynchronousTestCase):
    def test_listens(self) -> None:
        """
        It listens when it starts, once, also where it was started with privileges before.
        """
        reactor = MemoryReactorClock()
        listener = Listener("text", "tcp:8888:interface=127.0.0.1", Factory(), reactor)
        listener.privilegedStartService()
        listener.startService()
        self.assertEqual([server[0] for server in reactor.tcpServers], [8888])
        listener.stopService()

    def test_taken(self) -> None:
        """
        An address that is taken ends the start with a sentence.
        """
        listener = Listener("text", "tcp:8888:interface=127.0.0.1", Factory(), Taken())
        error = self.assertRaises(StartRefused, listener.privilegedStartService)
        self.assertEqual(
            str(error),
            "lumina: listen.text: cannot listen on tcp:8888:interface=127.0.0.1: Address already in use; "
            "another program listens there, which `ss -ltnp` names",
        )

    def test_privileged(self) -> None:
        """
        A port that only privileged programs may have is met with the right that is needed.
        """
        listener = Listener("text", "tcp:502:interface=127.0.0.1", Factory(), Taken(errno.EACCES))
        error = self.assertRaises(StartRefused, listener.privilegedStartService)
        advice = "Permission denied; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        self.assertEqual(str(error).split(": ", 3)[3], advice)

    def test_lock_of_a_socket(self) -> None:
        """
        A UNIX socket that cannot be made is met with its path, not with what its lock points to.
        """
        nowhere = OSError(errno.ENOENT, "No such file or directory", "7144", None, "/nowhere/x.lock")
        self.assertEqual(sentence(nowhere), "'/nowhere/x.lock': No such file or directory")


class SentenceTests(SynchronousTestCase):
    def test_certificates(self) -> None:
        """
        Certificates that cannot be used are named, in words.
        """
        rubbish = self.mktemp()
        Path(rubbish).write_text("rubbish")
        for arguments, why in (
            ("trustRoots=/nowhere", "'/nowhere': No such file or directory"),
            ("certificate=/nowhere", "'/nowhere': No such file or directory"),
            (f"certificate={rubbish}", "unsupported"),
        ):
            text = f"tls:plc:802:{arguments}"
            error = self.assertRaises(
                StartRefused, client_endpoint, "devices.plc", text, MemoryReactorClock()
            )
            self.assertEqual(str(error), f"lumina: devices.plc: cannot use {text}: {why}")


class FarewellTests(SynchronousTestCase):
    def test_waits(self) -> None:
        """
        The end waits until the clients have their last answers, and not for ever.
        """
        for seconds in (0, FAREWELL):
            clock, closed = Clock(), Deferred[None]()
            factory = Factory()
            factory.close = lambda closed=closed: closed  # type: ignore[attr-defined]
            done = Farewell(factory, clock).stopService()
            self.assertNoResult(done)
            if seconds:
                clock.advance(seconds)
            else:
                closed.callback(None)
            self.successResultOf(done)

    def test_no_part(self) -> None:
        """
        A factory that has no way to close is not waited for.
        """
        self.successResultOf(Farewell(Factory(), Clock()).stopService())


class GarbageCollectionTests(SynchronousTestCase):
    def test_what_stays(self) -> None:
        """
        What was made until the start, and by the first work, is no more looked through for garbage.
        """
        before = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *before)
        self.addCleanup(gc.unfreeze)
        clock = Clock()
        service = GarbageCollection(clock)
        service.startService()
        clock.advance(0)
        frozen = gc.get_freeze_count()
        self.assertGreater(frozen, 1000)
        kept: list[list[int]] = [[] for _ in range(100)]
        clock.advance(30)
        self.assertGreaterEqual(gc.get_freeze_count(), frozen + len(kept))
        service.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_stopped_early(self) -> None:
        """
        When it ends before, nothing is left to be done.
        """
        before = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *before)
        clock = Clock()
        service = GarbageCollection(clock)
        service.startService()
        service.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])


class RenewedEndpointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority()
        self.authority.save(self.folder, "roots")
        self.shown, self.key = self.authority.issue("lumina").save(self.folder, "shown")
        self.made: list[str] = []
        self.connected = 0
        self.endpoint = RenewedEndpoint("devices.plc", self.make, lambda: state(self.shown, str(self.folder)))

    def make(self) -> Any:
        self.made.append(pem := Path(self.shown).read_text())
        if "END" not in pem:
            raise ValueError("it is not whole")
        test, number = self, len(self.made)

        class Made:
            def connect(self, factory: Any) -> Any:
                test.connected = number

        return Made()

    def connects(self) -> int:
        """Which of those that were made the next connection is made by."""
        self.endpoint.connect(Factory())
        return self.connected

    def test_changed(self) -> None:
        """
        Certificates that have changed, in a directory too, are read anew for the next connection.
        """
        self.assertEqual([self.connects() for _ in range(3)], [1, 1, 1])
        self.authority.issue("renewed").save(self.folder, "shown")
        self.assertEqual([self.connects() for _ in range(2)], [2, 2])
        Authority("Other CA").save(self.folder, "more")
        self.assertEqual([self.connects() for _ in range(2)], [3, 3])

    def test_wrong(self) -> None:
        """
        Those that cannot be used leave what there was, until they are put right.
        """
        Path(self.shown).write_text("-----BEGIN CERT")
        self.assertEqual([self.connects() for _ in range(3)], [1, 1, 1])
        self.assertEqual(len(self.made), 2)
        self.authority.issue("renewed").save(self.folder, "shown")
        self.assertEqual(self.connects(), 3)

    def test_configured(self) -> None:
        """
        So it is for a device behind TLS; one without has nothing to read anew.
        """
        options = f"certificate={self.shown}:privateKey={self.key}:trustRoots={self.folder}"
        clock = MemoryReactorClock()
        secured = client_endpoint("devices.plc", f"tls:localhost:802:{options}", clock)
        self.assertIsInstance(secured, RenewedEndpoint)
        plain = client_endpoint("devices.plc", "tcp:localhost:802", clock)
        self.assertNotIsInstance(plain, RenewedEndpoint)
