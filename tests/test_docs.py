"""The documentation leads somewhere."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def links(page: Path) -> set[Path]:
    """The files that a page links to."""
    found = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    return {(page.parent / link).resolve() for link in found}


class LinkTests(SynchronousTestCase):
    def test_every_link(self) -> None:
        """
        What a page links to is there.
        """
        self.assertGreater(len(PAGES), 10)
        missing = [(page.name, str(link)) for page in PAGES for link in links(page) if not link.exists()]
        self.assertEqual(missing, [])

    def test_every_page(self) -> None:
        """
        The README leads to every page.
        """
        self.assertEqual([page.name for page in PAGES[1:] if page.resolve() not in links(PAGES[0])], [])
