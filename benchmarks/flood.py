"""
Modbus TCP clients that ask for ten holding registers as fast as they are answered; a process of its own.

    python flood.py PORT CONNECTIONS PIPELINED SECONDS

Each connection has so many requests outstanding: when all of them are
answered, it asks the next. Every byte of every answer is compared. One line of
JSON has the answers, the seconds, and how many were not right.
"""

import json
import select
import socket
import sys
from time import perf_counter

COUNT = 10
ANSWERED = b"\3" + bytes((2 * COUNT,)) + b"".join(each.to_bytes(2, "big") for each in range(COUNT))
ASKED = b"\3\0\0" + COUNT.to_bytes(2, "big")

#: Seconds before counting begins.
WARM_UP = 0.3

#: Different transaction ids of a connection.
IDS = 64


def messages(pdu: bytes, first: int, count: int) -> bytes:
    """One message after the other, each with its own transaction id."""
    return b"".join(
        (each % 65536).to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\1" + pdu
        for each in range(first, first + count)
    )


def main(port: int, connections: int, pipelined: int, seconds: float) -> None:
    asked = [messages(ASKED, turn * pipelined, pipelined) for turn in range(IDS)]
    right = [messages(ANSWERED, turn * pipelined, pipelined) for turn in range(IDS)]
    size = len(right[0])
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[client.fileno()] = client
        poll.register(client.fileno(), select.EPOLLIN)
    turns = dict.fromkeys(clients, 0)
    came = dict.fromkeys(clients, b"")
    for client in clients.values():
        client.send(asked[0])
    answers = wrong = 0
    began = perf_counter() + WARM_UP
    counting = False
    while True:
        for handle, _ in poll.poll(1.0):
            client = clients[handle]
            data = client.recv(65536)
            if not data:
                raise SystemExit("the server has closed a connection")
            if came[handle]:
                data = came[handle] + data
            if len(data) < size:
                came[handle] = data
                continue
            came[handle] = b""
            turn = turns[handle]
            if data != right[turn]:
                wrong += pipelined
            answers += pipelined
            turns[handle] = turn = (turn + 1) % IDS
            client.send(asked[turn])
        now = perf_counter()
        if not counting and now >= began:
            counting, answers, wrong, began = True, 0, 0, now
            print("counting", flush=True)
        elif counting and now >= began + seconds:
            break
    print(json.dumps({"answers": answers, "seconds": now - began, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
