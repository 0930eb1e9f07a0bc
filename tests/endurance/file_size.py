"""How large a run's event file is, counted from the format: to the byte, without writing one.

It follows what `EventWriter` writes for records and flight records; text and scalars for other tabs are not counted.
"""

from collections.abc import Mapping, Sequence

from adamax_tb import schema

#: Length and its checksum before a record, the content's checksum after it.
FRAME_BYTES = 12 + 4
#: A key of one byte, and the value.
WALL_TIME_BYTES, ENUM_BYTES = 1 + 8, 1 + 1
FILE_VERSION = b"brain.Event:2"


def file_bytes(table: schema.LayerTable, steps: Sequence[int], flown: Sequence[int] = ()) -> int:
    """Returns the size of one file.

    Args:
        table: its layers and statistics.
        steps: those of its records; there is one at least.
        flown: the updates in its flight records, each as often as it was written.
    """
    layers = len(table.layers)
    record = {schema.STEP_TAG: len(schema.STEP_STATS)}
    record |= {schema.statistic_tag(name): layers for name in table.statistics}
    flight = {schema.FLIGHT_TAG: layers, schema.FLIGHT_STEP_TAG: len(schema.FLIGHT_STEP_STATS)}
    version = FRAME_BYTES + WALL_TIME_BYTES + _field(len(FILE_VERSION))
    first = [_event(steps[0], record, _table(table), described=True)]
    first += [_event(flown[0], flight, described=True)] if flown else []
    return version + sum(
        [*first, *(_event(s, record) for s in steps[1:]), *(_event(s, flight) for s in flown[1:])]
    )


def record_bytes(layers: int, statistics: Sequence[str]) -> int:
    """Returns what one record takes, by the rule of thumb that `EventWriter` states."""
    around = 32 if layers < 30 else 36
    return 125 + sum(4 * layers + around + len(name) for name in statistics)


def _event(step: int, sizes: Mapping[str, int], before: int = 0, described: bool = False) -> int:
    """Returns the size of the event with `sizes`, tag → numbers, behind `before` bytes of its summary."""
    summary = before + sum(_value(tag, size, described) for tag, size in sizes.items())
    return FRAME_BYTES + WALL_TIME_BYTES + 1 + _varint(step) + _field(summary)


def _value(tag: str, size: int, described: bool) -> int:
    shape = _field(_field(1 + _varint(size)))
    tensor = ENUM_BYTES + shape + _field(4 * size)
    return _field(_field(len(tag)) + _field(tensor) + (_metadata(tag) if described else 0))


def _table(table: schema.LayerTable) -> int:
    tensor = ENUM_BYTES + _field(table.ByteSize())
    metadata = _metadata("Layers and hyperparameters")
    return _field(_field(len(schema.LAYERS_TAG)) + _field(tensor) + metadata)


def _metadata(description: str) -> int:
    plugin = _field(len(schema.PLUGIN_NAME)) + _field(4)  # the format's version, four bytes
    return _field(_field(plugin) + _field(len(description)) + ENUM_BYTES)


def _field(size: int) -> int:
    """Returns what a key, a length and so many bytes take."""
    return 1 + _varint(size) + size


def _varint(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))
