"""The conversation, by pymodbus."""

from typing import Any

from pymodbus.client import ModbusTcpClient

from tests.system.foreign.conversation import Client, talk, target

host, port, unit = target()
client = ModbusTcpClient(host, port=port, timeout=5, retries=0)
assert client.connect()


def good(reply: Any) -> Any:
    assert not reply.isError(), reply
    return reply


def refused(address: int) -> str:
    return f"exception {client.read_holding_registers(address, count=1, device_id=unit).exception_code}"


talk(
    Client(
        holding=lambda a, n: good(client.read_holding_registers(a, count=n, device_id=unit)).registers,
        input=lambda a, n: good(client.read_input_registers(a, count=n, device_id=unit)).registers,
        discrete=lambda a, n: good(client.read_discrete_inputs(a, count=n, device_id=unit)).bits,
        coils=lambda a, n: good(client.read_coils(a, count=n, device_id=unit)).bits,
        write_coil=lambda a, v: good(client.write_coil(a, v, device_id=unit)),
        write_register=lambda a, v: good(client.write_register(a, v, device_id=unit)),
        write_registers=lambda a, v: good(client.write_registers(a, v, device_id=unit)),
        write_coils=lambda a, v: good(client.write_coils(a, v, device_id=unit)),
        refused=refused,
    )
)
client.close()
