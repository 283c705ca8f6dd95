"""Writing at once: over real sockets, whose ends take what they like."""

import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.reactor import PromptReactor
from lumina.sockets import direct_writer

#: Bytes that the system takes before it is full, roughly.
ROOM = 4096

MESSAGES = st.integers(1, 3 * ROOM)

#: Write so many bytes; take up to so many at the other end (negative); or let the reactor turn (0).
STEPS = st.lists(MESSAGES | st.just(0) | MESSAGES.map(lambda size: -size), max_size=40)


class Paused:
    """What a transport tells of the bytes that wait in it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class Pair:
    """A connection and its other end, with a reactor of their own."""

    def __init__(self) -> None:
        self.reactor = PromptReactor()
        own, self.other = socket.socketpair()
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self.other.setblocking(False)
        self.transport = Connection(own, Protocol(), self.reactor)
        self.transport.connected = 1
        self.transport.bufferSize = ROOM
        self.write = direct_writer(self.transport)

    def close(self) -> None:
        self.transport.connectionLost(Failure(ConnectionError()))
        self.other.close()
        self.reactor.removeAll()
        self.reactor.waker.connectionLost(Failure(ConnectionError()))

    def turn(self) -> None:
        self.reactor.doIteration(0)

    def taken(self, most: int = ROOM) -> bytes:
        """What the other end can read now."""
        try:
            return self.other.recv(most)
        except BlockingIOError:
            return b""

    def all_taken(self, count: int) -> bytes:
        """What the other end has read after so many bytes, or when nothing more comes of turning."""
        taken = bytearray()
        for _ in range(count + 1):
            self.turn()
            taken += self.taken()
            if len(taken) >= count:
                break
        return bytes(taken)


class DirectTests(SynchronousTestCase):
    def pair(self) -> Pair:
        pair = Pair()
        self.addCleanup(pair.close)
        return pair

    def test_at_once(self) -> None:
        """
        A message leaves before the reactor has turned, and nothing is left to do.
        """
        pair = self.pair()
        pair.write(b"first")
        self.assertEqual(pair.taken(), b"first")
        pair.write(b"second")
        self.assertEqual(pair.taken(), b"second")
        self.assertEqual(pair.reactor.getWriters(), [])

    def test_usual_first(self) -> None:
        """
        What was written in the usual way, and waits for the reactor, leaves first.
        """
        pair = self.pair()
        pair.transport.write(b"usual ")
        pair.write(b"at once")
        self.assertEqual(pair.taken(), b"")
        pair.turn()
        self.assertEqual(pair.taken(), b"usual at once")

    def test_rest_first(self) -> None:
        """
        What is left of a message that the system took in part leaves first, even if there is room again.
        """
        pair = self.pair()
        pair.write(20 * ROOM * b"-")
        first = pair.taken(20 * ROOM)
        pair.turn()
        first += pair.taken(20 * ROOM)
        pair.write(b"next")
        count = 20 * ROOM + 4
        self.assertEqual(first + pair.all_taken(count - len(first)), 20 * ROOM * b"-" + b"next")

    def test_at_once_again(self) -> None:
        """
        Once all that has waited is gone, messages leave at once again.
        """
        pair = self.pair()
        pair.write(bytes(20 * ROOM))
        self.assertEqual(len(pair.all_taken(20 * ROOM)), 20 * ROOM)
        pair.turn()
        pair.write(b"again")
        self.assertEqual(pair.taken(), b"again")

    def test_producer(self) -> None:
        """
        Whoever produces is told to pause when more waits than may, and to go on when that is gone.
        """
        pair, producer = self.pair(), Paused()
        pair.transport.registerProducer(producer, True)
        pair.write(bytes(20 * ROOM))
        self.assertEqual(producer.calls, ["pause"])
        pair.all_taken(20 * ROOM)
        pair.turn()
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_broken(self) -> None:
        """
        To write to an end that is gone is no error here: the reactor meets it.
        """
        pair = self.pair()
        pair.other.close()
        pair.write(b"lost")
        pair.turn()
        pair.write(b"lost, too")
        self.assertFalse(pair.transport.connected)

    def test_others(self) -> None:
        """
        A transport that is no socket of its own, as over TLS, is written to in its own way.
        """
        transport = StringTransport()
        direct_writer(transport)(b"any")
        self.assertEqual(transport.value(), b"any")
        pair = self.pair()
        pair.transport.TLS = True
        self.assertEqual(direct_writer(pair.transport), pair.transport.write)

    @given(STEPS)
    def test_any_pieces(self, steps: list[int]) -> None:
        """
        Whatever the system takes when: all bytes arrive once, in the order in which they were written.
        """
        pair = Pair()
        written, taken = bytearray(), bytearray()
        try:
            for number, step in enumerate(steps):
                if step > 0:
                    data = bytes([number]) * step
                    written += data
                    pair.write(data)
                elif step < 0:
                    taken += pair.taken(-step)
                else:
                    pair.turn()
            taken += pair.all_taken(len(written) - len(taken))
        finally:
            pair.close()
        self.assertEqual(taken, written)
