"""
Modbus TCP servers that others wrote, as their own process.

    python tcp_server.py pymodbus|pyModbusTCP PORT [WORD...]

prints `ready` when it listens on the loopback interface. It answers as unit 1;
holding registers 0 to 999 hold their own address, but the first ones hold the
words that are given.
"""

import asyncio
import sys

ITEMS = 1000


async def pymodbus(port: int, words: list[int]) -> None:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = SimData(0, values=[*words, *range(len(words), ITEMS)], datatype=DataType.REGISTERS)
    server = ModbusTcpServer([SimDevice(1, simdata=[registers])], address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def py_modbus_tcp(port: int, words: list[int]) -> None:
    from pyModbusTCP.server import DataBank, ModbusServer

    bank = DataBank(h_regs_size=ITEMS)
    bank.set_holding_registers(0, [*words, *range(len(words), ITEMS)])
    ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    servers = {"pymodbus": pymodbus, "pyModbusTCP": py_modbus_tcp}
    asyncio.run(servers[sys.argv[1]](int(sys.argv[2]), [int(word, 0) for word in sys.argv[3:]]))
