"""Cost of a whole training step against stock Keras Adamax with nothing recorded: ratios of paired runs.

Run it with `make bench`. In each round every variant in turn takes as many steps, in one process; a ratio is a
variant's time over stock's in the same round, so that what else the machine does strikes both. Prints the median and
the quartiles over the rounds. Results are kept in tests/bench/RESULTS.md.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import adamax_tb

EVERY = 10


@dataclass
class Workload:
    """A model and a batch; `steps` of it are timed in one go."""

    name: str
    build: Callable[[], Any]
    batch: tuple[np.ndarray, np.ndarray]
    steps: int


def mlp() -> Any:
    """Returns an MLP of 3 layers, 85 k parameters: a step of under a millisecond."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((64,)), layers.Dense(256, "relu"), layers.Dense(256, "relu"), layers.Dense(10)]
    )


def transformer() -> Any:
    """Returns an encoder of 4 blocks, 2.2 M parameters in 67 variables."""
    layers = keras.layers
    tokens = keras.Input((32,), dtype="int32")
    x = layers.Embedding(2000, 192)(tokens)
    for _ in range(4):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 48)(y, y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(192)(layers.Dense(768, "gelu")(y))
        x = layers.Add()([x, y])
    return keras.Model(tokens, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


def cnn() -> Any:
    """Returns a small CNN with a wide dense layer, 4.2 M parameters."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1024, "relu"),
            layers.Dense(10),
        ]
    )


def workloads() -> list[Workload]:
    """Returns the models that are timed; the data is noise, which costs as much as anything."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 32)
    floats = rng.normal(size=(32, 64)).astype("float32")
    images = rng.normal(size=(32, 16, 16, 3)).astype("float32")
    tokens = rng.integers(0, 2000, (32, 32)).astype("int32")
    return [
        Workload("mlp", mlp, (floats, labels), 200),
        Workload("transformer", transformer, (tokens, labels), 10),
        Workload("cnn", cnn, (images, labels), 20),
    ]


class Clock(keras.callbacks.Callback):
    """Times the batches of a fit, the first `skip` left out: they trace and warm up."""

    def __init__(self, skip: int, steps: int, turn: Callable[[], None]) -> None:
        super().__init__()
        self.skip, self.steps, self.turn = skip, steps, turn
        self.times: list[float] = []
        self.count = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Starts or stops the watch at the ends of a round."""
        self.count += 1
        past = self.count - self.skip
        if past > 0 and past % self.steps == 0:
            self.times.append(time.perf_counter() - self.start)
            self.turn()
        if past >= 0 and past % self.steps == 0:
            self.start = time.perf_counter()


def variants() -> dict[str, tuple[Callable[[], Any], bool]]:
    """Returns name → (optimizer, whether it is recorded)."""
    return {
        "stock Adamax": (lambda: keras.optimizers.Adamax(1e-3), False),
        "AdaMax": (lambda: adamax_tb.AdaMax(1e-3), False),
        "AdaMax + OptimizerHealth": (lambda: adamax_tb.AdaMax(1e-3), True),
        "stock Adamax + OptimizerHealth": (lambda: keras.optimizers.Adamax(1e-3), True),
    }


def measure(workload: Workload, jit: bool, rounds: int) -> dict[str, list[float]]:
    """Returns variant → seconds per step in each round.

    The variants train in threads of which one runs at a time, handing over after every round: so all live in real
    `fit` calls, callbacks and all, and still take turns.
    """
    import threading

    names = list(variants())
    turns = {name: threading.Semaphore(0) for name in names}
    finished = set()
    times: dict[str, list[float]] = {}
    x, y = workload.batch
    data = tf.data.Dataset.from_tensors((x, y)).repeat()

    def hand_over(name: str) -> None:
        following = names[names.index(name) + 1 :] + names[: names.index(name) + 1]
        for other in following:
            if other not in finished:
                turns[other].release()
                return

    def train(name: str) -> None:
        turns[name].acquire()
        optimizer, recorded = variants()[name]
        keras.utils.set_random_seed(0)
        model = workload.build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer(), loss, jit_compile=jit)

        def turn() -> None:
            hand_over(name)
            turns[name].acquire()

        clock = Clock(skip=2 * EVERY, steps=workload.steps, turn=turn)
        with tempfile.TemporaryDirectory() as log_dir:
            callbacks = [adamax_tb.OptimizerHealth(log_dir, every=EVERY)] if recorded else []
            total = clock.skip + workload.steps * rounds
            model.fit(data, steps_per_epoch=total, verbose=0, callbacks=[*callbacks, clock])
        times[name] = [t / workload.steps for t in clock.times]
        finished.add(name)
        hand_over(name)

    threads = [threading.Thread(target=train, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    turns[names[0]].release()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    """Prints a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", help="one of mlp, transformer, cnn")
    args = parser.parse_args()
    print(
        f"{args.rounds} rounds, record every {EVERY} steps; median ratio to stock Adamax [quartiles]",
        flush=True,
    )
    for workload in workloads():
        if args.only not in (None, workload.name):
            continue
        for jit in (False, True):
            times = measure(workload, jit, args.rounds)
            stock = np.array(times.pop("stock Adamax"))
            print(
                f"{workload.name}, jit_compile={jit}: stock Adamax {1e3 * np.median(stock):.3g} ms a step"
            )
            for name, seconds in times.items():
                low, middle, high = np.percentile(np.array(seconds) / stock, (25, 50, 75))
                print(f"  {name:32} {middle:.3f} [{low:.3f}, {high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
