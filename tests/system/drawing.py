"""Prints a digest of the examples that a property is tried with, once the modules named are imported."""

import sys
from hashlib import sha256
from importlib import import_module

from hypothesis import given
from hypothesis import strategies as st

import tests  # noqa: F401, it decides which examples there are

for name in sys.argv[1:]:
    import_module(name)

digest = sha256()


@given(st.tuples(st.integers(), st.text(), st.floats(), st.binary(), st.lists(st.integers(0, 65535))))
def draw(example: tuple[object, ...]) -> None:
    digest.update(repr(example).encode())


draw()
print(digest.hexdigest())
