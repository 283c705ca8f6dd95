"""The `lumina` command."""

from importlib.metadata import version
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from lumina.cli.main import main
from tests.pki import Authority

GOOD = """
ports:
  greenhouse:
    endpoint: serial:/dev/ttyUSB0:baudrate=19200:parity=E
    names: [/dev/ttyAMA1, old]
  remote: {endpoint: "tcp:ser2net.local:4001"}
simulators:
  plant: {preset: greenhouse, seed: 7}
listen:
  here: {kind: text, endpoint: tcp:8888}
  there: {kind: text, endpoint: "tcp:8889:interface=0.0.0.0"}
"""


class CommandTests(SynchronousTestCase):
    def run_lumina(self, *arguments: str) -> Result:
        """What the command prints, and its exit status."""
        return CliRunner().invoke(main, arguments)

    def check(self, text: str) -> tuple[str, Result]:
        """`lumina check-config` on a file with this text."""
        path = self.mktemp()
        Path(path).write_text(text)
        return path, self.run_lumina("check-config", path)

    def test_version(self) -> None:
        """
        `lumina --version` says which version is installed.
        """
        result = self.run_lumina("--version")
        self.assertEqual((result.exit_code, result.output.split()[-1]), (0, version("lumina")))

    def test_help(self) -> None:
        """
        `lumina --help` lists the commands, and so does `-h`.
        """
        for option in ("--help", "-h"):
            result = self.run_lumina(option)
            self.assertEqual(result.exit_code, 0)
            self.assertIn("check-config", result.output)
            self.assertNotIn("...\n", result.output.partition("Commands:")[2])
        self.assertNotIn("...\n", self.run_lumina("spool", "--help").output.partition("Commands:")[2])

    def test_unreadable_values(self) -> None:
        """
        What no request can read is wrong for check-config too, as it is at the start.
        """
        path, result = self.check(
            "- {device_id: 1, ip: 192.0.2.1, max_registers: 1, addressing: pdu,\n"
            "   registers: [{address: 0, parameter: a},\n"
            "               {address: 2, parameter: b, interval: 5, snapshot: s},\n"
            "               {address: 4, parameter: c, snapshot: s, data_type: int}]}\n"
        )
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(
            result.output.splitlines(),
            [
                f"{path}:2:16: 0.registers.0: 'a' takes 2 registers, and one request reads 1",
                f"{path}:3:16: 0.registers.1: 'b' takes 2 registers, and one request reads 1",
                f"{path}:4:53: 0.registers.2.snapshot: one request reads a snapshot,"
                " and b, c have several intervals",
                f"{path}:4:53: 0.registers.2.snapshot: one request reads a snapshot,"
                " and b, c take 3 addresses from 2 on, where 1 are the limit",
            ],
        )

    def test_too_much_to_read(self) -> None:
        """
        What a serial line cannot carry is wrong for check-config, too; what a network may not is a warning.
        """
        for bus, status in (("bus: b", 1), ("ip: 192.0.2.1", 0)):
            one = f"{bus}, interval: 50ms, registers: [{{address: 0, parameter: a}}]"
            path, result = self.check(
                "ports: {b: {endpoint: 'serial:/dev/ttyUSB0:baudrate=9600'}}\n"
                f"poll: [{', '.join(f'{{device_id: {id}, slave_id: {id}, {one}}}' for id in range(1, 4))}]\n"
            )
            self.assertEqual(result.exit_code, status, result.output)
            self.assertRegex(
                result.stderr,
                f"^{path}: poll: reading everything in time would take 1[0-9][0-9]% of the time",
            )

    def test_good_file(self) -> None:
        """
        A good configuration is summed up: buses, listeners, and who may write.
        """
        _, result = self.check(GOOD)
        self.assertEqual(
            (result.exit_code, result.stdout.splitlines(), result.stderr),
            (
                0,
                [
                    "port greenhouse: /dev/ttyUSB0 at 19200 8E1, also called /dev/ttyAMA1, old",
                    "port remote: tcp:ser2net.local:4001",
                    "simulator plant: preset greenhouse, seed 7",
                    "listener here: text on tcp:8888:interface=127.0.0.1, reads and writes",
                    "listener there: text on tcp:8889:interface=0.0.0.0, read-only",
                ],
                "",
            ),
        )

    def test_bad_file(self) -> None:
        """
        Errors go to stderr, one to a line; the exit status is 1, and there is no traceback.
        """
        path, result = self.check("ports:\n  a: {timeout: 0}\n")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertEqual(
            result.stderr.splitlines(),
            [
                f"{path}:2:3: ports.a.endpoint: it is required, and not here",
                f"{path}:2:16: ports.a.timeout: 0 is below the limit of 0.01",
            ],
        )

    def test_missing_file(self) -> None:
        """
        A file that is not there is an error like any other.
        """
        result = self.run_lumina("check-config", "/nonexistent/lumina.yaml")
        self.assertEqual(
            (result.exit_code, result.stderr),
            (1, "/nonexistent/lumina.yaml: cannot be read: No such file or directory\n"),
        )

    def secured(self, folder: Path) -> str:
        """A configuration with certificates in this folder: those of `Old CA` are not good any more."""
        authority = Authority("Old CA", last_day=-1)
        certificate, key = authority.issue("lumina", last_day=400, server=True).save(folder, "server")
        clients, _ = authority.save(folder, "clients")
        shown, _ = authority.issue("me", first_day=-9, last_day=1).save(folder, "shown")
        (folder / "both.pem").write_text(Path(certificate).read_text() + Path(key).read_text())
        own = f"certificate={shown}:privateKey={folder}/shown.key"
        files = f"certificate={certificate}:key={key}:clients={clients}"
        files += f":revoked={authority.revoke(folder, last_day=-2)}"
        return (
            f"devices: {{plc: {{endpoint: 'tls:10.0.0.7:802:{own}'}}}}\n"
            f"sinks: {{api: {{kind: post, url: 'https://example.org/', ca: {clients}}}}}\n"
            f"listen:\n"
            f"  secure: {{kind: text, endpoint: 'mbaps:802:{files}'}}\n"
            f"  plain: {{kind: text, endpoint: 'ssl:803:privateKey={folder}/both.pem'}}\n"
        )

    def test_certificates(self) -> None:
        """
        Until when each certificate is good is said.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        _, result = self.check(self.secured(folder))
        said = [line for line in result.stdout.splitlines() if line.startswith("certificate ")]
        self.assertEqual(
            [line.rpartition(" 20")[0] for line in said],
            [
                "certificate devices.plc: certificate of CN=me,O=Works, until",
                "certificate listen.secure: certificate of CN=lumina,O=Works, until",
                "certificate listen.secure: clients of CN=Old CA,O=Works, until",
                "certificate listen.secure: revoked of CN=Old CA,O=Works, to be renewed by",
                "certificate listen.plain: privateKey of CN=lumina,O=Works, until",
                "certificate sinks.api: ca of CN=Old CA,O=Works, until",
            ],
        )

    def test_certificates_at_their_end(self) -> None:
        """
        One that has expired, or will soon, is no error, and is told with what follows.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        path, result = self.check(self.secured(folder))
        self.assertEqual(result.exit_code, 0)
        for line, beginning, end in zip(
            result.stderr.splitlines(),
            (
                f"devices.plc: certificate '{folder}/shown.pem' expires in 24 hours, on ",
                f"listen.secure: clients '{folder}/clients.pem' has expired, on ",
                f"listen.secure: revoked '{folder}/revoked.pem' has a list of CN=Old CA,O=Works that was ",
                f"sinks.api: ca '{folder}/clients.pem' has expired, on ",
            ),
            (
                " (CN=me,O=Works)",
                " (CN=Old CA,O=Works); nobody who is signed for by it is let in",
                "; nobody who is signed for by that authority is let in",
                " (CN=Old CA,O=Works); nothing that is signed for by it is trusted",
            ),
            strict=True,
        ):
            self.assertTrue(line.startswith(f"{path}: {beginning}") and line.endswith(end), line)
        Path(path).write_text(Path(path).read_text() + "log: {expiry: 0}\n")
        self.assertEqual(len(self.run_lumina("check-config", path).stderr.splitlines()), 3)
