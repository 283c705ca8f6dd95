"""
`twistd lumina`: where the parts meet, and nowhere else.

The configuration becomes services: simulated lines, ports, listeners. They
stop one after the other, last started first: nobody new is let in, the
exchange in flight ends, and its answer is delivered.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any, ClassVar, TextIO

from twisted.application.service import IService, MultiService, Service
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from lumina import reactor as own_reactor
from lumina.assembly import audit, devices, listeners, poll, ports, reminders, simulators, sinks
from lumina.assembly.parts import Parts
from lumina.commands import EXAMPLE
from lumina.config import load, settings
from lumina.config.listeners import RTUSlave
from lumina.errors import ConfigError, StartRefused
from lumina.services import GarbageCollection, InTurn
from lumina.signals import on_signals, stop_signals
from lumina.watch.logs import log_file, observer

#: Read when no file is named, if it exists.
DEFAULT_FILE = Path("/etc/lumina/lumina.yaml")

#: Device names that the demonstration answers to.
DEMONSTRATED = ("/dev/ttyAMA1", "/dev/ttyAMA2", "/dev/ttyAMA3", "/dev/ttyAMA4")

#: The question of `commands.EXAMPLE` by Modbus TCP.
MODBUS_EXAMPLE = "mbpoll -m tcp -p 5020 -a 1 -0 -r 0 -c 2 -1 127.0.0.1"

#: Files that may be open: each client is one, and the usual limit is 1024.
FILES = 65536


class Options(usage.Options):
    """The command line of `twistd lumina`."""

    optParameters: ClassVar = [
        ["config", "c", None, f"Configuration; without it {DEFAULT_FILE}, if it exists."]
    ]
    longdesc = "Without any configuration a demonstration runs: two simulated serial buses, values that move."

    def parseArgs(self, *rest: str) -> None:
        """@raise UsageError: there are any."""
        if rest:
            raise usage.UsageError(f"what is '{rest[0]}'? A configuration is named with -c")

    def postOptions(self) -> None:
        try:
            self["settings"], self["demonstration"] = configuration(self["config"])
        except ConfigError as error:
            raise SystemExit(str(error)) from None


def configuration(
    named: str | None,
    default: Path = DEFAULT_FILE,
    demonstrated: Sequence[str] = DEMONSTRATED,
    environment: Mapping[str, str] = os.environ,
) -> tuple[settings.Config, Path | None]:
    """
    What is to run.

    @param named: the file that the command line names.
    @param default: what is read otherwise, if it is there.
    @param demonstrated: devices for which the demonstration would answer.
    @return: the settings, and the demonstration's own directory if it is the
        demonstration.
    @raise ConfigError: what is wrong with it, or why there is none.
    """
    if named is not None or _is_there(default):
        return load.load(named or str(default)), None
    missing = f"{default} does not exist, and no other configuration is named with -c;"
    if "NOTIFY_SOCKET" in environment:
        raise ConfigError(f"{missing} the demonstration does not run as a system service")
    if real := [device for device in demonstrated if os.path.lexists(device)]:
        raise ConfigError(f"{missing} the demonstration would answer for {real[0]}, which is a real device")
    directory = Path(tempfile.mkdtemp(prefix="lumina-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # a start that is refused stops no service
    template = (resources.files("lumina") / "demonstration.yaml").read_text()
    return load.loads(template.replace("DIRECTORY", str(directory)), "demonstration.yaml"), directory


def _is_there(path: Path) -> bool:
    """Whether there is such a file, even one that may not be read."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


class Root(InTurn):
    """All of lumina; it brings its own log observer, with the configured level."""

    def __init__(self, log_observer: ILogObserver | None) -> None:
        super().__init__()
        self._observer = log_observer

    def setServiceParent(self, parent: IService) -> None:
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """
        @raise StartRefused: a part cannot start. Only for an `Exception` does
            twistd remove its pid file and wake the command that started the daemon.
        """
        try:
            super().privilegedStartService()
        except StartRefused as refused:
            sentence = str(refused)
            sys.excepthook = lambda *_: print(sentence, file=sys.stderr)
            raise


class Demonstration(Service):
    """Says that the values are invented, and tidies up after itself."""

    _log = Logger()

    def __init__(self, directory: Path, addresses: list[str]) -> None:
        self._directory = directory
        self._addresses = ", ".join(addresses)

    def startService(self) -> None:
        super().startService()
        self._log.info(
            "This is the demonstration: two simulated serial buses, with invented values that move."
        )
        self._log.info("It listens on {addresses}; try: telnet 127.0.0.1 8888", addresses=self._addresses)
        self._log.info("Then paste this line: {example}", example=EXAMPLE)
        self._log.info("The same by Modbus TCP: {example}", example=MODBUS_EXAMPLE)

    def stopService(self) -> None:
        super().stopService()
        shutil.rmtree(self._directory, ignore_errors=True)


def makeService(options: Options) -> Root:
    """The whole of lumina, from its command line."""
    own_reactor.install()
    from twisted.internet import reactor as global_reactor

    reactor: Any = global_reactor
    if not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic  # a step of the wall clock moves no timer
    on_signals(reactor, stop_signals(reactor))
    _raise_file_limit()
    config: settings.Config = options["settings"]
    file = _log_file(options.parent or {})
    root = Root(None if file is None else observer(config.log.level, file))
    # As twistd does with a log of its own. Where there is no file, it must not be the end either.
    on_signals(reactor, {signal.SIGUSR1: file.rotate if isinstance(file, LogFile) else bool})
    if options["demonstration"] is not None:
        addresses = [each.address for each in config.listen.values() if not isinstance(each, RTUSlave)]
        Demonstration(options["demonstration"], addresses).setServiceParent(root)
    try:
        parts = assemble(config, reactor, root)
    except StartRefused as refused:
        raise SystemExit(str(refused)) from None
    on_signals(reactor, {signal.SIGHUP: parts.renew})
    GarbageCollection(reactor).setServiceParent(root)
    return root


def assemble(config: settings.Config, reactor: Any, root: MultiService) -> Parts:
    """Make the parts, introduce them to each other, and hang them under `root`."""
    parts = Parts.watched(reactor, config.log.level)
    audit.add(parts, config.log.audit)
    simulators.add(parts, config.simulators)
    ports.add(parts, config.ports)
    devices.add(parts, config.devices)
    sinks.add(parts, config.sinks)
    poll.add(parts, config)
    listeners.add(parts, config.listen, config.rules)
    reminders.add(parts, config)
    parts.hang_under(root)
    return parts


def _log_file(twistd: Mapping[str, Any]) -> LogFile | TextIO | None:
    """
    Where the log goes; `None`: where twistd sends it.

    @param twistd: its own options; a log that they send elsewhere is theirs.
    @raise SystemExit: it cannot be written, and why.
    """
    if twistd.get("syslog") or twistd.get("logger"):
        return None
    file = twistd.get("logfile") or ("-" if twistd.get("nodaemon") else "twistd.log")
    if file == "-":
        return sys.stdout
    try:
        return log_file(file)
    except OSError as error:
        raise SystemExit(f"lumina: the log file {file} cannot be written: {error.strerror}") from None


def _raise_file_limit() -> None:
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = FILES if hard == -1 else min(hard, FILES)
    if 0 <= soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))
