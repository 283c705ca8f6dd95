"""The tests of lumina; each run of them tries the same, as `tests.examples` says."""

from tests import examples

examples.load()
