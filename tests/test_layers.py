"""Who may import whom, and which modules know neither Twisted nor the clock nor a file."""

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent / "lumina"

LOW = {"errors", "modbus"}
SEAMS = LOW | {"interfaces", "watchers", "sockets", "readings", "status", "ratelimit"}
DECLARATIONS = {"simulator.fate", "simulator.faults", "simulator.process", "simulator.moment"}
UNDER_CONFIG = SEAMS | {"commands", "access", "plugins", "certificates", "validity"} | DECLARATIONS
ROOMS = {"bus", "simulator", "watch", "poll", "sinks", "testing", "frontends"}

#: Each module or package in `lumina`, and what else in `lumina` it may import.
MAY_IMPORT = {
    "errors": set(),
    "modbus": {"errors"},
    "readings": LOW,
    "commands": LOW,
    "dialects": LOW | {"commands"},
    "access": LOW | {"terms"},
    "status": {"readings"},
    "terms": set(),
    "interfaces": LOW | {"readings", "status", "terms"},
    "watchers": {"interfaces"},
    "plugins": {"interfaces"},
    "config": UNDER_CONFIG,
    **dict.fromkeys(("bus", "simulator", "poll", "sinks", "testing"), SEAMS),
    "watch": SEAMS | {"validity"},
    "frontends": SEAMS | {"commands", "dialects", "access"},
    "services": {"errors", "sockets"},
    "sockets": set(),
    "signals": set(),
    "ratelimit": set(),
    "certificates": set(),
    "handshake": set(),
    "tls": {"certificates", "handshake", "trust"},
    "trust": {"certificates"},
    "validity": {"certificates"},
    "reactor": set(),
    "assembly": UNDER_CONFIG | ROOMS | {"config", "services"},
    "tap": UNDER_CONFIG | ROOMS | {"config", "services", "signals", "assembly", "reactor"},
    "cli": UNDER_CONFIG | ROOMS | {"config", "services", "signals", "assembly", "reactor", "tap"},
}

#: Packages whose own file has the names of all their modules, for authors of plug-ins.
FACES = {"testing"}

PLANNING = {
    "poll.block",
    "poll.closed",
    "poll.costs",
    "poll.cycle",
    "poll.knowledge",
    "poll.lasting",
    "poll.limits",
    "poll.plan",
    "poll.pulse",
    "poll.spans",
    "poll.splits",
    "poll.unanswered",
}
KNOWLEDGE = {"bus.copies", "bus.haste", "bus.owed", "bus.probes", "bus.unit", "bus.units"}
BUS = {"bus.schedule", "bus.turns"} | KNOWLEDGE
PURE = (
    LOW | {"ratelimit", "readings", "status", "terms", "commands", "access"} | BUS | PLANNING | DECLARATIONS
)

# Where a pure module would meet an event loop, the clock, a file, or the machine.
WAITS = {"twisted", "zope", "asyncio", "concurrent", "multiprocessing", "queue", "sched", "threading"}
CLOCKS = {"calendar", "datetime", "time", "zoneinfo"}
FILES = {"fcntl", "glob", "importlib", "io", "logging", "os", "pathlib", "pkgutil", "shutil", "sqlite3"}
MACHINE = {"ctypes", "http", "platform", "pty", "select", "selectors", "serial", "signal", "socket", "ssl"}
IMPURE = WAITS | CLOCKS | FILES | MACHINE | {"tempfile", "subprocess", "sys", "termios", "tty", "urllib"}


def within(name: str, places: set[str]) -> bool:
    """Whether a dotted name is one of the places, or inside of one."""
    return any(f"{name}.".startswith(f"{place}.") for place in places)


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted names that a statement imports; a relative one begins with a dot."""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield f"{'.' * node.level}{node.module or ''}.{alias.name}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name


def objection(module: str, name: str) -> str | None:
    """What is wrong with `module` importing `name`, if anything."""
    part, top, below = module.partition(".")[0], *name.partition(".")[::2]
    if name.startswith("."):
        return "is relative"
    if top != "lumina":
        return "is not pure" if within(module, PURE) and top in IMPURE else None
    if not within(below, MAY_IMPORT[part] | {part}):
        return f"is not below {part}"
    if within(module, PURE) and not within(below, PURE):
        return "is not pure"
    return None


def problems(path: Path, source: str) -> list[str]:
    """
    What is wrong with the imports of one module.

    @param path: relative to the package `lumina`.
    """
    module = ".".join(path.with_suffix("").parts)
    if path.name == "__init__.py":
        own = f"lumina.{path.parts[0]}." if path.parts[0] in FACES else "nothing"
        found = [
            f"{path}: {name} is imported; a package's own file imports nothing"
            for name in names(source)
            if not name.startswith(own)
        ]
    elif path.parts[0].removesuffix(".py") not in MAY_IMPORT:
        found = [f"{path}: is not in the table"]
    else:
        found = [f"{path}: {name} {what}" for name in names(source) if (what := objection(module, name))]
    if within(module, PURE) and any(opens(node) for node in ast.walk(ast.parse(source))):
        found.append(f"{path}: open() is not pure")
    return found


def names(source: str) -> list[str]:
    """Every name that a module imports, wherever it does so."""
    return [name for node in ast.walk(ast.parse(source)) for name in imported(node)]


def opens(node: ast.AST) -> bool:
    """Whether this is a call of `open`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"


class LayerTests(SynchronousTestCase):
    def test_import_direction(self) -> None:
        """
        Code imports only what lies below it; pure code meets neither Twisted nor the clock nor a file.
        """
        modules = [(path.relative_to(ROOT), path.read_text("utf-8")) for path in ROOT.rglob("*.py")]
        self.assertGreater(len(modules), 20)
        self.assertEqual([problem for path, source in modules for problem in problems(path, source)], [])


class CheckerTests(SynchronousTestCase):
    """The table can say no."""

    def refused(self, path: str, *statements: str) -> None:
        for statement in statements:
            self.assertNotEqual(problems(Path(path), statement), [], f"{path}: {statement}")

    def allowed(self, path: str, *statements: str) -> None:
        for statement in statements:
            self.assertEqual(problems(Path(path), statement), [])

    def test_unknown_module(self) -> None:
        """
        A module or a room that the table does not name fails, even an empty one.
        """
        self.refused("helpers.py", "", "import re")
        self.refused("mqtt/client.py", "")

    def test_known_modules(self) -> None:
        """
        The tables name no module and no room that is not there.
        """
        gone = [
            name
            for name in {*MAY_IMPORT, *PURE}
            if not (ROOT / name.replace(".", "/")).is_dir()
            and not (ROOT / f"{name.replace('.', '/')}.py").is_file()
        ]
        self.assertEqual(gone, [])

    def test_rooms_do_not_know_each_other(self) -> None:
        """
        Rooms share only what lies below them, however the import is written.
        """
        self.refused("bus/port.py", "import lumina.watch.logs", "from lumina.watch.logs import observer")
        self.refused("bus/port.py", "from lumina import watch", "from lumina.commands import RequestLine")
        self.refused("frontends/text.py", "from lumina.bus.port import Port", "from lumina import plugins")
        self.refused("poll/poller.py", "def late():\n    from lumina.sinks import spool")
        self.refused("testing.py", "from lumina.commands import RequestLine")
        self.allowed("bus/port.py", "from lumina.bus import wire", "import lumina.modbus.rtu")
        self.allowed("frontends/text.py", "from lumina.status import PortStatus")
        self.allowed("frontends/text.py", "from lumina import commands", "from lumina.access import Access")

    def test_lower_never_imports_higher(self) -> None:
        """
        What everybody builds upon knows nobody above it.
        """
        self.refused("errors.py", "from lumina.modbus import pdu")
        self.refused("modbus/pdu.py", "from lumina.readings import Point")
        self.refused("interfaces.py", "from lumina.commands import RequestLine")
        self.refused("status.py", "from lumina.interfaces import Terms", "from lumina.errors import NotTaken")
        self.refused("plugins.py", "from lumina.errors import LuminaError")

    def test_assembly_stays_on_top(self) -> None:
        """
        Only the command line imports the assembly, nobody imports the command line, and only those two
        read the configuration.
        """
        self.refused("bus/port.py", "from lumina import tap", "from lumina.config import settings")
        self.refused("tap.py", "from lumina.cli import main")
        self.refused("config/load.py", "from lumina import tap")
        self.allowed("cli/main.py", "from lumina import tap", "from lumina.config.load import load")
        self.allowed("tap.py", "from lumina.config import load", "from lumina.bus.port import Port")

    def test_configuration_sees_declarations_only(self) -> None:
        """
        The configuration may declare faults and processes of the simulator, and knows nothing else of it.
        """
        self.allowed("config/settings.py", "from lumina.simulator.faults import Fault")
        self.allowed(
            "config/settings.py", "from lumina.simulator import process", "from lumina import plugins"
        )
        self.refused("config/settings.py", "from lumina.simulator import bank", "import lumina.simulator")
        self.refused("config/settings.py", "from lumina.simulator.faults_everywhere import Fault")

    def test_pure(self) -> None:
        """
        Pure code imports nothing that waits, tells the time or reads files, not even through other modules.
        """
        self.refused("modbus/rtu.py", "import time", "from datetime import datetime", "import os.path")
        self.refused("commands.py", "from twisted.internet import defer", "from pathlib import Path")
        self.refused(
            "bus/schedule.py", "from twisted.logger import Logger", "from lumina.interfaces import Terms"
        )
        self.refused("poll/plan.py", "def plan():\n    import asyncio")
        self.refused("simulator/process.py", "from time import monotonic", "open('values.csv')")
        self.refused("status.py", "from twisted.internet.defer import Deferred", "from time import monotonic")
        self.allowed("bus/schedule.py", "from lumina.errors import QueueFull", "import heapq")
        self.allowed("bus/port.py", "from twisted.logger import Logger", "import time")

    def test_relative(self) -> None:
        """
        Imports say where things are.
        """
        self.refused(
            "bus/port.py", "from .wire import Wire", "from . import wire", "from ..modbus import rtu"
        )

    def test_package_files_import_nothing(self) -> None:
        """
        To import one module of a package imports that module alone.
        """
        self.refused("bus/__init__.py", "from lumina.bus.port import Port", "import re")
        self.allowed("bus/__init__.py", "")
        self.allowed("testing/__init__.py", "from lumina.testing.fakes import FakeBus")
        self.refused(
            "testing/__init__.py", "from lumina.errors import PortDown", "from twisted.python import log"
        )

    def test_bare_package(self) -> None:
        """
        `import lumina` alone says nothing about what is used.
        """
        self.refused("bus/port.py", "import lumina", "from lumina import *")
