"""The event files of one run, one after the other: when one fails, what it did not vouch for goes into the next.

It has no thread and waits for nothing but the disk.
"""

import contextlib
import os
import time
from collections.abc import Callable

from adamax_tb import events, faults, schema
from adamax_tb.events import Encoder, Rows
from adamax_tb.recordfile import RecordFile, Records
from adamax_tb.rundirectory import RunDirectory, new_name

#: After a fault a new file is tried so many seconds later, again and again.
RETRY_S = 5.0


class EventLog:
    """Writes what it is given, in order, and keeps each of it in memory until the disk has it.

    A fault of the disk or of the directory begins an outage, which is told once. What is given meanwhile is kept, too,
    and with `open` all of it goes into a new file; readers take the files of a run as one series.

    Args:
        log_dir: the run's directory; made if missing.
        table: the layers and statistics.
        open_records: opens a file at a path, on another computer perhaps; None: on this one.

    Attributes:
        path: of the file written last, or the directory that was asked for if there was none.
        durable_bytes: of what was given, as `Rows.size_bytes` counts it, the disk has so much.
        held_bytes: and is yet to have so much.
        fault: why nothing can be written now, None if all is well.
        retry_at: in seconds of `time.monotonic`, when to try again.
    """

    def __init__(
        self,
        log_dir: str,
        table: schema.LayerTable,
        open_records: Callable[[str], Records] | None,
    ) -> None:
        self.path = self._asked = log_dir
        self.durable_bytes = self.held_bytes = 0
        self.fault: Exception | None = None
        self.retry_at = 0.0
        self._directory = None if "://" in log_dir else RunDirectory(log_dir)
        self._table = table
        self._encoder = Encoder(table)
        self._open_records = open_records
        self._told_of_a_record = False
        self._held: list[Rows | bytes] = []
        self._records: Records | None = None
        self._is_new = True  # the disk may not know the file's name yet

    @property
    def log_dir(self) -> str:
        """The run's directory: the one asked for, or where another writer has that, one of its own below it."""
        return self._asked if self._directory is None else self._directory.path

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write into."""
        return self._records is not None

    @property
    def lost(self) -> int:
        """How many records, and updates of flight records, will be lost if nothing can be written any more."""
        kept = {schema.STEP_TAG, schema.FLIGHT_TAG}
        rows = (item for item in self._held if isinstance(item, Rows))
        return sum(len(item.steps) for item in rows if not kept.isdisjoint(item.by_tag))

    def write(self, item: Rows | bytes) -> None:
        """Appends records, or an event that is serialised already."""
        self._held.append(item)
        self.held_bytes += _size(item)
        if self._records is not None:
            try:
                self._append(self._records, item)
            except Exception as error:
                self.fall(error)

    def sync(self) -> None:
        """Returns when the disk has what was given, or an outage began."""
        if self._records is None:
            return
        try:
            self._records.flush()
        except Exception as error:
            self.fall(error)
            return
        if self._is_new and self._directory is not None:
            self._directory.sync()
        self._is_new = False
        self.durable_bytes += self.held_bytes
        self._held, self.held_bytes = [], 0
        self.fault = None

    def open(self) -> None:
        """Opens a new file, and writes into it what no file has vouched for; or an outage begins, or goes on."""
        try:
            self._records = self._opened()
            self._encoder, self._is_new = Encoder(self._table), True
            self._records.write(events.version())
            for item in [*self._held]:
                self._append(self._records, item)
        except Exception as error:
            self.fall(error)

    def fall(self, fault: Exception) -> None:
        """Begins an outage, or goes on with one."""
        if isinstance(self._records, RecordFile):
            self._records.abandon()
            if self._is_new and self._directory is not None:
                self._directory.remove(self.path)
        elif self._records is not None:
            with contextlib.suppress(Exception):
                self._records.close()
        self._records = None
        self.retry_at = time.monotonic() + RETRY_S
        if self.fault is None:
            faults.told(
                f"OptimizerHealth cannot write into {self.log_dir}: {fault}. Training goes on; what it records waits "
                f"in memory, and every {RETRY_S:g} s it tries again."
            )
        self.fault = fault

    def close(self) -> None:
        """Has all of it on the disk and closes the file, or tells how much is lost."""
        try:
            for _ in range(2):  # the file may have been deleted since the last time
                if self._records is None:
                    self.open()
                self.sync()
            if self._records is not None:
                try:
                    self._records.close()
                except Exception as error:
                    self.fall(error)
                self._records = None
        finally:
            if self._directory is not None:
                self._directory.release()
        if lost := self.lost:
            faults.told(
                f"{lost} record{'s' if lost > 1 else ''} of OptimizerHealth for {self.log_dir} could not be written "
                f"and {'are' if lost > 1 else 'is'} lost: {self.fault}"
            )

    def _opened(self) -> Records:
        if self._directory is None:
            self.path = os.path.join(self.log_dir, new_name(schema.PLUGIN_NAME, []))
        else:
            taken = self._directory.path
            self._directory.hold()
            self.path = self._directory.new_file()
            if taken != self._directory.path and not self._directory.is_asked_one:
                faults.told(
                    f"Another training is recorded into {self._asked} at the moment. This one is a run of its own, "
                    f"in {self.log_dir}: give each training a `log_dir` of its own."
                )
        if self._open_records is not None:
            return self._open_records(self.path)
        opener = None if self._directory is None else self._directory.opener
        return RecordFile(self.path, opener)

    def _append(self, records: Records, item: Rows | bytes) -> None:
        try:
            encoded = [item] if isinstance(item, bytes) else self._encoder.encoded(item)
        except Exception as error:  # it would fail in any file
            self._held = [held for held in self._held if held is not item]
            self.held_bytes -= _size(item)
            self.durable_bytes += _size(item)
            if not self._told_of_a_record:
                self._told_of_a_record = True
                faults.told(
                    f"OptimizerHealth left out a record in {self.path} that cannot be written: {error!r}. Training "
                    "goes on."
                )
            return
        for record in encoded:
            records.write(record)


def _size(item: Rows | bytes) -> int:
    return len(item) if isinstance(item, bytes) else item.size_bytes
