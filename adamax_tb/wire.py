"""What a serialised protobuf message would take in memory, told from its bytes before it is parsed.

An empty message within another takes two bytes in a file and up to 190 in memory, a number of a packed list one and 16.
It parses nothing and keeps nothing.
"""

from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

#: What parsing a message may take, beside the bytes in it: that of a table of two million layers.
MOST_PARSED_BYTES = 1 << 29
#: What is no longer than this is parsed without a look at it: it takes 70 times its size at most.
UNCHECKED_BYTES = 1 << 20

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = 0, 1, 2, 3, 4, 5
#: What a number of a list, a string and a message take, at most: measured with protobuf 7 and rounded up. Lists grow
#: by doubling, and what they outgrow is freed with the message.
_NUMBER_BYTES, _STRING_BYTES, _MESSAGE_BYTES, _FIELD_BYTES = 16, 40, 64, 16
#: Within these, what is no message is a string, or bytes.
_NUMBERS = frozenset(range(1, 19)) - {
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
    FieldDescriptor.TYPE_GROUP,
}


class _Field(NamedTuple):
    """A field that is a message of its own, or a list that may be packed."""

    message: Descriptor | None
    size_bytes: int  # of each message, or of each byte of a packed list


def too_large(data: bytes, message: Descriptor) -> bool:
    """Tells whether parsing `data` as `message` would take more than `MOST_PARSED_BYTES` beyond a copy of it.

    What is no message at all is not too large.
    """
    if len(data) <= UNCHECKED_BYTES:
        return False
    try:
        return parsed_bytes(data, message, MOST_PARSED_BYTES) > MOST_PARSED_BYTES
    except ValueError:
        return False


def parsed_bytes(data: bytes, message: Descriptor, most: int) -> int:
    """Returns what parsing `data` takes beyond a copy of it, at most; it stops counting beyond `most`.

    Raises:
        ValueError: it is no message at all.
    """
    try:
        return _counted(data, message, most)
    except IndexError as error:
        raise ValueError("no protobuf message") from error


def _counted(data: bytes, message: Descriptor, most: int) -> int:
    """Does so, in a loop that is fast where keys and sizes take a byte: a large table has millions of them."""
    total, ranges = 0, [(0, len(data), message)]
    while ranges and total <= most:
        at, end, message = ranges.pop()
        fields = _fields(message)
        while at < end and total <= most:
            key = data[at]
            at += 1
            if key > 127:
                key, at = _varint(data, at - 1)
            kind = key & 7
            if kind == _BYTES:
                size = data[at]
                at += 1
                if size > 127:
                    size, at = _varint(data, at - 1)
                field = fields.get(key >> 3)
                if field is None:
                    total += _STRING_BYTES
                elif field.message is None:
                    total += field.size_bytes * size
                else:
                    total += field.size_bytes
                    ranges.append((at, at + size, field.message))
                at += size
            elif kind == _VARINT:
                _, at = _varint(data, at)
                total += _NUMBER_BYTES
            elif kind == _FIXED64:
                at += 8
                total += _NUMBER_BYTES
            elif kind == _FIXED32:
                at += 4
                total += _NUMBER_BYTES
            elif kind not in (_GROUP, _GROUP_END):
                raise ValueError("no protobuf message")
        if at > end:
            raise ValueError("no protobuf message")
    return total


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number at `at`, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("no protobuf message")


@cache
def _fields(message: Descriptor) -> dict[int, _Field]:
    """Returns number → field, of those that are messages or lists of numbers."""
    return {field.number: described for field in message.fields if (described := _field(field))}


def _field(field: FieldDescriptor) -> _Field | None:
    within = field.message_type
    if within is not None:
        return _Field(within, _MESSAGE_BYTES + _FIELD_BYTES * len(within.fields))
    if field.type not in _NUMBERS:
        return None
    fixed = {FieldDescriptor.TYPE_DOUBLE: 8, FieldDescriptor.TYPE_FLOAT: 4}
    return _Field(None, -(-_NUMBER_BYTES // fixed.get(field.type, 1)))
