"""The documentation leads somewhere, names every key, and its examples are right."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from lumina.config.listeners import KINDS
from lumina.config.load import loads
from lumina.config.settings import Config
from lumina.config.simulated import Device
from lumina.config.sinks import SINKS
from lumina.errors import ConfigError
from tests.test_config import keys

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted(DOCS.glob("*.md")))

#: What the pages take for granted: buses by the names that they use.
SITE = {
    "ports": {"greenhouse": {"endpoint": "serial:/dev/ttyX1"}, "boiler": {"endpoint": "serial:/dev/ttyX2"}},
    "devices": {"plc": {"endpoint": "tcp:192.0.2.7:502"}},
    "simulators": {"plant": {"preset": "basic"}},
}
SECTIONS = {"ports", "listen", "devices", "simulators", "poll", "sinks", "access", "log"}
#: What an example lacks on this machine: certificates, and the package that is being explained.
LACKING = ("cannot be read", "no kind of")


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files that a page links to, each with the heading, as in an address; both may be empty."""
    for link, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        yield (page.parent / link).resolve() if link else page.resolve(), heading


def headings(page: Path) -> set[str]:
    """The headings of a page, as they stand in addresses."""
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def said(*pages: str) -> set[str]:
    """The words that stand in backticks."""
    text = "".join((DOCS / page).read_text("utf-8") for page in pages)
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall("[a-z_]+", code)}


def examples(page: Path) -> Iterator[tuple[int, str]]:
    """The examples in YAML, each with the number of its line."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, found.start()) + 1, found[1]


def configuration(example: str) -> str | None:
    """The configuration that an example is a part of; `None`: it is of something else."""
    part = yaml.safe_load(example)
    if isinstance(part, list):  # of faults
        bad = {"kind": "rtu-slave", "endpoint": "pty:/tmp/bad", "bus": "plant", "faults": part}
        part = {"listen": {"bad": bad}}
    if set(part) - SECTIONS:
        return None
    whole = {key: {**SITE[key], **part.get(key, {})} for key in SITE}
    return yaml.safe_dump({**part, **whole})


class LinkTests(SynchronousTestCase):
    def test_every_link(self) -> None:
        """
        What a page links to is there, and has the heading.
        """
        self.assertGreater(len(PAGES), 10)
        missing = [
            (page.name, str(link), heading)
            for page in PAGES
            for link, heading in links(page)
            if not link.exists() or (heading and heading not in headings(link))
        ]
        self.assertEqual(missing, [])

    def test_every_page(self) -> None:
        """
        The README leads to every page.
        """
        linked = {link for link, _ in links(PAGES[0])}
        self.assertEqual([page.name for page in PAGES[1:] if page.resolve() not in linked], [])


class ModuleTests(SynchronousTestCase):
    def test_every_module(self) -> None:
        """
        The page about how lumina is built names every module where it tells of its room.
        """
        page = (DOCS / "architecture.md").read_text("utf-8")
        rooms = re.findall(r"^\*\*(?:`(\w+)/`|Beside the rooms)\*\*(.*?)(?=^\*\*|^## )", page, re.M | re.S)
        told = {(room, name) for room, text in rooms for name in re.findall(r"`(\w+)`", text)}
        places = [path.relative_to(ROOT / "lumina") for path in (ROOT / "lumina").rglob("[a-z]*.py")]
        self.assertGreater(len(places), 100)
        there = {("" if len(place.parts) == 1 else place.parts[0], place.stem) for place in places}
        self.assertEqual(there - told, set(), "name them in docs/architecture.md, where it tells of the room")

    def test_names(self) -> None:
        """
        What a page calls by its dotted name, for authors of plug-ins, is there.
        """
        names = {
            name for page in PAGES for name in re.findall(r"`(lumina(?:\.\w+)+)", page.read_text("utf-8"))
        }
        self.assertIn("lumina.testing", names)
        for name in sorted(names):
            namedAny(name)


class KeyTests(SynchronousTestCase):
    def test_configuration(self) -> None:
        """
        Every key of the configuration is documented.
        """
        there = keys(Config, *KINDS.values(), *SINKS.values())
        self.assertEqual(there - said("configuration.md", "faults.md"), set())

    def test_devices(self) -> None:
        """
        Every key of a map of simulated devices is.
        """
        self.assertEqual(keys(Device) - said("simulator.md"), set())


class ExampleTests(SynchronousTestCase):
    def test_every_example(self) -> None:
        """
        Whoever copies an example has a configuration that is right.
        """
        wrong, tried = [], 0
        for page in PAGES:
            for line, example in examples(page):
                text = configuration(example)
                tried += text is not None
                try:
                    loads(text or "simulators: {plant: {preset: basic}}", "f")
                except ConfigError as error:
                    wrong += [
                        f"{page.name}:{line}: {each}"
                        for each in str(error).splitlines()
                        if not any(words in each for words in LACKING)
                    ]
        self.assertEqual(wrong, [])
        self.assertGreater(tried, 15)
