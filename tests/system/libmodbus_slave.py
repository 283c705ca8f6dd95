"""
A unit that others wrote: libmodbus, through ctypes, as its own process.

    python libmodbus_slave.py /dev/pts/7 1 9600 [DELAY]
    python libmodbus_slave.py tcp:5020 1 0 [DELAY]

is an RTU slave, or a Modbus TCP server on the loopback interface that takes one
connection at a time. It prints `ready` when the device is open. Registers, holding and input alike,
hold their own address; coils and discrete inputs that address modulo 2.
Requests are answered DELAY seconds later than they could be.
"""

import ctypes
import errno
import os
import sys
import time
from typing import Any

#: `MODBUS_TCP_MAX_ADU_LENGTH`, and how much of each table there is.
ADU_LIMIT, ITEMS = 260, 65536

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
    modbus.modbus_new_tcp.restype = context
    modbus.modbus_new_tcp.argtypes = (text, integer)
    modbus.modbus_tcp_listen.argtypes = (context, integer)
    modbus.modbus_tcp_accept.argtypes = (context, ctypes.POINTER(integer))
    modbus.modbus_close.argtypes = (context,)
    modbus.modbus_set_slave.argtypes = (context, integer)
    modbus.modbus_connect.argtypes = (context,)
    modbus.modbus_mapping_new.restype = mapping
    modbus.modbus_mapping_new.argtypes = (integer,) * 4
    modbus.modbus_receive.argtypes = (context, ctypes.c_char_p)
    modbus.modbus_reply.argtypes = (context, ctypes.c_char_p, integer, mapping)
    return modbus


def tables(modbus: ctypes.CDLL) -> Any:
    """The registers and coils, filled."""
    mapping = modbus.modbus_mapping_new(ITEMS, ITEMS, ITEMS, ITEMS)
    filled = mapping.contents
    for address in range(ITEMS):
        filled.tab_bits[address] = filled.tab_input_bits[address] = address % 2
        filled.tab_registers[address] = filled.tab_input_registers[address] = address
    return mapping


def serve(device: str, unit: int, baudrate: int, delay: float) -> int:
    """
    Answer on a serial line until it has gone.

    @return: why it ended, an errno.
    """
    modbus = library()
    context = modbus.modbus_new_rtu(device.encode(), baudrate, b"N", 8, 1)
    modbus.modbus_set_slave(context, unit)
    if modbus.modbus_connect(context) == -1:
        return ctypes.get_errno()
    mapping = tables(modbus)
    print("ready", flush=True)
    while True:
        reason = answer(modbus, context, mapping, delay)
        if reason in GONE:
            return reason


def serve_tcp(port: int, unit: int, delay: float) -> int:
    """
    Answer one client after the other, for ever.

    @return: why it could not, an errno.
    """
    modbus = library()
    context = modbus.modbus_new_tcp(b"127.0.0.1", port)
    modbus.modbus_set_slave(context, unit)
    listening = ctypes.c_int(modbus.modbus_tcp_listen(context, 1))
    if listening.value == -1:
        return ctypes.get_errno()
    mapping = tables(modbus)
    print("ready", flush=True)
    while modbus.modbus_tcp_accept(context, ctypes.byref(listening)) != -1:
        print("client", flush=True)
        while not answer(modbus, context, mapping, delay):
            pass
        modbus.modbus_close(context)
    return ctypes.get_errno()


def answer(modbus: ctypes.CDLL, context: Any, mapping: Any, delay: float) -> int:
    """
    Take one request, and reply to it.

    @return: what went wrong, an errno; 0: nothing.
    """
    request = ctypes.create_string_buffer(ADU_LIMIT)
    size = modbus.modbus_receive(context, request)
    if size > 0:
        time.sleep(delay)
        size = modbus.modbus_reply(context, request, size, mapping)
    return ctypes.get_errno() if size == -1 else 0


if __name__ == "__main__":
    device, unit, baudrate, *delay = sys.argv[1:]
    if device.startswith("tcp:"):
        reason = serve_tcp(int(device.removeprefix("tcp:")), int(unit), float(*delay))
    else:
        reason = serve(device, int(unit), int(baudrate), float(*delay))
    sys.exit(f"{device}: {os.strerror(reason)}")
