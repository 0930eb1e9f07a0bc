"""Writes a run's records into a TensorBoard event file, on a thread of its own.

It computes nothing and knows no framework: `schema` says what the tags are. Training never waits for the disk: when it
is too slow, ordinary records are dropped, and what they counted goes into the next one.
"""

import contextlib
import itertools
import math
import os
import queue
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from adamax_tb import schema
from adamax_tb.checksum import compile_tensorboards_checksum
from adamax_tb.thinning import Record, hand_on

#: What may wait in memory for a slow disk: 300 records of 2,000 layers, and little beside a model of that size.
QUEUE_BYTES = 64 * 2**20
CLOSE_S = 60.0
#: Of what TensorBoard's own tabs show: tag → what it is.
_SCALARS = {schema.scalar_tag(name): words for name, words in schema.SCALARS.items()}
_TEXT_DESCRIPTION = "What OptimizerHealth found, and the verdict when training ended."
_file_number = itertools.count()
_END = object()
_now = time.monotonic


class Records(Protocol):
    """A file of length-prefixed, checksummed records, such as `tf.io.TFRecordWriter`."""

    def write(self, record: bytes) -> Any:
        """Appends one record."""

    def flush(self) -> Any:
        """Hands what was written to the operating system."""

    def close(self) -> Any:
        """Flushes and closes the file."""


def python_records(path: str) -> Records:
    """Returns TensorBoard's own record writer: it needs no framework."""
    compile_tensorboards_checksum()
    return RecordWriter(open(path, "ab"))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Events that wait to be written: of each of the tags `by_tag`, row i belongs to `steps[i]`."""

    steps: NDArray[np.int64]
    wall_time: float
    by_tag: Mapping[str, NDArray[Any]]
    critical: NDArray[np.bool_]

    @property
    def size_bytes(self) -> int:
        return sum(values.nbytes for values in self.by_tag.values())

    def copied(self, which: slice | NDArray[np.bool_] = slice(None)) -> "_Rows":
        by_tag = {tag: np.array(values[which]) for tag, values in self.by_tag.items()}
        return _Rows(self.steps[which], self.wall_time, by_tag, self.critical[which])


class EventWriter:
    """One event file of one run.

    Writes are queued and made on a background thread; `flush_s` seconds after a record was queued at the latest it is
    on the disk (synchronised, where the directory is a local one), so that losing power loses no more than that.

    A failure to write never reaches the caller of `write`: it is reported once as a warning, and what follows is
    dropped. While the disk is too slow, no more than `QUEUE_BYTES` wait: the fuller the queue, the fewer of the
    ordinary records are taken, and the step statistic `thinned` of the next record says how many were not. Critical
    records, flight records and the last record of all are always taken.

    Args:
        log_dir: the run's directory; made if missing.
        table: the layers and statistics; written with the first record.
        open_records: opens the file at a path.
        flush_s: seconds between flushes.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(
        self,
        log_dir: str,
        table: schema.LayerTable,
        open_records: Callable[[str], Records] = python_records,
        flush_s: float = 5.0,
    ) -> None:
        if "://" not in log_dir:
            os.makedirs(log_dir, exist_ok=True)
        # names sort in the order the files were made, as readers take them
        made = f"{time.time_ns():020d}"
        name = f"events.out.tfevents.{made[1:11]}.{made[11:]}.{next(_file_number):04d}"
        self.path = os.path.join(
            log_dir, f"{name}.{socket.gethostname()}.{os.getpid()}.{schema.PLUGIN_NAME}"
        )
        self._table = table
        # tags → the last event that had them: the next one has its shape
        self._events: dict[tuple[str, ...], event_pb2.Event] = {}
        self._records = open_records(self.path)
        self._flush_s = flush_s
        # unlike `Queue`, a signal handler may put into it while its thread does, too
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # two counters, each of one thread alone, need no lock
        self._queued_bytes = 0
        self._written_bytes = 0
        self._since_taken = 0  # ordinary records
        self._dropped: _Rows | None = None  # the last record, when it was
        self._failed = False
        self._warned_of_thinning = False
        version = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
        self._queue.put(version)
        self._thread = threading.Thread(
            target=self._write_all, name="adamax-tb writer", daemon=True
        )
        self._thread.start()

    def write(
        self,
        steps: NDArray[np.int64],
        stats: Mapping[str, NDArray[np.float32]],
        step_stats: Mapping[str, NDArray[Any]],
        wall_time: float | None = None,
        critical: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Queues records and returns at once.

        Args:
            steps: (R,), optimizer updates counted from 1.
            stats: statistic → (R, L), of `schema.STATS`.
            step_stats: step statistic → (R,), of `schema.STEP_STATS`; missing ones are NaN. `thinned` is added to.
            wall_time: seconds since the epoch; now by default.
            critical: () or (R,), which records must not be dropped however slow the disk is.
        """
        vectors = _vectors(schema.STEP_STATS, step_stats, len(steps))
        thinned = vectors[:, schema.STEP_STATS.index("thinned")]
        thinned[:] = np.nan_to_num(thinned)
        by_tag = {schema.STEP_TAG: vectors}
        by_tag.update((schema.statistic_tag(name), values) for name, values in stats.items())
        rows = _rows(steps, by_tag, wall_time, critical)
        if not self._failed:
            self._queue_some(rows, self._taken(rows))

    def write_flight(
        self,
        steps: NDArray[np.int64],
        gradient_norm: NDArray[np.float32],
        step_stats: Mapping[str, NDArray[Any]],
        wall_time: float | None = None,
    ) -> None:
        """Queues a flight record, one event per update, and returns at once.

        Write the records up to its last step first: readers take a flight for outdated when a record at or before its
        steps is younger. A flight that overlaps an earlier one replaces it from its first step on.

        Args:
            steps: (F,), updates counted from 1, strictly increasing; nothing is written if there are none.
            gradient_norm: (F, L), of the layers of the table; NaN and infinity are written as they are.
            step_stats: name → (F,), of `schema.FLIGHT_STEP_STATS`; missing ones are NaN. `reason` counts
                `schema.FLIGHT_REASONS` from 0.
            wall_time: seconds since the epoch; now by default.
        """
        if len(steps):
            by_tag = {
                schema.FLIGHT_TAG: gradient_norm.astype("<f4"),
                schema.FLIGHT_STEP_TAG: _vectors(schema.FLIGHT_STEP_STATS, step_stats, len(steps)),
            }
            self._put(_rows(steps, by_tag, wall_time, critical=True))

    def write_scalars(
        self,
        steps: NDArray[np.int64],
        values: Mapping[str, NDArray[Any]],
        wall_time: float | None = None,
    ) -> None:
        """Queues numbers for TensorBoard's own tabs and returns at once.

        They are left out while the disk is so slow that records are thinned.

        Args:
            steps: (R,), updates counted from 1.
            values: tag → (R,), tags as `schema.scalar_tag` gives them.
            wall_time: seconds since the epoch; now by default.
        """
        if self._queued_bytes - self._written_bytes < QUEUE_BYTES // 2:
            by_tag = {tag: np.asarray(numbers, "<f4") for tag, numbers in values.items()}
            self._put(_rows(steps, by_tag, wall_time, critical=False))

    def write_text(self, step: int, text: str) -> None:
        """Queues the findings so far, as Markdown, for TensorBoard's Text tab and returns at once."""
        if not self._failed:
            event = event_pb2.Event(wall_time=time.time(), step=step)
            metadata = text_metadata.create_summary_metadata(None, _TEXT_DESCRIPTION)
            metadata.data_class = summary_pb2.DATA_CLASS_TENSOR
            value = event.summary.value.add(tag=schema.FINDINGS_TAG, metadata=metadata)
            value.tensor.dtype = types_pb2.DT_STRING
            value.tensor.string_val.append(text.encode())
            self._queue.put(event)

    def _taken(self, rows: _Rows) -> NDArray[np.bool_]:
        """Tells which records to queue: of ordinary ones 1 in n when an nth part of `QUEUE_BYTES` is free."""
        taken = rows.critical.copy()
        held = self._queued_bytes - self._written_bytes
        row_bytes = rows.size_bytes // max(1, len(taken))
        for i, critical in enumerate(rows.critical):
            free = QUEUE_BYTES - held
            if not critical:
                self._since_taken += 1
                if free > 0 and self._since_taken >= QUEUE_BYTES // free:
                    taken[i], self._since_taken = True, 0
            held += row_bytes * int(taken[i])
        return taken

    def _queue_some(self, rows: _Rows, taken: NDArray[np.bool_]) -> None:
        """Queues the `taken` ones of `rows`; each stands for those dropped before it, too."""
        if self._dropped is not None or not taken.all():
            rows = rows.copied()
            for i, kept in enumerate(taken):
                if self._dropped is not None:
                    later = _named(rows, i)
                    later["thinned"][:] += 1
                    updates = int(rows.steps[i] - self._dropped.steps[0])
                    hand_on(_named(self._dropped, 0), later, updates)
                self._dropped = None if kept else rows.copied(slice(i, i + 1))
            rows = rows.copied(taken)
        self._put(rows)
        if not taken.all() and not self._warned_of_thinning:
            self._warned_of_thinning = True
            warnings.warn(
                f"Records of OptimizerHealth in {self.path} were thinned: the disk is too slow. Training goes on.",
                stacklevel=3,
            )

    def _put(self, rows: _Rows) -> None:
        if len(rows.steps) and not self._failed:
            self._queued_bytes += rows.size_bytes
            self._queue.put(rows)

    def flush(self, timeout_s: float = math.inf) -> None:
        """Returns when everything queued so far is on the disk, or `timeout_s` have passed."""
        done = threading.Event()
        until = _now() + timeout_s
        if self._thread.is_alive():
            self._queue.put(done)
            while not done.wait(0.1) and self._thread.is_alive() and _now() < until:
                pass

    def close(self) -> None:
        """Writes what is queued and closes the file.

        On a disk that is too slow for all of it, ordinary records are dropped after half of `CLOSE_S`; after all of it
        a warning says that what is left is lost.
        """
        if not self._thread.is_alive():
            return
        self._put_end()
        self._thread.join(CLOSE_S / 2)
        if self._thread.is_alive():
            self._drop_waiting()
            self._thread.join(CLOSE_S / 2)
        if self._thread.is_alive():
            warnings.warn(
                f"OptimizerHealth gave up on the end of {self.path}: the disk took longer than {CLOSE_S:g} s.",
                stacklevel=2,
            )

    def _put_end(self) -> None:
        if self._dropped is not None:
            self._put(self._dropped)
            self._dropped = None
        self._queue.put(_END)

    def _drop_waiting(self) -> None:
        """Drops the ordinary records from the queue, but for the last one."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for item in waiting:
            if isinstance(item, _Rows):
                self._queued_bytes -= item.size_bytes
                if schema.FLIGHT_TAG in item.by_tag:
                    self._put(item)
                elif schema.STEP_TAG in item.by_tag:
                    self._queue_some(item, item.critical)
            elif item is not _END:
                self._queue.put(item)
        self._put_end()

    def _write_all(self) -> None:
        try:
            self._write_until_end()
        except Exception as error:
            self._fail(error)
            # nobody may wait for a thread that gave up
            while (item := self._queue.get()) is not _END:
                if isinstance(item, threading.Event):
                    item.set()
        finally:
            try:
                self._records.close()
            except Exception as error:
                self._fail(error)

    def _write_until_end(self) -> None:
        due: float | None = None  # when what was written must be on the disk
        while True:
            try:
                item = self._queue.get(timeout=None if due is None else max(0.0, due - _now()))
            except queue.Empty:
                item = None
            asked = item is _END or isinstance(item, threading.Event)
            if item is not None and not asked:
                if isinstance(item, event_pb2.Event):
                    self._records.write(item.SerializeToString())
                else:
                    self._write_rows(item)
                    self._written_bytes += item.size_bytes
                due = _now() + self._flush_s if due is None else due
            if asked or (due is not None and _now() >= due):
                self._sync()
                due = None
            if isinstance(item, threading.Event):
                item.set()
            if item is _END:
                return

    def _write_rows(self, rows: _Rows) -> None:
        tags = tuple(rows.by_tag)
        for i, step in enumerate(rows.steps):
            event = self._events.get(tags)
            if first := event is None:
                event = _first_event(rows.by_tag, None if self._events else self._table)
            event.step, event.wall_time = int(step), rows.wall_time
            values = event.summary.value[-len(tags) :]
            for value, column in zip(values, rows.by_tag.values(), strict=True):
                value.tensor.tensor_content = column[i].tobytes()
            self._records.write(event.SerializeToString())
            if first:
                self._events[tags] = _without_metadata(event)

    def _sync(self) -> None:
        self._records.flush()
        if os.path.exists(self.path):  # not for gs:// and the like
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            warnings.warn(
                f"OptimizerHealth stopped recording into {self.path}: {error}. Training goes on.",
                stacklevel=2,
            )


def _rows(
    steps: NDArray[np.int64],
    by_tag: Mapping[str, NDArray[Any]],
    wall_time: float | None,
    critical: bool | NDArray[np.bool_],
) -> _Rows:
    time_s = time.time() if wall_time is None else wall_time
    return _Rows(steps, time_s, by_tag, np.broadcast_to(critical, len(steps)))


def _vectors(
    names: Sequence[str], values: Mapping[str, NDArray[Any]], count: int
) -> NDArray[np.float32]:
    """Returns (count, len(names)), what `values` has of `names`; `NOT_RECORDED` for the others."""
    unknown = np.full(count, schema.NOT_RECORDED)
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        columns = [np.asarray(values.get(name, unknown)).astype("<f4") for name in names]
    return np.stack(columns, axis=1)


def _named(rows: _Rows, i: int) -> Record:
    """Returns record `i` of `rows` by the names of its statistics, as views."""
    vector = rows.by_tag[schema.STEP_TAG][i]
    named = {name: vector[at : at + 1] for at, name in enumerate(schema.STEP_STATS)}
    tags = {schema.statistic_tag(statistic.name): statistic.name for statistic in schema.STATS}
    return named | {tags[tag]: x[i] for tag, x in rows.by_tag.items() if tag in tags}


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


def _without_metadata(event: event_pb2.Event) -> event_pb2.Event:
    """Returns the event that follows the first: only values."""
    later = event_pb2.Event()
    later.CopyFrom(event)
    if later.summary.value[0].tag == schema.LAYERS_TAG:
        del later.summary.value[0]
    for value in later.summary.value:
        value.ClearField("metadata")
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
