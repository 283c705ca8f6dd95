"""Which class a request belongs to."""

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from lumina.frontends.priorities import Priorities
from lumina.interfaces import Priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


class PrioritiesTests(SynchronousTestCase):
    def test_listener(self) -> None:
        """
        What nothing is said of has the class of its listener; that is the normal one by default.
        """
        for priorities, expected in ((Priorities(), NORMAL), (Priorities(LOW), LOW)):
            self.assertEqual(priorities.of("THC", priorities.of_client("192.0.2.1")), expected)

    def test_client(self) -> None:
        """
        The narrowest network that a client is in decides, in whatever order they are given.
        """
        networks = {"192.0.2.0/24": LOW, "192.0.2.7/32": HIGH, "0.0.0.0/0": NORMAL}
        for names in (list(networks), list(reversed(networks))):
            priorities = Priorities(by_client={ip_network(name): networks[name] for name in names})
            found = [priorities.of_client(host) for host in ("192.0.2.7", "192.0.2.8", "198.51.100.1")]
            self.assertEqual(found, [HIGH, LOW, NORMAL])

    def test_client_of_no_network(self) -> None:
        """
        A client that is in none of the networks has the class of its listener.
        """
        priorities = Priorities(LOW, by_client={ip_network("192.0.2.0/24"): HIGH})
        self.assertEqual(priorities.of_client("198.51.100.1"), LOW)

    def test_address_families(self) -> None:
        """
        An address of one family is in no network of the other.
        """
        priorities = Priorities(
            by_client={
                ip_network("::/0"): LOW,
                ip_network("2001:db8::/32"): HIGH,
                ip_network("10.0.0.0/8"): LOW,
            }
        )
        found = [priorities.of_client(host) for host in ("2001:db8::1", "fe80::1", "192.0.2.1", "10.1.2.3")]
        self.assertEqual(found, [HIGH, LOW, NORMAL, LOW])

    def test_unix_socket(self) -> None:
        """
        A client on a UNIX socket has no address, and the class of its listener.
        """
        priorities = Priorities(HIGH, by_client={ip_network("0.0.0.0/0"): LOW})
        self.assertEqual(priorities.of_client(""), HIGH)

    def test_type(self) -> None:
        """
        The label of a request wins over its client, and over the listener.
        """
        priorities = Priorities(LOW, {"alarm": HIGH}, {ip_network("192.0.2.0/24"): NORMAL})
        client = priorities.of_client("192.0.2.1")
        self.assertEqual(
            [priorities.of(label, client) for label in ("alarm", "Alarm", "THC")], [HIGH, NORMAL, NORMAL]
        )
