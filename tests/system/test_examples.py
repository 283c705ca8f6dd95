"""Properties are tried with the same examples by every process, unless new ones are asked for."""

import sys

from twisted.trial.unittest import TestCase

from tests.system.programs import CHECKOUT, HERE, start


class ExampleTests(TestCase):
    timeout = 60

    async def drawn(self, *imported: str, examples: str | None = None, ci: str | None = None) -> str:
        """
        A digest of what a new process draws.

        @param imported: modules of lumina that it has imported before.
        @param examples: how many new ones it is asked for.
        @param ci: what the variable says by which Hypothesis knows that it runs in CI.
        """
        environment = {
            "PYTHONHASHSEED": "random",
            "PYTHONPATH": str(CHECKOUT),
            "LUMINA_EXAMPLES": examples,
            "CI": ci,
        }
        program = start(self, sys.executable, HERE / "drawing.py", *imported, environment=environment)
        return (await program.says(r"^[0-9a-f]{64}$"))[0]

    async def test_the_same(self) -> None:
        """
        They are the same however the process hashes, whatever it has imported, and in CI.
        """
        once = await self.drawn()
        self.assertEqual(await self.drawn(), once)
        self.assertEqual(await self.drawn(ci="true"), once)
        self.assertEqual(await self.drawn("lumina.bus.port", "lumina.modbus.pdu"), once)

    async def test_new(self) -> None:
        """
        Whoever asks for a number of examples gets others each time, in CI too.
        """
        drawn = {await self.drawn()} | {
            await self.drawn(examples="50", ci=ci) for ci in (None, None, "true", "true")
        }
        self.assertEqual(len(drawn), 5)
