"""Configuration: what is said about what is wrong."""

from pathlib import Path

from lumina.config.load import load, loads
from lumina.errors import ConfigError
from tests.test_config import PORT, ConfigCase


class ErrorTests(ConfigCase):
    def test_all_at_once(self) -> None:
        """
        Errors of every sort are reported together, in the order of the file.
        """
        text = (
            "ports:\n"
            "  bus1:\n"
            "    endpoint: serial:/dev/ttyUSB0:parity=even\n"
            "    timeout: 0.001\n"
            "    timout: 3\n"
            "  bus2: {endpoint: serial:/dev/ttyUSB0}\n"
            "  bus3: {endpoint: serial:/dev/ttyUSB0, names: [bus2]}\n"
            "  bus3: {}\n"
            "listen:\n"
            "  text: {kind: txt, endpoint: tcp:8888}\n"
        )
        self.assertSays(
            text,
            "f:3:15: ports.bus1.endpoint: parity 'even' is none of N, E, O",
            "f:4:14: ports.bus1.timeout: 0.001 is below the limit of 0.01",
            "f:5:5: ports.bus1.timout: unknown key 'timout'; did you mean 'timeout'?",
            "f:8:3: ports.bus3: the key is here twice, first in line 7",
            "f:8:3: ports.bus3.endpoint: it is required, and not here",
            "f:10:16: listen.text.kind: no kind of listener is called 'txt'; did you mean 'text'?",
        )

    def test_syntax(self) -> None:
        """
        What is not YAML is reported where it stops to be.
        """
        self.assertSays(
            "ports: {a\n",
            "f:2:1: YAML: the file ends before a } that is missing",
        )
        (error,) = self.errors("ports:\n\tbus: 3\n")
        self.assertRegex(error, r"^f:2:1: YAML: a tab is no indentation in YAML")

    def test_control_character(self) -> None:
        """
        A character that YAML does not allow is named, with its place.
        """
        self.assertSays("log:\n  a\x07", "f:2:4: YAML: the character '\\x07' is not allowed in YAML")

    def test_two_documents(self) -> None:
        """
        A file holds one document.
        """
        self.assertSays(f"{PORT}---\n{PORT}", "f:2:1: YAML: a file is one document; here another begins")

    def test_not_a_mapping(self) -> None:
        """
        A file that is a word is not a configuration; one that is a list has devices in it.
        """
        self.assertSays("ports", "f:1:1: YAML: it should be a mapping of keys to values; got 'ports'")
        self.assertSays("[1]", "f:1:2: 0: it should be a mapping of keys to values; got 1")

    def test_nothing_to_share(self) -> None:
        """
        A configuration without any bus, or without any listener, is a mistake.
        """
        sentence = "ports: there is nothing to share; configure a port, a device or a simulator"
        self.assertSays("", f"f:1:1: {sentence}")
        self.assertSays("# all of it\nports: {}\n", f"f:2:1: {sentence}")
        self.assertSays(
            PORT + "listen: {}\n",
            "f:2:1: listen: nobody could ask; leave it out for a text listener on loopback, or configure one",
        )

    def test_duplicate_key(self) -> None:
        """
        A key given twice is never silently the last one.
        """
        self.assertSays(
            self.port("endpoint: serial:/dev/ttyS1\n    timeout: 1\n    timeout: 2"),
            "f:5:5: ports.bus.timeout: the key is here twice, first in line 4",
        )
        self.assertSays(
            '{"ports": {"bus": {"endpoint": "serial:/dev/ttyS1", "timeout": 1, "timeout": 2}}}',
            "f:1:67: ports.bus.timeout: the key is here twice, first in line 1",
        )

    def test_keys_that_are_no_text(self) -> None:
        """
        YAML reads a bare `on` as true; that is said, not guessed about.
        """
        self.assertSays(
            PORT.replace("bus", "on") + "simulators: {[a]: 1, s: {preset: meter}}\n",
            "f:1:9: ports: 'on' cannot be a key as it is; put it in quotes",
            "f:2:14: simulators: a list or a mapping cannot be a key as it is; put it in quotes",
        )

    def test_values_of_no_sense(self) -> None:
        """
        A date that no calendar has, or a tag that nobody defined, is an error.
        """
        errors = self.errors(self.port("endpoint: 2024-13-45\n    timeout: !soon 3"))
        self.assertIn(
            "f:3:15: ports.bus.endpoint: '2024-13-45' makes no sense; put it in quotes if it is text", errors
        )
        self.assertTrue(
            any(error.startswith("f:4:14: ports.bus.timeout: could not determine") for error in errors)
        )

    def test_alias_of_itself(self) -> None:
        """
        A structure that contains itself ends in a sentence.
        """
        self.assertSays("ports: &a {b: *a}", "f:1:1: YAML: nested too deeply, or an alias contains itself")

    def test_unreadable(self) -> None:
        """
        A file that is not there, is a directory, or is not UTF-8 gives a sentence.
        """
        for path, sentence in (("/nonexistent/x.yaml", "No such file or directory"), ("/", "Is a directory")):
            error = self.assertRaises(ConfigError, load, path)
            self.assertEqual(str(error), f"{path}: cannot be read: {sentence}")
        path = self.mktemp()
        Path(path).write_bytes(b"log:\n  \xe9")
        error = self.assertRaises(ConfigError, load, path)
        self.assertEqual(str(error), f"{path}:2:3: YAML: the byte E9 is not UTF-8; save it as UTF-8")
        error = self.assertRaises(ConfigError, load, "/dev/zero")
        self.assertEqual(str(error), "/dev/zero: cannot be read: it has more than 16 MB, the limit")

    def test_types(self) -> None:
        """
        A value of the wrong type is named, and what is wanted.
        """
        for key, value, sentence in (
            ("endpoint", "7", "it should be text; got 7; put it in quotes"),
            ("endpoint", "[]", "it should be text; got a list"),
            ("names", "x", "it should be a list; got 'x'"),
            ("timeout", "'1'", "it should be a number; got '1'"),
            ("timeout", "true", "it should be a number; got true"),
            ("timeout", ".nan", "it should be a finite number; got nan"),
            ("retries", "1.5", "it should be a whole number; got 1.5"),
            ("echo", "1", "it should be true, false or auto; got 1"),
            ("units", "[]", "it should be a mapping of keys to values; got a list"),
            ("units", "{1: 2}", "it should be a mapping of keys to values; got 2"),
            ("baudrates", "[300, 400, 500]", "it should have at most 2 items; got 3"),
        ):
            endpoint = "" if key == "endpoint" else "endpoint: serial:/dev/ttyS1\n    "
            (error,) = self.errors(self.port(f"{endpoint}{key}: {value}"))
            self.assertEqual(error.split(": ", 2)[2], sentence)

    def test_numbers_of_old(self) -> None:
        """
        What YAML 1.1 takes for 90 or 8 is not taken at all.
        """
        for value in ("1:30", "010", "0b10", "1_0"):
            self.assertSays(
                f"ports: {{bus: {{endpoint: serial:/dev/ttyS1, timeout: {value}}}}}",
                f"f:1:53: ports.bus.timeout: '{value}' is no plain number; put it in quotes if it is text",
            )

    def test_hexadecimal(self) -> None:
        """
        Numbers may be written as the manuals of devices write addresses.
        """
        config = loads("simulators: {plant: {preset: basic, seed: 0x1F}}", "f")
        self.assertEqual(config.simulators["plant"].seed, 31)

    def test_nothing_where_a_value_is_due(self) -> None:
        """
        A key with nothing after it is not a default.
        """
        self.assertSays(
            self.port("endpoint: serial:/dev/ttyS1\n    timeout:"),
            "f:4:13: ports.bus.timeout: it should be a number; got nothing",
        )

    def test_limits(self) -> None:
        """
        A number beyond its limit is reported with the limit; the limits themselves are fine.
        """
        limits = {
            "timeout": (0.01, 300),
            "gap": (0, 60),
            "turnaround": (0, 60),
            "slack": (0, 1),
            "retries": (0, 10),
            "queue": (1, 100000),
            "queue_per_client": (1, 100000),
        }
        for key, (lowest, highest) in limits.items():
            start = f"{{endpoint: serial:/dev/ttyS1, {key}: "
            for good in (lowest, highest):
                loads(self.port(f"{start}{good}}}"), "f")
            (below,) = self.errors(self.port(f"{start}{lowest - 1}}}"))
            (above,) = self.errors(self.port(f"{start}{highest + 1}}}"))
            self.assertTrue(
                below.endswith(f"ports.bus.{key}: {lowest - 1} is below the limit of {lowest:g}"), below
            )
            self.assertTrue(
                above.endswith(f"ports.bus.{key}: {highest + 1} is above the limit of {highest:g}"), above
            )

    def test_units(self) -> None:
        """
        A unit is 1 to 255; broadcast has no settings of its own.
        """
        self.assertSays(
            self.port("{endpoint: serial:/dev/ttyS1, units: {0: {}, 256: {}, '3': {}}}"),
            "f:3:43: ports.bus.units.0: 0 is below the limit of 1",
            "f:3:50: ports.bus.units.256: 256 is above the limit of 255",
            "f:3:59: ports.bus.units.3: it should be a whole number; got '3'",
        )

    def test_unknown_keys(self) -> None:
        """
        An unknown key is an error at every level, with a guess or the keys that there are.
        """
        text = (
            "prots:\n"
            "ports: {bus: {endpoint: serial:/dev/ttyS1, nmes: [], units: {1: {gpa: 1}}}}\n"
            "listen: {text: {kind: text, endpoint: tcp:1, dialekt: auto, x: 1}}\n"
            "log: {levle: info}\n"
        )
        self.assertEqual(
            [error.split("unknown key ")[1] for error in self.errors(text)],
            [
                "'prots'; did you mean 'ports'?",
                "'nmes'; did you mean 'names'?",
                "'gpa'; did you mean 'gap'?",
                "'dialekt'; did you mean 'dialect'?",
                "'x'; known: connections, connections_per_address, dialect, endpoint, idle, kind, "
                "priority, priority_by_client, priority_by_type, read_only",
                "'levle'; did you mean 'level'?",
            ],
        )

    def test_port_called_as_a_key(self) -> None:
        """
        A port may be called `units`, or `endpoint`: guesses stay those of a port.
        """
        self.assertSays(
            "ports: {units: {endpoint: serial:/dev/ttyS1, timout: 3}}",
            "f:1:46: ports.units.timout: unknown key 'timout'; did you mean 'timeout'?",
        )

    def test_keys(self) -> None:
        """
        The key of a port can be typed by every client: no colon, no blank, 64 characters at most.
        """
        for key in ("a b", "a:b", "é", "", "x" * 65):
            (error,) = self.errors(f"ports: {{'{key}': {{endpoint: serial:/dev/ttyS1}}}}")
            self.assertIn(f"'{key}' is not a key: 1 to 64 of the letters", error)
        loads(f"ports: {{'{'x' * 64}': {{endpoint: serial:/dev/ttyS1}}}}", "f")

    def test_key_and_value(self) -> None:
        """
        A wrong key is reported at the key, a wrong value at the value.
        """
        first, second = self.errors("ports: {'a b': 5}")
        self.assertTrue(first.startswith("f:1:9: ports.a b: 'a b' is not a key"), first)
        self.assertEqual(second, "f:1:16: ports.a b: it should be a mapping of keys to values; got 5")

    def test_names(self) -> None:
        """
        A name can be sent on a line of text: printable, without a blank.
        """
        (error,) = self.errors(self.port("{endpoint: serial:/dev/ttyS1, names: ['a b']}"))
        self.assertIn("ports.bus.names.0: 'a b' is not a name", error)

    def test_unprintable(self) -> None:
        """
        Whatever is in a value, its error is one line that can be shown.
        """
        self.assertSays(
            'ports: {b: {endpoint: "serial:/dev/tty\\0", names: ["a\\nb"]}}',
            "f:1:23: ports.b.endpoint: it contains a character that cannot be printed",
            "f:1:52: ports.b.names.0: 'a\\nb' is not a name: "
            "1 to 255 printable ASCII characters, and no blank",
        )

    def test_choices(self) -> None:
        """
        One of a few words is wanted: they are listed.
        """
        self.assertSays(
            self.listener("endpoint: tcp:1\n    dialect: x") + "log: {level: loud}\n",
            "f:6:14: listen.door.dialect: it should be one of auto, documented, timestamped, bare; got 'x'",
            "f:7:14: log.level: it should be one of debug, info, warn, error; got 'loud'",
        )

    def test_preset(self) -> None:
        """
        A simulator that lumina does not have is reported, with those that it has.
        """
        self.assertSays(
            "simulators: {plant: {preset: gren}}",
            "f:1:30: simulators.plant.preset: no preset is called 'gren'; "
            "known: basic, greenhouse, industrial, meter",
        )

    def test_speeds(self) -> None:
        """
        A port's own speed must be one that may be asked for.
        """
        self.assertSays(
            self.port("endpoint: serial:/dev/ttyS1:baudrate=110"),
            "f:2:3: ports.bus: its own speed, 110, is outside of its baudrates, 300 to 921600",
        )
        self.assertSays(
            self.port("{endpoint: serial:/dev/ttyS1, baudrates: [9600, 300]}"),
            "f:3:46: ports.bus.baudrates: the lowest, 9600, is above the highest, 300",
        )
        (error,) = self.errors(self.port("{endpoint: serial:/dev/ttyS1, baudrates: [9600]}"))
        self.assertIn("ports.bus.baudrates.1: it is required, and not here", error)
