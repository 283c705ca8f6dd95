"""Which readings are worth sending."""

from twisted.trial.unittest import SynchronousTestCase

from lumina.modbus.values import Value
from lumina.sinks.deadband import Band, Deadband
from tests.spools import START, reading


class DeadbandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.deadband = Deadband({"Voltage (L-N)": Band(0.5, 60.0), "*": Band(0.0, 60.0)})

    def sent(
        self, *values: Value | None, parameter: str = "Voltage (L-N)", step: float = 1.0
    ) -> list[object]:
        """The values that are worth sending, of readings `step` seconds apart."""
        readings = [reading(value, 1, START + n * step, parameter) for n, value in enumerate(values)]
        return [each.value for each in self.deadband.worthy(readings)]

    def test_change(self) -> None:
        """
        A value is sent if it differs enough from the one that was sent last, not from the one before.
        """
        self.assertEqual(self.sent(230.0, 230.25, 230.5, 230.75, 231.0, 230.9), [230.0, 230.5, 231.0])

    def test_heartbeat(self) -> None:
        """
        It is sent anyway after so many seconds, with the time at which it was read.
        """
        readings = [reading(5.0, at=START + 25.0 * n) for n in range(8)]
        worthy = self.deadband.worthy(readings)
        self.assertEqual([each.at - START for each in worthy], [0.0, 75.0, 150.0])

    def test_trouble(self) -> None:
        """
        A reading without a value is always sent, and so is the one that ends the trouble.
        """
        self.assertEqual(self.sent(1.0, None, None, 1.0, 1.0), [1.0, None, None, 1.0])

    def test_words(self) -> None:
        """
        Words and truth are sent when they are others.
        """
        self.assertEqual(self.sent("on", "on", "off", True, True, 1.5), ["on", "off", True, 1.5])

    def test_others(self) -> None:
        """
        `*` is for all parameters that are not named; there a change of anything counts.
        """
        self.assertEqual(self.sent(1, 1, 2, 2, parameter="x"), [1, 2])

    def test_apart(self) -> None:
        """
        Each device and parameter is for itself.
        """
        readings = [reading(1.0, device, parameter=name) for device in (1, "1") for name in ("x", "y")]
        self.assertEqual(len(self.deadband.worthy(readings)), 4)

    def test_not_sent_after_all(self) -> None:
        """
        What could not be taken does not count as sent.
        """
        readings = [reading(1.0)]
        self.deadband.worthy(readings)
        self.deadband.forget(readings)
        self.assertEqual(self.sent(1.0), [1.0])

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back silences nobody.
        """
        self.assertEqual(self.sent(1.0, 1.0, 1.0, step=-1000.0), [1.0, 1.0, 1.0])

    def test_none(self) -> None:
        """
        Without any band all is sent.
        """
        readings = [reading(1.0), reading(1.0)]
        self.assertEqual(Deadband({}).worthy(readings), readings)
