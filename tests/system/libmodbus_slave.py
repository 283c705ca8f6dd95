"""
An RTU slave that others wrote: libmodbus, through ctypes, as its own process.

    python libmodbus_slave.py /dev/pts/7 1 9600 [DELAY]

prints `ready` when the device is open. Registers, holding and input alike,
hold their own address; coils and discrete inputs that address modulo 2.
Requests are answered DELAY seconds later than they could be.
"""

import ctypes
import errno
import os
import sys
import time

#: `MODBUS_RTU_MAX_ADU_LENGTH`, and how much of each table there is.
ADU_LIMIT, ITEMS = 256, 65536

#: What a line that has gone says.
GONE = {errno.EIO, errno.EBADF, errno.ENODEV, errno.ECONNRESET}


class Mapping(ctypes.Structure):
    """`modbus_mapping_t` of libmodbus 3.1."""

    _fields_ = (
        *((f"{what}_{table}", ctypes.c_int) for table in ("bits", "input_bits") for what in ("nb", "start")),
        *(
            (f"{what}_{table}", ctypes.c_int)
            for table in ("input_registers", "registers")
            for what in ("nb", "start")
        ),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


def library() -> ctypes.CDLL:
    """libmodbus with its signatures declared."""
    modbus = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    context, text, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    mapping = ctypes.POINTER(Mapping)
    modbus.modbus_new_rtu.restype = context
    modbus.modbus_new_rtu.argtypes = (text, integer, ctypes.c_char, integer, integer)
    modbus.modbus_set_slave.argtypes = (context, integer)
    modbus.modbus_connect.argtypes = (context,)
    modbus.modbus_mapping_new.restype = mapping
    modbus.modbus_mapping_new.argtypes = (integer,) * 4
    modbus.modbus_receive.argtypes = (context, ctypes.c_char_p)
    modbus.modbus_reply.argtypes = (context, ctypes.c_char_p, integer, mapping)
    return modbus


def serve(device: str, unit: int, baudrate: int, delay: float) -> int:
    """
    Answer until the line has gone.

    @return: why it ended, an errno.
    """
    modbus = library()
    context = modbus.modbus_new_rtu(device.encode(), baudrate, b"N", 8, 1)
    modbus.modbus_set_slave(context, unit)
    if modbus.modbus_connect(context) == -1:
        return ctypes.get_errno()
    mapping = modbus.modbus_mapping_new(ITEMS, ITEMS, ITEMS, ITEMS)
    tables = mapping.contents
    for address in range(ITEMS):
        tables.tab_bits[address] = tables.tab_input_bits[address] = address % 2
        tables.tab_registers[address] = tables.tab_input_registers[address] = address
    print("ready", flush=True)
    request = ctypes.create_string_buffer(ADU_LIMIT)
    while True:
        size = modbus.modbus_receive(context, request)
        if size > 0:
            time.sleep(delay)
            size = modbus.modbus_reply(context, request, size, mapping)
        if size == -1 and ctypes.get_errno() in GONE:
            return ctypes.get_errno()


if __name__ == "__main__":
    device, unit, baudrate, *delay = sys.argv[1:]
    reason = serve(device, int(unit), int(baudrate), float(*delay))
    sys.exit(f"{device}: {os.strerror(reason)}")
