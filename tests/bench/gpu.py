"""Cost of a whole training step on a GPU, a line per variant as it comes: ratios to stock Keras Adamax, unrecorded.

    python tests/bench/gpu.py --only mlp --only cnn          on a GPU host; an hour in all, so a part at a time
    python tests/bench/gpu.py --only "large transformer" --jit 1 --variant "AdaMax + OptimizerHealth"
    python tests/bench/gpu.py --cpu --only mlp --rounds 2    a smoke test without a GPU

Prints the hardware and versions, then per workload, XLA off and on, and variant: the median [quartiles] over the rounds
of its time over stock's in the same round, both medians in ms a step, the seconds to the end of the first step (tracing
and compiling), the recorder's buffer and, as "temporary", the most device memory that a round took beyond what stays
allocated; behind a slash is stock's. "stock Adamax, again" is stock against itself: the noise.

Each line is a process of its own, in which stock and the variant take turns (paired.py says how). It is ended after
`--limit` seconds, so that a compilation that hangs costs only its own line.
"""

import argparse
import itertools
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "--cpu" in sys.argv:
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from paired import STOCK, Timing, gpus, measured, ratio, reason, trained
from train_step import VARIANTS
from workloads import workloads

#: name → steps of a round: 1 s or more, that is several drains of the recorder.
STEPS = {"mlp": 800, "small transformer": 320, "large transformer": 80, "cnn": 800}
AGAIN = "stock Adamax, again"
COMPARED = {**{n: v for n, v in VARIANTS.items() if n != STOCK}, AGAIN: VARIANTS[STOCK]}


def hardware() -> str:
    """Returns what this is measured on."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    if not gpus():
        device = f"{len(os.sched_getaffinity(0))} CPU cores"
    else:
        try:
            device = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            device = str(tf.config.experimental.get_device_details(gpus()[0]).get("device_name"))
    build = tf.sysconfig.get_build_info()
    cuda = f"CUDA {build.get('cuda_version')}, cuDNN {build.get('cudnn_version')} (of the build)"
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {cuda}"
    return f"{'; '.join(device.strip().splitlines())}; {versions}"


def line(stock: Timing, timing: Timing | Exception) -> str:
    """Returns what came out of one comparison."""
    if isinstance(timing, Exception):
        return reason(timing)
    ms, stock_ms = (1e3 * np.median(t.seconds) for t in (timing, stock))
    told = f"{ratio(timing.seconds, stock.seconds)}  {ms:.3g}/{stock_ms:.3g} ms"
    told += f"  first step {timing.first_s:.1f}/{stock.first_s:.1f} s"
    if timing.buffer_bytes is not None:
        told += f"  buffer {timing.buffer_bytes / 2**20:.2f} MiB"
    if timing.memory_bytes is not None:
        temporary = (t.memory_bytes / 2**20 for t in (timing, stock))
        told += "  temporary " + "/".join(f"{size:.0f}" for size in temporary) + " MiB"
    return told


def compare(name: str, jit: bool, variant: str, args: argparse.Namespace) -> None:
    """Measures one variant against stock, in this process, and prints its line."""
    pair = {STOCK: VARIANTS[STOCK], variant: COMPARED[variant]}
    steps = args.steps or STEPS[name]
    models = workloads()
    # what a process does once, such as starting XLA, is not to count as stock's first step
    trained(models["mlp"], VARIANTS[STOCK], jit, epochs=0, steps=1)
    results = measured(models[name], jit, pair, args.rounds, steps)
    print(line(results[STOCK], results[variant]), end="", flush=True)


def compare_apart(name: str, jit: bool, variant: str, args: argparse.Namespace) -> None:
    """Has a process of its own do that, and ends it when its time is up."""
    print(f"{name}, XLA {'on' if jit else 'off'}, {variant}: ", end="", flush=True)
    part = ["--child", "--only", name, "--jit", str(int(jit)), "--variant", variant]
    began = time.perf_counter()
    try:
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], *part], timeout=args.limit)
        if done.returncode:
            print(f"ended with code {done.returncode}", end="")
    except subprocess.TimeoutExpired:
        print(f"nothing after {args.limit} s", end="")
    print(f"  ({time.perf_counter() - began:.0f} s in all)", flush=True)


def main() -> None:
    """Prints a line per comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=STEPS, help="repeatable")
    parser.add_argument("--jit", type=int, choices=(0, 1))
    parser.add_argument("--variant", action="append", choices=COMPARED, help="repeatable")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, help="of a round, instead of the workload's own")
    parser.add_argument("--limit", type=float, default=240, help="seconds for one line")
    parser.add_argument("--cpu", action="store_true", help="a smoke test without a GPU")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:  # the last of a repeated option is the one meant
        compare(args.only[-1], bool(args.jit), args.variant[-1], args)
        return
    if not args.cpu and not gpus():
        sys.exit("TensorFlow sees no GPU; --cpu for a smoke test without one")
    print(f"{hardware()}; {args.rounds} rounds; median ratio to stock [quartiles]", flush=True)
    jits = (False, True) if args.jit is None else (bool(args.jit),)
    for part in itertools.product(args.only or STEPS, jits, args.variant or COMPARED):
        compare_apart(*part, args)


if __name__ == "__main__":
    main()
