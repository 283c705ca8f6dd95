"""What asking for permission costs: a request through a guard, beside the same without one."""

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from time import perf_counter

from twisted.internet.defer import Deferred, succeed

from lumina.access import Access, Rule
from lumina.bus.guard import Guard, Refusals
from lumina.interfaces import Asker, Bus, Terms
from lumina.modbus import pdu
from lumina.modbus.pdu import Reply, Request

ROUNDS, REQUESTS = 300, 500

#: As in docs/access.md, behind some rules for others.
LAN = (ip_network("10.0.0.0/24"),)
RULES = (
    *(Rule(True, buses=frozenset({f"bus{number}"})) for number in range(20)),
    Rule(True, "read", networks=LAN),
    Rule(True, "write", networks=LAN, tables=frozenset({"holding"}), addresses=(100, 120), values=(0, 100)),
)


class Nothing:
    """A bus that answers at once."""

    def execute(self, unit: int, request: Request, terms: Terms = Terms()) -> Deferred[Reply]:  # noqa: B008
        return succeed(Reply(request, b""))


def seconds(bus: Bus, requests: Sequence[Request], terms: Terms) -> float:
    """The least time of one request, of several rounds."""
    best = 1.0
    for _ in range(ROUNDS):
        began = perf_counter()
        for request in requests:
            bus.execute(3, request, terms)
        best = min(best, (perf_counter() - began) / len(requests))
    return best


def parsed(frame: Callable[[int], bytes]) -> list[Request]:
    """As a front end makes them: each a new object, some of them alike."""
    return [pdu.parse(frame(number % 10)) for number in range(REQUESTS)]


def main() -> None:
    terms = Terms("lan#1", asker=Asker("lan", "10.0.0.5"))
    access = Access("lan", RULES)
    guard = Guard(Nothing(), "boiler", access.view, Refusals("lan", lambda: 0.0), lambda: 0.0)
    print(f"{'':24}{'unguarded':>12}{'guarded':>12}{'permission':>12}   nanoseconds")
    for name, requests in (
        ("reads", parsed(lambda number: bytes((3, 0, number, 0, 10)))),
        ("writes, by address", parsed(lambda number: bytes((6, 0, 100 + number, 0, 7)))),
    ):
        bare, guarded = seconds(Nothing(), requests, terms), seconds(guard, requests, terms)
        print(f"{name:24}" + "".join(f"{each * 1e9:12.0f}" for each in (bare, guarded, guarded - bare)))


if __name__ == "__main__":
    main()
