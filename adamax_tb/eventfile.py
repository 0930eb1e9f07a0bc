"""One event file, read on from where it was last left.

It yields events as they are and takes none of them apart. Nothing on disk is changed.

What one record may cost, whatever it holds: a record is read in pieces, so that no more is taken than the file holds,
however many bytes it announces. One of more than `MOST_RECORD_BYTES` (512 MiB: all statistics of 4 million layers), or
one that would take more than `wire.MOST_PARSED_BYTES` (512 MiB) beside its own bytes when it is parsed, is skipped with
a note. So a record of N bytes takes twice N as it is read, and then as much and 512 MiB at the very most; one of up to
1 MiB takes 70 MB.
"""

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from tensorboard.compat.proto import event_pb2

from adamax_tb import schema
from adamax_tb.checksum import masked_crc32c
from adamax_tb.wire import too_large

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
MOST_RECORD_BYTES = 1 << 29
_PIECE_BYTES = 1 << 24
#: Of a file that is not named like ours, so much is looked at for our tags.
_PROBED_RECORDS, _PROBED_BYTES = 64, 1 << 20


class EventFile:
    """A file of length-prefixed, checksummed records, each a serialised event.

    A record that is not whole yet is left for the next time. Content whose checksum is wrong is skipped, and so is what
    is no event or too large; after a wrong length nothing can be found any more, and the file ends there.

    Args:
        name: the file's name without its directory.
        open_file: opens it for reading.

    Attributes:
        name: as given.
        position: (bytes) what lies before it was read.
    """

    def __init__(self, name: str, open_file: Callable[[], BinaryIO]) -> None:
        self.name = name
        self.position = 0
        self._open = open_file
        self._damage = ""  # a sentence
        self._torn = False
        self._ended = False
        self._probed_bytes = 0
        # a file of ours has it in its name, whatever else was done to it
        self._ours: bool | None = True if name.endswith(schema.PLUGIN_NAME) else None

    def note(self, growing: bool = False) -> str:
        """Returns what had to be skipped, a sentence; "" if nothing. Of a file that is `growing` the end is to come."""
        if self._torn and not self._damage and not growing:
            return (
                f"{self.name} ends within a record: it is being written, or its writer was killed."
            )
        return self._damage

    def is_ours(self, size_bytes: int) -> bool:
        """Tells whether it holds our records, from its name or its first records; reads no more than it must."""
        if self._ours is None and size_bytes > self._probed_bytes:
            probe = EventFile(self.name, self._open)
            with self._open() as file:
                for count, (record, end) in enumerate(probe._records(file), start=1):
                    if schema.PLUGIN_NAME.encode() in record:
                        self._ours = True
                        break
                    if count >= _PROBED_RECORDS or end >= _PROBED_BYTES:
                        self._ours = False
                        break
            self._probed_bytes = size_bytes
        return self._ours is True

    def events(self, size_bytes: int) -> Iterator[event_pb2.Event]:
        """Yields the events that follow `position`, and moves it behind each.

        Args:
            size_bytes: the file's size; it is not opened when there is nothing new.

        Raises:
            OSError: it cannot be read.
        """
        if self._ended or size_bytes <= self.position:
            return
        with self._open() as file:
            try:
                file.seek(self.position)
            except ValueError as error:  # a web server that sends files only as a whole
                raise OSError(str(error)) from error
            for record, end in self._records(file):
                event = self._parsed(record, end)
                del record
                self.position = end
                if event is not None:
                    yield event

    def _parsed(self, record: bytes, end: int) -> event_pb2.Event | None:
        """Returns the event that the record up to `end` is; None, and takes note, where it is none that can be read."""
        if too_large(record, event_pb2.Event.DESCRIPTOR):
            problem = f"of {len(record):,} bytes that would take many times as much memory"
        else:
            try:
                return event_pb2.Event.FromString(record)
            except Exception:  # it has no one name in all versions of protobuf
                problem = "that is no event"
        start = end - _HEADER.size - len(record) - _CHECKSUM.size
        self._damage = f"{self.name} holds a record {problem}, at byte {start}; it is skipped."
        return None

    def _records(self, file: BinaryIO) -> Iterator[tuple[bytes, int]]:
        """Yields records with the position behind each, up to the first that is not whole."""
        start = file.tell()
        self._torn = False
        while head := _read(file, _HEADER.size):
            if len(head) < _HEADER.size:
                break
            size, checksum = _HEADER.unpack(head)
            if masked_crc32c(head[:8]) != checksum:
                self._end(f"{self.name} is damaged at byte {start}; what follows is skipped.")
                return
            if size > MOST_RECORD_BYTES:
                self._end(
                    f"{self.name} has a record of {size:,} bytes at byte {start}, more than the {MOST_RECORD_BYTES:,} "
                    "that one may have; it and what follows are skipped."
                )
                return
            record, tail = _read(file, size), _read(file, _CHECKSUM.size)
            if len(tail) < _CHECKSUM.size:
                break
            end = start + _HEADER.size + size + _CHECKSUM.size
            if _CHECKSUM.pack(masked_crc32c(record)) == tail:
                yield record, end
            else:
                self._damage = (
                    f"{self.name} is damaged at byte {start}; the record there is skipped."
                )
            start = end
        else:
            return
        self._torn = True

    def _end(self, note: str) -> None:
        self._ended, self._damage = True, note


def _read(file: BinaryIO, size: int) -> bytes:
    """Returns `size` bytes, or what there is; takes no more memory than that, whatever `size` is."""
    try:
        if size <= _PIECE_BYTES:
            return file.read(size)
        pieces = [file.read(_PIECE_BYTES)]
        while len(pieces[-1]) == _PIECE_BYTES and (left := size - len(pieces) * _PIECE_BYTES):
            pieces.append(file.read(min(left, _PIECE_BYTES)))
        return b"".join(pieces)
    except ValueError as error:  # fsspec's word for a server that does not send parts of files
        raise OSError(str(error)) from error
