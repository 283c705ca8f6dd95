"""The conversation, by modbus_tk."""

from typing import Any

from modbus_tk import defines, modbus, modbus_tcp

from tests.system.foreign.conversation import Client, talk, target

host, port, unit = target()
master = modbus_tcp.TcpMaster(host, port, timeout_in_sec=5)


def ask(function: int, address: int, count: int = 0, value: Any = 0) -> Any:
    return master.execute(unit, function, address, count, output_value=value)


def refused(address: int) -> str:
    try:
        ask(defines.READ_HOLDING_REGISTERS, address, 1)
    except modbus.ModbusError as error:
        return f"exception {error.get_exception_code()}"
    return "not refused"


talk(
    Client(
        holding=lambda a, n: ask(defines.READ_HOLDING_REGISTERS, a, n),
        input=lambda a, n: ask(defines.READ_INPUT_REGISTERS, a, n),
        discrete=lambda a, n: ask(defines.READ_DISCRETE_INPUTS, a, n),
        coils=lambda a, n: ask(defines.READ_COILS, a, n),
        write_coil=lambda a, v: ask(defines.WRITE_SINGLE_COIL, a, value=int(v)),
        write_register=lambda a, v: ask(defines.WRITE_SINGLE_REGISTER, a, value=v),
        write_registers=lambda a, v: ask(defines.WRITE_MULTIPLE_REGISTERS, a, value=v),
        write_coils=lambda a, v: ask(defines.WRITE_MULTIPLE_COILS, a, value=[int(bit) for bit in v]),
        refused=refused,
    )
)
master.close()
