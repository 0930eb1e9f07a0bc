"""Reads runs back from event files, exactly: every recorded step, no sampling.

Needs neither TensorFlow nor a running TensorBoard, and changes nothing on disk. What was read once is not read again:
a `LogDirReader` goes on where it stopped, and gives the same runs as one that starts afresh.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from adamax_tb import schema
from adamax_tb.assembly import Assembly
from adamax_tb.eventfile import EventFile
from adamax_tb.logdir import FoundFile, event_files
from adamax_tb.schema import Run, natural_key

#: A reader pauses after so many events, so that progress can be shown.
EVENTS_A_STRETCH = 256


def read_runs(logdir: str | os.PathLike[str]) -> dict[str, Run]:
    """Reads every run below `logdir` that OptimizerHealth wrote.

    Args:
        logdir: A directory such as the one given to `tensorboard --logdir`, or an address such as "s3://bucket/runs"
            that fsspec can open. Each directory below it that holds event files is a run, named by its relative path,
            "." for `logdir` itself.

    Returns:
        name → run, in natural order of the names. Runs without our data are left out. The torn end of a file, as a
        killed process leaves it, and records whose checksum is wrong, that are no events or too large (`eventfile`
        says how large), are skipped; the run's `notes` say so.

        All of every run is in memory: 4 bytes for each layer, statistic and record, 60 more for each record and some
        hundred for each layer, and so about as much as the files hold. A statistic that is one number throughout, such
        as the count of what is not finite, takes less. Files whose records lack most of what their table names take
        no more than `assembly.MOST_SPARSE` times their size, and 1 GiB. `adamax-tb check` and `report` and
        TensorBoard's plugin need less: beyond a limit they summarise old steps.

    Raises:
        FileNotFoundError: there is no such directory.
        ImportError: the address needs a package that is missing.
        ValueError: no run below `logdir` holds our data, or one of them cannot be read; `scan_runs` reads the others.
    """
    runs, errors = scan_runs(logdir)
    for error in errors.values():
        raise ValueError(error)
    return runs


def scan_runs(
    logdir: str | os.PathLike[str],
    told: Callable[[int, int], object] | None = None,
    memory_bytes: float = math.inf,
) -> tuple[dict[str, Run], dict[str, str]]:
    """Reads what can be read below `logdir`, as `read_runs` does.

    Args:
        logdir: as in `read_runs`.
        told: is called now and then with how many bytes were read, and of how many.
        memory_bytes: as in `LogDirReader`.

    Returns:
        The runs by name, and by name the reason why a run cannot be read.

    Raises:
        FileNotFoundError: there is no such directory.
        ImportError: the address needs a package that is missing.
        ValueError: no run below `logdir` holds our data.
    """
    reader = LogDirReader({os.fspath(logdir): None}, memory_bytes=memory_bytes)
    for _ in reader.read():
        if told is not None:
            told(reader.loaded_bytes, reader.total_bytes)
    runs = {name: run for name, source in reader.sources.items() if (run := source.run())}
    errors = {**reader.errors, **{n: s.error for n, s in reader.sources.items() if s.error}}
    if not runs and not errors:
        example = os.path.join(logdir, "first")
        raise ValueError(
            f"Argument `logdir`: no run below {str(logdir)!r} was recorded by OptimizerHealth. Add it to training: "
            f"model.fit(..., callbacks=[adamax_tb.OptimizerHealth({example!r})])"
        )
    return runs, errors


class LogDirReader:
    """Reads log directories, and what is new in them each time it is asked to.

    Args:
        roots: directory or address → what the names of its runs begin with, or None.
        again: whether it will be asked again: then the torn end of a file is no news until that has stopped growing.
        memory_bytes: what the records of all runs may take. Beyond it older ones are summarised, those of the largest
            run first.

    Attributes:
        sources: the runs by name, in natural order, those that hold our data or cannot be read.
        errors: by name, why a directory cannot be listed.
        total_bytes: what the files of the runs hold together.
    """

    def __init__(
        self,
        roots: Mapping[str, str | None],
        again: bool = False,
        memory_bytes: float = math.inf,
    ) -> None:
        self._roots = roots
        self._again = again
        self._memory_bytes = memory_bytes
        self._sizes: dict[str, int] = {}  # what the records of runs take
        self._measured: dict[str, tuple[int, int]] = {}  # and of which state of them that is
        self._generations = itertools.count()
        self._known: dict[str, RunReader] = {}
        self.sources: dict[str, RunReader] = {}
        self.errors: dict[str, str] = {}
        self.total_bytes = 0

    def read(self) -> Iterator["RunReader"]:
        """Reads what was added since the last time.

        Yields:
            The run that is being read, after each stretch of it and once more when it has nothing new any more; before
            it those of which something was summarised.

        Raises:
            FileNotFoundError: a directory is not there.
            ImportError: an address needs a package that is missing.
        """
        self.errors = {}
        found: dict[str, list[FoundFile]] = {}
        for root, group in self._roots.items():
            try:
                for file in event_files(root, group, self.errors):
                    found.setdefault(file.run, []).append(file)
            except (OSError, ImportError, ValueError) as error:
                if len(self._roots) == 1:
                    raise
                self.errors[group or root] = str(error)
        self._known = {
            name: self._known.get(name) or RunReader(name, self._generations, self._again)
            for name in sorted(found, key=natural_key)
        }
        for name, source in self._known.items():
            source.look(found[name])
        self.sources = {name: s for name, s in self._known.items() if s.files or s.error}
        self.total_bytes = sum(source.size_bytes for source in self.sources.values())
        self._sizes = {n: size for n, size in self._sizes.items() if n in self.sources}
        for source in self.sources.values():
            for _ in source.read():
                state = source.loaded_bytes, source.assembly.generation
                if self._measured.get(source.name) != state:
                    self._measured[source.name] = state
                    self._sizes[source.name] = source.assembly.size_bytes
                    yield from self._kept_within_memory()
                yield source

    def _kept_within_memory(self) -> Iterator["RunReader"]:
        """Summarises old records while all take more than they may, and yields the runs whose they were."""
        total = sum(self._sizes.values())
        summarized, left = set(), sorted(self._sizes, key=self._sizes.__getitem__)
        while left and total > self._memory_bytes:
            largest = max(left[-2:], key=self._sizes.__getitem__)
            if self.sources[largest].summarize():
                size = self.sources[largest].assembly.size_bytes
                total += size - self._sizes[largest]
                self._sizes[largest] = size
                summarized.add(largest)
                left.sort(key=self._sizes.__getitem__)
            else:
                left.remove(largest)
        for name in summarized:
            yield self.sources[name]

    @property
    def loaded_bytes(self) -> int:
        """How much of `total_bytes` was read."""
        return sum(source.loaded_bytes for source in self.sources.values())


class RunReader:
    """Reads one run, and what is new in it each time it is asked to.

    Files are taken in the order of their names. When anything but the end of the last one changed, the run is read
    afresh.

    Attributes:
        name: the run's name.
        files: the event files that hold our records, as they were when they were looked at last.
        assembly: what was read of them.
        summaries: how often some of that was summarised.
        caught_up: whether that is all they hold.
    """

    def __init__(self, name: str, generations: Iterator[int], again: bool) -> None:
        self.name = name
        self._again = again
        self._growing: set[str] = set()
        self.files: list[tuple[EventFile, FoundFile]] = []
        self.assembly = Assembly(generations)
        self.summaries = 0
        self.caught_up = False
        self._generations = generations
        self._failure: Exception | None = None
        self._looked_at: dict[str, tuple[EventFile, FoundFile]] = {}

    def look(self, found: Iterable[FoundFile]) -> None:
        """Takes note of the run's files as they are now."""
        before, was = self._looked_at, self.files
        in_order = sorted(found, key=lambda file: file.name)
        self._looked_at = {now.path: (_same(before.get(now.path), now), now) for now in in_order}
        sizes = {path: file.size_bytes for path, (_, file) in before.items()}
        grown = {file.path for file in in_order if sizes.get(file.path) != file.size_bytes}
        self._growing = grown if self._again else set()
        unchanged = [(p, f) for p, (_, f) in before.items()] == [(f.path, f) for f in in_order]
        try:
            self.files = [
                (file, now)
                for file, now in self._looked_at.values()
                if file.is_ours(now.size_bytes)
            ]
        except OSError as error:
            self._failure = error
            return
        if isinstance(self._failure, OSError):  # it goes on where it stopped
            self._failure = None
        if (self._failure and not unchanged) or not _continues(was, self.files):
            self.assembly = Assembly(self._generations)
            self._failure = None
            self.files = [(EventFile(now.name, now.open), now) for _, now in self.files]
            self._looked_at.update((now.path, (file, now)) for file, now in self.files)

    def read(self) -> Iterator["RunReader"]:
        """Reads what was added, and yields itself after each stretch of it and at the end."""
        self.caught_up = False
        try:
            for file, now in self.files if self._failure is None else []:
                for count, event in enumerate(file.events(now.size_bytes), start=1):
                    self.assembly.add(event)
                    if count % EVENTS_A_STRETCH == 0:
                        yield self
        except (OSError, ValueError) as error:
            self._failure = error
        except MemoryError:
            self._failure = ValueError("its records take more memory than there is.")
        self.caught_up = True
        yield self

    def summarize(self) -> bool:
        """Gives up detail of the oldest records, as `Assembly.summarize` does; False when there is none left."""
        done = self.assembly.summarize()
        self.summaries += done
        return done

    @property
    def error(self) -> str:
        """Why the run cannot be read, "" if it can."""
        reason = str(self._failure or "")
        if not reason and not self.assembly.size_bytes:
            # a file that is named like ours, without a whole record, is an error and not nothing
            own = [f for f in self.files if f[0].name.endswith(schema.PLUGIN_NAME)]
            reason = "; ".join(self._notes(own))
        return f"Run {self.name!r} cannot be read: {reason}" if reason else ""

    @property
    def size_bytes(self) -> int:
        """What the files hold."""
        return sum(now.size_bytes for _, now in self.files)

    @property
    def loaded_bytes(self) -> int:
        """How much of that was read."""
        return sum(file.position for file, _ in self.files)

    def run(self) -> Run | None:
        """Returns the run as far as it was read, None if there is no record or it cannot be read."""
        broken = isinstance(self._failure, ValueError)
        return None if broken else self.assembly.run(self.name, self.notes)

    @property
    def notes(self) -> list[str]:
        """What had to be skipped, sentences."""
        return self._notes(self.files)

    def _notes(self, files: Iterable[tuple[EventFile, FoundFile]]) -> list[str]:
        notes = (file.note(growing=now.path in self._growing) for file, now in files)
        return [note for note in notes if note]


def _same(known: tuple[EventFile, FoundFile] | None, now: FoundFile) -> EventFile:
    """Returns the file as it is `known`, or anew if another took its place or it shrank."""
    if known is not None:
        file, before = known
        if before.identity == now.identity and now.size_bytes >= before.size_bytes:
            return file
    return EventFile(now.name, now.open)


def _continues(
    was: list[tuple[EventFile, FoundFile]], now: list[tuple[EventFile, FoundFile]]
) -> bool:
    """Tells whether what was read is still the beginning: the same files, of which at most the last one grew."""
    read = [(file, before.size_bytes) for file, before in was if file.position]
    kept = [(file, after.size_bytes) for file, after in now[: len(read)]]
    return [file for file, _ in kept] == [file for file, _ in read] and kept[:-1] == read[:-1]
