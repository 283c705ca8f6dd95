"""
Modbus TCP servers that others wrote, as their own process.

    python tcp_server.py pymodbus|pyModbusTCP PORT

prints `ready` when it listens on the loopback interface. It answers as unit 1;
holding registers 0 to 999 hold their own address.
"""

import asyncio
import sys

ITEMS = 1000


async def pymodbus(port: int) -> None:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = SimData(0, values=list(range(ITEMS)), datatype=DataType.REGISTERS)
    server = ModbusTcpServer([SimDevice(1, simdata=[registers])], address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def py_modbus_tcp(port: int) -> None:
    from pyModbusTCP.server import DataBank, ModbusServer

    bank = DataBank(h_regs_size=ITEMS)
    bank.set_holding_registers(0, list(range(ITEMS)))
    ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    servers = {"pymodbus": pymodbus, "pyModbusTCP": py_modbus_tcp}
    asyncio.run(servers[sys.argv[1]](int(sys.argv[2])))
