"""Cost of the optimizer alone: AdaMax against stock Keras Adamax, PyTorch's, and the floor of memory traffic.

Run it with `make bench`. In each round every variant in turn applies the same gradients to variables of its own, in one
process; a ratio is a variant's time over stock's, or the floor's, in the same round. Prints the median and the
quartiles over the rounds. Results are kept in tests/bench/RESULTS.md.
"""

import argparse
import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import adamax_tb

Shapes = list[tuple[int, ...]]
Variants = dict[str, Callable[[], object]]

#: name → shapes of the variables: those of the models in train_step.py, and 20 M parameters.
MODELS: dict[str, Shapes] = {
    "MLP, 85 k": [(64, 256), (256,), (256, 256), (256,), (256, 10), (10,)],
    "transformer, 2.2 M": [(2000, 192)]
    + 4 * [*4 * [(192, 192)], *8 * [(192,)], (192, 768), (768,), (768, 192), (192,)],
    "20 M": [*16 * [(1024, 1024)], *16 * [(1024,)], (3276, 1000)],
}
TABLE, TOUCHED = (200_000, 64), 1024


def arrays(shapes: Shapes) -> list[np.ndarray]:
    """Returns random float32 arrays."""
    random = np.random.default_rng(0)
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def keras_apply(optimizer: keras.Optimizer, shapes: Shapes, jit: bool) -> Callable[[], object]:
    """Returns the compiled step of an optimizer of its own variables."""
    variables = [keras.Variable(array) for array in arrays(shapes)]
    gradients = [tf.constant(array) for array in arrays(shapes)]
    optimizer.build(variables)
    return tf.function(lambda: optimizer.apply(gradients, variables), jit_compile=jit)


def torch_apply(shapes: Shapes, foreach: bool) -> Callable[[], object] | None:
    """Returns PyTorch's step, with as many threads as there are cores; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    variables = [torch.from_numpy(array).requires_grad_() for array in arrays(shapes)]
    for variable, gradient in zip(variables, arrays(shapes), strict=True):
        variable.grad = torch.from_numpy(gradient)
    return torch.optim.Adamax(variables, lr=1e-3, foreach=foreach).step


def floor(shapes: Shapes) -> Callable[[], object]:
    """Returns the memory traffic that no step can do without: 4 floats read and 3 written per parameter."""
    threads = len(os.sched_getaffinity(0))
    size = sum(int(np.prod(shape)) for shape in shapes)
    changed, read = np.ones((3, size), np.float32), np.ones(size, np.float32)
    pool = ThreadPoolExecutor(threads)
    edges = np.linspace(0, size, threads + 1).astype(int)
    parts = [slice(a, b) for a, b in itertools.pairwise(edges)]

    def move(part: slice) -> None:
        for (
            array
        ) in changed:  # in place, as a step does: memory that is written has been read already
            np.multiply(array[part], np.float32(1), out=array[part])
        read[part].max()

    return lambda: list(pool.map(move, parts))


def dense(shapes: Shapes) -> Variants:
    """Returns the variants of a dense step."""
    torch_variants = {
        "torch.optim.Adamax(foreach=True)": torch_apply(shapes, foreach=True),
        "torch.optim.Adamax(foreach=False)": torch_apply(shapes, foreach=False),
    }
    return {
        "floor, 7 floats a parameter": floor(shapes),
        "stock Adamax": keras_apply(keras.optimizers.Adamax(1e-3), shapes, False),
        "AdaMax": keras_apply(adamax_tb.AdaMax(1e-3), shapes, False),
        "AdaMax, restart_every": keras_apply(
            adamax_tb.AdaMax(1e-3, restart_every=10_000), shapes, False
        ),
        "stock Adamax, XLA": keras_apply(keras.optimizers.Adamax(1e-3), shapes, True),
        "AdaMax, XLA": keras_apply(adamax_tb.AdaMax(1e-3), shapes, True),
        **{name: step for name, step in torch_variants.items() if step is not None},
    }


def sparse() -> Variants:
    """Returns the variants of a step of a table of which few rows have a gradient."""

    def variant(optimizer: keras.Optimizer) -> Callable[[], object]:
        table = keras.Variable(arrays([TABLE])[0])
        optimizer.build([table])
        random = np.random.default_rng(1)
        rows = tf.constant(random.integers(0, TABLE[0], TOUCHED))
        values = tf.constant(random.normal(size=(TOUCHED, TABLE[1])).astype(np.float32))
        slices = tf.IndexedSlices(values, rows, TABLE)
        return tf.function(lambda: optimizer.apply([slices], [table]))

    return {
        "stock Adamax": variant(keras.optimizers.Adamax(1e-3)),
        "AdaMax": variant(adamax_tb.AdaMax(1e-3)),
        "AdaMax, lazy_rows": variant(adamax_tb.AdaMax(1e-3, lazy_rows=True)),
    }


def measured(variants: Variants, rounds: int) -> dict[str, np.ndarray]:
    """Returns variant → seconds per step in each round."""
    for step in variants.values():
        for _ in range(3):
            step()
    once = time.perf_counter()
    variants["stock Adamax"]()
    repeat = max(1, round(0.05 / (time.perf_counter() - once)))
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, step in variants.items():
            start = time.perf_counter()
            for _ in range(repeat):
                step()
            times[name].append((time.perf_counter() - start) / repeat)
    return {name: np.array(seconds) for name, seconds in times.items()}


def told(title: str, times: dict[str, np.ndarray], beside: dict[str, str]) -> None:
    """Prints each variant's time, and its ratio to each of the variants `beside`."""
    print(title, flush=True)
    for name, seconds in times.items():
        line = f"  {name:34} {1e3 * np.median(seconds):8.3f} ms"
        for base, words in beside.items():
            low, middle, high = np.percentile(seconds / times[base], (25, 50, 75))
            line += f"   {middle:.3f} [{low:.3f}, {high:.3f}] of {words}"
        print(line, flush=True)


def main() -> None:
    """Prints a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    for name, shapes in MODELS.items():
        beside = {"stock Adamax": "stock", "stock Adamax, XLA": "stock, XLA"}
        if name == "20 M":
            beside["floor, 7 floats a parameter"] = "the floor"
        told(f"apply alone, {name}, {rounds} rounds", measured(dense(shapes), rounds), beside)
    title = f"apply alone, table of {TABLE[0]} x {TABLE[1]}, {TOUCHED} rows of a batch"
    told(title, measured(sparse(), rounds), {"stock Adamax": "stock"})


if __name__ == "__main__":
    main()
