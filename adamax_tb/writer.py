"""Writes a run's records into a TensorBoard event file, on a thread of its own.

It computes nothing and knows no framework: `schema` says what the tags are.
"""

import itertools
import os
import queue
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from adamax_tb import schema

QUEUE_SIZE = 1024
CLOSE_S = 60.0
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
    """Returns TensorBoard's own record writer: needs nothing, and spends 0.4 µs a byte on checksums."""
    return RecordWriter(open(path, "ab"))


class EventWriter:
    """One event file of one run.

    Writes are queued and made on a background thread; `flush_s` seconds after a record was queued at the latest it is
    on the disk (synchronised, where the directory is a local one), so that losing power loses no more than that.

    A failure to write never reaches the caller of `write`: it is reported once as a warning, and what follows is
    dropped.

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
        # The last event written: the next one has its shape.
        self._event: event_pb2.Event | None = None
        self._records = open_records(self.path)
        self._flush_s = flush_s
        self._queue: queue.Queue[Any] = queue.Queue(QUEUE_SIZE)
        self._failed = False
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
    ) -> None:
        """Queues records and returns at once.

        Args:
            steps: (R,), optimizer updates counted from 1.
            stats: statistic → (R, L), of `schema.STATS`; the same ones in every call.
            step_stats: step statistic → (R,), of `schema.STEP_STATS`; missing ones are NaN.
            wall_time: seconds since the epoch; now by default.
        """
        if self._failed:
            return
        unknown = np.full(len(steps), np.nan)
        vectors = np.stack([step_stats.get(name, unknown) for name in schema.STEP_STATS], axis=1)
        with np.errstate(over="ignore"):  # beyond float32 is infinity
            by_tag = {schema.STEP_TAG: vectors.astype("<f4")}
        by_tag.update((schema.statistic_tag(name), values) for name, values in stats.items())
        try:
            self._queue.put_nowait((steps, time.time() if wall_time is None else wall_time, by_tag))
        except queue.Full:
            self._fail(RuntimeError(f"the disk is too slow: {QUEUE_SIZE} writes wait to be made"))

    def flush(self) -> None:
        """Returns when everything queued so far is on the disk."""
        done = threading.Event()
        if self._thread.is_alive():
            self._queue.put(done)
            while not done.wait(0.1) and self._thread.is_alive():
                pass

    def close(self) -> None:
        """Writes what is queued and closes the file; gives up after `CLOSE_S` on a disk that hangs."""
        if self._thread.is_alive():
            self._queue.put(_END)
            self._thread.join(CLOSE_S)

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
                    self._write_records(*item)
                due = _now() + self._flush_s if due is None else due
            if asked or (due is not None and _now() >= due):
                self._sync()
                due = None
            if isinstance(item, threading.Event):
                item.set()
            if item is _END:
                return

    def _write_records(
        self, steps: NDArray[np.int64], wall_time: float, by_tag: Mapping[str, NDArray[Any]]
    ) -> None:
        for i, step in enumerate(steps):
            if self._event is None:
                self._event = event = _first_event(by_tag, self._table)
            elif self._event.summary.value[0].tag == schema.LAYERS_TAG:
                self._event = event = _without_metadata(self._event)
            else:
                event = self._event
            event.step, event.wall_time = int(step), wall_time
            values = event.summary.value[-len(by_tag) :]
            for value, rows in zip(values, by_tag.values(), strict=True):
                value.tensor.tensor_content = rows[i].tobytes()
            self._records.write(event.SerializeToString())

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


def _first_event(tags: Mapping[str, Any], table: schema.LayerTable) -> event_pb2.Event:
    """Returns an event that holds `table` and, for each of `tags`, metadata and no value yet."""
    event = event_pb2.Event()
    value = event.summary.value.add(
        tag=schema.LAYERS_TAG, metadata=_metadata("Layers and hyperparameters")
    )
    value.tensor.dtype = types_pb2.DT_STRING
    value.tensor.string_val.append(table.SerializeToString())
    for tag, values in tags.items():
        value = event.summary.value.add(tag=tag, metadata=_metadata(tag))
        value.tensor.dtype = types_pb2.DT_FLOAT
        value.tensor.tensor_shape.dim.add(size=values.shape[1])
    return event


def _without_metadata(event: event_pb2.Event) -> event_pb2.Event:
    """Returns the event that follows the first: only values."""
    later = event_pb2.Event()
    later.CopyFrom(event)
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
