"""The conversation, by pyModbusTCP."""

from pyModbusTCP.client import ModbusClient

from tests.system.foreign.conversation import Client, talk, target

host, port, unit = target()
client = ModbusClient(host, port=port, unit_id=unit, timeout=5)


def refused(address: int) -> str:
    assert client.read_holding_registers(address, 1) is None
    return f"exception {client.last_except}"


def done(result: bool) -> None:
    assert result, client.last_error_as_txt


talk(
    Client(
        holding=client.read_holding_registers,
        input=client.read_input_registers,
        discrete=client.read_discrete_inputs,
        coils=client.read_coils,
        write_coil=lambda a, v: done(client.write_single_coil(a, v)),
        write_register=lambda a, v: done(client.write_single_register(a, v)),
        write_registers=lambda a, v: done(client.write_multiple_registers(a, v)),
        write_coils=lambda a, v: done(client.write_multiple_coils(a, v)),
        refused=refused,
    )
)
client.close()
