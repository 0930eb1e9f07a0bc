"""Kills recording processes by SIGKILL at random moments and reads what they left.

    python tests/endurance/kill.py [--times 200] [--fits 40] [--buffered 40] [--seed SEED]

A process records runs one after the other and says over a pipe what it does: that it opens a file, that everything up
to a step was flushed, that it closes the file. Most are killed while an `EventWriter` writes as fast as it can, some of
these (`--buffered`) into a file that keeps 4 kB back, as those of other systems do, so that it ends anywhere; `--fits`
are killed in the `fit` of a model with `OptimizerHealth(every=1)`. The moment is anywhere in the recording, or soon
after a file is opened or its closing begins; or the process is stopped for a while first. Of what is left then:

- every record that was flushed is there, and so are flight records and what came before it, in order;
- every record that is there is, to the bit, what a process that nobody killed recorded;
- a file that ends within a record is said to do so in the run's notes, and no other is;
- every `RESUMED`th run is taken up again, a `fit` from its last checkpoint: it goes on to the end, with no step twice.

It ends with 1 when anything of that fails. What recording costs is a matter of time and is not compared.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.summary.writer.record_writer import RecordWriter

from adamax_tb import read_runs, schema
from adamax_tb.checksum import compile_tensorboards_checksum
from adamax_tb.schema import Run
from adamax_tb.writer import EventWriter

RESUMED = 5
#: Runs that a process of `EventWriter`s records, and the records and variables of each; a flight record every so many.
RUNS, RECORDS, LAYERS, FLIGHT = 4, 400, 5, 50
FIT_RECORDS, FIT_BATCH, CHECKPOINT = 300, 8, 40
BLOCK_BYTES = 4096
#: mode → its part of the kills.
MODES = {"any moment": 0.5, "opening": 0.2, "closing": 0.2, "stopped first": 0.1}
TORN = "ends within a record"
#: Nothing here takes so long.
PATIENCE_S = 180
#: Where a recording process says what it does.
SAYS = 1
#: A process that has imported this and started no thread; of it come the others, by fork. TensorFlow, which starts
#: threads, is imported after that, where it is needed.
FORKS = multiprocessing.get_context("forkserver")


class Told(EventWriter):
    """An `EventWriter` that says what it does."""

    def __init__(self, log_dir: str, *arguments: Any, **named: Any) -> None:
        self.run = Path(log_dir).name
        self.queued = self.flown = 0  # last steps
        say("opening", self.run)
        super().__init__(log_dir, *arguments, **named)

    def write(self, steps: Any, *arguments: Any, **named: Any) -> None:
        super().write(steps, *arguments, **named)
        self.queued = int(steps[-1])

    def write_flight(self, steps: Any, *arguments: Any, **named: Any) -> None:
        super().write_flight(steps, *arguments, **named)
        self.flown = int(steps[-1])

    def settle(self) -> None:
        """Flushes and says up to where."""
        queued, flown = self.queued, self.flown
        self.flush()
        say("flushed", self.run, queued, flown)

    def close(self) -> None:
        say("closing", self.run)
        super().close()
        say("flushed", self.run, self.queued, self.flown)
        say("closed", self.run)


def say(*words: Any) -> None:
    """Writes a line at once: nothing may wait in a buffer."""
    os.write(SAYS, (" ".join(map(str, words)) + "\n").encode())


class Blocks:
    """A file that hands on whole blocks, as C's do: until it is flushed it ends anywhere."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # `close` does
        self._kept = b""

    def write(self, data: bytes) -> None:
        self._kept += data
        whole = len(self._kept) // BLOCK_BYTES * BLOCK_BYTES
        self._file.write(self._kept[:whole])
        self._kept = self._kept[whole:]

    def flush(self) -> None:
        self._file.write(self._kept)
        self._kept = b""

    def close(self) -> None:
        self.flush()
        self._file.close()


def open_blocks(path: str) -> RecordWriter:
    """Opens such a file for records."""
    return RecordWriter(Blocks(path))


def write(directory: Path, names: list[str], start: int, pace: int, buffered: bool) -> None:
    """Records runs from the step after `start` on, with pauses or as fast as it goes, flushes at random: see `pace`."""
    compile_tensorboards_checksum()
    rng = random.Random(pace)
    flushed, pause_s = rng.choice((0.02, 0.1, 0.3)), rng.choice((0, 0.002))
    statistics = schema.recorded_statistics({"u", "m", "update"})
    table = schema.LayerTable(
        version=schema.VERSION,
        layers=[schema.Layer(name=f"dense_{i}/kernel", shape=(4, 3)) for i in range(LAYERS)],
        statistics=statistics,
        step_statistics=schema.STEP_STATS,
        optimizer="AdaMax",
        every=1,
    )
    for name in names:
        numbers = np.random.default_rng(int(name))
        values = numbers.normal(size=(len(statistics) + 2, RECORDS, LAYERS)).astype(np.float32)
        values[numbers.random(values.shape) < 0.02] = np.nan
        writer = Told(str(directory / name), table, open_blocks if buffered else None)
        step = start
        while step < RECORDS:
            last = min(step + rng.randint(1, 16), (step // FLIGHT + 1) * FLIGHT)
            rows, steps = slice(step, last), np.arange(step, last) + 1
            layers = {s: x[rows] for s, x in zip(statistics, values, strict=False)}
            losses = values[-2][:, 0]
            writer.write(steps, layers, {"loss": losses[rows], "loss_peak": losses[rows]})
            if last % FLIGHT == 0:
                flown = np.arange(last - FLIGHT // 2, last) + 1
                writer.write_flight(flown, values[-1][flown - 1], {"loss": losses[flown - 1]})
            if rng.random() < flushed:
                writer.settle()
            time.sleep(rng.uniform(0, pause_s))
            step = last
        writer.close()


def fit(directory: Path, start: int, pace: int) -> None:
    """Trains a small model from the step after `start` on, from the checkpoint at `start`, and records every step."""
    import keras
    import tensorflow as tf

    import adamax_tb
    from adamax_tb import recording

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    rng = random.Random(pace)
    data = np.random.default_rng(0)
    x = data.normal(size=(FIT_RECORDS * FIT_BATCH, 6)).astype("float32")
    y = (x[:, :2] @ [1, -2] + data.normal(size=len(x))).astype("float32")
    hidden = keras.layers.Dense(8, "relu", name="hidden")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1, name="out")])
    model.compile(adamax_tb.AdaMax(1e-3), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    state = [*model.variables, *model.optimizer.variables]
    checkpoint = directory / "checkpoint.npz"
    if start:
        with np.load(checkpoint) as saved:
            for i, variable in enumerate(state):
                variable.assign(saved[f"arr_{i}"])
    opened: list[Told] = []

    def tell(*arguments: Any, **named: Any) -> Told:
        opened.append(Told(*arguments, **named))
        return opened[-1]

    class Flushes(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            made = start + batch + 1
            if opened and rng.random() < 0.2:
                opened[-1].settle()
            if made % CHECKPOINT == 0:
                part = directory / "part.npz"
                np.savez(part, *[keras.ops.convert_to_numpy(v) for v in state])
                os.replace(part, checkpoint)
                say("saved", "run", made)

    recording.EventWriter = tell
    health = adamax_tb.OptimizerHealth(directory / "run", every=1)
    rest = slice(start * FIT_BATCH, None)
    model.fit(x[rest], y[rest], FIT_BATCH, shuffle=False, verbose=0, callbacks=[health, Flushes()])


@dataclass
class Said:
    """What a process said of one run."""

    flushed: int = 0
    flown: int = 0
    saved: int = 0
    words: list[str] = field(default_factory=list)


def record(
    kind: str, directory: Path, pace: int, start: int, names: tuple[str, ...], pipe: Any
) -> None:
    """Records, as a process of its own, and says so in `pipe`."""
    global SAYS
    SAYS = pipe.fileno()
    with (directory / "log").open("a") as log:
        os.dup2(log.fileno(), 2)
    if kind == "fit":
        fit(directory, start, pace)
    else:
        write(directory, names, start, pace, buffered=kind == "buffered")


class LostError(Exception):
    """Something is not as it was recorded."""


class Recorder:
    """A process that records, and what it says.

    Args:
        kind: "writer", "buffered" or "fit".
        directory: of its runs.
        pace: of its flushes.
        start: the step after which it goes on.
        names: its runs.
    """

    def __init__(
        self, kind: str, directory: Path, pace: int, start: int = 0, names: tuple[str, ...] = ()
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.kind, self.directory = kind, directory
        self.said: dict[str, Said] = {}
        heard, pipe = FORKS.Pipe(duplex=False)
        self.process = FORKS.Process(
            target=record, args=(kind, directory, pace, start, names or names_of(kind), pipe)
        )
        self.process.start()
        pipe.close()
        self._heard = os.fdopen(os.dup(heard.fileno()), "rb")
        heard.close()
        self.lines = self._lines()
        self._overdue = False
        self._watchdog = threading.Timer(PATIENCE_S, self._give_up)
        self._watchdog.start()

    def _give_up(self) -> None:
        self._overdue = True
        self.process.kill()

    def _lines(self) -> Iterator[str]:
        for line in self._heard:
            word, name, *steps = line.decode().split()
            said = self.said.setdefault(name, Said())
            said.words.append(word)
            if word == "flushed":
                said.flushed, said.flown = map(int, steps)
            elif word == "saved":
                (said.saved,) = map(int, steps)
            yield word

    def until(self, word: str, count: int = 1) -> None:
        """Returns when it has said a word so many times, or ended."""
        while count and (heard := next(self.lines, None)):
            count -= heard == word

    def end(self) -> int | None:
        """Reads what is left and returns its exit code."""
        for _ in self.lines:
            pass
        self._heard.close()
        self.process.join(PATIENCE_S)
        self._watchdog.cancel()
        if self._overdue:
            raise LostError(f"it was not done after {PATIENCE_S} s")
        return self.process.exitcode


@dataclass
class Tally:
    """What came of the kills of one kind and mode."""

    kills: int = 0
    late: int = 0
    torn: int = 0
    flushed: int = 0
    read: int = 0
    resumed: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """What a process recorded that nobody killed, and what that took.

    Attributes:
        runs: by name.
        recording_s: from the opening of the first file to the closing of the last.
        closing_s: of one file.
    """

    runs: dict[str, Run]
    recording_s: float
    closing_s: float


def reference(kind: str, directory: Path) -> Reference:
    """Records without a kill, twice: what is compared must be the same each time, and the second is timed."""
    runs = []
    for part in ("first", "second"):
        recorder = Recorder(kind, directory / part, pace=len(runs))
        recorder.until("opening")
        began = time.perf_counter()
        recorder.until("closing")
        closing = time.perf_counter()
        recorder.until("closed")
        closing_s = time.perf_counter() - closing
        recorder.until("closed", len(names_of(kind)) - 1)
        recording_s = time.perf_counter() - began
        if recorder.end():
            raise SystemExit((directory / part / "log").read_text()[-4000:])
        runs.append(read_runs(directory / part))
    for name, run in runs[0].items():
        compare(run, runs[1][name])
    return Reference(runs[0], recording_s, closing_s)


def names_of(kind: str) -> tuple[str, ...]:
    """Returns the runs that a process records."""
    return ("run",) if kind == "fit" else tuple(f"{i:02d}" for i in range(RUNS))


def kill(kind: str, mode: str, directory: Path, whole: Reference, rng: random.Random) -> Recorder:
    """Starts a process, kills it and returns what is known of it."""
    recorder = Recorder(kind, directory, rng.randrange(2**31))
    wait_s = rng.uniform(0, whole.recording_s)
    if mode in ("opening", "closing"):
        recorder.until(mode, rng.randint(1, len(names_of(kind))))
        wait_s = rng.uniform(0, max(0.005, whole.closing_s, whole.recording_s / 20))
    else:
        recorder.until("opening")
    time.sleep(wait_s)
    if mode == "stopped first":
        with contextlib.suppress(ProcessLookupError):  # it had ended
            os.kill(recorder.process.pid, signal.SIGSTOP)
        time.sleep(rng.uniform(0.2, 2))
    try:
        for run in directory.iterdir() if mode == "stopped first" else ():
            read(run)  # beside it that is no harm and no error
    finally:
        recorder.process.kill()
        ended = recorder.end()
    if ended not in (0, -signal.SIGKILL):
        raise LostError(f"it ended by itself, exit code {ended}: see its log")
    return recorder


def read(directory: Path) -> Run | None:
    """Returns the run in a directory; None if there is not one record."""
    try:
        return read_runs(directory)["."]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        if "was recorded by OptimizerHealth" in str(error) or TORN in str(error):
            return None
        raise


def check(run: Run | None, said: Said, whole: Run, directory: Path) -> int:
    """Compares a run that was killed with the whole one, and returns how many records it has.

    Raises:
        LostError: something is not as it should be.
    """
    steps = np.zeros(0, np.int64) if run is None else run.steps
    if len(steps) < said.flushed:
        raise LostError(f"{said.flushed} records were flushed, {len(steps)} are there")
    if not np.array_equal(steps, whole.steps[: len(steps)]):
        raise LostError(f"the steps are {steps.tolist()}")
    torn = [ends_within_a_record(path) for path in files(directory)]
    if run is not None:
        compare(run, whole)
        noted = [note for note in run.notes if TORN in note]
        if any(torn) != bool(noted):
            raise LostError(f"torn files: {torn}, notes: {run.notes}")
        if len(noted) != len(run.notes):
            raise LostError(f"notes: {run.notes}")
    flown = () if run is None or run.flight is None else run.flight.steps
    if said.flown and (not len(flown) or flown[-1] < said.flown):
        raise LostError(f"a flight record up to {said.flown} was flushed, there is {flown}")
    return len(steps)


def compare(run: Run, whole: Run) -> None:
    """Compares to the bit what both recorded, at the steps of `run`."""
    at = np.searchsorted(whole.steps, run.steps)
    if not np.array_equal(whole.steps[at], run.steps):
        raise LostError("there are steps that the reference has not")
    for what in ("layers", "shapes", "statistics", "optimizer", "hyperparameters"):
        if getattr(run, what) != getattr(whole, what):
            raise LostError(f"{what} are not the same: {getattr(run, what)}")
    for name in run.statistics:
        same(name, run.stat(name), whole.stat(name)[at])
    for name in schema.STEP_STATS:
        if name != "overhead":
            same(name, run.step_stat(name), whole.step_stat(name)[at])
    if run.flight is not None:
        if whole.flight is None:
            raise LostError("there is a flight record and the reference has none")
        count = len(run.flight.steps)
        for name in ("steps", "gradient_norm", "loss"):
            same(f"flight {name}", getattr(run.flight, name), getattr(whole.flight, name)[:count])


def same(name: str, values: np.ndarray, expected: np.ndarray) -> None:
    """Raises LostError where two arrays are not the same to the bit."""
    if values.tobytes() != expected.tobytes():
        differs = (values != expected) & ~(np.isnan(values) & np.isnan(expected))
        at = np.nonzero(differs.any(axis=tuple(range(1, differs.ndim))))[0]
        rows = at[:3].tolist()
        raise LostError(
            f"{name} is not the same in {len(at)} rows, first {rows}: {values[rows]}, not {expected[rows]}"
        )


def resume(recorder: Recorder, name: str, whole: Run, rng: random.Random) -> None:
    """Takes a killed run up again in another process and checks what both recorded."""
    said, directory = recorder.said[name], recorder.directory / name
    run = read(directory)
    there = np.zeros(0, np.int64) if run is None else run.steps
    start = said.saved if recorder.kind == "fit" else rng.randint(0, said.flushed)
    second = Recorder(recorder.kind, recorder.directory, rng.randrange(2**31), start, (name,))
    if second.end():
        raise LostError("it could not be taken up again: see its log")
    expected = np.concatenate([there[there <= start], np.arange(start, whole.steps[-1]) + 1])
    run = read_runs(directory)["."]
    if not np.array_equal(run.steps, expected):
        raise LostError(f"taken up after step {start}, the steps are {run.steps.tolist()}")
    compare(run, whole)
    if recorder.kind != "fit" and len(run.flight.steps) < len(whole.flight.steps):
        raise LostError("taken up again, it has not all flight records")


def files(directory: Path) -> list[Path]:
    """Returns our event files in a run's directory."""
    return sorted(directory.glob(f"*{schema.PLUGIN_NAME}"))


def ends_within_a_record(path: Path) -> bool:
    """Tells whether a file's last record is not whole, from the lengths alone."""
    content, at = path.read_bytes(), 0
    while at + 12 <= len(content):
        at += 12 + struct.unpack_from("<Q", content, at)[0] + 4
    return at != len(content)


def one(
    kind: str, mode: str, number: int, base: Path, whole: Reference, seed: int, tally: Tally
) -> None:
    """Makes one kill, adds what came of it to `tally`, and leaves the directory only where something was lost."""
    rng = random.Random(f"{seed} {kind} {number}")
    directory = base / f"{kind}-{number}"
    at = f"{kind} {number}, {mode}, --seed {seed}"
    try:
        recorder = kill(kind, mode, directory, whole, rng)
        in_time = recorder.process.exitcode == -signal.SIGKILL
        tally.kills += in_time
        tally.late += not in_time
        for name, said in recorder.said.items():
            tally.read += check(read(directory / name), said, whole.runs[name], directory / name)
            tally.flushed += said.flushed
            tally.torn += any(map(ends_within_a_record, files(directory / name)))
        if number % RESUMED == 0 and recorder.said:
            at += ", taken up again"
            tally.resumed += 1
            last = [*recorder.said][-1]
            resume(recorder, last, whole.runs[last], rng)
    except (LostError, ValueError, OSError) as error:
        tally.faults.append(f"{at}: {error} ({directory})")
        print(f"FAULT {tally.faults[-1]}", flush=True)
    else:
        shutil.rmtree(directory)


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """Returns the results, a line for each kind and mode."""
    heads = ("kills", "too late", "torn ends", "flushed", "read back", "taken up", "faults")
    lines = [f"{'':24}" + "".join(f"{head:>11}" for head in heads)]
    for (kind, mode), t in tallies.items():
        numbers = (t.kills, t.late, t.torn, t.flushed, t.read, t.resumed, len(t.faults))
        lines.append(f"{kind:7} {mode:16}" + "".join(f"{n:>11,}" for n in numbers))
    return "\n".join(lines)


def killed(times: dict[str, int], seed: int, limit_s: float, base: Path) -> bool:
    """Makes all kills, prints the results and tells whether nothing was lost."""
    until = time.monotonic() + limit_s
    tallies: dict[tuple[str, str], Tally] = {}
    told = time.monotonic()
    for kind, count in times.items():
        if not count:
            continue
        whole = reference(kind, base / f"{kind}-reference")
        of_kind = {mode: tallies.setdefault((kind, mode), Tally()) for mode in MODES}
        made, number = 0, 0
        while made < count and number < 3 * count and time.monotonic() < until:
            (mode,) = random.Random(f"{seed} {kind} mode {number}").choices(
                [*MODES], [*MODES.values()]
            )
            one(kind, mode, number, base, whole, seed, of_kind[mode])
            number += 1
            made = sum(tally.kills for tally in of_kind.values())
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"{kind}: {made} of {count} kills", file=sys.stderr, flush=True)
    print(table(tallies))
    made = sum(tally.kills for tally in tallies.values())
    faults = sum(len(tally.faults) for tally in tallies.values())
    print(f"{made} of {sum(times.values())} kills, {faults} faults, --seed {seed}")
    return made == sum(times.values()) and not faults


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=200, help="kills in all")
    parser.add_argument("--fits", type=int, default=40, help="of these in the fit of a model")
    parser.add_argument("--buffered", type=int, default=40, help="into a file with a buffer")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument(
        "--limit-s", type=float, default=5400, help="end after so long at the latest"
    )
    options = parser.parse_args()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", OPENBLAS_NUM_THREADS="1")
    base = Path(tempfile.mkdtemp(prefix="killed-"))
    times = {"buffered": options.buffered, "fit": options.fits}
    times = {"writer": options.times - sum(times.values()), **times}
    if min(times.values()) < 0:
        parser.error("--times must be at least --fits and --buffered together")
    print(f"--seed {options.seed}", flush=True)
    good = killed(times, options.seed, options.limit_s, base)
    if good:
        shutil.rmtree(base)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
