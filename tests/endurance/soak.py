"""A long soak: one `fit` of 200,000 steps of a small model, watched, beside the same `fit` without the callback.

    python tests/endurance/soak.py [--steps 200000] [--trace]

Each of the two trains in a process of its own, so that memory is told apart. They take turns of a thousand steps, one
trains while the other waits, so that what else the machine does strikes both: a ratio is the watched turn over the
unwatched one beside it. Counted in a turn: the steps, the callbacks, and the writing, which goes on beside them; the
time by the clock, and the CPU time, which what else the machine does hardly changes. The clock of `OptimizerHealth`
runs on while it waits: it judges within a hundredth of both turns.

It ends with 1 when a target is missed: memory, the file's size, the cost from first to last, threads or open files.
`--trace` trains the watched one alone under tracemalloc and lists what was allocated in the middle half of the steps
and is still there; it is slow, and judges nothing.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from file_size import file_bytes, record_bytes

import adamax_tb
from adamax_tb import schema
from adamax_tb.eventfile import EventFile

EVERY = 10
WARM_STEPS = 500
TURN_STEPS = 1000
#: Turns at the beginning and at the end whose medians are compared: one alone is as noisy as the machine.
ENDS = 10
#: MB per 100,000 steps, 10,000 records, beyond what the unwatched one grows by: whoever kept each record, 0.7 kB of
#: numbers, would grow by 7, and allocators alone come and go by some tenths.
SLOPE_LIMIT = 1.0
SIZE_LIMIT = 0.01
COST_LIMIT = 0.10
MB = 2**20
NAMES = ("watched", "plain")


def data(tf: Any) -> Any:
    """Returns batches without end, none like another, of a linear function with noise: there is always a gradient."""
    weights = np.random.default_rng(0).normal(size=(16, 1)).astype("float32")

    def batch(i: Any) -> tuple[Any, Any]:
        x = tf.random.stateless_normal((32, 16), (i, 0))
        return x, x @ weights + tf.random.stateless_normal((32, 1), (i, 1))

    untuned = tf.data.Options()
    untuned.autotune.enabled = False  # its thread would be counted
    return tf.data.Dataset.counter().map(batch).prefetch(8).with_options(untuned)


def model(keras: Any) -> Any:
    """Returns a network of 8 variables, compiled."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(32, "relu") for _ in range(3)]
    made = keras.Sequential([keras.Input((16,)), *hidden, keras.layers.Dense(1)])
    made.compile(adamax_tb.AdaMax(1e-3), "mse")
    return made


def device_bytes(tf: Any) -> int | None:
    """Returns what TensorFlow holds on the GPU; None without one: of a CPU it does not say."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return int(tf.config.experimental.get_memory_info("GPU:0")["current"])


def taken_stock(tf: Any) -> dict[str, int]:
    """Returns what there is in the process, its garbage left out."""
    gc.collect()
    process, objects = psutil.Process(), gc.get_objects()
    return {
        "objects": len(objects),
        "eager tensors": sum(isinstance(o, tf.Tensor) for o in objects),
        "threads": process.num_threads(),
        "open files": process.num_fds(),
    }


def train(watched: bool, steps: int, log_dir: str, traced: bool) -> None:
    """Trains in this process: writes a line of JSON after each turn and waits for one before it goes on."""
    import keras
    import tensorflow as tf

    def say(**what: Any) -> None:
        memory = psutil.Process().memory_info()
        # the system takes pages of files back when others need memory
        sizes = {"rss": memory.rss, "own": memory.rss - getattr(memory, "shared", 0)}
        print(json.dumps({**sizes, "device": device_bytes(tf), **what}), flush=True)

    class Turns(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.since = 0
            self.before: Any = None
            self.go()

        def go(self) -> None:
            self.start, self.cpu_start = time.perf_counter(), time.process_time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            made = batch + 1
            if made != WARM_STEPS and (made - WARM_STEPS) % TURN_STEPS:
                return
            keras.ops.convert_to_numpy(self.model.trainable_variables[-1].value)  # waits for it
            steps_made = made - self.since
            seconds = (time.perf_counter() - self.start) / steps_made
            cpu = (time.process_time() - self.cpu_start) / steps_made
            stock = taken_stock(tf) if made in (WARM_STEPS, WARM_STEPS + steps) else {}
            say(step=made, seconds=seconds, cpu=cpu, **stock)
            if traced:
                self.trace((made - WARM_STEPS) / steps)
            sys.stdin.readline()
            self.since = made
            self.go()

        def trace(self, part: float) -> None:
            if self.before is None and part >= 0.25:
                self.before = tracemalloc.take_snapshot()
            elif self.before is not None and part >= 0.75:
                tell_difference(self.before, tracemalloc.take_snapshot())
                tracemalloc.stop()
                self.before = None
                self.trace = lambda part: None  # once

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # the other one needs some, too
    made = model(keras)
    callbacks = [adamax_tb.OptimizerHealth(log_dir, every=EVERY)] if watched else []
    say(step=0)
    sys.stdin.readline()
    if traced:
        tracemalloc.start()
    total = WARM_STEPS + steps
    callbacks.append(Turns())
    made.fit(data(tf), steps_per_epoch=total, shuffle=False, verbose=0, callbacks=callbacks)
    say(step=total, **taken_stock(tf))


def tell_difference(before: Any, after: Any) -> None:
    """Prints which lines hold more than before, the largest first, and what our own hold more."""
    ours = f"{Path(adamax_tb.__file__).parent}{os.sep}*"
    own = [s.filter_traces([tracemalloc.Filter(True, ours)]) for s in (before, after)]
    everything = after.compare_to(before, "lineno")
    total = sum(line.size_diff for line in everything)
    mine = own[1].compare_to(own[0], "lineno")
    out = sys.stderr
    print(f"All of Python: {total / 1000:+.1f} kB", file=out)
    print(f"adamax_tb: {sum(line.size_diff for line in mine) / 1000:+.1f} kB", file=out)
    for line in [*everything[:12], *mine[:12]]:
        frame = line.traceback[0]
        where = "/".join(Path(frame.filename).parts[-3:])
        print(
            f"  {line.size_diff / 1000:+9.1f} kB {line.count_diff:+7} blocks  {where}:{frame.lineno}",
            file=out,
        )


class Trainer:
    """One of the trainings, in a process of its own, and what it said after each turn."""

    def __init__(self, name: str, steps: int, log_dir: str, traced: bool = False) -> None:
        command = [sys.executable, __file__, "--train", name, "--steps", str(steps)]
        command += ["--log-dir", log_dir, *(["--trace"] if traced else [])]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        pipe = subprocess.PIPE
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.said: list[dict[str, Any]] = []

    def turn(self) -> None:
        """Lets it train until it speaks; the first time, until it is ready to."""
        to: IO[str] = self.process.stdin  # type: ignore[assignment]
        heard: IO[str] = self.process.stdout  # type: ignore[assignment]
        if self.said:
            to.write("\n")
            to.flush()
        line = heard.readline()
        if not line:
            raise SystemExit(
                f"The {self.name} training ended early: exit code {self.process.wait()}"
            )
        self.said.append(json.loads(line))

    def end(self) -> None:
        """Ends its process, if it is still there."""
        self.process.kill()
        self.process.communicate()

    def column(self, name: str) -> np.ndarray:
        """Returns what it said after each turn but the first: (turns,)."""
        return np.array([said[name] for said in self.said[2:-1]], float)


def taking_turns(trainers: list[Trainer], steps: int, limit_s: float) -> None:
    """Lets each train to its end, a turn at a time, and says now and then how far they are."""
    watchdog = threading.Timer(limit_s, lambda: [t.process.kill() for t in trainers])
    watchdog.start()
    told = time.monotonic()
    try:
        while trainers[0].process.poll() is None:
            for trainer in trainers:
                trainer.turn()
            if time.monotonic() - told > 15:
                told = time.monotonic()
                print(progress(trainers, steps), file=sys.stderr, flush=True)
            if trainers[0].said[-1]["step"] == steps + WARM_STEPS and len(trainers[0].said) > 2:
                for trainer in trainers:
                    trainer.turn()
                    trainer.process.communicate("")
    finally:
        watchdog.cancel()
        for trainer in trainers:
            trainer.end()


def progress(trainers: list[Trainer], steps: int) -> str:
    """Returns how far they are."""
    parts = [
        f"{t.name} {1000 * t.said[-1].get('seconds', 0):.2f} ms a step, {t.said[-1]['rss'] / MB:.0f} MB"
        for t in trainers
    ]
    return f"{trainers[0].said[-1]['step']:,} of {steps + WARM_STEPS:,} steps: {'; '.join(parts)}"


def sizes(directory: Path) -> tuple[int, int, int, schema.LayerTable]:
    """Returns the bytes of our files, those that the formula says, the records, and the table."""
    actual = predicted = records = 0
    for path in sorted(directory.glob(f"*{schema.PLUGIN_NAME}")):
        steps: list[int] = []
        flown: list[int] = []
        size = path.stat().st_size
        for event in EventFile(path.name, lambda path=path: path.open("rb")).events(size):
            values = {value.tag: value.tensor for value in event.summary.value}
            if schema.LAYERS_TAG in values:
                table = schema.LayerTable.FromString(values[schema.LAYERS_TAG].string_val[0])
            if schema.STEP_TAG in values:
                steps.append(event.step)
            elif schema.FLIGHT_STEP_TAG in values:
                flown.append(event.step)
        actual += size
        predicted += file_bytes(table, steps, flown)
        records += len(steps)
    return actual, predicted, records, table


def slope(steps: np.ndarray, values: np.ndarray) -> float:
    """Returns by how much `values` grow in 100,000 steps over the last half, by least squares."""
    half = slice(len(steps) // 2, -1)  # what is counted at the end takes memory, too
    return float(np.polyfit(steps[half], values[half], 1)[0] * 100_000)


def report(watched: Trainer, plain: Trainer, directory: Path) -> bool:
    """Prints what was measured; tells whether every target was met."""
    steps = watched.column("step")
    both = (watched, plain)
    met: list[bool] = []

    def judge(what: str, good: bool) -> None:
        met.append(good)
        print(f"{'met   ' if good else 'MISSED'}  {what}")

    print(f"\n{int(steps[-1]):,} steps in one fit, a record every {EVERY}\n")
    print("memory of the process, MB (after a turn, garbage not collected)")
    at = np.unique(np.linspace(0, len(steps) - 1, 9).astype(int))
    print("  step" + " " * 26 + "".join(f"{int(steps[i]):>9,}" for i in at))
    slopes = {}
    for trainer in both:
        for what, words in (("rss", "resident"), ("own", "without pages of files")):
            values = trainer.column(what) / MB
            numbers = "".join(f"{values[i]:9.1f}" for i in at)
            print(f"  {trainer.name:7} {words:22}{numbers}")
            slopes[trainer.name] = slope(steps, values)
            print(
                f"{'':10}{values[-2] - values[0]:+.1f} from the first turn to the last but one, "
                f"{slopes[trainer.name]:+.2f} per 100,000 steps of the last half"
            )
    beyond = slopes["watched"] - slopes["plain"]
    judge(f"memory: {beyond:+.2f} MB per 100,000 steps beyond plain", beyond <= SLOPE_LIMIT)

    if watched.said[0]["device"] is None:
        print("\nno GPU: TensorFlow does not say what it holds on a CPU")
    else:
        device = {t.name: t.column("device") / MB for t in both}
        for name, values in device.items():
            print(f"\nGPU memory, {name}: {values[0]:.2f} MB first, {values[-1]:.2f} MB last")
        grown = device["watched"][-1] - device["watched"][0]
        judge(f"GPU memory: {grown:+.3f} MB from first to last", grown <= 0.1)

    print("\nin the process           after the warm-up  at the last step  after the fit")
    for trainer in both:
        for what in ("objects", "eager tensors", "threads", "open files"):
            numbers = [trainer.said[i][what] for i in (1, -2, -1)]
            print(f"  {trainer.name:8} {what:13}" + "".join(f"{n:>18,}" for n in numbers))
    for what in ("threads", "open files"):
        grown = [t.said[-2][what] - t.said[1][what] for t in both]
        judge(
            f"{what}: {grown[0]:+d} over the fit, plain {grown[1]:+d}", grown[0] <= max(0, grown[1])
        )

    actual, predicted, records, table = sizes(directory)
    off = actual / predicted - 1
    rough = record_bytes(len(table.layers), table.statistics)
    print(
        f"\n{records:,} records of {len(table.statistics)} statistics of {len(table.layers)} variables: "
        f"{actual:,} bytes, {rough} a record by the rule of thumb"
    )
    judge(f"size: the formula says {predicted:,}, {off:+.4%}", abs(off) <= SIZE_LIMIT)

    for what, words in (("seconds", "time"), ("cpu", "CPU time of all threads")):
        took = {t.name: 1000 * t.column(what) for t in both}
        ratios = took["watched"] / took["plain"]
        print(f"\ncost in {words}: watched / plain, quartiles of the turns, and ms a step")
        for part in np.array_split(np.arange(len(ratios)), 8):
            low, middle, high = np.percentile(ratios[part], (25, 50, 75))
            first, last = int(steps[part[0]]) - TURN_STEPS, int(steps[part[-1]])
            times = " / ".join(f"{np.median(took[name][part]):.3f}" for name in NAMES)
            print(
                f"  steps {first:>7,} to {last:>7,}: {middle:.3f} [{low:.3f}, {high:.3f}]   {times}"
            )
        print(f"  first thousand {ratios[0]:.3f}, last thousand {ratios[-1]:.3f}")
        change = float(np.median(ratios[-ENDS:]) / np.median(ratios[:ENDS]) - 1)
        judge(
            f"{words}: {change:+.1%} from the first {ENDS} turns to the last",
            abs(change) <= COST_LIMIT,
        )
    return all(met)


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--steps", type=int, default=200_000, help="after the warm-up; 20,000 or more"
    )
    parser.add_argument(
        "--trace", action="store_true", help="list what is allocated, judge nothing"
    )
    parser.add_argument(
        "--limit-s", type=float, default=7200, help="end after so long at the latest"
    )
    parser.add_argument("--json", type=Path, help="where to keep what was measured")
    parser.add_argument("--train", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--log-dir", help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps = max(2 * ENDS, options.steps // TURN_STEPS) * TURN_STEPS
    if options.train:
        train(options.train == "watched", steps, options.log_dir, options.trace)
        return 0
    with tempfile.TemporaryDirectory() as log_dir:
        names = NAMES[:1] if options.trace else NAMES
        trainers = [Trainer(name, steps, log_dir, options.trace) for name in names]
        taking_turns(trainers, steps, options.limit_s)
        if options.json:
            options.json.write_text(json.dumps({t.name: t.said for t in trainers}))
        return 0 if options.trace else int(not report(*trainers, Path(log_dir)))


if __name__ == "__main__":
    sys.exit(main())
