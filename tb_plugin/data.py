"""Reads the runs of TensorBoard's log directory in the background, judges them, and keeps them within a memory limit.

It reads the event files itself: TensorBoard's data providers give a tag only as a whole, hold all of it or a random
sample, and cannot say what is new. It speaks no HTTP.
"""

import atexit
import ctypes
import dataclasses
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adamax_tb.blocks import Blocks
from adamax_tb.reader import LogDirReader, RunReader
from adamax_tb.rules import Finding, diagnose
from adamax_tb.schema import Run

#: A run that grows is judged again when this many times as long has passed as judging it took.
JUDGING_SHARE = 10
#: Arrays of so many bytes are given back to the system when they are freed, and so much is kept at most for others.
GIVEN_BACK_BYTES = 2**20
#: How long the end of the process waits for a judgement to end.
STOP_S = 10.0
_log = logging.getLogger("tensorboard.optimizer_health")


def give_memory_back() -> None:
    """Has the C library of this process give large arrays back when they are freed, where it would not: glibc.

    It takes the largest array that was freed so far, of up to 32 MB, for one that comes again, and keeps twice as much
    for the thread that had it. Requests come on many threads, and what judging takes for a moment grows with the run.
    """
    trim_threshold, mmap_threshold = -1, -3  # as <malloc.h> has them
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return  # another C library
    mallopt(mmap_threshold, GIVEN_BACK_BYTES)
    mallopt(trim_threshold, GIVEN_BACK_BYTES)


@dataclass(frozen=True, slots=True)
class Served:
    """A run as it is served: it does not change, another takes its place.

    Attributes:
        run: as it was read so far.
        blocks: its records.
        generation: see http_api.md.
        revision: when it changed last, of `State.revision`.
        layers_since: since which revision it has these layers.
        started: the wall time of its first record, also when that is summarised; None if it is not known.
        findings: what the rules say of its records up to `judged_step`, None before it was judged.
        judged_step: the last step that they are about.
        judged: whether they are about all of it.
    """

    run: Run
    blocks: Blocks
    generation: int
    revision: int
    layers_since: int
    started: float | None
    findings: tuple[Finding, ...] | None = None
    judged_step: int | None = None
    judged: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All that is served at one time.

    Attributes:
        revision: grows with each change.
        runs: by name, in natural order.
        errors: by name, why a run or directory cannot be read.
        loaded_bytes, total_bytes: how far the first reading is.
        loading: whether the first reading goes on.
    """

    revision: int
    runs: Mapping[str, Served]
    errors: Mapping[str, str]
    loaded_bytes: int
    total_bytes: int
    loading: bool


class RunSource:
    """Follows log directories on a thread of its own, which ends with the process.

    Args:
        roots: directory or address → what the names of its runs begin with, or None.
        reload_interval_s: seconds between two looks for new records; 0: one look only.
        memory_bytes: as in `LogDirReader`.

    Attributes:
        key: tells this source's revisions from those of another process.
    """

    def __init__(
        self, roots: Mapping[str, str | None], reload_interval_s: float, memory_bytes: float
    ) -> None:
        self.key = uuid.uuid4().hex[:8]
        self.reload_interval_s = max(0.0, reload_interval_s)
        self.memory_bytes = memory_bytes
        self._reader = LogDirReader(roots, reload_interval_s > 0, memory_bytes)
        self._state = State(0, {}, {}, 0, 0, loading=True)
        self._unjudgeable: dict[str, str] = {}
        self._published: dict[str, tuple[Any, ...]] = {}  # what runs were when they were published
        self._told: set[str] = set()
        self._next_judgement: dict[str, float] = {}
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="optimizer health", daemon=True)

    def start(self) -> None:
        """Starts reading, until `stop` or the end of the process."""
        give_memory_back()
        self._thread.start()
        # a thread that Python's end finds within compiled code takes the process down with an error
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stops reading, at the end of what is being read or judged; waits a few seconds for it."""
        self._stopped.set()
        self._thread.join(STOP_S)
        atexit.unregister(self.stop)

    def state(self, wait_s: float = 0.0) -> State:
        """Returns what there is now; waits up to `wait_s` seconds for the first reading and judgement to end."""
        self._ready.wait(wait_s)
        return self._state

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
                self._judge()
            except FileNotFoundError as error:  # the log directory is not there, or not yet
                self._published.clear()
                if self._state.runs or self._state.errors != {".": str(error)}:
                    self._change(errors={".": str(error)}, runs={}, loading=False)
            except (OSError, ImportError, ValueError) as error:  # or not now: what was read stays
                if self._state.errors != {".": str(error)} or self._state.loading:
                    self._change(errors={".": str(error)}, loading=False)
            except Exception as error:
                self._tell(error, "The optimizer health plugin could not read the log directory")
                errors = {
                    **self._state.errors,
                    ".": f"The log directory could not be read: {error!r}",
                }
                if errors != self._state.errors or self._state.loading:
                    self._change(errors=errors, loading=False)
            self._ready.set()
            if not self.reload_interval_s:
                return
            self._stopped.wait(self.reload_interval_s)

    def _read(self) -> None:
        for source in self._reader.read():
            if self._stopped.is_set():
                return
            self._publish(source)
        there = self._reader.sources
        gone = self._state.runs.keys() - there.keys()
        errors = dict(self._reader.errors)
        errors |= {name: source.error for name, source in there.items() if source.error}
        errors |= {n: reason for n, reason in self._unjudgeable.items() if n in there}
        if gone or errors != self._state.errors or self._state.loading:
            runs = {name: run for name, run in self._state.runs.items() if name not in gone}
            self._change(runs=runs, errors=errors, loading=False)
        for name in self._published.keys() - there.keys():
            del self._published[name]
            self._next_judgement.pop(name, None)

    def _publish(self, source: RunReader) -> None:
        """Puts the run as it is now in the place of what was served of it.

        A run that is read afresh is served as it was until that has caught up.
        """
        assembly, name = source.assembly, source.name
        runs = dict(self._state.runs)
        before = runs.pop(name, None)
        if before is not None and before.generation != assembly.generation and not source.caught_up:
            return
        now = (
            source.loaded_bytes,
            assembly.generation,
            source.summaries,
            source.error,
            source.notes,
        )
        if self._published.get(name) == now:
            return
        self._published[name] = now
        run = source.run()
        if run is not None:
            revision = self._state.revision + 1
            served = Served(
                run,
                assembly.blocks(),
                assembly.generation,
                revision,
                revision,
                assembly.started,
            )
            if before is not None and (before.run.layers, before.run.shapes) == (
                run.layers,
                run.shapes,
            ):
                served = dataclasses.replace(served, layers_since=before.layers_since)
            if before is not None and before.generation == served.generation:
                served = dataclasses.replace(
                    served, findings=before.findings, judged_step=before.judged_step
                )
            runs[name] = served
        order = [name for name in self._reader.sources if name in runs]
        self._change(runs={name: runs[name] for name in order})

    def _judge(self) -> None:
        """Judges the runs that have changed, but for those whose judgement would take too much of the time."""
        for name, served in self._state.runs.items():
            if self._stopped.is_set():
                return
            last_step = int(served.run.steps[-1])
            started = time.monotonic()
            if served.judged or started < self._next_judgement.get(name, 0):
                continue
            findings: tuple[Finding, ...] | None = None
            try:
                findings = tuple(diagnose(served.run))
                self._unjudgeable.pop(name, None)
            except Exception as error:
                self._tell(error, f"Run {name!r} cannot be judged")
                self._unjudgeable[name] = f"The run cannot be judged: {error!r}"
            ended = time.monotonic()
            self._next_judgement[name] = ended + JUDGING_SHARE * (ended - started)
            judged = dataclasses.replace(
                served,
                findings=findings,
                judged_step=last_step,
                judged=True,
                revision=self._state.revision + 1,
            )
            self._change(runs={**self._state.runs, name: judged})
        errors = {**self._state.errors, **self._unjudgeable}
        if errors != self._state.errors:
            self._change(errors=errors)

    def _tell(self, error: Exception, what: str) -> None:
        """Logs an error that should not be, once."""
        if repr(error) not in self._told:
            self._told.add(repr(error))
            _log.error(what, exc_info=error)

    def _change(
        self,
        runs: Mapping[str, Served] | None = None,
        errors: Mapping[str, str] | None = None,
        loading: bool | None = None,
    ) -> None:
        state = self._state
        self._state = State(
            revision=state.revision + 1,
            runs=state.runs if runs is None else runs,
            errors=state.errors if errors is None else errors,
            loaded_bytes=self._reader.loaded_bytes,
            total_bytes=self._reader.total_bytes,
            loading=state.loading if loading is None else loading,
        )
