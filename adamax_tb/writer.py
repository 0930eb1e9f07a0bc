"""Writes a run's records into TensorBoard event files, on a thread of its own.

It computes nothing and knows no framework: `schema` says what the tags are. Training never waits for the disk: when it
is too slow, ordinary records are dropped, and what they counted goes into the next one.
"""

import contextlib
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import events, faults, schema
from adamax_tb.eventlog import EventLog
from adamax_tb.events import Rows
from adamax_tb.recordfile import Records
from adamax_tb.thinning import hand_on

#: What may wait in memory for a slow disk: 300 records of 2,000 layers, and little beside a model of that size.
QUEUE_BYTES = 64 * 2**20
#: Nothing whatever is taken while so much waits.
MOST_BYTES = 2 * QUEUE_BYTES
CLOSE_S = 60.0
_END = object()
_now = time.monotonic


class EventWriter:
    """Writes one run, from now to `close`.

    Writes are queued and made on a background thread, which hands each record to the operating system as soon as it
    comes to it: a process that is killed loses no more than what was queued. `flush_s` seconds after a record was
    queued at the latest the disk has it, where the directory is a local one: losing power loses no more than that. The
    order of writes: the directories, the file, its records in the order they came, the first of them with the layers;
    then the records are synchronised, and after the first time the directory. What was synchronised is never written
    again. A crash or a loss of power leaves a beginning of this, with anything behind it: checksums tell what.

    A failure to write never reaches the caller. It is reported once, as a warning; what was not synchronised, and what
    comes, waits in memory, and every few seconds all of it is tried in a new file of the same series, in a directory
    made anew if it was deleted. What cannot be written by the end is lost, which is said.

    While the disk is too slow, or fails, no more than `QUEUE_BYTES` wait: the fuller the queue, the fewer of the
    ordinary records are taken, and the step statistic `thinned` of the next record says how many were not. Critical
    records, flight records and the last record of all are taken up to twice as much.

    Two writers that have one directory at the same time write two runs: `RunDirectory` says where.

    With L layers a record takes about 125 bytes in the file and, for each statistic, 4 L + 32 and the letters of its
    name (36 for 32 from 30 layers on), within 2 %: for AdaMax's 20 statistics 80 L + 1,000. An update of a flight
    record takes 4 L + 145. Each file begins with the layers, some 20 bytes and the name each, and about 2 kB that say
    what the tags are. `tests/endurance/file_size.py` counts it to the byte.

    Args:
        log_dir: the run's directory; made if missing.
        table: the layers and statistics; written with the first record of each file.
        open_records: opens a file that is not on this computer.
        flush_s: seconds between flushes.
    """

    def __init__(
        self,
        log_dir: str,
        table: schema.LayerTable,
        open_records: Callable[[str], Records] | None = None,
        flush_s: float = 5.0,
    ) -> None:
        self._process = os.getpid()
        self._log = EventLog(log_dir, table, open_records)
        self._flush_s = flush_s
        # unlike `Queue`, a signal handler may put into it while its thread does, too
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._since_taken = 0  # ordinary records
        self._dropped: Rows | None = None  # the last record, when it was
        self._warned_of_thinning = self._closed = False
        self._last_time = 0.0
        self._thread = self._started()

    @property
    def path(self) -> str:
        """The file that is written, or was last."""
        return self._log.path

    @property
    def log_dir(self) -> str:
        """The directory that it is in: the one asked for, or one of its own below it."""
        return self._log.log_dir

    @property
    def _waiting_bytes(self) -> int:
        # two counters, each of one thread alone, need no lock
        return self._queued_bytes - self._log.durable_bytes

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._write_all, name="adamax-tb writer", daemon=True)
        thread.start()
        return thread

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
        vectors = events.vectors(schema.STEP_STATS, step_stats, len(steps))
        thinned = vectors[:, schema.STEP_STATS.index("thinned")]
        thinned[:] = np.nan_to_num(thinned)
        by_tag = {schema.STEP_TAG: vectors}
        by_tag.update((schema.statistic_tag(name), values) for name, values in stats.items())
        rows = Rows.of(steps, by_tag, self._time(wall_time), critical)
        self._queue_some(rows, self._taken(rows))

    def write_flight(
        self,
        steps: NDArray[np.int64],
        gradient_norm: NDArray[np.float32],
        step_stats: Mapping[str, NDArray[Any]],
        wall_time: float | None = None,
    ) -> None:
        """Queues a flight record, one event per update, and returns at once.

        Write the records up to its last step first: what a flight has from the step of a later record on is outdated
        for readers. A flight that overlaps an earlier one replaces it from its first step on.

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
                schema.FLIGHT_STEP_TAG: events.vectors(
                    schema.FLIGHT_STEP_STATS, step_stats, len(steps)
                ),
            }
            self._put_dropped()  # records come before the flight that ends with them
            if self._waiting_bytes < MOST_BYTES:
                self._put(Rows.of(steps, by_tag, self._time(wall_time), critical=True))

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
        if self._waiting_bytes < QUEUE_BYTES // 2:
            by_tag = {tag: np.asarray(numbers, "<f4") for tag, numbers in values.items()}
            self._put(Rows.of(steps, by_tag, self._time(wall_time), critical=False))

    def write_text(self, step: int, text: str) -> None:
        """Queues the findings so far, as Markdown, for TensorBoard's Text tab and returns at once."""
        if self._waiting_bytes < MOST_BYTES:
            event = events.text(step, self._time(None), text)
            self._queued_bytes += len(event)
            self._queue.put(event)

    def _time(self, wall_time: float | None) -> float:
        """Returns `wall_time`, or now; a clock that is set back stands still meanwhile."""
        if wall_time is not None:
            return wall_time
        self._last_time = max(self._last_time, time.time())
        return self._last_time

    def _taken(self, rows: Rows) -> NDArray[np.bool_]:
        """Tells which records to queue: of ordinary ones 1 in n when an nth part of `QUEUE_BYTES` is free."""
        taken = rows.critical.copy()
        held = self._waiting_bytes
        row_bytes = rows.size_bytes // max(1, len(taken))
        for i, critical in enumerate(rows.critical):
            free = QUEUE_BYTES - held
            if critical:
                taken[i] = held < MOST_BYTES
            else:
                self._since_taken += 1
                if free > 0 and self._since_taken >= QUEUE_BYTES // free:
                    taken[i], self._since_taken = True, 0
            held += row_bytes * int(taken[i])
        return taken

    def _queue_some(self, rows: Rows, taken: NDArray[np.bool_]) -> None:
        """Queues the `taken` ones of `rows`; each stands for those dropped before it, too."""
        if self._dropped is not None or not taken.all():
            rows = rows.copied()
            for i, kept in enumerate(taken):
                if self._dropped is not None:
                    later = rows.record(i)
                    later["thinned"][:] += 1
                    updates = int(rows.steps[i] - self._dropped.steps[0])
                    hand_on(self._dropped.record(0), later, updates)
                self._dropped = None if kept else rows.copied(slice(i, i + 1))
            rows = rows.copied(taken)
        self._put(rows)
        if not taken.all() and not self._warned_of_thinning:
            self._warned_of_thinning = True
            failing = self._log.fault is not None
            why = (
                "what waits for it fills the memory set aside"
                if failing
                else "the disk is too slow"
            )
            faults.told(
                f"Records of OptimizerHealth in {self.log_dir} were thinned: {why}. Training goes on."
            )

    def _put(self, rows: Rows) -> None:
        if len(rows.steps) and self._is_here:
            self._queued_bytes += rows.size_bytes
            self._queue.put(rows)
            self._revive()

    @property
    def _is_here(self) -> bool:
        """Whether this is the process that writes, and not one that was forked from it, which has no thread."""
        return os.getpid() == self._process

    def _revive(self) -> None:
        """Has another thread go on where one was killed, with a new file for what that had not synchronised."""
        if self._is_here and not self._closed and not self._thread.is_alive():
            self._log.fall(RuntimeError("the thread that writes was killed"))
            self._thread = self._started()

    def flush(self, timeout_s: float = math.inf) -> None:
        """Returns when everything queued so far is on the disk, or cannot be now, or `timeout_s` have passed."""
        done = threading.Event()
        until = _now() + timeout_s
        self._revive()
        if self._is_here and self._thread.is_alive():
            self._queue.put(done)
            while not done.wait(0.1) and self._thread.is_alive() and _now() < until:
                pass

    def close(self) -> None:
        """Writes what is queued and closes the file.

        On a disk that is too slow for all of it, ordinary records are dropped after half of `CLOSE_S`; after all of it
        a warning says that what is left is lost.
        """
        if not self._is_here:
            return
        if self._closed:  # perhaps somebody was interrupted while waiting for it
            self._thread.join(CLOSE_S / 2)
            return
        self._revive()
        self._closed = True
        self._put_end()
        self._thread.join(CLOSE_S / 2)
        if self._thread.is_alive():
            self._drop_waiting()
            self._thread.join(CLOSE_S / 2)
        if self._thread.is_alive():
            faults.told(
                f"OptimizerHealth gave up on the end of {self.path}: the disk took longer than {CLOSE_S:g} s."
            )

    def _put_end(self) -> None:
        self._put_dropped()
        self._queue.put(_END)

    def _put_dropped(self) -> None:
        """Takes the last record after all, if it was dropped."""
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            self._put(dropped)

    def _drop_waiting(self) -> None:
        """Drops the ordinary records from the queue, but for the last one."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for item in waiting:
            if isinstance(item, Rows):
                self._queued_bytes -= item.size_bytes
                if schema.FLIGHT_TAG in item.by_tag:
                    self._put_dropped()
                    self._put(item)
                elif schema.STEP_TAG in item.by_tag:
                    self._queue_some(item, item.critical)
            elif item is not _END:
                self._queue.put(item)
        self._put_end()

    def _write_all(self) -> None:
        log = self._log
        log.open()
        due = math.inf  # when what was written must be on the disk
        while True:
            wake = due if log.is_open else log.retry_at
            try:
                item = self._queue.get(
                    timeout=None if wake == math.inf else max(0.0, wake - _now())
                )
            except queue.Empty:
                item = None
            if item is _END:
                log.close()
                return
            asked = isinstance(item, threading.Event)
            if item is not None and not asked:
                log.write(item)
                due = min(due, _now() + self._flush_s)
            if not log.is_open and (asked or _now() >= log.retry_at):
                log.open()
            recovered = log.is_open and log.fault is not None
            if asked or recovered or _now() >= due or log.held_bytes > QUEUE_BYTES // 8:
                log.sync()
                due = math.inf
            if asked:
                item.set()
