"""Modbus/TCP Security: lumina's service behind `mbaps:`, and OpenSSL of Python as its client."""

import json
import socket
import ssl
from pathlib import Path
from signal import SIGUSR1

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.pki import Authority, Issued, utf8
from tests.system import programs

CONFIG = """
simulators: {{plant: {{preset: basic}}}}
listen:
  secure:
    kind: modbus-tcp
    endpoint: mbaps:{port}:certificate={certificate}:key={key}:clients={clients}
    routes: {{default: plant}}
  lines:
    kind: text
    endpoint: mbaps:{text}:certificate={certificate}:key={key}:clients={clients}
access:
  - {{allow: write, role: Operator, table: holding, addresses: [0, 9], values: [0, 100]}}
  - {{allow: read}}
log: {{audit: {audit}}}
"""

READ = bytes.fromhex("0001 0000 0006 01 03 0005 0001")
WRITE = bytes.fromhex("0002 0000 0006 01 06 0005 0007")
TOO_MUCH = bytes.fromhex("0003 0000 0006 01 06 0005 0065")
DENIED = bytes.fromhex("0002 0000 0003 01 86 01")


class Client:
    """
    One connection, in a thread of its own.

    @ivar socket: its TLS.
    """

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), programs.PATIENCE)
        self.socket = context.wrap_socket(plain, server_hostname="localhost", session=session)

    def ask(self, data: bytes) -> bytes:
        self.socket.sendall(data)
        return self.socket.recv(2048)

    def close(self) -> None:
        self.socket.close()


class SecurityTests(TestCase):
    async def start(self, revoked: bool = False, **server: int) -> programs.Program:
        """
        @param revoked: whether there is a list of revoked certificates.
        @param server: the days when its certificate is valid.
        """
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.authority = Authority()
        certificate, key = self.authority.issue("lumina", server=True, **server).save(self.folder, "server")
        clients, _ = self.authority.save(self.folder, "clients")
        self.port, self.text_port = programs.free_port(), programs.free_port()
        config = self.folder / "lumina.yaml"
        config.write_text(
            CONFIG.format(
                port=self.port,
                text=self.text_port,
                certificate=certificate,
                key=key,
                clients=f"{clients}:revoked={self.authority.revoke(self.folder)}" if revoked else clients,
                audit=self.folder / "audit.log",
            )
        )
        lumina = programs.twistd(self, "-n", "lumina", "-c", config)
        await lumina.says("lines: listening on mbaps")
        return lumina

    def context(self, issued: Issued | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "clients.pem"))
        if issued:
            context.load_cert_chain(*issued.save(self.folder, "client"))
        return context

    def ask(self, issued: Issued | None, *requests: bytes) -> list[bytes]:
        """Blocking: what one client is answered."""
        client = Client(self.port, self.context(issued))
        try:
            return [client.ask(request) for request in requests]
        finally:
            client.close()

    async def test_roles(self) -> None:
        """
        Who may write is told by the role in the certificate, over Modbus and text alike; writes are audited.
        """
        await self.start()
        operator, nobody = self.authority.issue("panel", utf8("Operator")), self.authority.issue("reader")
        answers = await deferToThread(self.ask, operator, READ, WRITE, TOO_MUCH, READ)
        self.assertEqual(
            [answer.hex() for answer in answers],
            [
                "00010000000501030200" + "05",
                WRITE.hex(),
                "000300000003018601",
                "0001000000050103020007",
            ],
        )
        self.assertEqual(await deferToThread(self.ask, nobody, WRITE), [DENIED])
        twice = self.authority.issue("twice", utf8("Operator"), utf8("Operator"))
        self.assertEqual(await deferToThread(self.ask, twice, WRITE), [DENIED])

        def lines() -> bytes:
            client = Client(self.text_port, self.context(operator))
            try:
                return client.ask(b"a:x:plant:9600:010600050009:8:1\n") + client.ask(
                    b"b:x:plant:9600:010600500009:8:1\n"
                )
            finally:
                client.close()

        good, bad, _ = (await deferToThread(lines)).split(b"\n")
        self.assertTrue(good.startswith(b"OK:a:010600050009"), good)
        self.assertIn(b"ERROR:b:denied: writing holding 80 = 9 of unit 1 with function 06", bad)
        files = [self.folder / name for name in ("audit.log", "audit-denied.log")]
        entries = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        self.assertEqual(
            [
                (each["listener"], each["identity"], each["role"], each["request"], each["outcome"])
                for each in entries
            ],
            [
                ("secure", "CN=panel,O=Works", "Operator", "0600050007", "ok"),
                ("lines", "CN=panel,O=Works", "Operator", "0600050009", "ok"),
                ("secure", "CN=panel,O=Works", "Operator", "0600050065", "denied"),
                ("secure", "CN=reader,O=Works", "", "0600050007", "denied"),
                ("secure", "CN=twice,O=Works", "", "0600050007", "denied"),
                ("lines", "CN=panel,O=Works", "Operator", "0600500009", "denied"),
            ],
        )

    async def test_no_certificate(self) -> None:
        """
        A client without a certificate is not let in, and the log says so.
        """
        lumina = await self.start()
        try:
            answers = await deferToThread(self.ask, None, READ)
        except OSError:
            answers = [b""]
        self.assertEqual(answers, [b""])
        await lumina.says("127.0.0.1 is not let in: it showed no certificate")

    async def test_no_resumption(self) -> None:
        """
        A session is never resumed, so that a role is always that of a certificate just shown.
        """
        await self.start()
        issued = self.authority.issue("panel", utf8("Operator"))

        def twice(version: ssl.TLSVersion) -> tuple[bool | None, bytes]:
            context = self.context(issued)
            context.maximum_version = version
            first = Client(self.port, context)
            first.ask(READ)
            second = Client(self.port, context, first.socket.session)
            try:
                return second.socket.session_reused, second.ask(READ)
            finally:
                first.close()
                second.close()

        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            reused, answer = await deferToThread(twice, version)
            self.assertEqual((reused, len(answer)), (False, 11))

    async def test_reload(self) -> None:
        """
        New certificates are taken while connections go on.
        """
        lumina = await self.start()
        issued = self.authority.issue("panel")
        context = self.context(issued)
        old = await deferToThread(Client, self.port, context)
        self.addCleanup(old.close)
        self.assertEqual(len(await deferToThread(old.ask, READ)), 11)
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        await lumina.says("mbaps:[0-9]+: new certificates, for new connections")
        new = await deferToThread(Client, self.port, context)
        self.addCleanup(new.close)
        self.assertIn("renewed", str(new.socket.getpeercert()))
        self.assertEqual(len(await deferToThread(old.ask, READ)), 11)
        self.assertEqual(len(await deferToThread(new.ask, READ)), 11)

    async def test_hangup(self) -> None:
        """
        SIGHUP takes the certificates at once, and ends nothing.
        """
        lumina = await self.start()
        old = await deferToThread(Client, self.port, self.context(self.authority.issue("panel")))
        self.addCleanup(old.close)
        lumina.transport.signalProcess("HUP")
        await lumina.says("lumina: certificates are taken anew")
        await lumina.says("mbaps:[0-9]+: new certificates, for new connections")
        self.assertEqual(len(await deferToThread(old.ask, READ)), 11)
        self.assertEqual(await lumina.stop(), 0)

    async def test_expired(self) -> None:
        """
        A certificate that has expired keeps nothing from starting: the log says so, who verifies it
        refuses it, and who does not is served; with a new one all is well.
        """
        lumina = await self.start(first_day=-9, last_day=-1)
        await lumina.says("listen.secure: certificate .* has expired, on .*; whoever verifies it refuses it")
        context = self.context(self.authority.issue("panel"))
        failure = await self.assertFailure(deferToThread(Client, self.port, context), ssl.SSLError)
        self.assertIn("certificate has expired", str(failure))
        careless = self.context(self.authority.issue("panel"))
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        client = await deferToThread(Client, self.port, careless)
        self.addCleanup(client.close)
        self.assertEqual(len(await deferToThread(client.ask, READ)), 11)
        self.authority.issue("renewed", server=True).save(self.folder, "server")
        lumina.transport.signalProcess("HUP")
        await lumina.says("mbaps:[0-9]+: new certificates, for new connections")
        new = await deferToThread(Client, self.port, context)
        self.addCleanup(new.close)
        self.assertEqual(len(await deferToThread(new.ask, READ)), 11)

    async def test_revoked(self) -> None:
        """
        On SIGHUP a new list ends the connections of whom it revokes, and no other's.
        """
        lumina = await self.start(revoked=True)
        lost, other = self.authority.issue("lost"), self.authority.issue("panel")
        clients = [
            await deferToThread(Client, self.port, self.context(issued)) for issued in (lost, other, lost)
        ]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(len(await deferToThread(client.ask, READ)), 11)
        self.authority.revoke(self.folder, lost)
        lumina.transport.signalProcess("HUP")
        ended = "127.0.0.1 is disconnected: its certificate (CN=lost,O=Works) is revoked"
        await programs.until(lambda: lumina.output.count(ended) == 2)

        def end(client: Client) -> bytes:
            try:
                return client.ask(READ)
            except OSError:
                return b""

        answers = [await deferToThread(end, client) for client in clients]
        self.assertEqual([len(answer) for answer in answers], [0, 11, 0])

    async def test_new_log_file(self) -> None:
        """
        SIGUSR1 begins a new log file, as it does for any service of twistd.
        """
        await (await self.start()).stop()
        log = self.folder / "lumina.log"
        lumina = programs.twistd(self, "-n", "-l", log, "lumina", "-c", self.folder / "lumina.yaml")
        await programs.until(lambda: log.exists() and "lines: listening" in log.read_text())
        lumina.transport.signalProcess(SIGUSR1)
        await programs.until(log.with_name("lumina.log.1").exists)
        self.assertEqual(await lumina.stop(), 0)
