"""Reading files that somebody else has named: plain ones, of a size that fits into memory."""

import os
import stat

from lumina.errors import ConfigError

#: Bytes of a file that are read; a record of a value each minute of a year has ten million.
LARGEST = 16_000_000


def read(path: str, largest: int = LARGEST) -> bytes:
    """
    All of a plain file.

    @raise ConfigError: it cannot be read, it is a device, a pipe or a directory
        (which may have no end, or none yet), or it has more than `largest` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path}: cannot be read: it is no plain file")
            return within(path, file.read(largest + 1), largest)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def within(path: str, data: bytes, largest: int = LARGEST) -> bytes:
    """
    What has been read, where that is all.

    @param data: one byte more than is allowed, if there are so many.
    @raise ConfigError: it is more than `largest` bytes.
    """
    if len(data) > largest:
        raise ConfigError(f"{path}: cannot be read: it has more than {largest / 1e6:g} MB, the limit")
    return data


def text_of(path: str, data: bytes) -> str:
    """@raise ConfigError: it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the byte {data[error.start]:02X} is not UTF-8") from error
