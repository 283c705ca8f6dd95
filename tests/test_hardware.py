"""What is asked of the driver of a serial device, and what is made of its answers."""

import errno
import os
import struct
import termios
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.hardware import RS485, Hardware, LineErrors, line_errors, prepare, read
from lumina.errors import PortDown

GET_RS485, SET_RS485 = 0x542E, 0x542F
ENABLED, ON_SEND, AFTER_SEND, RECEIVE, TERMINATE = 0x01, 0x02, 0x04, 0x10, 0x20
LOW_LATENCY = 0x2000


class FakeDriver:
    """
    Answers ioctls as Linux does.

    @ivar lacks: the requests that it does not know.
    @ivar fails: an error number for the requests that fail otherwise.
    @ivar keeps: flags that it accepts, for RS-485 and for the latency.
    @ivar longest: milliseconds to which it cuts delays.
    """

    def __init__(self) -> None:
        self.lacks: set[int] = set()
        self.fails: dict[int, int] = {}
        self.keeps = 0xFFFF
        self.longest = 100
        self.serial = [4, 0, 0x3F8, 4, 0x10C0, *range(27)]
        self.rs485 = [0] * 8
        self.cflag = 0
        self.counts = list(range(20))
        self.levels: dict[int, bool] = {}
        self.asked: list[int] = []

    def ioctl(self, fd: int, request: int, data: bytes) -> bytes:
        self.asked.append(request)
        if number := errno.ENOTTY if request in self.lacks else self.fails.get(request):
            raise OSError(number, os.strerror(number))
        match request:
            case termios.TIOCGSERIAL:
                return struct.pack("@32i", *self.serial)
            case termios.TIOCSSERIAL:
                self.serial = list(struct.unpack("@32i", data))
                self.serial[4] &= self.keeps
            case termios.TCGETS:
                return struct.pack("@4I", 0, 0, self.cflag, 0) + bytes(48)
            case termios.TIOCMBIS | termios.TIOCMBIC:
                self.levels[struct.unpack("@I", data)[0]] = request == termios.TIOCMBIS
            case termios.TIOCGICOUNT:
                return struct.pack("@20i", *self.counts)
            case 0x542E:
                return struct.pack("@8I", *self.rs485)
            case 0x542F:
                flags, *delays = struct.unpack("@3I20x", data)
                self.rs485[:3] = flags & self.keeps, *(min(delay, self.longest) for delay in delays)
        return data


class HardwareCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.driver = FakeDriver()

    def prepare(self, **asked: Any) -> str:
        return prepare(3, "/dev/ttyX", Hardware(**asked), self.driver.ioctl)

    def refusal(self, **asked: Any) -> str:
        with self.assertRaises(PortDown) as caught:
            self.prepare(**asked)
        return str(caught.exception)


class LatencyTests(HardwareCase):
    def test_default(self) -> None:
        """
        Unless told otherwise, bytes come without delay; nothing else of the driver is changed.
        """
        before = list(self.driver.serial)
        self.assertEqual(self.prepare(), "")
        before[4] |= LOW_LATENCY
        self.assertEqual(self.driver.serial, before)
        self.assertEqual((self.driver.levels, self.driver.rs485), ({}, [0] * 8))

    def test_on_already(self) -> None:
        """
        A driver that is as it should be is left alone.
        """
        self.driver.serial[4] |= LOW_LATENCY
        self.prepare(low_latency=True)
        self.assertNotIn(termios.TIOCSSERIAL, self.driver.asked)

    def test_default_without_it(self) -> None:
        """
        A driver without low latency does its work all the same, and why is told.
        """
        for change, reason in (
            ({"lacks": {termios.TIOCGSERIAL}}, "the driver cannot do that"),
            ({"lacks": set(), "fails": {termios.TIOCSSERIAL: errno.EPERM}}, "Operation not permitted"),
            ({"fails": {}, "keeps": 0}, "the driver ignores it"),
        ):
            self.driver.__dict__ |= change
            self.assertEqual(self.prepare(), f"no low-latency mode: {reason}")

    def test_asked_for(self) -> None:
        """
        Who asks for low latency is told when there is none.
        """
        self.driver.lacks = {termios.TIOCGSERIAL}
        self.assertEqual(
            self.refusal(low_latency=True), "lowlatency=1 is refused by /dev/ttyX: the driver cannot do that"
        )
        self.driver.lacks, self.driver.keeps = set(), 0
        self.assertEqual(
            self.refusal(low_latency=True), "lowlatency=1 is refused by /dev/ttyX: the driver ignores it"
        )

    def test_off(self) -> None:
        """
        Low latency can be switched off, and a driver that has none has it off.
        """
        self.driver.serial[4] |= LOW_LATENCY
        self.assertEqual(self.prepare(low_latency=False), "")
        self.assertFalse(self.driver.serial[4] & LOW_LATENCY)
        self.driver.lacks = {termios.TIOCGSERIAL}
        self.assertEqual(self.prepare(low_latency=False), "")


class LevelTests(HardwareCase):
    def test_levels(self) -> None:
        """
        RTS and DTR are set only where their level is given.
        """
        self.prepare(rts=False)
        self.assertEqual(self.driver.levels, {termios.TIOCM_RTS: False})
        self.prepare(rts=True, dtr=False)
        self.assertEqual(self.driver.levels, {termios.TIOCM_RTS: True, termios.TIOCM_DTR: False})

    def test_no_such_line(self) -> None:
        """
        A device without control lines says which level it refuses.
        """
        self.driver.lacks = {termios.TIOCMBIS, termios.TIOCMBIC}
        self.assertEqual(self.refusal(rts=False), "rts=0 is refused by /dev/ttyX: the driver cannot do that")
        self.assertEqual(self.refusal(dtr=True), "dtr=1 is refused by /dev/ttyX: the driver cannot do that")

    def test_flow_control(self) -> None:
        """
        A driver that drops RTS/CTS flow control without a word is found out.
        """
        self.assertEqual(
            self.refusal(flow="rtscts"),
            "flow=rtscts is refused by /dev/ttyX: there is no RTS/CTS flow control",
        )
        self.driver.cflag = termios.CRTSCTS
        self.assertEqual(self.prepare(flow="rtscts"), "")


class RS485Tests(HardwareCase):
    def test_untouched(self) -> None:
        """
        A device whose device tree switches RS-485 mode on keeps it, unless told otherwise.
        """
        self.driver.rs485[0] = ENABLED | AFTER_SEND
        self.prepare()
        self.assertEqual(self.driver.rs485[0], ENABLED | AFTER_SEND)
        self.prepare(rs485=False)
        self.assertEqual(self.driver.rs485[0], AFTER_SEND)

    def test_bare(self) -> None:
        """
        RS-485 mode alone raises RTS while sending, where the driver knows no better.
        """
        self.prepare(rs485=RS485())
        self.assertEqual(self.driver.rs485, [ENABLED | ON_SEND, 0, 0, 0, 0, 0, 0, 0])

    def test_what_is_not_given_stays(self) -> None:
        """
        Delays, level and termination that the driver has already stay as they are.
        """
        self.driver.rs485 = [AFTER_SEND | RECEIVE | TERMINATE, 3, 4, 5, 6, 7, 8, 9]
        self.prepare(rs485=RS485())
        self.assertEqual(self.driver.rs485, [ENABLED | AFTER_SEND | RECEIVE | TERMINATE, 3, 4, 5, 6, 7, 8, 9])

    def test_all_given(self) -> None:
        """
        Delays in seconds, the level of RTS and hearing oneself reach the driver.
        """
        self.driver.rs485[0] = AFTER_SEND | RECEIVE
        self.prepare(rs485=RS485(before=0.001, after=0.029, level=True, receives=False))
        self.assertEqual(self.driver.rs485[:3], [ENABLED | ON_SEND, 1, 29])
        self.prepare(rs485=RS485(before=0.0, level=False, receives=True))
        self.assertEqual(self.driver.rs485[:3], [ENABLED | AFTER_SEND | RECEIVE, 0, 29])

    def test_refused(self) -> None:
        """
        A driver without RS-485 mode says so, be it in words or by doing nothing.
        """
        self.driver.lacks = {GET_RS485}
        self.assertEqual(
            self.refusal(rs485=RS485()), "rs485=1 is refused by /dev/ttyX: the driver cannot do that"
        )
        self.driver.lacks, self.driver.fails = set(), {SET_RS485: errno.EINVAL}
        self.assertEqual(self.refusal(rs485=RS485()), "rs485=1 is refused by /dev/ttyX: Invalid argument")
        self.driver.fails, self.driver.keeps = {}, 0
        self.assertEqual(
            self.refusal(rs485=RS485()), "rs485=1 is refused by /dev/ttyX: the driver ignores it"
        )

    def test_partly_refused(self) -> None:
        """
        What a driver makes of delays and levels is compared with what was asked for.
        """
        self.driver.longest = 5
        self.driver.keeps = ENABLED | ON_SEND
        for asked, sentence in {
            RS485(before=0.02): "rtsbefore=0.02 is refused by /dev/ttyX: the driver has made it 0.005",
            RS485(after=0.006): "rtsafter=0.006 is refused by /dev/ttyX: the driver has made it 0.005",
            RS485(receives=True): "rxduringtx=1 is refused by /dev/ttyX: the driver has made it 0",
        }.items():
            self.assertEqual(self.refusal(rs485=asked), sentence)
        self.driver.keeps = ENABLED
        self.assertEqual(
            self.refusal(rs485=RS485(level=True)),
            "rtslevel=1 is refused by /dev/ttyX: the driver has made it 0",
        )
        self.assertIn("no low-latency", self.prepare(rs485=RS485(before=0.005)))

    def test_off_where_there_is_none(self) -> None:
        """
        To have it switched off is no wish that a driver without it would refuse.
        """
        self.driver.lacks = {GET_RS485, SET_RS485}
        self.assertEqual(self.prepare(rs485=False), "")


class CounterTests(HardwareCase):
    def test_counters(self) -> None:
        """
        The driver's counters of line errors can be read.
        """
        self.assertEqual(
            line_errors(3, self.driver.ioctl),
            LineErrors(frame=6, overrun=7, parity=8, breaks=9, buffer_overrun=10),
        )

    def test_uncounted(self) -> None:
        """
        A driver that does not count has no counters, rather than zeros.
        """
        self.driver.lacks = {termios.TIOCGICOUNT}
        self.assertIsNone(line_errors(3, self.driver.ioctl))


class ReadTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """
        Without arguments, nothing is asked of the driver that it may refuse.
        """
        self.assertEqual(read({}), Hardware(None, "none", None, None, None))

    def test_all(self) -> None:
        """
        Each argument of an endpoint string has its meaning.
        """
        self.assertEqual(
            read({"lowlatency": "0", "flow": "rtscts", "rts": "1", "dtr": "0", "rs485": "0"}),
            Hardware(low_latency=False, flow="rtscts", rts=True, dtr=False, rs485=False),
        )
        self.assertEqual(
            read({"rs485": "1", "rtsbefore": "0.001", "rtsafter": ".02", "rtslevel": "0", "rxduringtx": "1"}),
            Hardware(rs485=RS485(before=0.001, after=0.02, level=False, receives=True)),
        )

    def test_wrong(self) -> None:
        """
        An argument that is unknown, or is no switch, is an error.
        """
        with self.assertRaisesRegex(ValueError, "unknown argument 'rtc'; known: dtr, "):
            read({"rtc": "1"})
        with self.assertRaisesRegex(ValueError, "rts 'on' is none of 0, 1"):
            read({"rts": "on"})
