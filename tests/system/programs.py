"""
Other programs, run from tests: what lumina meets in the field.

Each runs as its own process, is waited for by what it says, and is gone when
the test is over.
"""

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from json import loads
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent

#: Seconds that a program may take to do what is waited for.
PATIENCE = 20.0

NOTHING: Mapping[str, str | None] = {}


def require(program: str) -> str:
    """
    Where a program is.

    @raise SkipTest: it `is not installed`, which counts as a failure in CI.
    """
    path = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if path is None:
        raise SkipTest(f"{program} is not installed")
    return path


def require_library(name: str) -> None:
    """
    A shared library.

    @raise SkipTest: it `is not installed`.
    """
    try:
        ctypes.CDLL(name)
    except OSError:
        raise SkipTest(f"{name} is not installed") from None


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program(ProcessProtocol):
    """
    A running program.

    @ivar output: all that it has printed, standard error included.
    @ivar status: its exit status, negative for a signal; `None` while it runs.
    """

    transport: IProcessTransport

    def __init__(self, name: str) -> None:
        self.name = name
        self.output = ""
        self.status: int | None = None
        self._searches: list[tuple[re.Pattern[str], int, Deferred[re.Match[str]]]] = []
        self._endings: list[Deferred[int]] = []

    def says(self, pattern: str, after: int = 0) -> Deferred[re.Match[str]]:
        """
        Wait until the output has a match.

        @param after: where in the output to begin to search.
        @return: fails with `AssertionError`, which shows the output, when the
            program ends or time is up before.
        """
        wanted: Deferred[re.Match[str]] = Deferred()
        self._searches.append((re.compile(pattern, re.MULTILINE), after, wanted))
        wanted.addTimeout(PATIENCE, reactor, lambda _, seconds: self._never(pattern, f"within {seconds:g} s"))
        self._search()
        return wanted

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        self.transport.write(line.encode() + b"\n")

    def ended(self) -> Deferred[int]:
        """@return: fires with its exit status."""
        if self.status is not None:
            return succeed(self.status)
        ending: Deferred[int] = Deferred()
        self._endings.append(ending)
        return ending

    def stop(self, signal: str = "TERM") -> Deferred[int]:
        """
        Ask it to end.

        @return: fires with its exit status.
        """
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(signal)
        return self.ended()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.output += data.decode(errors="replace")
        self._search()

    def processEnded(self, reason: Failure) -> None:
        ending = reason.value
        self.status = 0
        if isinstance(ending, ProcessTerminated):
            self.status = ending.exitCode or -(ending.signal or 0)
        searches, self._searches = self._searches, []
        for pattern, _, wanted in searches:
            if not wanted.called:
                wanted.errback(self._never(pattern.pattern, f"before it ended with {self.status}"))
        for waiting in self._endings:
            waiting.callback(self.status)

    def _search(self) -> None:
        for search in list(self._searches):
            pattern, after, wanted = search
            if wanted.called:
                self._searches.remove(search)
            elif found := pattern.search(self.output, after):
                self._searches.remove(search)
                wanted.callback(found)

    def _never(self, pattern: str, when: str) -> Failure:
        return Failure(AssertionError(f"{self.name} did not say {pattern!r} {when}; it said:\n{self.output}"))


def start(test: TestCase, *arguments: str | Path, environment: Mapping[str, str | None] = NOTHING) -> Program:
    """
    Run a program; it is killed when the test is over.

    @param environment: what differs from this process' own; `None` removes.
    """
    command = [str(argument) for argument in arguments]
    program = Program(" ".join(Path(part).name for part in command[:2]))
    changed = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    variables = {name: value for name, value in changed.items() if value is not None}
    reactor.spawnProcess(program, command[0], command, env=variables, path=os.getcwd())
    test.addCleanup(program.stop, "KILL")
    return program


class PacedSlave:
    """
    A running `paced_slave.py`.

    @ivar device: the terminal that leads to it.
    """

    def __init__(self, program: Program, device: str) -> None:
        self.program = program
        self.device = device

    async def report(self) -> dict[str, Any]:
        """What it has seen since it began, or was told to `reset`."""
        after = len(self.program.output)
        self.program.tell("report")
        found = await self.program.says(r"^\{.*\}$", after)
        return dict(loads(found[0]))

    def reset(self) -> None:
        """Let it forget what it has seen."""
        self.program.tell("reset")


async def paced_slave(test: TestCase, *options: str) -> PacedSlave:
    """Start our own unit that keeps the time of a real line, with its own options."""
    program = start(test, sys.executable, HERE / "paced_slave.py", *options)
    return PacedSlave(program, (await program.says(r"^ready (\S+)$"))[1])


async def libmodbus_slave(
    test: TestCase, device: str, unit: int = 1, baudrate: int = 9600, delay: float = 0.0
) -> Program:
    """
    Start a unit that is not ours on a serial device.

    @param delay: seconds that it takes to answer.
    """
    require_library("libmodbus.so.5")
    script = HERE / "libmodbus_slave.py"
    program = start(test, sys.executable, script, device, str(unit), str(baudrate), str(delay))
    await program.says("^ready$")
    return program


async def tcp_server(test: TestCase, kind: str, port: int, *words: str) -> Program:
    """
    Start a Modbus TCP server that is not ours, on the loopback interface.

    @param kind: `pymodbus`, `pyModbusTCP` or `libmodbus`.
    @param words: what its first holding registers hold, but for libmodbus.
    """
    if kind == "libmodbus":
        return await libmodbus_slave(test, f"tcp:{port}")
    program = start(test, sys.executable, HERE / "tcp_server.py", kind, str(port), *words)
    await program.says("^ready$")
    return program


def certificate(test: TestCase) -> Path:
    """A new certificate for `localhost` and its key, in one file that is alone in its directory."""
    file = Path(test.mktemp()).resolve() / "localhost.pem"
    file.parent.mkdir()
    key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    key += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run([require("openssl"), *key], check=True, capture_output=True)
    with file.open("a") as both:
        both.write(Path(f"{file}.crt").read_text())
    Path(f"{file}.crt").unlink()
    return file


async def cable(test: TestCase) -> tuple[str, str, Program]:
    """
    Two serial devices joined by a cable, made by socat.

    @return: the paths of both ends, and the cable, which is cut by stopping it.
    """
    socat = require("socat")
    ends = [str(Path(test.mktemp()).resolve()) for _ in range(2)]
    program = start(test, socat, "-d", "-d", *(f"pty,raw,echo=0,link={end}" for end in ends))
    await program.says("starting data transfer loop")
    return ends[0], ends[1], program


async def until(condition: Callable[[], object]) -> None:
    """
    Wait until something is so that nobody tells, such as what another process does to a file.

    @raise AssertionError: it did not come to it in as long as a program may take.
    """
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        await deferLater(reactor, 0.05)
    raise AssertionError(f"it has not come to it within {PATIENCE:g} s")


async def listening(port: int, program: Program) -> None:
    """Wait until a program accepts connections on a TCP port of the loopback interface."""
    for _ in range(int(PATIENCE / 0.05)):
        if program.status is not None:
            raise AssertionError(f"{program.name} ended with {program.status}:\n{program.output}")
        try:
            connection = await connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), Protocol())
        except ConnectError:
            await deferLater(reactor, 0.05)
            continue
        connection.transport.loseConnection()
        return
    raise AssertionError(f"{program.name} does not listen on {port}; it said:\n{program.output}")


def twistd(test: TestCase, *arguments: str | Path) -> Program:
    """
    Start `twistd` in the foreground, of this checkout, with nothing of a system service around it.

    @param arguments: what follows `twistd -n --pidfile=`.
    """
    run = "from twisted.scripts.twistd import run; run()"
    environment = {
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NOTIFY_SOCKET": None,
        "STATE_DIRECTORY": None,
        "XDG_STATE_HOME": str(Path(test.mktemp()).resolve()),
    }
    return start(test, sys.executable, "-c", run, "-n", "--pidfile=", *arguments, environment=environment)


async def lumina(test: TestCase, configuration: str, *ports: int) -> Program:
    """
    Start lumina.

    Its log is the `output` of the program; `await program.stop()` ends it and
    gives its exit status.

    @param configuration: the YAML text.
    @param ports: TCP ports to wait for.
    """
    file = Path(test.mktemp()).resolve().with_suffix(".yaml")
    file.write_text(configuration)
    program = twistd(test, "lumina", "-c", file)
    for port in ports:
        await listening(port, program)
    return program


async def run(test: TestCase, *arguments: str | Path) -> Program:
    """Run a program to its end."""
    program = start(test, *arguments)
    program.transport.closeStdin()
    await program.ended().addTimeout(PATIENCE, reactor)
    return program
