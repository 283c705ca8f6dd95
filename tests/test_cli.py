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

    def test_certificates_at_their_end(self) -> None:
        """
        Until when certificates are good is said; one that has expired, or will soon, is no error, and told.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority("Old CA", last_day=-1)
        certificate, key = authority.issue("lumina", last_day=400, server=True).save(folder, "server")
        clients, _ = authority.save(folder, "clients")
        shown, _ = authority.issue("me", first_day=-9, last_day=1).save(folder, "shown")
        revoked = authority.revoke(folder, last_day=-2)
        own = f"certificate={shown}:privateKey={folder}/shown.key"
        files = f"certificate={certificate}:key={key}:clients={clients}:revoked={revoked}"
        path, result = self.check(
            f"devices: {{plc: {{endpoint: 'tls:10.0.0.7:802:{own}'}}}}\n"
            f"sinks: {{api: {{kind: post, url: 'https://example.org/', ca: {clients}}}}}\n"
            f"listen: {{secure: {{kind: text, endpoint: 'mbaps:802:{files}'}}}}\n"
        )
        self.assertEqual(result.exit_code, 0)
        _, _, _, *known = [line.rpartition(" 20")[0] for line in result.stdout.splitlines()]
        self.assertEqual(
            known,
            [
                "certificate devices.plc: certificate of CN=me,O=Works, until",
                "certificate listen.secure: certificate of CN=lumina,O=Works, until",
                "certificate listen.secure: clients of CN=Old CA,O=Works, until",
                "certificate listen.secure: revoked of CN=Old CA,O=Works, to be renewed by",
                "certificate sinks.api: ca of CN=Old CA,O=Works, until",
            ],
        )
        for line, beginning, end in zip(
            result.stderr.splitlines(),
            (
                f"devices.plc: certificate '{shown}' expires in 24 hours, on ",
                f"listen.secure: clients '{clients}' has expired, on ",
                f"listen.secure: revoked '{revoked}' has a list of CN=Old CA,O=Works that was to be ",
                f"sinks.api: ca '{clients}' has expired, on ",
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
