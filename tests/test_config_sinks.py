"""Sinks, as they are configured: what is understood, and what is said about the rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from lumina.assembly import sinks
from lumina.assembly.parts import Parts
from lumina.assembly.secrets import headers_of
from lumina.assembly.state import state_directory
from lumina.config.load import loads
from lumina.config.sinks import Lines, PluggedSink, Post
from lumina.errors import ConfigError, StartRefused
from lumina.interfaces import Outlet, Sink
from lumina.plugins import ISink, Settings, by_kind
from lumina.watch.overview import LiveOverview
from tests.spools import directory

HEAD = "simulators: {plant: {preset: greenhouse}}\nsinks:\n"


class NullSettings(Settings):
    """Settings as another package would bring them."""

    depth: int


@implementer(IPlugin, ISink)
class Null:
    """A sink as another package would bring it."""

    kind = "null"
    settings = NullSettings

    def sink(self, settings: NullSettings, outlet: Outlet) -> Sink:
        raise AssertionError("not made in these tests")


def found() -> Mapping[str, ISink]:
    return by_kind([Null()])


class ConfiguredTests(SynchronousTestCase):
    def sink(self, keys: str) -> Any:
        """The settings of one sink."""
        return loads(f"{HEAD}  api: {{{keys}}}\n", "f", sink_kinds=found).sinks["api"]

    def errors(self, keys: str) -> list[str]:
        """What is said about one that is wrong, without the places."""
        error = self.assertRaises(ConfigError, self.sink, keys)
        return [line.split(": ", 1)[1] for line in str(error).splitlines()]

    def test_post(self) -> None:
        """
        A URL is all that is needed; everything else has its documented default.
        """
        sink = self.sink("kind: post, url: 'https://example.org/api/readings'")
        assert isinstance(sink, Post)
        self.assertEqual((sink.batch, sink.concurrency, sink.timeout), (1, 4, 30.0))
        self.assertEqual((sink.bad, sink.gaps, sink.hold), (False, False, 60.0))
        self.assertEqual((sink.spool.size, sink.spool.age), (512.0, 2_592_000.0))

    def test_lines(self) -> None:
        """
        A file needs its path.
        """
        sink = self.sink("kind: jsonl, path: '-'")
        assert isinstance(sink, Lines)
        self.assertEqual((sink.path, sink.bad), ("-", True))

    def test_of_a_package(self) -> None:
        """
        A sink of another package has its own keys, checked as lumina's own are.
        """
        sink = self.sink("kind: 'null', depth: 3")
        assert isinstance(sink, PluggedSink)
        self.assertEqual(sink.settings, NullSettings(depth=3))
        self.assertTrue(verifyObject(ISink, Null()))
        self.assertEqual(
            sorted(self.errors("kind: 'null', dpth: 3")),
            [
                "sinks.api.depth: it is required, and not here",
                "sinks.api.dpth: unknown key 'dpth'; did you mean 'depth'?",
            ],
        )

    def test_urls(self) -> None:
        """
        A URL that cannot be posted to is refused with the reason, and never shown with a password.
        """
        for url, words in (
            ("ftp://example.org/", "is not a URL such as https://example.org/api/readings"),
            ("example.org/api", "is not a URL such as"),
            ("http://[::1]:8000/", "has an IPv6 address, which cannot be posted to"),
            ("http://me:hush@example.org/", "a URL is no place for secrets"),
            ("http://me:hush@/", "//***@"),
            ("http://example.org:99999/", "is not a URL: Port out of range"),
            ("http://me:hush@example.org:99999/", "//***@example.org:99999/"),
            ("me:hush@example.org", "'***@example.org' is not a URL"),
            ("http://example.org/ä", "has characters that a URL cannot have"),
            ("http://example.org/a?key=hush#x", "'http://example.org/a?***' has characters"),
            ("example.org/a?key=hush", "'example.org/a?***' is not a URL"),
        ):
            (error,) = self.errors(f"kind: post, url: '{url}'")
            self.assertIn(words, error)
            self.assertNotIn("hush", error)

    def test_what_does_not_fit_together(self) -> None:
        """
        Keys that contradict each other are told together.
        """
        for keys, words in (
            (f"token_env: A, token_file: {__file__}", "token_env and token_file are both here"),
            ("user: me", "user, and password_env or password_file, belong together"),
            ("password_env: P", "belong together"),
            ("user: me, password_env: P, token_env: T", "a token and a password are both here"),
            (
                "token_env: A, headers: {authorization: x}",
                "an Authorization header, and a token",
            ),
            ("key: k", "a key without its certificate"),
            ("pause: 9, longest_pause: 3", "pause, 9, is above longest_pause, 3"),
            ("headers: {Idempotency-Key: x}", "'Idempotency-Key' is not a header that can be set here"),
            ("token_env: 'hush b'", "token_env: this is not the name of an environment variable"),
        ):
            (error,) = self.errors(f"kind: post, url: 'https://example.org/', {keys}")
            self.assertIn(words, error)
        errors = self.errors("kind: post, url: 'http://example.org/', ca: c")
        self.assertIn("ca and certificate are for https", "".join(errors))

    def test_unknown(self) -> None:
        """
        An unknown kind or key is met with what is known.
        """
        self.assertEqual(
            self.errors("kind: pst"),
            ["sinks.api.kind: no kind of sink is called 'pst'; did you mean 'post'?"],
        )
        (error,) = self.errors("kind: post, url: 'http://a/', bacth: 3")
        self.assertEqual(error, "sinks.api.bacth: unknown key 'bacth'; did you mean 'batch'?")
        (error,) = self.errors("kind: post, url: 'http://a/', spool: {sise: 3}")
        self.assertEqual(error, "sinks.api.spool.sise: unknown key 'sise'; did you mean 'size'?")


class AssembledTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = directory(self)
        clock = Clock()
        self.parts = Parts(clock, LiveOverview(clock.seconds), wall=lambda: 0.0)

    def add(self, keys: str, **environment: str) -> None:
        config = loads(f"{HEAD}  api: {{kind: post, url: 'https://example.org/', {keys}}}\n", "f")
        sinks.add(self.parts, config.sinks, {"STATE_DIRECTORY": str(self.directory), **environment})

    def refused(self, keys: str, words: str, **environment: str) -> None:
        error = self.assertRaises(StartRefused, self.add, keys, **environment)
        self.assertIn(words, str(error))
        self.assertTrue(str(error).startswith("lumina: sinks.api: "), error)

    def test_made(self) -> None:
        """
        A sink is there under its key, is shown, and starts and stops with the service.
        """
        self.add("token_env: TOKEN", TOKEN="hush")
        self.assertEqual(list(self.parts.sinks), ["api"])
        self.assertEqual([each.name for each in self.parts.overview.sinks()], ["api"])
        self.assertEqual(len(list(self.parts.outlets)), 1)

    def test_secrets(self) -> None:
        """
        A secret that is not there ends the start; no sentence has one in it.
        """
        self.refused("token_env: TOKEN", "token_env: the environment variable TOKEN is not set or empty")
        self.refused(
            "token_env: A, headers_env: {X: B, Y: C}",
            "headers_env.X: the environment variable B is not set or empty\n"
            "lumina: sinks.api: headers_env.Y: the environment variable C is not set or empty\n"
            "lumina: sinks.api: token_env: ",
        )
        file = self.directory / "token"
        file.write_text("hush\nhush\n")
        self.refused(f"token_file: {file}", "holds something that cannot stand in a header")
        file.write_bytes(b"\xffhush")
        self.refused(f"token_file: {file}", f"{file} holds something that cannot stand in a header")
        self.refused("headers_env: {X-Key: KEY}", "headers_env.X-Key: the environment variable KEY is not")
        self.refused("token_env: h4ZhushHUSHhush", "token_env: the environment variable h4Z... is not set")

    def test_not_shown(self) -> None:
        """
        What is struck out of all that an API says: tokens, passwords as such and as they are sent, and
        headers whose names say that they are secret.
        """
        keys = (
            "user: me, password_env: P, headers: {X-Site: north, X-Api-Key: k3y}, headers_env: {X-Other: O}"
        )
        (config,) = loads(
            f"{HEAD}  api: {{kind: post, url: 'https://a/?k=qu3ry', {keys}}}\n", "f"
        ).sinks.values()
        assert isinstance(config, Post)
        _, secrets = headers_of(config, {"P": "hush", "O": "0ther"})
        self.assertEqual({*secrets}, {"hush", "k3y", "0ther", "bWU6aHVzaA==", "qu3ry"})

    def test_files(self) -> None:
        """
        A certificate or a secret's file that cannot be used is an error of the configuration, at its key.
        """
        file = self.directory / "ca.pem"
        file.write_text("nothing")
        is_none = "cannot be used: it has nothing of the kind in PEM"
        is_nowhere = "cannot be read: No such file or directory"
        for keys, sentence in (
            (f"ca: {file}", f"sinks.api.ca: ca '{file}' {is_none}"),
            ("ca: /no/such", f"sinks.api.ca: ca '/no/such' {is_nowhere}"),
            (f"certificate: {file}", f"sinks.api.certificate: certificate '{file}' {is_none}"),
            (
                "token_file: /no/such",
                "sinks.api.token_file: '/no/such' cannot be read: No such file or directory",
            ),
            ("user: me, password_file: /dev/null", "sinks.api.password_file: '/dev/null' is empty"),
        ):
            error = self.assertRaises(ConfigError, self.add, keys)
            self.assertEqual(str(error).split(": ", 1)[1], sentence)

    def test_state(self) -> None:
        """
        The state lies where systemd says, else where the user's programs keep theirs.
        """
        for environment, expected in (
            ({"STATE_DIRECTORY": "/var/lib/lumina:/x", "XDG_STATE_HOME": "/y"}, "/var/lib/lumina"),
            ({"XDG_STATE_HOME": "/y", "HOME": "/z"}, "/y/lumina"),
            ({"HOME": "/z"}, "/z/.local/state/lumina"),
        ):
            self.assertEqual(state_directory(environment), Path(expected))
