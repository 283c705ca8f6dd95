"""
Modbus TCP servers of others, each with a hundred holding registers at unit 1.

    python peer_servers.py pymodbus|pymodbus-simulator|pymodbustcp|umodbus PORT
"""

import asyncio
import socketserver
import sys
from typing import Any

REGISTERS = list(range(100))


def pymodbus(port: int) -> None:
    """pymodbus with its classic data blocks."""
    from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
    from pymodbus.server import StartAsyncTcpServer

    device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, REGISTERS))
    context = ModbusServerContext(devices=device, single=True)
    asyncio.run(StartAsyncTcpServer(context, address=("127.0.0.1", port)))


def pymodbus_simulator(port: int) -> None:
    """pymodbus with its newer simulated device."""
    from pymodbus.server import StartAsyncTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    data = [SimData(0, values=REGISTERS, datatype=DataType.REGISTERS)]
    asyncio.run(StartAsyncTcpServer(SimDevice(1, data), address=("127.0.0.1", port)))


def pymodbustcp(port: int) -> None:
    """pyModbusTCP, a thread for each connection."""
    from pyModbusTCP.server import ModbusServer

    server = ModbusServer("127.0.0.1", port)
    server.data_bank.set_holding_registers(0, REGISTERS)
    server.start()


def umodbus(port: int) -> None:
    """uModbus, a thread for each connection; without Nagle's delay, which would decide all."""
    from umodbus.server.tcp import RequestHandler, get_server

    class Prompt(RequestHandler):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            self.request.setsockopt(6, 1, 1)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 1024

    app = get_server(Server, ("127.0.0.1", port), Prompt)

    @app.route(slave_ids=[1], function_codes=[3], addresses=REGISTERS)  # type: ignore[untyped-decorator]
    def read(slave_id: int, function_code: int, address: int) -> int:
        return REGISTERS[address]

    app.serve_forever()


SERVERS: dict[str, Any] = {
    "pymodbus": pymodbus,
    "pymodbus-simulator": pymodbus_simulator,
    "pymodbustcp": pymodbustcp,
    "umodbus": umodbus,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
