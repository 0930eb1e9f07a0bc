"""One file of length-prefixed, checksummed records on a disk of this machine, appended to.

It knows nothing of what a record holds, and never changes what it has written.
"""

import contextlib
import os
import struct
from collections.abc import Callable
from typing import Protocol

from adamax_tb.checksum import masked_crc32c

_CHECKSUM = struct.Struct("<I")


class Records(Protocol):
    """A file of records, such as `tf.io.TFRecordWriter`."""

    def write(self, record: bytes) -> object:
        """Appends one record."""

    def flush(self) -> object:
        """Hands what was written to the disk."""

    def close(self) -> object:
        """Flushes and closes the file."""


class RecordFile:
    """A new file of records.

    The order of writes: the file is made; each record is appended by one call, in the order they come, and seen by
    readers from then on; `flush` returns when the disk has them. After that no byte of them is written again, so that
    whatever a crash or a loss of power leaves behind them, such as half a record or zeros, they are read back.

    Args:
        path: of the file, which must not be there yet.
        opener: as `open` has it.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: str, opener: Callable[[str, int], int] | None = None) -> None:
        self.path = path
        self._file = open(path, "xb", buffering=0, opener=opener)  # noqa: SIM115  # `close` does
        self._durable_bytes = 0
        # some file systems count no links, of no file
        self._has_links = os.fstat(self._file.fileno()).st_nlink > 0

    def write(self, record: bytes) -> None:
        """Appends one record: only a loss of power, or of the disk, can lose it now.

        Raises:
            OSError: the disk is full, or the like; half of it may be there.
        """
        size = struct.pack("<Q", len(record))
        parts = size, _CHECKSUM.pack(masked_crc32c(size)), record
        waiting = memoryview(b"".join((*parts, _CHECKSUM.pack(masked_crc32c(record)))))
        while waiting:
            waiting = waiting[self._file.write(waiting) :]

    def flush(self) -> None:
        """Returns when the disk has what was written.

        Raises:
            OSError: it never will; or the file was deleted.
        """
        os.fsync(self._file.fileno())
        status = os.fstat(self._file.fileno())
        if self._has_links and not status.st_nlink:
            raise FileNotFoundError(f"{self.path} was deleted")
        self._durable_bytes = status.st_size

    def close(self) -> None:
        """Flushes and closes the file.

        Raises:
            OSError: as `flush` has it; it is closed all the same.
        """
        try:
            self.flush()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Closes the file, without what `flush` did not vouch for: the disk may have any part of that, or none."""
        with contextlib.suppress(OSError, ValueError):  # it may be closed already
            os.ftruncate(self._file.fileno(), self._durable_bytes)
        with contextlib.suppress(OSError):
            self._file.close()
