"""
Which examples the properties are tried with: the same at each run, or new ones.

A run of the tests cannot fail by chance: Hypothesis draws its examples from a
test's own source, whatever ran before, on whichever machine, and however slow.

To look for what no run has seen yet, say how many examples a usual property
should have; each run then draws others. Unlike trial, `unittest` shows which
example fails, and how to have it again:

    LUMINA_EXAMPLES=5000 python -m unittest tests.test_conversation

What such a run finds is written down as an `@example`, or as a test.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.providers import Constants, HypothesisProvider

#: How many examples a property has that says nothing else.
USUAL = 100

#: How many such a property is to have now, all of them new; 0: the same `USUAL` ones as ever.
EXPLORED = int(os.environ.get("LUMINA_EXAMPLES", "0"))

#: Nothing that depends on how fast the machine is.
UNHURRIED = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def load() -> None:
    """Let all properties obey."""
    if not EXPLORED:
        # Else it draws numbers and words of lumina's code too, of as much as happens to be imported.
        HypothesisProvider._local_constants = Constants()  # type: ignore[assignment]
    settings.register_profile("same", UNHURRIED, max_examples=USUAL, derandomize=True)
    # Said, since Hypothesis takes the same examples each time of itself where it believes to be in CI.
    settings.register_profile(
        "new", UNHURRIED, max_examples=EXPLORED or USUAL, derandomize=False, print_blob=True
    )
    settings.load_profile("new" if EXPLORED else "same")


def tries(count: int) -> settings:
    """
    A property that needs more examples, or is too slow for so many.

    @param count: how many, where others have `USUAL`.
    """
    return settings(max_examples=max(1, count * (EXPLORED or USUAL) // USUAL))
