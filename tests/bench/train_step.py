"""Cost of a whole training step against stock Keras Adamax with nothing recorded: ratios of paired runs.

    .venv/bin/python tests/bench/train_step.py                      a part of `make bench`
    .venv/bin/python tests/bench/train_step.py --peers --rounds 5   what else records, too, in epochs of 100 steps
    .venv/bin/python tests/bench/train_step.py --compile            time of the first step instead
    .venv/bin/python tests/bench/train_step.py --judging            what judging the run takes while it trains

    KERAS_BACKEND=jax .venv/bin/python tests/bench/train_step.py     on another backend; torch, too

`--only mlp|transformer|cnn` and `--jit 0|1` measure a part. paired.py says how variants are paired and what is counted.
Prints for each variant the median [quartiles] over the rounds of its time over stock's; what `fit` took after its
last epoch; the bytes it wrote per step; and the size of the recorder's buffer on the device. With `--compile`: the
median over 3 fresh models of the time from calling `fit` to the end of the first step, as a ratio to stock's in the
same round.

`--judging` has OptimizerHealth take turns with one that never judges, and says how often it did, what a judgement took,
and all of them of its own time. Its budget is a part of the time that passes, which is that of three variants here.

Keras's TensorBoard callback writes once per epoch, whose length is therefore part of the result: with `--peers` every
variant's epochs, and rounds, are of 100 steps. Summaries fail under XLA, which the table says.
Results are kept in tests/bench/RESULTS.md.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from paired import BACKEND, STOCK, Attach, Timing, Variant, first_steps, measured, ratio, reason
from workloads import Workload, workloads

import adamax_tb

PEERS_EPOCH = 100
#: Backend → what jit_compile is: on JAX a step that is not compiled is no training, on PyTorch Keras compiles none.
JIT = {"tensorflow": (False, True), "jax": (True,), "torch": (False,)}


class Unjudged(adamax_tb.OptimizerHealth):
    """Records, and never judges what it records."""

    def set_model(self, model: keras.Model) -> None:
        """Has no judgement be due."""
        super().set_model(model)
        self._recording.alerts.is_due = lambda bad, ended: False


def health(every: int = 10) -> Attach:
    """Returns what has OptimizerHealth record a model."""
    return lambda model, log_dir: (model, [adamax_tb.OptimizerHealth(log_dir, every)])


def stock() -> keras.Optimizer:
    """Returns what the ratios are to."""
    return keras.optimizers.Adamax(1e-3)


def ours() -> keras.Optimizer:
    """Returns AdaMax."""
    return adamax_tb.AdaMax(1e-3)


VARIANTS = {
    STOCK: Variant(stock),
    "AdaMax": Variant(ours),
    "AdaMax + OptimizerHealth": Variant(ours, health()),
    "AdaMax + OptimizerHealth(every=1)": Variant(ours, health(every=1)),
    "stock Adamax + OptimizerHealth": Variant(stock, health()),
}

JUDGING = {
    STOCK: Variant(stock),
    "AdaMax + OptimizerHealth": Variant(ours, health()),
    "the same, never judged": Variant(ours, lambda model, log_dir: (model, [Unjudged(log_dir)])),
}


def told(title: str, results: dict[str, Timing | Exception], steps: int) -> None:
    """Prints the ratios of one workload."""
    base = results[STOCK].seconds
    print(f"{title}: stock Adamax {1e3 * np.median(base):.3g} ms a step", flush=True)
    for name, timing in results.items():
        if isinstance(timing, Exception):
            line = reason(timing)
        else:
            line = f"{ratio(timing.seconds, base)}  end of fit {1e3 * timing.end_s:5.1f} ms"
            if timing.written_bytes:
                line += f"  {timing.written_bytes / 1e3:6.2f} kB a step"
            if timing.buffer_bytes:
                line += f"  buffer {timing.buffer_bytes / 1e3:.0f} kB"
            if timing.judgements:
                each = timing.judging_s / timing.judgements
                part = timing.judging_s / (timing.seconds.sum() * steps)
                line += f"  {timing.judgements} judgements of {1e3 * each:.2f} ms, {part:.2%}"
        print(f"  {name:40} {line}", flush=True)


def told_first(title: str, results: dict[str, np.ndarray | Exception]) -> None:
    """Prints the times of the first step."""
    base = results[STOCK]
    print(f"{title}: stock Adamax {np.median(base):.3g} s to the first step's end", flush=True)
    for name, seconds in results.items():
        failed = isinstance(seconds, Exception)
        line = reason(seconds) if failed else f"{np.median(seconds / base):.3f}"
        print(f"  {name:40} {line}", flush=True)


def measure(workload: Workload, title: str, jit: bool, args: argparse.Namespace) -> None:
    """Measures one workload and prints what came out."""
    variants = JUDGING if args.judging else VARIANTS
    if args.peers:
        from peers import PEERS  # which need TensorFlow

        variants = variants | PEERS
    if args.compile:
        told_first(title, first_steps(workload, jit, variants))
    else:
        steps = PEERS_EPOCH if args.peers else workload.steps
        told(title, measured(workload, jit, variants, args.rounds, steps), steps)


def main() -> None:
    """Prints a table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=("mlp", "transformer", "cnn"))
    parser.add_argument("--jit", type=int, choices=(0, 1))
    parser.add_argument("--peers", action="store_true", help="what else records, too")
    parser.add_argument("--judging", action="store_true", help="what judging takes instead")
    parser.add_argument("--compile", action="store_true", help="time of the first step instead")
    args = parser.parse_args()
    over = "3 fresh models" if args.compile else f"{args.rounds} rounds"
    print(f"{over}; median ratio to stock Adamax with nothing recorded [quartiles]", flush=True)
    models = workloads()
    for name in (args.only,) if args.only else ("mlp", "transformer", "cnn"):
        for jit in JIT[BACKEND] if args.jit is None else (bool(args.jit),):
            measure(models[name], f"{name}, jit_compile={jit}", jit, args)


if __name__ == "__main__":
    main()
