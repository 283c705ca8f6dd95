"""The broken builds break what is there."""

from inspect import isclass, isfunction

from twisted.trial.unittest import SynchronousTestCase

from tests import broken


class BrokenTests(SynchronousTestCase):
    def test_overrides(self) -> None:
        """
        Each method of a broken class replaces a sound one, also after that was renamed.
        """
        classes = [
            each for each in vars(broken).values() if isclass(each) and each.__module__ == broken.__name__
        ]
        alone = [
            f"{each.__name__}.{name}"
            for each in classes
            for name, method in vars(each).items()
            if isfunction(method) and not any(hasattr(base, name) for base in each.__bases__)
        ]
        self.assertTrue(classes)
        self.assertEqual(alone, [])
