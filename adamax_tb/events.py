"""Records as events: what the rows that wait for the disk look like in a TensorBoard event file.

It opens no file. `schema` says what the tags are.
"""

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from adamax_tb import schema
from adamax_tb.thinning import Record

#: Of what TensorBoard's own tabs show: tag → what it is.
_SCALARS = {schema.scalar_tag(name): words for name, words in schema.SCALARS.items()}
#: What rows take beside their numbers, as measured: all of them, and each of their arrays.
_ROWS_BYTES, _ARRAY_BYTES = 500, 300
_TEXT_DESCRIPTION = "What OptimizerHealth found, and the verdict when training ended."


@dataclass(frozen=True, slots=True)
class Rows:
    """Events that wait to be written: of each of the tags `by_tag`, row i belongs to `steps[i]`."""

    steps: NDArray[np.int64]
    wall_time: float
    by_tag: Mapping[str, NDArray[Any]]
    critical: NDArray[np.bool_]

    @staticmethod
    def of(
        steps: NDArray[np.int64],
        by_tag: Mapping[str, NDArray[Any]],
        wall_time: float,
        critical: bool | NDArray[np.bool_],
    ) -> "Rows":
        """Returns rows that are `critical`, all or some, or not."""
        return Rows(steps, wall_time, by_tag, np.broadcast_to(critical, len(steps)))

    @property
    def size_bytes(self) -> int:
        """What they take while they wait, about: small arrays take more for themselves than for their numbers."""
        return _ROWS_BYTES + sum(_ARRAY_BYTES + values.nbytes for values in self.by_tag.values())

    def copied(self, which: slice | NDArray[np.bool_] = slice(None)) -> "Rows":
        """Returns some of them, as copies."""
        by_tag = {tag: np.array(values[which]) for tag, values in self.by_tag.items()}
        return Rows(self.steps[which], self.wall_time, by_tag, self.critical[which])

    def record(self, i: int) -> Record:
        """Returns record `i` by the names of its statistics, as views."""
        vector = self.by_tag[schema.STEP_TAG][i]
        named = {name: vector[at : at + 1] for at, name in enumerate(schema.STEP_STATS)}
        tags = {schema.statistic_tag(statistic.name): statistic.name for statistic in schema.STATS}
        return named | {tags[tag]: x[i] for tag, x in self.by_tag.items() if tag in tags}


def vectors(
    names: Sequence[str], values: Mapping[str, NDArray[Any]], count: int
) -> NDArray[np.float32]:
    """Returns (count, len(names)), what `values` has of `names`; `NOT_RECORDED` for the others."""
    unknown = np.full(count, schema.NOT_RECORDED)
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        columns = [np.asarray(values.get(name, unknown)).astype("<f4") for name in names]
    return np.stack(columns, axis=1)


class Encoder:
    """Gives the events of one file, in order: metadata stand at the first event that has a tag, and nowhere else.

    Args:
        table: the layers and statistics; it stands in the first event.
    """

    def __init__(self, table: schema.LayerTable) -> None:
        self._table = table
        # tags → an event that has them, without values: the next one has its shape
        self._events: dict[tuple[str, ...], event_pb2.Event] = {}

    def encoded(self, rows: Rows) -> list[bytes]:
        """Returns one serialised event for each of `rows`."""
        tags = tuple(rows.by_tag)
        known = self._events.get(tags)
        encoded = []
        for i, step in enumerate(rows.steps):
            if known is None:
                event = _first_event(rows.by_tag, None if self._events else self._table)
            else:  # a copy: a message that is used again keeps in memory every value it ever had
                event = event_pb2.Event()
                event.CopyFrom(known)
            event.step, event.wall_time = int(step), rows.wall_time
            values = event.summary.value[-len(tags) :]
            for value, column in zip(values, rows.by_tag.values(), strict=True):
                value.tensor.tensor_content = column[i].tobytes()
            encoded.append(event.SerializeToString())
            if known is None:
                known = _without_values(event)
        if known is not None:  # only now: of rows that cannot be encoded none is written
            self._events[tags] = known
        return encoded


def version() -> bytes:
    """Returns the event that every event file begins with."""
    event = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
    return event.SerializeToString()


def text(step: int, wall_time: float, words: str) -> bytes:
    """Returns the event that shows `words`, Markdown, in TensorBoard's Text tab."""
    event = event_pb2.Event(wall_time=wall_time, step=step)
    metadata = text_metadata.create_summary_metadata(None, _TEXT_DESCRIPTION)
    metadata.data_class = summary_pb2.DATA_CLASS_TENSOR
    value = event.summary.value.add(tag=schema.FINDINGS_TAG, metadata=metadata)
    value.tensor.dtype = types_pb2.DT_STRING
    value.tensor.string_val.append(words.encode())
    return event.SerializeToString()


def _first_event(tags: Mapping[str, Any], table: schema.LayerTable | None) -> event_pb2.Event:
    """Returns an event that holds `table`, if any, and, for each of `tags`, metadata and no value yet."""
    event = event_pb2.Event()
    if table is not None:
        value = event.summary.value.add(
            tag=schema.LAYERS_TAG, metadata=_metadata("Layers and hyperparameters")
        )
        value.tensor.dtype = types_pb2.DT_STRING
        value.tensor.string_val.append(table.SerializeToString())
    for tag, values in tags.items():
        scalar = _SCALARS.get(tag)
        metadata = _metadata(tag) if scalar is None else _scalar_metadata(scalar)
        value = event.summary.value.add(tag=tag, metadata=metadata)
        value.tensor.dtype = types_pb2.DT_FLOAT
        for size in values.shape[1:]:
            value.tensor.tensor_shape.dim.add(size=size)
    return event


def _without_values(event: event_pb2.Event) -> event_pb2.Event:
    """Returns the event that follows the first, without metadata, and without values yet."""
    later = event_pb2.Event()
    later.CopyFrom(event)
    if later.summary.value[0].tag == schema.LAYERS_TAG:
        del later.summary.value[0]
    for value in later.summary.value:
        value.ClearField("metadata")
        value.tensor.ClearField("tensor_content")
    return later


def _metadata(description: str) -> summary_pb2.SummaryMetadata:
    metadata = summary_pb2.SummaryMetadata(
        summary_description=description, data_class=summary_pb2.DATA_CLASS_TENSOR
    )
    metadata.plugin_data.plugin_name = schema.PLUGIN_NAME
    metadata.plugin_data.content = struct.pack("<I", schema.VERSION)
    return metadata


def _scalar_metadata(description: str) -> summary_pb2.SummaryMetadata:
    metadata = scalar_metadata.create_summary_metadata(None, description)
    metadata.data_class = summary_pb2.DATA_CLASS_SCALAR
    return metadata
