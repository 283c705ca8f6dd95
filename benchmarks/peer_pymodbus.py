"""
The peer: Modbus TCP clients share one serial line through pymodbus' own server and client.

    python peer_pymodbus.py DEVICE BAUD PORT

It is as short as such a forwarder gets, and adds nothing of its own: reads of
holding registers below 256, for units 1 to 247.
"""

import asyncio
import sys
from functools import partial

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def forward(
    client: AsyncModbusSerialClient,
    unit: int,
    function: int,
    start: int,
    address: int,
    count: int,
    registers: list[int],
    written: list[int] | list[bool] | None,
) -> ExcCodes | None:
    """
    Ask the unit for what the server is about to answer.

    @return: an exception code in place of the registers.
    """
    if function != 3 or written is not None:
        return ExcCodes.ILLEGAL_FUNCTION
    try:
        reply = await client.read_holding_registers(address, count=count, device_id=unit)
    except ModbusException:
        return ExcCodes.GATEWAY_NO_RESPONSE
    if reply.isError():
        return ExcCodes(reply.exception_code)
    registers[address - start : address - start + count] = reply.registers
    return None


def device(client: AsyncModbusSerialClient, unit: int) -> SimDevice:
    """A unit as the server sees it."""
    block = SimData(0, count=256, values=0, datatype=DataType.REGISTERS)
    return SimDevice(unit, simdata=[block], action=partial(forward, client, unit))


async def main(path: str, baud: int, port: int) -> None:
    client = AsyncModbusSerialClient(
        path, framer=FramerType.RTU, baudrate=baud, stopbits=2, timeout=1, retries=0
    )
    await client.connect()
    units = [device(client, unit) for unit in range(1, 248)]
    await ModbusTcpServer(units, address=("127.0.0.1", port)).serve_forever()


if __name__ == "__main__":
    path, baud, port = sys.argv[1:]
    asyncio.run(main(path, int(baud), int(port)))
