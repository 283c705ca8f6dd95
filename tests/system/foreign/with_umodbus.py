"""The conversation, by uModbus."""

import socket
from typing import Any

from umodbus import conf
from umodbus.client import tcp
from umodbus.exceptions import IllegalDataAddressError

from tests.system.foreign.conversation import Client, talk, target

host, port, unit = target()
conf.SIGNED_VALUES = False
line = socket.create_connection((host, port), 5)


def send(message: bytes) -> Any:
    return tcp.send_message(message, line)


def refused(address: int) -> str:
    try:
        send(tcp.read_holding_registers(unit, address, 1))
    except IllegalDataAddressError as error:
        return f"exception {error.error_code}"
    return "not refused"


talk(
    Client(
        holding=lambda a, n: send(tcp.read_holding_registers(unit, a, n)),
        input=lambda a, n: send(tcp.read_input_registers(unit, a, n)),
        discrete=lambda a, n: send(tcp.read_discrete_inputs(unit, a, n)),
        coils=lambda a, n: send(tcp.read_coils(unit, a, n)),
        write_coil=lambda a, v: send(tcp.write_single_coil(unit, a, int(v))),
        write_register=lambda a, v: send(tcp.write_single_register(unit, a, v)),
        write_registers=lambda a, v: send(tcp.write_multiple_registers(unit, a, v)),
        write_coils=lambda a, v: send(tcp.write_multiple_coils(unit, a, [int(bit) for bit in v])),
        refused=refused,
    )
)
line.close()
