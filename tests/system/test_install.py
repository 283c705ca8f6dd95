"""The plug-in for twistd and the command `lumina` are there however lumina is installed."""

import shutil
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.system.programs import CHECKOUT, Program, run

TWISTD = "from twisted.scripts.twistd import run; run()"
WHERE = "import lumina, twisted.plugins.lumina_plugin as plugin; print(lumina.__file__, plugin.__file__)"
BUILD = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")


class InstallTests(TestCase):
    """
    Each way has an environment of its own, which borrows everything but
    lumina from the one that the tests run in, so that no network is needed.
    """

    timeout = 120

    def setUp(self) -> None:
        self.source = Path(self.mktemp()).resolve()
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.egg-info")
        for name in ("lumina", "twisted"):
            shutil.copytree(CHECKOUT / name, self.source / name, ignore=ignored)
        for name in ("setup.py", "MANIFEST.in", "README.md", "LICENSE"):
            shutil.copy(CHECKOUT / name, self.source)
        self.environment = Path(self.mktemp()).resolve()
        venv.create(self.environment, symlinks=True)
        self.python = self.environment / "bin" / "python"
        paths = {"base": str(self.environment), "platbase": str(self.environment)}
        self.packages = Path(sysconfig.get_path("purelib", vars=paths))
        borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        (self.packages / "borrowed.pth").write_text("\n".join(borrowed))

    async def succeed(self, *command: str | Path) -> Program:
        """Run a program in a directory that has nothing to do with lumina."""
        program = await run(self, "/usr/bin/env", "-u", "PYTHONPATH", "-C", self.environment, *command)
        self.assertEqual(program.status, 0, program.output)
        return program

    async def install(self, *what: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        await self.succeed(*pip, "install", *BUILD, "--ignore-installed", *what)

    async def check(self, home: Path) -> None:
        """
        Both commands work.

        @param home: where lumina and the plug-in are imported from.
        """
        found = (await self.succeed(self.python, "-c", WHERE)).output.split()
        expected = [home / "lumina" / "__init__.py", home / "twisted" / "plugins" / "lumina_plugin.py"]
        self.assertEqual(found, [str(path) for path in expected])
        listed = await self.succeed(self.python, "-c", TWISTD, "--help")
        self.assertRegex(listed.output, r"(?m)^    lumina ")
        version = await self.succeed(self.environment / "bin" / "lumina", "--version")
        self.assertRegex(version.output, r"\d+\.\d+\.\d+")

    async def test_editable(self) -> None:
        """
        After `pip install -e .` both run from the checkout.
        """
        await self.install("--editable", self.source)
        await self.check(self.source)

    async def test_directory(self) -> None:
        """
        After `pip install .` both run without the checkout.
        """
        await self.install(self.source)
        shutil.rmtree(self.source)
        await self.check(self.packages)

    async def test_wheel(self) -> None:
        """
        A wheel brings all that both need, the data files and the marker for type checkers included.
        """
        pip = (sys.executable, "-m", "pip")
        await self.succeed(*pip, "wheel", *BUILD, "--wheel-dir", self.environment, self.source)
        (wheel,) = self.environment.glob("lumina-*.whl")
        data = {str(file.relative_to(self.source)) for file in (self.source / "lumina").rglob("*.yaml")}
        self.assertLess(data | {"lumina/py.typed"}, set(zipfile.ZipFile(wheel).namelist()))
        shutil.rmtree(self.source)
        await self.install(wheel)
        await self.check(self.packages)
