"""Paired timing: variants of a training take turns in one process, so that what else the machine does strikes all.

Every variant trains in a real `fit`, callbacks and all, in a thread of its own; one thread runs at a time and hands
over after each epoch, which is a round. A ratio is a variant's time over stock's in the same round.

Counted in a round: the steps, the callbacks, the writing of files, which goes on beside them, and the end of the epoch.
`OptimizerHealth`'s drains go by the clock too (one in half a second), and the clock runs on during the others'
turns: a variant that waited long drains once more than it would alone. Counted apart: the first step (tracing,
compiling, opening files) and the end of the fit (the last drain, closing files).
"""

import itertools
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from workloads import Workload

import adamax_tb

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf

STOCK = "stock Adamax"
WARM_STEPS = 20
#: (model, log directory) → the model that trains, and its callbacks.
Attach = Callable[[keras.Model, str], tuple[keras.Model, list[keras.callbacks.Callback]]]


@dataclass(frozen=True)
class Variant:
    """An optimizer, and who watches it."""

    optimizer: Callable[[], keras.Optimizer]
    attach: Attach = lambda model, log_dir: (model, [])


@dataclass(frozen=True)
class Timing:
    """What one variant took.

    Attributes:
        seconds: (rounds,) per step.
        first_s: from the call of `fit` to the end of the first step.
        end_s: from the end of the last epoch to that of the training, when all callbacks are done.
        written_bytes: size of its files, per step.
        buffer_bytes: the recorder's buffers on the device; None if there is none.
        memory_bytes: the GPU memory that a round takes beyond what stays allocated; None without a GPU.
        judgements: how often its run was judged in all.
        judging_s: what that took together.
    """

    seconds: np.ndarray
    first_s: float
    end_s: float
    written_bytes: float
    buffer_bytes: int | None
    memory_bytes: int | None
    judgements: int
    judging_s: float


class Clock(keras.callbacks.Callback):
    """Times epochs from number `warm` on and calls `turn` after each; made right before `fit`, as its last callback."""

    def __init__(
        self, warm: int, turn: Callable[[], None], callbacks: list[keras.callbacks.Callback]
    ) -> None:
        super().__init__()
        self.async_safe = (
            BACKEND == "jax"
        )  # a `fit` without callbacks does not wait for each batch there
        self.warm, self.turn = warm, turn
        self.recorders = [c for c in callbacks if isinstance(c, adamax_tb.OptimizerHealth)]
        self.times: list[float] = []
        self.memory: list[int] = []
        self.first_s: float | None = None
        self.end_s = 0.0
        self.start = time.perf_counter()
        self.resident = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops the watch at the first step."""
        if self.first_s is None:
            if BACKEND != "jax":  # there this is another thread; tracing and compiling are over
                self.wait()
            self.first_s = time.perf_counter() - self.start

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops the watch, lets the others run and starts it again."""
        self.wait()
        if epoch >= self.warm:
            self.times.append(time.perf_counter() - self.start)
            if gpus():
                self.memory.append(
                    tf.config.experimental.get_memory_info("GPU:0")["peak"] - self.resident
                )
        if epoch + 1 >= self.warm:
            self.turn()
        if gpus():
            tf.config.experimental.reset_memory_stats("GPU:0")
            self.resident = tf.config.experimental.get_memory_info("GPU:0")["current"]
        self.start = time.perf_counter()

    def on_train_end(self, logs: Any = None) -> None:
        """Stops the watch: the other callbacks are done."""
        self.end_s = time.perf_counter() - self.start

    def wait(self) -> None:
        """Returns when the device has made the last update."""
        keras.ops.convert_to_numpy(self.model.trainable_variables[-1].value)


def gpus() -> list[Any]:
    """Returns the GPUs that TensorFlow sees."""
    return tf.config.list_physical_devices("GPU") if BACKEND == "tensorflow" else []


def buffer_bytes(recorders: list[Any]) -> int | None:
    """Returns the size of the recorders' device buffers; None if there are none to be seen."""
    buffers = [r._recording.recorder.buffer for r in recorders]
    sizes = [4 * np.prod(b.shape) for b in buffers if b is not None]  # float32
    return int(sum(sizes)) if sizes else None


def repeated(batch: tuple[np.ndarray, np.ndarray]) -> Any:
    """Returns data that is this batch for ever."""
    if BACKEND != "tensorflow":
        return (batch for _ in itertools.count())
    # its thread sleeps, and an iterator is not gone before it wakes: seconds for nothing at the end of a fit
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return tf.data.Dataset.from_tensors(batch).repeat().with_options(untuned)


def trained(
    workload: Workload,
    variant: Variant,
    jit: bool,
    epochs: int,
    steps: int,
    turn: Callable[[], None] = lambda: None,
) -> Timing:
    """Trains a fresh model in a `fit` of `epochs` timed epochs of `steps`, after those that warm it up."""
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    warm = -(-WARM_STEPS // steps) if epochs else 1
    with tempfile.TemporaryDirectory() as log_dir:
        model, callbacks = variant.attach(workload.build(), log_dir)
        model.compile(variant.optimizer(), loss, jit_compile=jit)
        clock = Clock(warm, turn, callbacks)
        model.fit(
            repeated(workload.batch),
            epochs=warm + epochs,
            steps_per_epoch=steps,
            verbose=0,
            callbacks=[*callbacks, clock],
        )
        budgets = [recorder._recording.alerts.budget for recorder in clock.recorders]
        written = sum(path.stat().st_size for path in Path(log_dir).rglob("*") if path.is_file())
    return Timing(
        seconds=np.array(clock.times) / steps,
        first_s=clock.first_s,
        end_s=clock.end_s,
        written_bytes=written / ((warm + epochs) * steps),
        buffer_bytes=buffer_bytes(clock.recorders),
        memory_bytes=max(clock.memory, default=None),
        judgements=sum(budget.judgements for budget in budgets),
        judging_s=sum(budget.spent_s for budget in budgets),
    )


def measured(
    workload: Workload, jit: bool, variants: Mapping[str, Variant], rounds: int, steps: int
) -> dict[str, Timing | Exception]:
    """Returns variant → what it took, or why it failed, all having taken turns; stock must be one and not fail."""
    strict()
    names = list(variants)
    turns = {name: threading.Semaphore(0) for name in names}
    results: dict[str, Timing | Exception] = {}

    def hand_over(name: str) -> None:
        place = names.index(name) + 1
        following = (n for n in names[place:] + names[:place] if n not in results)
        if (other := next(following, None)) is not None:
            turns[other].release()

    def train(name: str) -> None:
        def turn() -> None:
            hand_over(name)
            turns[name].acquire()

        turns[name].acquire()
        try:
            results[name] = trained(workload, variants[name], jit, rounds, steps, turn)
        except Exception as error:  # summaries do not compile under XLA: a result as well
            results[name] = error
        finally:
            hand_over(name)

    threads = [threading.Thread(target=train, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    turns[names[0]].release()
    for thread in threads:
        thread.join()
    if isinstance(results[STOCK], Exception):
        raise results[STOCK]
    return {name: results[name] for name in names}


def first_steps(
    workload: Workload, jit: bool, variants: Mapping[str, Variant], rounds: int = 3
) -> dict[str, np.ndarray | Exception]:
    """Returns variant → (rounds,) seconds to the end of the first step of a fresh model, or why it failed."""
    strict()
    trained(workload, variants[STOCK], jit, epochs=0, steps=1)  # the process's own first
    taken: dict[str, list[float]] = {name: [] for name in variants}
    failed: dict[str, Exception] = {}
    for _ in range(rounds):
        for name, variant in variants.items():
            if name in failed:
                continue
            try:
                taken[name].append(trained(workload, variant, jit, epochs=0, steps=1).first_s)
            except Exception as error:
                failed[name] = error
    return {name: failed.get(name, np.array(seconds)) for name, seconds in taken.items()}


def strict() -> None:
    """Makes a recorder that gives up an error: what records nothing is quick, and no measurement."""
    warnings.filterwarnings("error", message="OptimizerHealth")


def ratio(values: np.ndarray, stock: np.ndarray) -> str:
    """Returns the median of the paired ratios and their quartiles."""
    low, middle, high = np.percentile(values / stock, (25, 50, 75))
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def reason(error: Exception) -> str:
    """Returns the first words of an error that say something: XLA's come after a list of places."""
    text = " ".join(str(error).split())
    text = text[max(0, text.find("Detected unsupported operations")) :]
    return f"fails: {type(error).__name__}: {text[:100]}"
