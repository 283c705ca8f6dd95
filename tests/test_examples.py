"""No test of a property can fail by chance."""

import ast
from pathlib import Path

from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from tests import examples

TESTS = Path(__file__).parent
#: What decides which examples there are, how many, and how long they may take.
DECIDED = {"deadline", "database", "derandomize", "max_examples"}


def decisions(tree: ast.AST) -> set[str]:
    """What calls of `settings`, and imports of what else chooses examples, decide in a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "settings":
            found |= {keyword.arg for keyword in node.keywords if keyword.arg in DECIDED}
        if isinstance(node, ast.ImportFrom) and node.module == "hypothesis":
            found |= {alias.name for alias in node.names if alias.name in ("find", "seed")}
    return {word for word in found if word is not None}


class ExampleTests(SynchronousTestCase):
    def test_profile(self) -> None:
        """
        Unless new examples are asked for, each run has the same, and slowness is no failure.
        """
        self.assertEqual(settings().derandomize, not examples.EXPLORED)
        self.assertEqual(settings().max_examples, examples.EXPLORED or examples.USUAL)
        self.assertIsNone(settings().deadline)
        self.assertIsNone(settings().database)

    def test_one_place(self) -> None:
        """
        No test decides for itself; the broken builds are always the same, whatever is asked for.
        """
        deciding = {
            path.relative_to(TESTS).as_posix(): decided
            for path in TESTS.rglob("*.py")
            if (decided := decisions(ast.parse(path.read_text("utf-8"))))
        }
        deciding.pop("examples.py")
        self.assertEqual(deciding, {"system/test_broken_builds.py": {"derandomize", "max_examples"}})

    def test_share(self) -> None:
        """
        A property that needs more examples has more in the same ratio when there are new ones.
        """
        per_usual = settings().max_examples / examples.USUAL
        self.assertEqual(examples.tries(300).max_examples, int(3 * examples.USUAL * per_usual))
        self.assertGreater(examples.tries(1).max_examples, 0)
